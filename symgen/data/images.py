"""Labelled images by name: MNIST, scikit-learn's digits, dSprites."""

import difflib
import gzip
import os
import zlib
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int64, Shaped, UInt8
from torch import Tensor

from symgen.data import dsprites

__all__ = ["Images", "load", "paper_split", "read_idx", "require_unit_range"]

Split = Literal["train", "test"]
Root = str | os.PathLike[str] | None

_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_MD5 = {  # of the gzip files as Yann LeCun published them
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}


class Images(NamedTuple):
    """Images with their labels.

    Attributes:
        pixels: brightness from 0 to 255, channel first.
        labels: class of each image.
    """

    pixels: UInt8[Tensor, "n channels height width"]
    labels: Int64[Tensor, " n"]


def load(name: str, root: Root = None, split: Split = "train", download: bool = False) -> Images:
    """Load a data set by name.

    * `"mnist"`: 60,000 and 10,000 digits of 28 × 28, from the four IDX files, packed or not.
    * `"digits"`: the 1,797 handwritten 8 × 8 digits that come with scikit-learn, enlarged to the
      format of MNIST (a 20 × 20 box in the middle of 28 × 28); 1,438 and 359 of them, always the
      same. Needs no files.
    * `"dsprites"`: drawn by `symgen.data.dsprites`, labelled by shape; needs no files. All 737,280
      images would fill 3 GB, so each split has 50,625: the five larger scales with orientations
      and positions 0, 2, ..., 28 (the images of the Topographic VAE paper), for the test split
      1, 3, ..., 29, which lie in between.

    Args:
        name: name of the data set.
        root: folder with the files of MNIST, directly or in `mnist/`; None for that named by the
            environment variable SYMGEN_DATA and, after it, the download cache.
        split: `"train"` or `"test"`.
        download: whether to fetch missing files, with checked hashes, into the user's cache.

    Returns:
        Images and labels, on the CPU.

    Raises:
        ValueError: if there is no such data set or split, or a file is damaged.
        FileNotFoundError: if the files are not there and may not be downloaded.

    Example:
        >>> images = load("digits", split="test")
        >>> tuple(images.pixels.shape), images.labels[:5].tolist()
        ((359, 1, 28, 28), [2, 8, 2, 6, 6])
    """
    loaders: dict[str, Callable[[], Images]] = {
        "mnist": lambda: _load_mnist(root, split, download),
        "digits": lambda: _load_digits(split),
        "dsprites": lambda: _load_dsprites(split),
    }
    if name not in loaders:
        near = difflib.get_close_matches(name, loaders) or loaders
        raise ValueError(f"unknown data set {name!r}: did you mean {' or '.join(near)}?")
    if split not in get_args(Split):
        raise ValueError(f"unknown split {split!r}: choose one of {', '.join(get_args(Split))}")
    return loaders[name]()


def paper_split(images: Images, seed: int) -> tuple[Images, Images]:
    """Divide images at random: four fifths to train on, one fifth for validation.

    On MNIST's 60,000 training images this is the division behind the published Topographic VAE
    numbers (48,000 and 12,000; Keller & Welling 2021 with seed 1 or 2): the first fifth of numpy's
    legacy permutation validates.

    Args:
        images: images to divide.
        seed: seed of the permutation.

    Returns:
        Training and validation images, in the order of the permutation.

    Example:
        >>> train, validation = paper_split(load("digits"), seed=1)
        >>> len(train.labels), len(validation.labels)
        (1151, 287)
    """
    count = len(images.labels)
    # The legacy generator, because its stream is frozen and the published split was drawn from it.
    order = np.random.RandomState(seed).permutation(count)
    order = torch.from_numpy(order)
    validation, train = order[: count // 5], order[count // 5 :]
    return _select(images, train), _select(images, validation)


def require_unit_range(name: str, images: Shaped[Tensor, "..."]) -> None:
    """Refuse images that are not floats in [0, 1].

    Raises:
        ValueError: if they are integers, not numbers, or lie outside; the message names them.

    Example:
        >>> require_unit_range("x", torch.tensor([0.0, 255.0]))
        Traceback (most recent call last):
        ValueError: x reaches from 0 to 255: scale or clamp it to [0, 1]
    """
    if not images.is_floating_point():
        raise ValueError(f"{name} is {images.dtype}: divide by 255 to get floats in [0, 1]")
    least, greatest = (bound.item() for bound in images.detach().aminmax())
    if not (least >= 0 and greatest <= 1):  # written so that NaN fails
        raise ValueError(
            f"{name} reaches from {least:g} to {greatest:g}: scale or clamp it to [0, 1]"
        )


def read_idx(path: str | os.PathLike[str]) -> UInt8[Tensor, "*shape"]:
    """Read an array of bytes in the IDX format of MNIST, packed by gzip or not.

    The format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each
    dimension as a big-endian 32-bit number, the values in C order.

    Args:
        path: the file.

    Returns:
        The array.

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
    content = Path(path).read_bytes()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(f"{path} is a damaged gzip file ({error}): fetch it again") from error
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes: it starts with "
            f"{content[:4].hex(' ')!r} instead of '00 00 08'"
        )
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4 : min(start, len(content) // 4 * 4)], ">u4").tolist()
    if len(content) != start + prod(shape):
        raise ValueError(
            f"{path} announces an array {tuple(shape)}, {start + prod(shape)} bytes in all, but "
            f"has {len(content)}: fetch it again"
        )
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).copy()).reshape(shape)


def _select(images: Images, order: Int64[Tensor, " m"]) -> Images:
    return Images(images.pixels[order], images.labels[order])


def _load_mnist(root: Root, split: Split, download: bool) -> Images:
    pixels_path, labels_path = (_find(name, root, download) for name in _MNIST[split])
    pixels, labels = read_idx(pixels_path), read_idx(labels_path)
    if pixels.ndim != 3 or labels.shape != pixels.shape[:1]:
        raise ValueError(
            f"{pixels_path} holds {tuple(pixels.shape)} and {labels_path} {tuple(labels.shape)}: "
            "expected images (n, height, width) and labels (n,)"
        )
    return Images(pixels[:, None], labels.long())


def _find(name: str, root: Root, download: bool) -> Path:
    """Return where an MNIST file lies, after fetching it if it is missing and may be fetched."""
    import pooch  # only here: whoever has the files on disk does not need it

    cache = Path(pooch.os_cache("symgen")) / "mnist"
    named = root if root is not None else os.environ.get("SYMGEN_DATA")
    folders = [Path(named) / "mnist", Path(named)] if named is not None else []
    if root is None or download:
        folders.append(cache)
    for path in (folder / (name + ending) for folder in folders for ending in (".gz", "")):
        if path.is_file():
            return path
    if download:
        file, md5 = name + ".gz", _MD5[name]
        return Path(pooch.retrieve(_MIRROR + file, f"md5:{md5}", fname=file, path=cache))
    raise FileNotFoundError(
        f"no MNIST file {name}.gz (or {name}) in {', '.join(str(folder) for folder in folders)}: "
        "set SYMGEN_DATA or pass root (--root) to name a folder that has it, or pass download=True"
    )


def _load_digits(split: Split) -> Images:
    from sklearn.datasets import load_digits  # takes a second, for these digits alone

    values, labels = load_digits(return_X_y=True)  # values 0 to 16
    small = torch.from_numpy(values).view(-1, 1, 8, 8).to(torch.float32) * (255 / 16)
    large = F.interpolate(small, size=(20, 20), mode="bicubic", align_corners=False)
    pixels = F.pad(large.round().clamp(0, 255).to(torch.uint8), (4, 4, 4, 4))
    images = Images(pixels, torch.from_numpy(labels).long())
    train, test = paper_split(images, seed=0)  # a fixed seed: the same test digits everywhere
    return train if split == "train" else test


def _load_dsprites(split: Split) -> Images:
    first = 0 if split == "train" else 1
    fine = torch.arange(first, 30, 2)
    latents = torch.cartesian_prod(torch.arange(3), torch.arange(1, 6), fine, fine, fine)
    return Images(dsprites.render(latents)[:, None] * 255, latents[:, 0].clone())
