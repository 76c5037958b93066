"""dSprites, drawn on demand: the images of Matthey et al. (2017) from nine constants.

The outlines below, moved to their pose, rounded to 1/256 pixel and filled by the rule of a
graphics card, give the published images bit for bit but for about one image in 7,000. That one
differs in a single pixel: a vertex on a rounding tie, decided by float32 noise in the original.
"""

import os
import uuid
import zipfile
import zlib
from functools import cache
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import IO, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int16, Int64, UInt8, UInt64
from torch import Tensor

__all__ = [
    "FACTOR_NAMES",
    "FACTOR_SIZES",
    "Sprites",
    "cached_grid",
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


class _Crossings(NamedTuple):
    """Where the edges of every outline cross the pixel rows; lengths in 1/256 pixel.

    Which rows an edge crosses depends on the pose but for posX, so crossings are listed once for
    every (shape, scale, orientation, posY), one list after the other.
    """

    x: Int16[np.ndarray, " vertices"]  # of (shape, scale, orientation, posX, vertex)
    first: Int64[np.ndarray, " lists"]  # where a list starts
    length: Int64[np.ndarray, " lists"]
    row: Int16[np.ndarray, " crossings"]
    upper: Int16[np.ndarray, " crossings"]  # number of the edge's upper vertex
    lower: Int16[np.ndarray, " crossings"]  # number of its lower vertex
    drop: Int16[np.ndarray, " crossings"]  # from the upper vertex down to the row
    height: Int16[np.ndarray, " crossings"]  # from the upper vertex down to the lower one


def latents_of(index: Int[Tensor, "*batch"]) -> Int64[Tensor, "*batch 5"]:
    """Return the class indices of images given by their number in the published order.

    Args:
        index: image numbers, 0 to 737,279.

    Returns:
        Class indices of shape, scale, orientation, posX, posY.

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


def index_of(latents: np.ndarray | Tensor) -> Int64[Tensor, " n"]:
    """Return the number of images in the published order, the inverse of `latents_of`.

    Args:
        latents: integer class indices of shape, scale, orientation, posX, posY, (n, 5).

    Returns:
        Image numbers.

    Raises:
        ValueError: if `latents` has another shape, is not integer, or an index is out of range.

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
        ValueError: if `latents` has another shape, is not integer, or an index is out of range.

    Example:
        >>> heart = render(torch.tensor([[2, 0, 0, 16, 16]]))[0]
        >>> for row in heart[28:37, 28:37].tolist():
        ...     print("".join("-#"[pixel] for pixel in row))
        -###-###-
        ####-####
        #########
        #########
        #########
        -#######-
        --#####--
        ---###---
        ----#----
    """
    return unpack(render_bits(latents))


def render_bits(latents: np.ndarray | Tensor) -> UInt8[Tensor, "n 512"]:
    """Draw dSprites images at one bit per pixel; `unpack` gives those of `render`.

    Args:
        latents: integer class indices of shape, scale, orientation, posX, posY, (n, 5).

    Returns:
        Packed images as in `Sprites`.

    Raises:
        ValueError: if `latents` has another shape, is not integer, or an index is out of range.

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
    """Spread packed images to one byte per pixel.

    Args:
        bits: packed images as in `Sprites`.

    Returns:
        Images of 0 and 1, on the CPU.

    Example:
        >>> unpack(torch.full((2, 512), 255, dtype=torch.uint8)).float().mean((1, 2)).tolist()
        [1.0, 1.0]
    """
    pixels = np.unpackbits(bits.cpu().numpy(), axis=-1)
    return torch.from_numpy(pixels).reshape(*bits.shape[:-1], 64, 64)


def read_npz(path: str | Path) -> Sprites:
    """Read the published dSprites file, packing its 3 GB of images to 377 MB on the way.

    Args:
        path: the npz file; of its arrays `imgs` (n, 64, 64) and `latents_classes` (n, 6) are read.

    Returns:
        Images and class indices in the file's order; the colour, which has one value, is dropped.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no dSprites file at {path}: it can be had from {_URL}")
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive)
    except _DAMAGE as error:
        raise ValueError(
            f"{path} cannot be read as dSprites ({type(error).__name__}: {error}): "
            f"download it again from {_URL}"
        ) from error


def cached_grid(path: str | Path) -> Sprites:
    """Return all 737,280 images from a file, which is drawn and written where it is missing.

    The file holds nothing but the packed images (377 MB) and is mapped into memory, so processes
    share it and only the images that are used are read.

    Args:
        path: the cache file; its folder must exist.

    Returns:
        Images in the published order.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: if the file has another size than such a cache.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"no folder {path.parent} for the cache {path.name}: create it")
    latents = latents_of(torch.arange(_COUNT))
    size = _COUNT * 512
    if not path.exists():
        # Written aside and then renamed: whoever looks meanwhile sees no file or a whole one.
        draft = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            with draft.open("xb") as stream:
                for block in latents.split(64 * _BLOCK):
                    stream.write(render_bits(block).numpy().data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    if path.stat().st_size != size:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes, a dSprites cache {size}: "
            "delete the file to have it written anew, or choose another path"
        )
    bits = torch.from_file(str(path), shared=False, size=size, dtype=torch.uint8)
    return Sprites(bits.reshape(_COUNT, 512), latents)


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


def _snap(position: Float[np.ndarray, "*batch"]) -> Int64[np.ndarray, "*batch"]:
    """Round pixels to whole 1/256 pixels, halves upwards."""
    return np.floor(position * 256 + 0.5).astype(np.int64)


@cache
def _crossings() -> _Crossings:
    """Tabulate the crossings of all poses (14 MB, made once in a fraction of a second)."""
    scale = (0.5 + 0.1 * np.arange(6))[:, None, None]
    angle = (2 * np.pi * np.arange(40) / 39)[:, None]  # the last value is a full turn
    centre = (16 + 32 * np.arange(32) / 31)[:, None]
    x = np.zeros((3, 240, 32, _VERTICES), np.int16)
    parts = []
    for shape, outline in enumerate(_outlines()):
        right, down = outline.T
        turned_right = scale * (np.cos(angle) * right + np.sin(angle) * down)
        turned_down = scale * (np.cos(angle) * down - np.sin(angle) * right)
        x[shape, :, :, : len(outline)] = _snap(centre + turned_right.reshape(240, 1, -1))
        y = _snap(centre + turned_down.reshape(240, 1, -1))
        parts.append(_crossings_of(y.reshape(-1, len(outline))))
    length, *columns = map(np.concatenate, zip(*parts, strict=True))
    columns = (column.astype(np.int16) for column in columns)
    return _Crossings(x.reshape(-1), np.cumsum(length) - length, length, *columns)


def _crossings_of(y: Int64[np.ndarray, "lists vertices"]) -> tuple[np.ndarray, ...]:
    """Return (length, row, upper, lower, drop, height) for outlines with ordinates y."""
    following = np.roll(y, -1, axis=1)
    top, bottom = np.minimum(y, following), np.maximum(y, following)
    # Centre lines 256 j + 128 with top < line <= bottom: a tie belongs to the edge's lower end.
    first_row = (top - 128) // 256 + 1
    rows = (bottom - 128) // 256 + 1 - first_row
    outline, edge = np.nonzero(rows)
    repeats = rows[outline, edge]
    rank = np.arange(repeats.sum()) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    outline, edge = np.repeat(outline, repeats), np.repeat(edge, repeats)
    row = first_row[outline, edge] + rank
    successor = (edge + 1) % y.shape[1]
    downward = y[outline, edge] < following[outline, edge]
    upper, lower = np.where(downward, edge, successor), np.where(downward, successor, edge)
    drop = 256 * row + 128 - top[outline, edge]
    height = (bottom - top)[outline, edge]
    return np.bincount(outline, minlength=len(y)), row, upper, lower, drop, height


def _draw(classes: Int64[np.ndarray, "n 5"]) -> UInt64[np.ndarray, "n 64"]:
    """Fill the outlines row by row; a row of 64 pixels is one word."""
    table = _crossings()
    pose = np.ravel_multi_index(tuple(classes[:, :3].T), FACTOR_SIZES[:3])
    crossings = pose * 32 + classes[:, 4]
    length = table.length[crossings]
    image = np.repeat(np.arange(len(classes)), length)
    skipped = table.first[crossings] - (np.cumsum(length) - length)
    entry = np.arange(len(image)) + np.repeat(skipped, length)
    vertex = np.repeat((pose * 32 + classes[:, 3]) * _VERTICES, length)
    upper = table.x[vertex + table.upper[entry]]
    width = table.x[vertex + table.lower[entry]] - upper
    # First pixel whose centre 256 i + 128 is not left of the edge. float64 is exact enough: ties
    # come out whole, and what is no tie is more than 10^-4 away from one.
    offset = np.multiply(width, table.drop[entry], dtype=np.float64) / table.height[entry]
    pixel = np.ceil((upper + offset - 128) / 256).astype(np.int64)
    rows = np.zeros(len(classes) * 64, np.uint64)
    # A crossing turns over all pixels to its right: inside is where an odd number of them did.
    np.bitwise_xor.at(rows, image * 64 + table.row[entry], _PIXELS_FROM[pixel])
    return rows.reshape(-1, 64)


def _read_archive(archive: zipfile.ZipFile) -> Sprites:
    """Read images and class indices of an open npz file."""
    with archive.open("latents_classes.npy") as stream:
        shape, dtype = _header(stream)
        if len(shape) != 2 or shape[1] != 6 or dtype.kind not in "iu":
            raise ValueError(f"latents_classes is {shape} {dtype}, expected (n, 6) integers")
        count = shape[0]
        with_colour = np.frombuffer(stream.read(), dtype).reshape(count, 6)
    if with_colour[:, 0].any():
        raise ValueError("latents_classes[:, 0] (colour) is not 0 everywhere")
    latents = _checked(with_colour[:, 1:])
    bits = np.empty((count, 512), np.uint8)
    with archive.open("imgs.npy") as stream:
        shape, dtype = _header(stream)
        if shape != (count, 64, 64) or dtype != np.uint8:
            raise ValueError(f"imgs is {shape} {dtype}, expected {(count, 64, 64)} uint8")
        for block in np.split(bits, range(_BLOCK, count, _BLOCK)):
            pixels = np.frombuffer(stream.read(len(block) * 4096), np.uint8)
            if pixels.size and pixels.max() > 1:
                raise ValueError(f"imgs holds {pixels.max()}, expected 0 and 1")
            block[:] = np.packbits(pixels.reshape(len(block), 4096), axis=1)
        if stream.read(1):  # the archive compares its checksum at the end only
            raise ValueError("imgs is longer than its header says")
    return Sprites(torch.from_numpy(bits), torch.from_numpy(latents))


def _header(stream: IO[bytes] | zipfile.ZipExtFile) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and type from the head of an npy file."""
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"npy format {version}, expected (1, 0)")
    shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
    if fortran_order:
        raise ValueError("an array in Fortran order, expected C order")
    return shape, dtype
