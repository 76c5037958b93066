"""Images with labels: how they are stored, divided and checked."""

import gzip
import zlib
from math import prod
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from symgen.data.options import require_whole

__all__ = ["Images", "Split", "paper_split", "read_idx", "require_unit_range"]

Split = Literal["train", "test"]

_PART = 2**20  # bytes that are unpacked together


class Images(NamedTuple):
    """Images with their labels.

    Returned by `load`.

    Attributes:
        pixels: bytes, 0 for black.
        labels: number of the class of each, from 0.
    """

    pixels: UInt8[Tensor, "n channels height width"]
    labels: Int64[Tensor, " n"]


def paper_split(images: Images, seed: int) -> tuple[Images, Images]:
    """Divide images at random: four fifths for training, one fifth for validation.

    Both are in the order of numpy's legacy permutation, whose first fifth validates. On MNIST this
    is the division behind the published Topographic VAE results (48,000 and 12,000 images; Keller
    & Welling 2021 with seed 1 or 2).

    Args:
        images: what to divide.
        seed: seed of the permutation, 0 to 2³² - 1.

    Example:
        >>> from symgen.data import load
        >>> train, validation = paper_split(load("digits"), seed=1)
        >>> len(train.labels), len(validation.labels)
        (1151, 287)
    """
    require_whole("seed", seed, 0, 2**32 - 1)
    count = len(images.labels)
    # The legacy generator, because its stream is frozen and the published split was drawn from it.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(count))
    parts = order[count // 5 :], order[: count // 5]
    train, validation = (Images(images.pixels[rows], images.labels[rows]) for rows in parts)
    return train, validation


def read_idx(path: str | Path) -> UInt8[Tensor, "*shape"]:
    """Read an array of bytes in the IDX format of MNIST, packed by gzip or not.

    It is two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension
    as a big-endian 32-bit number, the values in C order.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is no IDX file of unsigned bytes, too short or too long.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "labels"
        ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 2, 1]))
        ...     read_idx(path)
        tensor([7, 2, 1], dtype=torch.uint8)
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no IDX file at {path}")
    with Path(path).open("rb") as plain:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        try:
            return _read_idx(gzip.GzipFile(fileobj=plain) if packed else plain, path)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}): fetch it again") from error


def _read_idx(file: Any, path: str | Path) -> UInt8[Tensor, "*shape"]:
    """Read an array from an open file, and no more than one byte beyond what it announces."""
    content = bytearray(file.read(4))
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes: it starts with "
            f"{content.hex(' ')!r} instead of '00 00 08'"
        )
    start = 4 + 4 * content[3]
    content += file.read(start - 4)
    shape = np.frombuffer(content[4 : len(content) // 4 * 4], ">u4").tolist()
    announced = start + prod(shape)
    while part := file.read(min(_PART, announced + 1 - len(content))):
        content += part
    if len(content) != announced:
        more = " or more" if len(content) > announced else ""
        raise ValueError(
            f"{path} announces an array {tuple(shape)}, {announced} bytes in all, but "
            f"has {len(content)}{more}: fetch it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start)).reshape(shape)


def require_unit_range(name: str, x: Shaped[Tensor, "..."]) -> None:
    """Raise a ValueError with the name of data that are not floats in [0, 1].

    Args:
        name: what the data are called in the message.
        x: data of any shape.

    Example:
        >>> require_unit_range("x", torch.tensor([0.0, 255.0]))
        Traceback (most recent call last):
        ValueError: x reaches from 0 to 255: scale or clamp it to [0, 1], or take a likelihood ...
    """
    if not x.is_floating_point():
        raise ValueError(f"{name} is {x.dtype}: divide by 255 to get floats in [0, 1]")
    if not x.numel():
        return
    least, greatest = (bound.item() for bound in x.detach().aminmax())
    if not (least >= 0 and greatest <= 1):  # written so that NaN fails
        raise ValueError(
            f"{name} reaches from {least:g} to {greatest:g}: scale or clamp it to [0, 1], or take "
            "a likelihood for such values, such as 'gaussian'"
        )


def require_gray_bytes(what: str, pixels: Tensor) -> None:
    """Refuse images that are not gray bytes, (items, 1, height, width); `what` is made of them.

    Raises:
        ValueError: with the shape and the type.
    """
    if pixels.ndim != 4 or pixels.shape[1] != 1 or pixels.dtype != torch.uint8:
        raise ValueError(
            f"{what} are made from uint8 images (items, 1, height, width), got "
            f"{tuple(pixels.shape)} {pixels.dtype}"
        )
