"""Data sets by name: MNIST, scikit-learn's digits, dSprites, CIFAR-10, distorted digits."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import get_args

import torch
import torch.nn.functional as F

from symgen._errors import nearest, require_choice
from symgen.data import cifar10, dsprites
from symgen.data.batches import Batches
from symgen.data.distorted import DistortedImages, Distortion
from symgen.data.images import Images, Split, paper_split, read_idx

__all__ = ["load"]

Root = str | os.PathLike[str] | None

_TORCHVISION = {"mnist": ("MNIST/raw", "raw")}  # where it keeps the files
_MIRROR = "https://ossci-datasets.s3.amazonaws.com/mnist/"
_MNIST = {  # with the MD5 of the gzip files as Yann LeCun published them
    "train": {
        "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    },
    "test": {
        "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
    },
}


def load(name: str, root: Root = None, split: Split = "train", download: bool = False) -> Images:
    """Load a data set by name.

    * `"mnist"`: 60,000 and 10,000 digits of 28 × 28, from the four IDX files, packed or not.
    * `"digits"`: the 1,797 handwritten 8 × 8 digits that come with scikit-learn, enlarged to the
      format of MNIST (a 20 × 20 box in the middle of 28 × 28); 1,438 and 359, always the same.
    * `"dsprites"`: drawn by `symgen.data.dsprites`, labelled by shape. All 737,280 images would
      fill 3 GB, so each split has 50,625: the five larger scales with orientations and positions
      0, 2, ..., 28 (the images of the Topographic VAE paper), or 1, 3, ..., 29 in the test split.
    * `"cifar10"`: 50,000 and 10,000 colour photographs of 32 × 32, from the folder
      `cifar-10-batches-bin` of the binary version.
    * `"mnist-rts"`, `"mnist-tc"`, `"mnist-translated"`, `"mnist-hue"` and the same of digits:
      `symgen.data.DistortedImages` with fixed distortions of seed 0, rounded to bytes.

    Args:
        name: name of the data set.
        root: folder with the files of MNIST or CIFAR-10, directly, in `mnist/` or `cifar10/`, or
            in `MNIST/raw/` as torchvision keeps them; None for the environment variable
            SYMGEN_DATA and, after it, the download cache.
        split: `"train"` or `"test"`.
        download: fetch missing files into the user's cache and check their hashes.

    Raises:
        ValueError: if there is no such data set or split, or a file is damaged.
        FileNotFoundError: if the files are not there and may not be downloaded.

    Example:
        >>> images = load("digits", split="test")
        >>> tuple(images.pixels.shape), images.labels[:5].tolist()
        ((359, 1, 28, 28), [2, 8, 2, 6, 6])
    """
    loaders: dict[str, Callable[[], Images]] = {
        "mnist": partial(_load_mnist, root, split, download),
        "digits": partial(_load_digits, split),
        "dsprites": partial(_load_dsprites, split),
        "cifar10": partial(_load_cifar10, root, split, download),
    }
    for plain in ("mnist", "digits"):
        for distortion in get_args(Distortion)[1:]:
            loaders[f"{plain}-{distortion}"] = partial(_distorted, loaders[plain], distortion)
    if name not in loaders:
        raise ValueError(f"unknown data set {name!r}: {nearest(name, loaders)}")
    require_choice("split", split, get_args(Split))
    return loaders[name]()


def _find(
    data_set: str, names: tuple[str, ...], url: str, md5: str, root: Root, download: bool
) -> Path:
    """Return where a file or folder of any of the names lies; a download has the first name."""
    import pooch  # only here: whoever has the files on disk does not need it

    cache = Path(pooch.os_cache("symgen")) / data_set
    named = root if root is not None else os.environ.get("SYMGEN_DATA")
    places = (data_set, "", *_TORCHVISION.get(data_set, ()))
    folders = [Path(named) / place for place in places] if named is not None else []
    if root is None or download:
        folders.append(cache)
    for path in (folder / name for folder in folders for name in names):
        if path.exists():
            return path
    if download:
        file = url.rsplit("/", 1)[1]
        unpack = pooch.Untar(extract_dir=".") if file.endswith(".tar.gz") else None
        pooch.retrieve(url, f"md5:{md5}", fname=file, path=cache, processor=unpack)
        return cache / names[0]
    raise FileNotFoundError(
        f"no {' or '.join(names)} of {data_set} in {', '.join(map(str, folders))}: "
        "set SYMGEN_DATA or pass root (--root) to name a folder that has it, or have it fetched "
        "once by download=True (symgen train or data PRESET --download)"
    )


def _load_mnist(root: Root, split: Split, download: bool) -> Images:
    pixels_path, labels_path = (
        _find("mnist", (f"{name}.gz", name), f"{_MIRROR}{name}.gz", md5, root, download)
        for name, md5 in _MNIST[split].items()
    )
    pixels, labels = read_idx(pixels_path), read_idx(labels_path)
    if pixels.ndim != 3 or labels.shape != pixels.shape[:1]:
        raise ValueError(
            f"{pixels_path} holds {tuple(pixels.shape)} and {labels_path} {tuple(labels.shape)}: "
            "expected images (n, height, width) and labels (n,)"
        )
    return Images(pixels[:, None], labels.long())


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
    latents = dsprites.every_other(0 if split == "train" else 1)
    return Images(dsprites.render(latents)[:, None] * 255, latents[:, 0].clone())


def _load_cifar10(root: Root, split: Split, download: bool) -> Images:
    place = _find("cifar10", (cifar10.FOLDER,), cifar10.URL, cifar10.MD5, root, download)
    return cifar10.read(place, split)


def _distorted(load_plain: Callable[[], Images], distortion: Distortion) -> Images:
    source = DistortedImages(load_plain(), distortion)
    batches = Batches(source, 250, shuffle=False)  # all floats at once would take much memory
    pixels = [(batch.images * 255).round().to(torch.uint8) for batch in batches]
    return Images(torch.cat(pixels), source.images.labels)
