"""A traversal from a model and data: what `act` does, for data of every shape."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from symgen import TVAE, VAE
from symgen.figures import as_pictures, traversal, traversal_strip

FRAMES = 6
SIZES = {"capsules": 2, "units": FRAMES, "frames": FRAMES, "width": 8}
PICTURES = {
    "gray image": (1, 9, 7),
    "image of two channels": (2, 9, 7),
    "image of five channels": (5, 9, 7),
    "volume": (1, 3, 9, 7),
    "volume of two channels": (2, 3, 9, 7),
}


def model_of(data_shape, **options):
    return TVAE(data_shape, **SIZES, window=3, **options)


def by_hand(model, x):
    """Given, reconstructed and rolled sequences."""
    with torch.no_grad():
        t = model.latents(x)
        rolled = [model.decode(model.act(t[:, 0], step)).mean for step in range(FRAMES)]
        return x, model.decode(t).mean, torch.stack(rolled, 1)


@pytest.mark.parametrize("kind", PICTURES)
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_images_and_volumes_are_strips_of_pictures(kind, likelihood, tmp_path):
    data_shape = PICTURES[kind]
    model = model_of(data_shape, likelihood=likelihood)
    x = torch.rand(2, FRAMES, *data_shape)
    if likelihood == "gaussian":
        x = 4 * x - 2
    found = traversal(model, x, tmp_path / "roll.png", titles=["scale", "hue"])
    pictures = as_pictures(*by_hand(model, x), dims=len(data_shape))
    seen = model.topography.receptive_field()
    assert seen.tolist() == [True, True, False, False, False, True]
    assert found == traversal_strip(*pictures, seen, titles=["scale", "hue"])
    with Image.open(tmp_path / "roll.png") as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(found))


@pytest.mark.parametrize("kind", ["gray image", "volume of two channels"])
def test_a_gif_has_every_frame(kind, tmp_path):
    path = tmp_path / "roll.gif"
    traversal(model_of(PICTURES[kind]), torch.rand(2, FRAMES, *PICTURES[kind]), gif=path)
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as animation:
        assert animation.n_frames == FRAMES


def test_vectors_are_heat_maps_over_time(tmp_path):
    model, x = model_of((5,), likelihood="gaussian"), torch.randn(2, FRAMES, 5)
    figure = traversal(model, x, tmp_path / "roll.png", titles=["left", "right"])
    assert isinstance(figure, Figure) and (tmp_path / "roll.png").is_file()
    versions = by_hand(model, x)
    for place, panel in enumerate(figure.axes):
        shown, expected = panel.images[0].get_array(), versions[place % 3][place // 3].T
        np.testing.assert_allclose(shown, expected, atol=1e-5)
        assert [line.get_xdata()[0] for line in panel.lines] == [1.5, 4.5]  # 2, 3, 4 not seen
    assert len(figure.axes) == 6


def test_vectors_are_no_animation(tmp_path):
    model, x = model_of((5,), likelihood="gaussian"), torch.randn(2, FRAMES, 5)
    with pytest.raises(ValueError, match=r"roll\.gif' of vectors: they are drawn as heat maps"):
        traversal(model, x, tmp_path / "roll.png", gif=tmp_path / "roll.gif")
    assert list(tmp_path.iterdir()) == []


WRONG = [
    ({"path": "roll.gif"}, ValueError, r"cannot write .*roll\.gif: let the name end in \.png"),
    ({"gif": "roll.png"}, ValueError, r"cannot write .*roll\.png: let the name end in \.gif"),
    ({"path": "no/roll.png"}, FileNotFoundError, r"cannot write .*png: make the folder .*no"),
    ({"gif": "no/roll.gif"}, FileNotFoundError, r"cannot write .*gif: make the folder .*no"),
    ({"titles": ["one"]}, ValueError, r"1 titles \['one'\] for 2 examples"),
]


@pytest.mark.parametrize(
    ("data_shape", "wrong", "error", "message"),
    [
        (data_shape, *case)
        for data_shape in ((1, 9, 7), (1, 3, 9, 7), (5,))
        for case in WRONG
        if len(data_shape) > 1 or "gif" not in case[0]
    ],
)
def test_everything_is_checked_before_anything_is_inferred_or_written(
    data_shape, wrong, error, message, tmp_path, monkeypatch
):
    options = {"path": "strip.png", "gif": "moving.gif", "titles": ["scale", "hue"]} | wrong
    options |= {name: tmp_path / options[name] for name in ("path", "gif")}
    if len(data_shape) == 1:
        del options["gif"]
    model = model_of(data_shape, likelihood="gaussian")
    monkeypatch.setattr(type(model), "encode", lambda *_: pytest.fail("inferred too early"))
    with pytest.raises(error, match=message):
        traversal(model, torch.rand(2, FRAMES, *data_shape), **options)
    assert list(tmp_path.iterdir()) == []


def test_sequences_that_do_not_fit_the_model_write_nothing(tmp_path):
    options = {"path": tmp_path / "strip.png", "gif": tmp_path / "moving.gif"}
    with pytest.raises(ValueError):
        traversal(model_of((1, 9, 7)), torch.rand(2, FRAMES, 1, 7, 9), **options)
    assert list(tmp_path.iterdir()) == []


def test_a_plain_vae_sees_the_first_frame_only():
    model, x = VAE((1, 9, 7), **SIZES), torch.rand(1, FRAMES, 1, 9, 7)
    seen = torch.arange(FRAMES) < 1
    assert traversal(model, x) == traversal_strip(*by_hand(model, x), seen)
