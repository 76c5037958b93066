"""The renderer against real dSprites, its definition and its anchors."""

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from symgen.data import dsprites
from symgen.data.dsprites import FACTOR_SIZES, render

COUNT = math.prod(FACTOR_SIZES)
CLASSES = st.tuples(*(st.integers(0, size - 1) for size in FACTOR_SIZES))


def long(*rows: tuple[int, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.int64).reshape(-1, 5)


def latents_of(index: torch.Tensor) -> torch.Tensor:
    """Class indices of images by their number in the published order."""
    return torch.stack(torch.unravel_index(index, FACTOR_SIZES), dim=-1)


# The images


def test_real_images_are_met_bit_for_bit(real_data: Path) -> None:
    real = np.load(real_data / "dsprites" / "real_frames.npz")
    drawn = dsprites.render_bits(real["latents_classes"]).numpy()
    wrong = np.bitwise_count(drawn ^ real["images"]).sum(axis=1)
    assert (wrong == 0).mean() >= 0.9997
    assert wrong.max() <= 1


def outline(shape: int) -> np.ndarray:
    """Vertices (x, y) of a sprite of scale 1 about its centre, one after the other."""
    if shape == 0:
        return np.array([(-9.6, -9.6), (9.6, -9.6), (9.6, 9.6), (-9.6, 9.6)])
    points = []
    for k in range(100 if shape == 1 else 150):
        t = 2 * math.pi * k / (100 if shape == 1 else 150)
        if shape == 1:
            points.append((9.6 * 1.33 * math.cos(t), 9.6 / 1.33 * math.sin(t)))
        else:
            bulge = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
            points.append((9.6 * math.sin(t) ** 3, -9.6 * bulge / 14.5 - 1.44))
    return np.array(points)


def painted(shape: int, scale: int, orientation: int, column: int, row: int) -> np.ndarray:
    """One image by the even-odd rule, pixel by pixel, in whole numbers."""
    angle, size = 2 * math.pi * orientation / 39, 0.5 + 0.1 * scale
    turn = np.array([(math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))])
    centre = 16 + 32 * np.array([column, row]) / 31
    corners = np.floor((centre + size * outline(shape) @ turn.T) * 256 + 0.5).astype(int)
    y, x = np.mgrid[0:64, 0:64] * 256 + 128
    inside = np.zeros((64, 64), bool)
    for (xa, ya), (xb, yb) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if ya > yb:
            xa, ya, xb, yb = xb, yb, xa, ya
        inside ^= (ya < y) & (y <= yb) & ((x - xa) * (yb - ya) >= (y - ya) * (xb - xa))
    return inside


@settings(deadline=None, max_examples=60)
@given(CLASSES)
def test_an_image_is_its_outline_filled_pixel_by_pixel(classes: tuple[int, ...]) -> None:
    assert (render(long(classes))[0].numpy() == painted(*classes)).all()


@pytest.mark.parametrize(
    ("index", "latents", "pixels", "rows", "columns"),
    [
        (0, (0, 0, 0, 0, 0), 100, (11, 20), (11, 20)),
        (1, (0, 0, 0, 0, 1), 100, (12, 21), (11, 20)),
        (32, (0, 0, 0, 1, 0), 100, (11, 20), (12, 21)),
        (1024, (0, 0, 1, 0, 0), 88, (11, 20), (11, 20)),
        (300000, (1, 1, 12, 31, 0), 104, (9, 22), (43, 52)),
        (500000, (2, 0, 8, 9, 0), 57, (11, 19), (20, 28)),
        (737279, (2, 5, 39, 31, 31), 222, (39, 55), (38, 57)),
    ],
)
def test_known_images(
    index: int,
    latents: tuple[int, ...],
    pixels: int,
    rows: tuple[int, int],
    columns: tuple[int, int],
) -> None:
    assert latents_of(torch.tensor([index])).tolist() == [list(latents)]
    image = render(long(latents))[0].numpy()
    assert image.sum() == pixels
    for axis, extent in ((1, rows), (0, columns)):
        filled = np.flatnonzero(image.any(axis=axis))
        assert (filled[0], filled[-1]) == extent


def test_the_whole_set_has_the_known_sums() -> None:
    bits = dsprites.render_bits(latents_of(torch.arange(COUNT))).numpy()  # 377 MB
    # In one image in 10^4 a vertex is so near a tie that another libm may round it otherwise.
    assert hashlib.sha256(bits).hexdigest() == (
        "3a228f4037ef3d42a42588e0e01f1078aa2df13cfa17584e88c95ed9fb5672da"
    )
    words = bits.view(np.uint64).reshape(*FACTOR_SIZES, 64)
    pixels = np.bitwise_count(words).sum(axis=(2, 3, 4, 5), dtype=np.int64)
    assert pixels.sum(axis=1).tolist() == [53_612_886, 42_070_950, 32_645_028]
    means = [
        [92.196, 132.735, 180.634, 235.956, 298.654, 368.734],
        [72.344, 104.142, 141.788, 185.185, 234.340, 289.324],
        [56.126, 80.831, 110.005, 143.701, 181.837, 224.497],
    ]
    assert np.abs(pixels / (40 * 32 * 32) - means).max() < 6e-4
    assert (words[:, :, 39] == words[:, :, 0]).all()  # a full turn
    assert not words[..., [0, 1, 62, 63]].any()
    edge = np.packbits([i in (0, 1, 62, 63) for i in range(64)]).view(np.uint64)[0]
    assert not np.bitwise_or.reduce(words, axis=None) & edge


def test_blocks_do_not_change_the_images() -> None:
    latents = latents_of(torch.randint(COUNT, (2 * dsprites._BLOCK + 5,)))
    images = render(latents)
    assert images.dtype == torch.uint8
    for row in (0, dsprites._BLOCK - 1, dsprites._BLOCK, len(latents) - 1):
        assert images[row].equal(render(latents[row : row + 1])[0])
    assert render(latents[:0]).shape == (0, 64, 64)


def test_every_integer_type_draws_the_same() -> None:
    latents = long((2, 5, 39, 31, 31), (0, 1, 2, 3, 4))
    for dtype in (torch.uint8, torch.int16, torch.int32):
        assert render(latents.to(dtype)).equal(render(latents))
    for dtype in (np.uint8, np.uint64, ">i4"):
        assert render(latents.numpy().astype(dtype)).equal(render(latents))


# Class indices


@given(
    st.integers(0, 4).flatmap(
        lambda column: st.tuples(
            st.just(column),
            st.one_of(st.integers(-(2**31), -1), st.integers(FACTOR_SIZES[column], 2**31)),
        )
    ),
    CLASSES,
)
def test_an_index_out_of_range_is_named(change: tuple[int, int], classes: tuple[int, ...]) -> None:
    wrong = list(classes)
    wrong[change[0]] = change[1]
    with pytest.raises(ValueError, match=re.escape(f"latents[1] = {wrong} is out of range")):
        render(long(classes, tuple(wrong)))


@given(arrays.arrays(np.int64, arrays.array_shapes(max_dims=4, max_side=6)))
def test_a_wrong_shape_is_named(latents: np.ndarray) -> None:
    if latents.ndim == 2 and latents.shape[1] == 5:
        return
    with pytest.raises(
        ValueError, match=re.escape(f"(n, 5), got int64 in the shape {latents.shape}")
    ):
        render(latents)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool, torch.complex64])
def test_a_wrong_type_is_named(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=f"must be integer .* got {dtype}"):
        render(torch.zeros(2, 5, dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.bool_, np.dtype("U3"), object])
def test_a_wrong_array_type_is_named(dtype: type) -> None:
    with pytest.raises(ValueError, match="must be integer"):
        render(np.zeros((2, 5), dtype))
