"""Values of any range: which numbers become 0 and 1, and what is said of it."""

import numpy as np
import pytest
import torch
from recording_helpers import pieces_of, square_film

import symgen


def test_a_mask_becomes_black_and_white_and_dark_bytes_are_said():
    mask = symgen.open(square_film(60, high=1), "all")
    assert mask.scale == (0, 1) and pieces_of(mask)[0].amax() == 1
    dark = symgen.open(square_film(60, high=3), "all")
    assert dark.scale == (0, 255)
    assert "1.2 % of the range from 0 to 255: to use all of it, give --scale 0 3" in dark.notes[0]
    assert not symgen.open(square_film(60, high=3), "all", scale=(0, 3)).notes


@pytest.mark.parametrize(
    ("array", "scale", "expected"),
    [
        (square_film(60, high=900, dtype=np.int16) - 300, "auto", (-300, 600)),
        (square_film(60, high=900, dtype=np.uint16), "dtype", (0, 65535)),
        (square_film(60, high=900, dtype=np.uint16), (0, 1000), (0, 1000)),
        (square_film(60, high=7, dtype=np.float64), "auto", (0, 7)),
        (square_film(60, high=1, dtype=bool), "auto", (0, 1)),
        (square_film(60, high=9), "none", None),
    ],
)
def test_scales(array, scale, expected):
    source = symgen.open(array, "all", scale=scale)
    assert source.scale == expected
    levels = source.levels
    raw = torch.from_numpy(array.astype(np.float32))[:, None]
    frames = pieces_of(source)[0]
    if levels is None:
        assert frames.equal(raw)
    else:
        assert torch.allclose(levels.undone(frames), raw, atol=1e-3)


@pytest.mark.parametrize("scale", ["automatic", (3, 3), (0, float("nan")), ("percentile", 20), 5])
def test_scales_that_are_none(scale, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(ValueError, match="give auto, dtype, none, two finite numbers"):
        symgen.open(square_film(60), scale=scale)


def test_percentiles_leave_out_rare_values():
    array = np.random.default_rng(0).integers(100, 200, (60, 16, 16)).astype(np.uint16)
    array[3, 0, 0] = 60_000
    source = symgen.open(array, "all", scale=("percentile", 99))
    assert source.scale is not None and 100 <= source.scale[0] < source.scale[1] <= 200


def test_the_scale_is_saved_with_the_model(tmp_path):
    films = [square_film(20, start, high=900, dtype=np.uint16) for start in range(6)]
    source = symgen.open(np.stack(films), length=4)
    model = symgen.TVAE(source.data_shape, capsules=2, frames=4, width=8)
    symgen.fit(model, source, examples=8, batch_size=4)
    assert model.data_scale == (0, 1023)
    again = symgen.TVAE.from_pretrained(model.save_pretrained(tmp_path))
    assert again.data_scale == (0, 1023)
    symgen.fit(model, torch.rand(8, 4, 1, 16, 16), examples=8, batch_size=4)
    assert model.data_scale is None and "data_scale" not in model.described()
