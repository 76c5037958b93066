"""Figures: what is drawn is the given pixels and the given numbers, in the given places."""

import math
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from symgen.figures import (
    class_selectivity,
    learning_curves,
    max_activating,
    torus_map,
    traversal_gif,
    traversal_strip,
)

SEEN = torch.tensor([True, True, False, True])


def packed(rgb: np.ndarray) -> np.ndarray:
    """One number per pixel, which is quick to compare."""
    return rgb.astype(np.int32) @ np.array([65536, 256, 1], dtype=np.int32)


def pixels(image: torch.Tensor, scale: int) -> np.ndarray:
    """Repeat every pixel of (channels, height, width) scale x scale times, as 8-bit RGB."""
    levels = (image * 255).round().to(torch.uint8).numpy()
    levels = np.broadcast_to(levels, (3, *levels.shape[1:])).transpose(1, 2, 0)
    return np.kron(levels, np.ones((scale, scale, 1), dtype=np.uint8))


def places(picture: Image.Image, image: torch.Tensor, scale: int) -> list[tuple[int, int]]:
    """Top left corners (y, x) at which a picture shows exactly an enlarged image."""
    whole, tile = packed(np.asarray(picture.convert("RGB"))), packed(pixels(image, scale))
    height, width = tile.shape
    reach_y, reach_x = (max(0, size) for size in np.subtract(whole.shape, tile.shape) + 1)
    matches = np.ones((reach_y, reach_x), dtype=bool)
    for y, x in ((0, 0), (height // 3, width // 3), (height // 2, 0), (height - 1, width - 1)):
        matches &= whole[y : y + reach_y, x : x + reach_x] == tile[y, x]
    return [
        (int(y), int(x))
        for y, x in np.argwhere(matches)
        if (whole[y : y + height, x : x + width] == tile).all()
    ]


def scale_in(picture: Image.Image, image: torch.Tensor) -> int:
    """The whole factor by which an image is enlarged in a picture."""
    scale = next((scale for scale in range(1, 40) if places(picture, image, scale)), None)
    assert scale is not None, "the image is nowhere in the picture"
    return scale


def rows_of(*shape: int, levels: int = 256) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randint(levels, shape) / (levels - 1) for _ in range(3))


@pytest.mark.parametrize(
    ("channels", "height", "width"), [(1, 28, 28), (3, 28, 28), (1, 64, 64), (3, 10, 16)]
)
def test_strip_shows_every_pixel_at_its_place(channels: int, height: int, width: int) -> None:
    rows = rows_of(2, 4, channels, height, width)
    strip = traversal_strip(*rows, torch.ones(4, dtype=torch.bool), titles=["scale", "hue"])
    scale = scale_in(strip, rows[0][0, 0])
    assert scale * height >= 84
    corners = np.empty((2, 3, 4, 2), dtype=int)
    for row, images in enumerate(rows):
        for example in range(2):
            for frame in range(4):
                (corners[example, row, frame],) = places(strip, images[example, frame], scale)
    # Columns share x and rows share y, at constant distances, in reading order.
    assert (corners[..., 1] == corners[:1, :1, :, 1]).all()
    assert (corners[..., 0] == corners[..., :1, 0]).all()
    assert len(set(np.diff(corners[0, 0, :, 1]).tolist())) == 1
    assert len(set(np.diff(corners[:, :, 0, 0]).ravel().tolist())) == 1
    assert (np.diff(corners[0, 0, :, 1]) > scale * width).all()
    assert (np.diff(corners[..., 0, 0].ravel()) > scale * height).all()


def test_strip_greys_only_given_frames_that_were_not_seen() -> None:
    rows = rows_of(1, 4, 3, 28, 28)
    strip = traversal_strip(*rows, SEEN)
    scale = scale_in(strip, rows[0][0, 0])
    side = 28 * scale
    (y, left), (_, right) = (places(strip, rows[0][0, frame], scale)[0] for frame in (1, 3))
    assert places(strip, rows[0][0, 2], scale) == []
    x = (left + right) // 2
    drawn = np.asarray(strip)[y : y + side, x : x + side].astype(float)
    true = pixels(rows[0][0, 2], scale).astype(float)
    assert np.corrcoef(drawn.ravel(), true.ravel())[0, 1] > 0.999  # the same image,
    assert drawn.std() < true.std() / 2  # but of less contrast
    assert drawn.max() < true.max()
    for images in rows[1:]:
        assert all(len(places(strip, images[0, frame], scale)) == 1 for frame in range(4))


def test_strip_of_one_example_needs_no_leading_dimension() -> None:
    rows = rows_of(1, 4, 1, 12, 12)
    assert traversal_strip(*rows, SEEN) == traversal_strip(*(row[0] for row in rows), SEEN)


def test_strip_leaves_its_input_alone() -> None:
    rows = rows_of(1, 4, 3, 12, 12)
    before = [row.clone() for row in rows]
    traversal_strip(*rows, SEEN)
    assert all(torch.equal(*pair) for pair in zip(rows, before, strict=True))


def test_strip_makes_room_for_a_long_title() -> None:
    rows = rows_of(1, 2, 1, 8, 8)
    title = "the position along the horizontal axis of the picture" * 2
    strip = np.asarray(traversal_strip(*rows, torch.tensor([True, True]), titles=[title]))
    assert (strip[:, -1] == 255).all()


def test_strip_file_holds_what_is_returned(tmp_path: Path) -> None:
    path = tmp_path / "strip.png"
    strip = traversal_strip(*rows_of(1, 4, 1, 12, 12), SEEN, path)
    with Image.open(path) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(strip))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("examples", [1, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_gif_has_every_frame_and_loops_for_ever(
    tmp_path: Path, examples: int, channels: int
) -> None:
    path = tmp_path / "walk.gif"
    rows = rows_of(examples, 4, channels, 28, 28, levels=4)
    traversal_gif(*rows, SEEN, path, milliseconds=70)
    with Image.open(path) as animation:
        assert animation.n_frames == 4
        assert animation.info["loop"] == 0  # the format's sign for without end
        assert animation.height >= 300
        scale = scale_in(animation, rows[0][0, 0])
        for index, moment in enumerate(ImageSequence.Iterator(animation)):
            assert moment.info["duration"] == 70
            for row, images in enumerate(rows):
                for example in range(examples):
                    found = places(moment, images[example, index], scale)
                    assert len(found) == (1 if row or SEEN[index] else 0)
    assert list(tmp_path.iterdir()) == [path]


def test_gif_keeps_frames_that_look_alike(tmp_path: Path) -> None:
    still = torch.full((1, 6, 1, 8, 8), 0.5)
    traversal_gif(still, still, still, torch.ones(6, dtype=torch.bool), tmp_path / "still.gif")
    with Image.open(tmp_path / "still.gif") as animation:
        assert animation.n_frames == 6


def test_gif_marks_frames_that_were_not_seen(tmp_path: Path) -> None:
    grey = torch.full((1, 4, 1, 28, 28), 0.5)
    traversal_gif(grey, grey, grey, SEEN, tmp_path / "mark.gif")
    with Image.open(tmp_path / "mark.gif") as animation:
        coloured = [
            bool(np.ptp(np.asarray(moment.convert("RGB")).astype(int), axis=-1).max() > 100)
            for moment in ImageSequence.Iterator(animation)
        ]
    assert coloured == [not seen for seen in SEEN.tolist()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": torch.rand(4, 28, 28)}, r"\(4, 28, 28\)"),
        ({"rolled": torch.rand(1, 5, 1, 28, 28)}, r"rolled \(1, 5, 1, 28, 28\)"),
        ({"reconstruction": torch.rand(2, 4, 1, 28, 28)}, r"reconstruction \(2, 4, 1, 28, 28\)"),
        ({"seen": torch.ones(3, dtype=torch.bool)}, r"seen has shape \(3,\)"),
        ({"frames": torch.rand(1, 4, 1, 28, 28) + 1}, "frames reaches from 1"),
        ({"rolled": torch.full((1, 4, 1, 28, 28), math.nan)}, "rolled reaches from nan"),
        (dict.fromkeys(("frames", "reconstruction", "rolled"), torch.rand(1, 4, 2, 8, 8)), "2, 8"),
    ],
)
def test_traversals_refuse_what_does_not_fit(
    tmp_path: Path, change: dict[str, torch.Tensor], message: str
) -> None:
    images = torch.rand(1, 4, 1, 28, 28)
    given = {"frames": images, "reconstruction": images, "rolled": images, "seen": SEEN} | change
    with pytest.raises(ValueError, match=message):
        traversal_strip(**given)
    with pytest.raises(ValueError, match=message):
        traversal_gif(**given, path=tmp_path / "walk.gif")
    assert list(tmp_path.iterdir()) == []


def test_traversals_refuse_wrong_titles_and_times(tmp_path: Path) -> None:
    rows = rows_of(2, 4, 1, 8, 8)
    with pytest.raises(ValueError, match=r"1 titles \['scale'\] for 2 examples"):
        traversal_strip(*rows, SEEN, titles=["scale"])
    for milliseconds in (0, -20, 125):
        with pytest.raises(ValueError, match=f"{milliseconds} ms"):
            traversal_gif(*rows, SEEN, tmp_path / "walk.gif", milliseconds)


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("neurons", [(6,), (2, 3)])
def test_max_activating_is_the_image_of_the_greatest_response(
    neurons: tuple[int, ...], absolute: bool
) -> None:
    t, images = torch.randn(20, *neurons) - 1, torch.rand(20, 3, 4, 4)
    best = max_activating(t, images, absolute)
    assert best.shape == (*neurons, 3, 4, 4)
    for neuron in np.ndindex(*neurons):
        responses = [t[(image, *neuron)].item() for image in range(20)]
        responses = [abs(response) if absolute else response for response in responses]
        assert torch.equal(best[neuron], images[responses.index(max(responses))])


def test_max_activating_refuses_another_number_of_images() -> None:
    with pytest.raises(ValueError, match=r"activations \(5, 4\) and images \(6, 1, 2, 2\)"):
        max_activating(torch.rand(5, 4), torch.rand(6, 1, 2, 2))


def discriminability(t: np.ndarray, labels: np.ndarray, label: int) -> float:
    """The d' of one neuron, as it is printed."""
    inside, rest = t[labels == label], t[labels != label]
    return (inside.mean() - rest.mean()) / math.sqrt((inside.var() + rest.var()) / 2)


@pytest.mark.parametrize("threshold", [0.85, 0.2])
@pytest.mark.parametrize("offset", [0.0, 30.0, -1e8])
def test_class_selectivity_is_the_class_of_greatest_discriminability(
    threshold: float, offset: float
) -> None:
    labels = torch.randint(4, (60,))
    t = torch.randn(60, 5, 6, dtype=torch.float64) + 1.5 * torch.randn(4, 5, 6)[labels]
    found = class_selectivity(t + offset, labels, threshold)
    assert found.dtype == torch.int64
    assert found.shape == (5, 6)
    for row, column in np.ndindex(5, 6):
        scores = [
            discriminability(t[:, row, column].numpy(), labels.numpy(), label)
            for label in range(4)
        ]
        expected = int(np.argmax(scores)) if max(scores) >= threshold else -1
        assert found[row, column] == expected


def test_class_selectivity_prefers_the_greatest_where_the_last_would_do_too() -> None:
    # Class 0 answers 4, class 1 answers 3, all others about 0: both exceed the threshold.
    labels = torch.arange(60) % 6
    t = torch.tensor([4.0, 3.0, 0.0, 0.1, -0.1, 0.0])[labels][:, None]
    scores = [discriminability(t[:, 0].numpy(), labels.numpy(), label) for label in (0, 1)]
    assert scores[0] > scores[1] > 0.85
    assert class_selectivity(t, labels).tolist() == [0]


def test_class_selectivity_of_neurons_without_variance() -> None:
    labels = torch.tensor([0, 0, 0, 3, 3, 3, 4])  # no images of classes 1 and 2
    dead = torch.randn(50).expand(7, 50)
    assert (class_selectivity(dead, labels) == -1).all()
    noiseless = torch.stack([labels == 3, labels == 0, labels == 4], dim=1).float()
    assert class_selectivity(noiseless, labels).tolist() == [3, 0, 4]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(4, dtype=torch.int64), r"labels has shape \(4,\) but t \(5, 2, 3\)"),
        (torch.zeros(5, dtype=torch.int64), r"classes \[0\]"),
        (torch.tensor([0, 1, -1, 0, 1]), r"classes \[-1, 0, 1\]"),
    ],
)
def test_class_selectivity_refuses_labels_that_say_nothing(
    labels: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        class_selectivity(torch.rand(5, 2, 3), labels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("absolute", [False, True])
def test_torus_map_lays_out_the_best_images_by_row(channels: int, absolute: bool) -> None:
    t, images = torch.randn(40, 6), torch.rand(40, channels, 14, 14)
    picture = torus_map(t, images, torch.arange(40) % 3, grid=(2, 3), absolute=absolute)
    best = max_activating(t, images, absolute)
    scale = scale_in(picture, best[0])
    corners = [places(picture, image, scale) for image in best]
    if len(best.flatten(1).unique(dim=0)) == 6:
        corners = [corner for (corner,) in corners]
        assert corners == sorted(corners)
        assert len({y for y, _ in corners}) == 2
        assert len({x for _, x in corners}) == 3
    else:
        assert all(corners)


def test_torus_map_colours_each_neuron_like_its_class_in_the_legend() -> None:
    labels = torch.arange(40) % 4
    t = torch.nn.functional.one_hot(labels, 4)[:, [2, 0, 0, 1]].float()  # no neuron for class 3
    picture = torus_map(t, torch.zeros(40, 1, 10, 10), labels, grid=(2, 2))
    whole = np.asarray(picture)
    cell = 60 * 60  # a tile of 10 pixels enlarged to at least 56
    colours, counts = np.unique(whole.reshape(-1, 3), axis=0, return_counts=True)
    area = {
        tuple(colour): count
        for colour, count in zip(colours.tolist(), counts.tolist(), strict=True)
        if np.ptp(colour) > 10
    }
    key = min(area.values())  # class 3 has a key in the legend and no cell
    cells = sorted((count - key) / cell for count in area.values())
    assert cells == [0, 1, 1, 2]


def test_torus_map_takes_both_layouts_and_many_classes(tmp_path: Path) -> None:
    t, images, labels = torch.randn(60, 3, 4), torch.rand(60, 1, 8, 8), torch.arange(60) % 30
    path = tmp_path / "torus.png"
    picture = torus_map(t, images, labels, grid=(3, 4), path=path)
    assert picture == torus_map(t.flatten(1), images, labels, grid=(3, 4))
    with Image.open(path) as saved:
        assert np.array_equal(np.asarray(saved), np.asarray(picture))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("shape", [(60, 12), (60, 4, 3), (60,)])
def test_torus_map_refuses_activations_of_another_grid(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be \(n, 15\) or \(n, 3, 5\)"):
        torus_map(torch.rand(shape), torch.rand(60, 1, 8, 8), torch.arange(60) % 3, grid=(3, 5))


def run_records(offset: float = 0.0) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = [
        {
            "step": step,
            "sequences": 8 * step,
            "seconds": step / 10,
            "loss": 200 + 900 / step + offset,
            "nll": 190 + 800 / step + offset,
            "kl_z": 5 + step / 10,
            "kl_u": 1 + step / 20,
            "mu": -30 + step / 1000,
            "learning_rate": 1e-4,
        }
        for step in range(1, 20)
    ]
    records.append({"step": 19, "sequences": 152, "evaluation": {"nll": 250.0, "roll_nll": 260.0}})
    return records


def curves_of(figure: Any) -> dict[str, list[list[tuple[float, float]]]]:
    """The points of all lines by the title of their panel."""
    return {
        panel.get_title(loc="left"): [
            list(zip(*line.get_data(), strict=True)) for line in panel.get_lines()
        ]
        for panel in figure.axes
    }


def test_learning_curves_draw_each_recorded_number_once() -> None:
    records = run_records()
    curves = curves_of(learning_curves(records))
    for title, names in {
        "loss, nats per frame": ("loss", "nll"),
        "KL divergence, nats per frame": ("kl_z", "kl_u"),
        "μ": ("mu",),
        "learning rate": ("learning_rate",),
    }.items():
        for name, line in zip(names, curves[title], strict=False):
            assert line == [(record["sequences"], record[name]) for record in records[:-1]]
    assert curves["loss, nats per frame"][2] == [(152, 250.0)]
    assert curves["roll nll"] == [[(152, 260.0)]]
    assert sum(map(len, curves.values())) == 8


@pytest.mark.parametrize(
    ("missing", "titles"),
    [
        (("mu",), {"loss, nats per frame", "KL divergence, nats per frame", "learning rate"}),
        (
            ("mu", "kl_u", "learning_rate"),
            {"loss, nats per frame", "KL divergence, nats per frame"},
        ),
        (("loss", "nll", "kl_z", "kl_u", "learning_rate"), {"μ"}),
    ],
)
def test_learning_curves_leave_out_what_was_not_recorded(
    missing: tuple[str, ...], titles: set[str]
) -> None:
    records = [
        {name: value for name, value in record.items() if name not in missing}
        for record in run_records()[:-1]
    ]
    curves = curves_of(learning_curves(records))
    assert set(curves) == titles


def test_learning_curves_skip_numbers_that_are_not_finite() -> None:
    records = run_records()
    records[3]["loss"], records[4]["loss"], records[5]["loss"] = math.nan, math.inf, None
    (line, *_) = curves_of(learning_curves(records))["loss, nats per frame"]
    assert len(line) == 16
    assert all(math.isfinite(value) for _, value in line)


def test_learning_curves_compare_runs_by_colour() -> None:
    runs = {"TVAE": run_records(), "BubbleVAE": run_records(20.0), "VAE": run_records(40.0)}
    figure = learning_curves(runs)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(runs)
    keys = [handle.get_color() for handle in legend.get_lines()]
    assert len(set(keys)) == 3
    (mu,) = (panel for panel in figure.axes if panel.get_title(loc="left") == "μ")
    assert [line.get_color() for line in mu.get_lines()] == keys


def test_learning_curves_read_from_left_to_right_in_sequences() -> None:
    figure = learning_curves(run_records())
    for panel in figure.axes:
        assert panel.get_xlabel() == "sequences seen"
        for line in panel.get_lines():
            assert all(before < after for before, after in pairwise(line.get_xdata()))


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_learning_curves_write_one_file_without_pyplot(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it now fails
    path = tmp_path / f"curves{suffix}"
    learning_curves(run_records(), path)
    magic = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix]
    assert path.read_bytes().startswith(magic)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "records", [[], {}, {"TVAE": [], "VAE": []}, [{"step": 1, "loss": 3.0}], [{"sequences": 8}]]
)
def test_learning_curves_refuse_to_draw_nothing(records: Any) -> None:
    with pytest.raises(ValueError, match="no curve in records"):
        learning_curves(records)


def draw_each(path: Path) -> None:
    """Write the kind of figure that the suffix asks for, twice over for PNG."""
    rows = rows_of(1, 4, 1, 8, 8)
    if path.suffix == ".gif":
        traversal_gif(*rows, SEEN, path)
    elif path.stem == "curves":
        learning_curves(run_records(), path)
    elif path.stem == "torus":
        torus_map(
            torch.rand(9, 4), torch.rand(9, 1, 8, 8), torch.arange(9) % 2, grid=(2, 2), path=path
        )
    else:
        traversal_strip(*rows, SEEN, path)


@pytest.mark.parametrize("name", ["walk.gif", "curves.png", "torus.png", "strip.png"])
def test_a_figure_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.write_text("old")

    def fail(*arguments: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.Image.save", fail)
        patch.setattr("matplotlib.figure.Figure.savefig", fail)
        with pytest.raises(OSError, match="no space left"):
            draw_each(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    draw_each(path)
    assert path.stat().st_size > 100
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["walk.gif", "curves.png", "torus.png", "strip.png"])
def test_a_figure_needs_a_folder_and_a_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        draw_each(tmp_path / "nowhere" / name)
    with pytest.raises(ValueError, match=r"cannot write .*\.bmp"):
        draw_each((tmp_path / name).with_suffix(".bmp"))
    assert list(tmp_path.iterdir()) == []
