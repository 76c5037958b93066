"""dSprites, drawn on demand: the images of Matthey et al. (2017) from nine constants.

The outlines below, moved to their pose, rounded to 1/256 pixel and filled by the rule of a
graphics card, give the published images bit for bit but for about one image in 7,000. That one
differs in a single pixel: a vertex on a rounding tie, decided by float32 noise in the original.
"""

import io
import zipfile
import zlib
from functools import cache
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int16, Int64, UInt8, UInt64
from torch import Tensor

__all__ = [
    "FACTOR_NAMES",
    "FACTOR_SIZES",
    "Sprites",
    "every_other",
    "index_of",
    "latents_of",
    "read_npz",
    "render",
    "render_bits",
    "unpack",
]

FACTOR_NAMES = ("shape", "scale", "orientation", "posX", "posY")
FACTOR_SIZES = (3, 6, 40, 32, 32)
_COUNT = prod(FACTOR_SIZES)
_VERTICES = 150  # of the heart; the other outlines have fewer
_BLOCK = 1024  # images made together: their crossings stay in the processor's cache
# Words whose bits are set from pixel i on, i = 0..64, in the byte order of `packbits`.
_PIXELS_FROM = np.packbits(np.arange(64) >= np.arange(65)[:, None], axis=1).view(np.uint64)[:, 0]
# What reading a damaged archive raises, or an array header in it.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError)
_DAMAGE += (RuntimeError, TokenError)
_URL = "https://github.com/google-deepmind/dsprites-dataset"


class Sprites(NamedTuple):
    """Images at one bit per pixel with the class indices that made them.

    Attributes:
        bits: 64 × 64 pixels in C order, eight in a byte, first pixel in the highest bit.
        latents: class indices of shape, scale, orientation, posX, posY.
    """

    bits: UInt8[Tensor, "n 512"]
    latents: Int64[Tensor, "n 5"]


def latents_of(index: Int[Tensor, "*batch"]) -> Int64[Tensor, "*batch 5"]:
    """Return the class indices of shape, scale, orientation, posX and posY of images.

    Args:
        index: numbers of the images in the published order, 0 to 737,279.

    Raises:
        ValueError: if a number is out of range.

    Example:
        >>> latents_of(torch.tensor(300000)).tolist()
        [1, 1, 12, 31, 0]
    """
    outside = index[(index < 0) | (index >= _COUNT)]
    if outside.numel():
        raise ValueError(
            f"image number {int(outside[0])} is out of range: dSprites has 0 to {_COUNT - 1}"
        )
    return torch.stack(torch.unravel_index(index.long(), FACTOR_SIZES), dim=-1)


def every_other(first: Literal[0, 1] = 0) -> Int64[Tensor, "50625 5"]:
    """Return all shapes, the larger five scales and every other orientation and position below 30.

    Example:
        >>> every_other()[[0, -1]].tolist()
        [[0, 1, 0, 0, 0], [2, 5, 28, 28, 28]]
    """
    fine = torch.arange(first, 30, 2)
    return torch.cartesian_prod(torch.arange(3), torch.arange(1, 6), fine, fine, fine)


def index_of(latents: np.ndarray | Tensor) -> Int64[Tensor, " n"]:
    """Return the numbers of images in the published order, the inverse of `latents_of`.

    Raises:
        ValueError: if `latents` are not integers (n, 5) below `FACTOR_SIZES`.

    Example:
        >>> index_of(torch.tensor([[1, 1, 12, 31, 0]])).tolist()
        [300000]
    """
    return torch.from_numpy(np.ravel_multi_index(tuple(_checked(latents).T), FACTOR_SIZES))


def render(latents: np.ndarray | Tensor) -> UInt8[Tensor, "n 64 64"]:
    """Draw dSprites images.

    Args:
        latents: integer class indices of shape (square, ellipse, heart), scale, orientation, posX
            and posY, (n, 5), each below its `FACTOR_SIZES`.

    Returns:
        Images of 0 and 1, row 0 at the top, on the CPU.

    Raises:
        ValueError: if `latents` are not integers (n, 5) below `FACTOR_SIZES`.

    Example:
        >>> heart = render(torch.tensor([[2, 0, 0, 16, 16]]))[0, 28:37:4, 28:37]
        >>> ["".join("-#"[pixel] for pixel in row) for row in heart.tolist()]
        ['-###-###-', '#########', '----#----']
    """
    return unpack(render_bits(latents))


def render_bits(latents: np.ndarray | Tensor) -> UInt8[Tensor, "n 512"]:
    """Draw the images of `render` at one bit per pixel, packed as in `Sprites`.

    Example:
        >>> int(unpack(render_bits(torch.zeros(1, 5, dtype=torch.long))).sum())
        100
    """
    classes = _checked(latents)
    rows = np.empty((len(classes), 64), np.uint64)
    for start in range(0, len(classes), _BLOCK):
        rows[start : start + _BLOCK] = _draw(classes[start : start + _BLOCK])
    return torch.from_numpy(rows.view(np.uint8).reshape(-1, 512))


def unpack(bits: UInt8[Tensor, "*batch 512"]) -> UInt8[Tensor, "*batch 64 64"]:
    """Spread images that are packed as in `Sprites` to one byte of 0 or 1 per pixel, on the CPU.

    Example:
        >>> unpack(torch.full((2, 512), 255, dtype=torch.uint8)).float().mean((1, 2)).tolist()
        [1.0, 1.0]
    """
    pixels = np.unpackbits(bits.cpu().numpy(), axis=-1)
    return torch.from_numpy(pixels).reshape(*bits.shape[:-1], 64, 64)


def read_npz(path: str | Path) -> Sprites:
    """Read the published dSprites npz file, packing its 3 GB of images to 377 MB on the way.

    The colour, which has one value, is dropped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no dSprites file at {path}: download it from {_URL}")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except _DAMAGE as error:
        raise ValueError(
            f"{path} cannot be read as dSprites ({type(error).__name__}: {error}): "
            f"download it again from {_URL}"
        ) from error


def _checked(latents: np.ndarray | Tensor) -> Int64[np.ndarray, "n 5"]:
    """Return class indices as int64 after checking type, shape and range."""
    if isinstance(latents, Tensor):
        integer = latents.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    else:
        integer = latents.dtype.kind in "iu"
    if not integer or latents.ndim != 2 or latents.shape[1] != 5:
        raise ValueError(
            f"latents must be integer class indices of {FACTOR_NAMES} in the shape (n, 5), "
            f"got {latents.dtype} in the shape {tuple(latents.shape)}"
        )
    classes = latents.numpy(force=True) if isinstance(latents, Tensor) else latents
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


def _read_archive(archive: zipfile.ZipFile) -> Sprites:
    """Read images and class indices of an open npz file."""
    with_colour = np.lib.format.read_array(io.BytesIO(archive.read("latents_classes.npy")))
    shape, dtype = with_colour.shape, with_colour.dtype
    if len(shape) != 2 or shape[1] != 6 or dtype.kind not in "iu":
        raise ValueError(f"latents_classes is {shape} {dtype}, expected (n, 6) integers")
    if with_colour[:, 0].any():
        raise ValueError("latents_classes[:, 0] (colour) is not 0 everywhere")
    latents = _checked(with_colour[:, 1:])
    count = len(latents)
    bits = np.empty((count, 512), np.uint8)
    with archive.open("imgs.npy") as stream:  # in blocks: as bytes, all pixels would fill 3 GB
        version = np.lib.format.read_magic(stream)
        if version != (1, 0):
            raise ValueError(f"npy format {version}, expected (1, 0)")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        if shape != (count, 64, 64) or dtype != np.uint8 or fortran_order:
            order = " in Fortran order" if fortran_order else ""
            raise ValueError(f"imgs is {shape} {dtype}{order}, expected {(count, 64, 64)} uint8")
        for block in np.split(bits, range(_BLOCK, count, _BLOCK)):
            pixels = np.frombuffer(stream.read(len(block) * 4096), np.uint8)
            if pixels.size and pixels.max() > 1:
                raise ValueError(f"imgs holds {pixels.max()}, expected 0 and 1")
            block[:] = np.packbits(pixels.reshape(len(block), 4096), axis=1)
        if stream.read(1):  # the archive compares its checksum at the end only
            raise ValueError("imgs is longer than its header says")
    return Sprites(torch.from_numpy(bits), torch.from_numpy(latents))
