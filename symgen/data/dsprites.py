"""dSprites, drawn on demand: the images of Matthey et al. (2017) from nine constants.

The outlines below, moved to their pose, rounded to 1/256 pixel and filled by the rule of a
graphics card, give the published images bit for bit but for about one image in 7,000. That one
differs in a single pixel: a vertex on a rounding tie, decided by float32 noise in the original.
"""

from functools import cache
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int16, Int64, UInt8, UInt64
from torch import Tensor

__all__ = ["FACTOR_NAMES", "FACTOR_SIZES", "every_other", "render", "render_bits", "unpack"]

FACTOR_NAMES = ("shape", "scale", "orientation", "posX", "posY")
FACTOR_SIZES = (3, 6, 40, 32, 32)
_VERTICES = 150  # of the heart; the other outlines have fewer
_BLOCK = 1024  # images made together: their crossings stay in the processor's cache
# Words whose bits are set from pixel i on, i = 0..64, in the byte order of `packbits`.
_PIXELS_FROM = np.packbits(np.arange(64) >= np.arange(65)[:, None], axis=1).view(np.uint64)[:, 0]
_INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def every_other(first: Literal[0, 1] = 0) -> Int64[Tensor, "50625 5"]:
    """Return all shapes, the larger five scales and every other orientation and position below 30.

    Args:
        first: 0 for even orientations and positions, 1 for odd ones.

    Example:
        >>> every_other()[[0, -1]].tolist()
        [[0, 1, 0, 0, 0], [2, 5, 28, 28, 28]]
    """
    fine = torch.arange(first, 30, 2)
    return torch.cartesian_prod(torch.arange(3), torch.arange(1, 6), fine, fine, fine)


def render(latents: np.ndarray | Tensor) -> UInt8[Tensor, "n 64 64"]:
    """Draw dSprites images of 0 and 1, row 0 at the top, on the CPU.

    Args:
        latents: class indices of shape (square, ellipse, heart), scale, orientation, posX, posY.

    Raises:
        ValueError: if `latents` are not integers (n, 5) below `FACTOR_SIZES`.

    Example:
        >>> heart = render(torch.tensor([[2, 0, 0, 16, 16]]))[0, 28:37:4, 28:37]
        >>> ["".join("-#"[pixel] for pixel in row) for row in heart.tolist()]
        ['-###-###-', '#########', '----#----']
    """
    return unpack(render_bits(latents))


def render_bits(latents: np.ndarray | Tensor) -> UInt8[Tensor, "n 512"]:
    """Draw the images of `render` at one bit per pixel, the first of eight in the highest bit.

    Args:
        latents: classes of shape, scale, orientation, x and y, (n, 5), as in `render`.

    Example:
        >>> bits = render_bits(np.zeros((3, 5), np.int64))
        >>> bits.shape, unpack(bits).equal(render(np.zeros((3, 5), np.int64)))
        (torch.Size([3, 512]), True)
    """
    classes = _checked(latents)
    rows = np.empty((len(classes), 64), np.uint64)
    for start in range(0, len(classes), _BLOCK):
        rows[start : start + _BLOCK] = _draw(classes[start : start + _BLOCK])
    return torch.from_numpy(rows.view(np.uint8).reshape(-1, 512))


def unpack(bits: UInt8[Tensor, "*batch 512"]) -> UInt8[Tensor, "*batch 64 64"]:
    """Spread the images of `render_bits` to one byte of 0 or 1 per pixel, on the CPU.

    Args:
        bits: 64 · 64 bits of each image.

    Example:
        >>> int(unpack(render_bits(torch.zeros(1, 5, dtype=torch.long))).sum())
        100
    """
    pixels = np.unpackbits(bits.cpu().numpy(), axis=-1)
    return torch.from_numpy(pixels).reshape(*bits.shape[:-1], 64, 64)


def _checked(latents: np.ndarray | Tensor) -> Int64[np.ndarray, "n 5"]:
    tensor = isinstance(latents, Tensor)
    integer = latents.dtype in _INTEGERS if tensor else latents.dtype.kind in "iu"
    if not integer or latents.ndim != 2 or latents.shape[1] != 5:
        raise ValueError(
            f"latents must be integer class indices of {FACTOR_NAMES} in the shape (n, 5), "
            f"got {latents.dtype} in the shape {tuple(latents.shape)}"
        )
    classes = latents.numpy(force=True) if tensor else latents
    outside = ((classes < 0) | (classes >= np.array(FACTOR_SIZES))).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise ValueError(
            f"latents[{row}] = {classes[row].tolist()} is out of range: "
            f"indices of {FACTOR_NAMES} must be at least 0 and below {FACTOR_SIZES}"
        )
    return classes.astype(np.int64)


def _outlines() -> list[Float[np.ndarray, "vertices 2"]]:
    """Return square, ellipse and heart in pixels right of and below their centre."""
    radius = 9.6
    square = radius * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    angle = 2 * np.pi * np.arange(100) / 100
    ellipse = np.stack((radius * 1.33 * np.cos(angle), radius / 1.33 * np.sin(angle)), axis=1)
    angle = 2 * np.pi * np.arange(150) / 150
    waves = 13 * np.cos(angle) - 5 * np.cos(2 * angle) - 2 * np.cos(3 * angle) - np.cos(4 * angle)
    heart = np.stack((radius * np.sin(angle) ** 3, radius * (-waves / 14.5 - 0.15)), axis=1)
    return [square, ellipse, heart]


@cache
def _vertices() -> tuple[Int16[np.ndarray, "poses 32 150"], Int16[np.ndarray, "poses 32 150"]]:
    """Tabulate the x of all vertices for each (pose, posX), their y for each (pose, posY)."""
    scale = (0.5 + 0.1 * np.arange(6))[:, None, None]
    angle = (2 * np.pi * np.arange(40) / 39)[:, None]  # the last value is a full turn
    centre = (16 + 32 * np.arange(32) / 31)[:, None]
    x = np.zeros((3, 240, 32, _VERTICES), np.int16)
    y = np.zeros_like(x)
    for shape, outline in enumerate(_outlines()):
        right, down = outline.T
        turned_right = scale * (np.cos(angle) * right + np.sin(angle) * down)
        turned_down = scale * (np.cos(angle) * down - np.sin(angle) * right)
        for table, turned in ((x, turned_right), (y, turned_down)):
            # Rounded to 1/256 pixel, halves upwards; the spare ones repeat the last vertex.
            places = np.floor((centre + turned.reshape(240, 1, -1)) * 256 + 0.5)
            table[shape, ..., : len(outline)] = places
            table[shape, ..., len(outline) :] = places[..., -1:]
    return x.reshape(720, 32, -1), y.reshape(720, 32, -1)


def _draw(classes: Int64[np.ndarray, "n 5"]) -> UInt64[np.ndarray, "n 64"]:
    """Fill the outlines row by row; a row of 64 pixels is one word."""
    x, y = _vertices()
    pose = np.ravel_multi_index(tuple(classes[:, :3].T), FACTOR_SIZES[:3])
    x, y = x[pose, classes[:, 3]], y[pose, classes[:, 4]]
    # Centre lines 256 j + 128 with top < line <= bottom: a tie belongs to the edge's lower end.
    line = (y - 128) // 256
    image, edge = np.nonzero(line != np.roll(line, -1, axis=1))
    ends = np.stack((edge, (edge + 1) % _VERTICES))
    upper, lower = np.where(y[image, ends[0]] < y[image, ends[1]], ends, ends[::-1])
    first = line[image, upper] + 1
    rows = line[image, lower] + 1 - first
    crossing = np.repeat(np.arange(len(rows)), rows)  # the edge, once for each row it crosses
    row = first[crossing] + np.arange(len(crossing)) - (np.cumsum(rows) - rows)[crossing]
    image, upper, lower = image[crossing], upper[crossing], lower[crossing]
    # First pixel whose centre 256 i + 128 is not left of the edge. float64 is exact enough: ties
    # come out whole, and what is no tie is more than 10^-4 away from one.
    places = [v[image, end].astype(np.float64) for v in (x, y) for end in (upper, lower)]
    x_upper, x_lower, y_upper, y_lower = places
    offset = (x_lower - x_upper) * (256 * row + 128 - y_upper) / (y_lower - y_upper)
    pixel = np.ceil((x_upper + offset - 128) / 256).astype(np.int64)
    words = np.zeros(len(classes) * 64, np.uint64)
    # A crossing turns over all pixels to its right: inside is where an odd number of them did.
    np.bitwise_xor.at(words, image * 64 + row, _PIXELS_FROM[pixel])
    return words.reshape(-1, 64)
