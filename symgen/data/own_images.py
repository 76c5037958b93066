"""Finding single images, and their classes, in what people have."""

import hashlib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from numpy import ndarray

from symgen._errors import require_choice
from symgen._memory import MEMORY
from symgen.data.image_arrays import Found, images_in_array, ready
from symgen.data.image_files import load_pixels
from symgen.data.image_labels import (
    is_file_of_labels,
    labels_of_file,
    numbered,
)
from symgen.data.labelled import ImageReader, OwnImages, Stack, deal_images, hashes
from symgen.data.recordings.containers import CONTAINER_SUFFIXES
from symgen.data.recordings.folders import natural
from symgen.data.recordings.frames import unusable
from symgen.data.recordings.scale import Scale, as_scale, choose_levels

__all__ = ["ImageSplit", "class_folders", "open_images"]

ImageSplit = str  # "train", "validation", "test" or "all"
_SPLITS = ("train", "validation", "test")
_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
_UNLABELLED = ("unlabelled", "unlabeled", "unknown")  # folders of images that have no class
_LOOKED_AT = 1000  # images, for percentiles


def open_images(
    data: str | Path,
    split: ImageSplit = "train",
    *,
    labels: str | None = None,
    ignore_labels: bool = False,
    classes: int | None = None,
    class_names: Sequence[str] | None = None,
    axes: str | None = None,
    key: str | None = None,
    files: str | None = None,
    scale: Scale | tuple[Any, Any] = "auto",
    gray: bool = False,
    size: tuple[int, int] | None = None,
    background: float = 0.0,
    validation: float = 0.1,
    test: float = 0.1,
    split_seed: int = 0,
    others: bool = False,
    record: Mapping[str, str] | None = None,
    device: str | torch.device = "cpu",
) -> OwnImages:
    """Open single images with labels, with some, or without, as a source for ACE.

    What `data` can be:

    * a folder of folders of images, of which each is a class. Images beside the folders, and those
      in a folder `unlabelled`, have no label;
    * a folder of images, without labels;
    * a file of arrays (`.npy .npz .h5 .hdf5 .zarr .tif .tiff .mat`) of images, gray or of up to 4
      channels. An array `labels` (or `label`, `y`, `target`, `class`) in the same file holds a
      number for each, -1 for none.

    Images of folders are read into memory, arrays in place. Those that are not finite are left
    out.

    Args:
        split: "train", "validation", "test" or "all".
        labels: name of the array of labels, or a file of lines "image,label" (.csv), the image
            by its name or number, or of a number for each image (.npy).
        ignore_labels: hide labels from a training; they are still there to measure by.
        classes: clusters to find where no image has a label; None: 1.
        class_names: classes by name in the order of their numbers; None: those that are found.
        axes: what the axes of an array are, in their order: N images, C channels, Y X height and
            width, such as "NYXC".
        key: name of the array in a file of several.
        files: which files of folders to read, such as "*.png".
        scale, gray, size, background: as of `symgen.open`.
        validation, test: shares of each class that are kept for validation and for the test.
        split_seed: seed of the choice.
        others: these are other images than those that the options were chosen for, and need not
            have all that these speak of.
        record: what `OwnImages.record` was; ValueError if images or labels have changed since.
        device: where batches are made.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ValueError: if it is not sure what images are, they differ in size, a label fits none, or
            an option says nothing about them.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "cells.npz")
        ...     images = np.arange(40 * 144, dtype=np.uint16).reshape(40, 12, 12)
        ...     np.savez(path, images=images, labels=np.arange(40) % 2)
        ...     source = open_images(path)
        >>> len(source), source.data_shape, source.class_names, source.labelled
        (32, (1, 12, 12), ('0', '1'), 'all')
    """
    data = Path(data)
    require_choice("split", split, (*_SPLITS, "all"))
    if not data.exists():
        raise FileNotFoundError(f"{data} is not there: name a folder of images, or an array")
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ValueError(f"{validation=}, {test=}: give shares that leave some to train on")
    if size is not None and min(size) < 1:
        raise ValueError(f"{size=}: give a height and a width of 1 or more")
    array = data.suffix.lower() in CONTAINER_SUFFIXES and (
        data.is_file() or data.suffix == ".zarr"
    )
    if not array and not data.is_dir():
        raise ValueError(
            f"{data} is not a set of images: give a folder of images, a folder of such folders, "
            f"one for each class, or an array ({', '.join(CONTAINER_SUFFIXES)})"
        )
    how = {"size": size, "gray": gray}
    others = others or record is not None  # by which the options were checked before
    if not others:
        _require_unused(data, array, axes=axes, key=key, files=files)
    if array:
        found = images_in_array(data, labels, key, axes, **how)
    else:
        found = _in_folder(data, files, background, **how)
    if labels is not None and is_file_of_labels(labels):
        found = found._replace(labels=labels_of_file(Path(labels), found.names))
    elif labels is not None and not array:
        raise ValueError(f"labels={labels!r}: of a folder give a file of lines image,label (.csv)")
    if labels is not None and all(label is None for label in found.labels):
        raise ValueError(f"labels={labels!r}: none of {len(found.names):,} images has one there")
    if not others:
        _require_said(data, found, class_names, ignore_labels, background)
    numbers, names = numbered(found.labels, class_names)
    clusters = _clusters(names, classes, ignore_labels)
    if clusters > len(numbers):
        raise ValueError(
            f"classes={clusters}: give at most one for each of {len(numbers):,} images"
        )
    good, notes = _finite(data, found)
    strange = sorted({label for label in found.labels if label is not None} - {*names})
    if strange:
        count = sum(label in strange for label in found.labels)
        notes = (
            *notes,
            f"labels {', '.join(strange)} match none of the classes: their {count:,} images count "
            "as having no label",
        )
    if empty := [name for name in names if name not in found.labels]:
        notes = (*notes, f"no image has the label {', '.join(empty)}")
    every = np.arange(len(numbers))
    sample = found.reader.read(every[good][:: max(1, int(good.sum()) // _LOOKED_AT)])
    dtype = sample.dtype
    levels = choose_levels(
        as_scale(scale), dtype, False, lambda: sample, lambda: _extremes(found.reader, every[good])
    )
    _require_several(data, sample, found.notes)
    content = hashes(found.reader, every)
    here = {"images": _hash(b"".join(content)), "labels": _hash(numbers.tobytes())}
    _require_same(data, record or here, here)
    splits = deal_images(content, numbers, validation, test, split_seed)
    mine = good if split == "all" else good & (splits == _SPLITS.index(split))
    if not mine.any():
        raise ValueError(
            f"{data}: none of {int(good.sum()):,} images is in the {split} split: give more of "
            f"each class, or other shares ({validation=:g}, {test=:g})"
        )
    return OwnImages(
        found.reader, every[mine], numbers, names, found.names, splits, here, levels, clusters,
        ignore_labels, split == "train", notes, torch.device(device),
    )  # fmt: skip


def class_folders(data: Path, files: str | None = None) -> dict[str, int] | None:
    """Count the images in every folder of a folder, "" for those beside; None if there are none.

    Example:
        >>> class_folders(Path("nowhere")) is None
        True
    """
    if not data.is_dir():
        return None
    counts: dict[str, int] = {}
    for name, _ in _listed(data, files):
        counts[name or ""] = counts.get(name or "", 0) + 1
    return counts or None


def _clusters(names: tuple[str, ...], classes: int | None, ignore_labels: bool) -> int:
    """Return the number of classes of the model."""
    if names and not ignore_labels:
        if classes not in (None, len(names)):
            raise ValueError(
                f"classes={classes}, but the labels name {len(names)}: leave it out, or give "
                "ignore_labels (--ignore-labels) to find clusters"
            )
        return len(names)
    if classes is not None and classes < 1:
        raise ValueError(f"classes={classes}: give a number of clusters of 1 or more")
    return classes or 1


def _require_unused(data: Path, array: bool, **options: str | None) -> None:
    """Refuse options of arrays for folders, and of folders for arrays."""
    for name, value in options.items():
        if value is not None and array == (name == "files"):
            kinds = ("an array", "a folder of images")
            there, wanted = kinds if array else kinds[::-1]
            raise ValueError(f"{name}={value!r}: {data} is {there}, not {wanted}: leave it out")


def _require_said(
    data: Path,
    found: Found,
    class_names: Sequence[str] | None,
    ignore_labels: bool,
    background: float,
) -> None:
    """Refuse options that say nothing about these images."""
    labels = {label for label in found.labels if label is not None}
    if ignore_labels and not labels:
        raise ValueError(f"{ignore_labels=}: no image of {data} has a label, leave it out")
    if class_names is not None and not labels:
        raise ValueError(
            f"class_names={list(class_names)}: no image of {data} has a label; clusters are found "
            f"with classes={len(class_names)} and have no names"
        )
    if class_names is not None and not labels & {*class_names}:
        raise ValueError(
            f"class_names={list(class_names)}: none of them is among the labels of {data}, "
            f"{', '.join(sorted(labels))}"
        )
    if background and not found.transparent:
        raise ValueError(f"{background=:g}: no image of {data} is transparent, leave it out")


def _require_same(data: Path, record: Mapping[str, str], here: Mapping[str, str]) -> None:
    """Refuse images that are no longer those on record."""
    changed = [name for name in here if record[name] != here[name]]
    if changed:
        raise ValueError(
            f"{data}: the {changed[0]} are not those that the run was trained on: put them back "
            "as they were, or train a new run; symgen align and encode take others with --data"
        )


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


# --- folders -----------------------------------------------------------------------------------


def _listed(folder: Path, files: str | None) -> list[tuple[str | None, Path]]:
    """List the images of a folder with the name of the folder in it that they lie in."""
    found: list[tuple[str | None, Path]] = []
    for entry in natural(path for path in folder.iterdir() if path.name[0] != "."):
        inside = natural(entry.rglob("*")) if entry.is_dir() else [entry]
        for path in inside:
            wanted = files is None or fnmatchcase(path.name, files)
            if wanted and path.is_file() and path.suffix.lower() in _SUFFIXES:
                found.append((entry.name if entry.is_dir() else None, path))
    return found


def _in_folder(
    folder: Path, files: str | None, background: float, size: tuple[int, int] | None, gray: bool
) -> Found:
    listed = _listed(folder, files)
    if not listed:
        kinds = ", ".join(_SUFFIXES) if files is None else f"files={files!r}"
        raise ValueError(f"{folder} has no image ({kinds}): name a folder with some")
    transparent = False
    images = []
    room = MEMORY // 4
    for _, path in listed:
        pixels = load_pixels(path)
        transparent = transparent or len(pixels) in (2, 4)
        image = _opaque(pixels, background)
        (image,) = ready([image], size, gray, path)
        if images and (image.shape, image.dtype) != (images[0].shape, images[0].dtype):
            raise ValueError(
                f"{path} is {_layout(image)}, those before it are {_layout(images[0])}: bring all "
                "to one size with size (--size), and to one channel with gray (--gray)"
            )
        images.append(image)
        room -= image.nbytes
        if room < 0:
            raise ValueError(
                f"{folder} takes more than a quarter of the memory: make images smaller with "
                "size (--size), or save them as one .npy, which is read in place"
            )
    names = [str(path.relative_to(folder)) for _, path in listed]
    labels = [None if name is None or name.lower() in _UNLABELLED else name for name, _ in listed]
    note = f"transparent images lie over gray {background:g} (--background)"
    notes = (note,) if transparent else ()
    return Found(Stack(np.stack(images)), names, labels, notes, transparent)


def _opaque(
    pixels: Shaped[ndarray, "channels H W"], background: float
) -> Shaped[ndarray, "c H W"]:
    """Lay an image with transparency over a gray level."""
    if len(pixels) not in (2, 4):
        return pixels
    most = np.iinfo(pixels.dtype).max
    share = pixels[-1] / most
    return np.rint(pixels[:-1] * share + background * most * (1 - share)).astype(pixels.dtype)


def _layout(image: Shaped[ndarray, "..."]) -> str:
    return f"{' × '.join(map(str, image.shape))} {image.dtype}"


# --- all ---------------------------------------------------------------------------------------


def _require_several(
    data: Path, sample: Shaped[ndarray, "n channels H W"], notes: tuple[str, ...]
) -> None:
    """Refuse images that are all the same, as black ink is that lies over black."""
    if len(sample) > 1 and (sample == sample[0]).all():
        why = "".join(f"; {note}: take another level" for note in notes if "transparent" in note)
        raise ValueError(f"{data}: {len(sample):,} images are all equal{why}")


def _finite(data: Path, found: Found) -> tuple[Shaped[ndarray, " n"], tuple[str, ...]]:
    """Tell which images are finite, and note how many are not."""
    reader, notes, count = found.reader, found.notes, len(found.names)
    bad = [unusable(reader.read(part)) for part in _parts(reader, np.arange(count))]
    wrong = np.concatenate(bad)
    if wrong.all():
        raise ValueError(f"{data}: none of {count:,} images is finite (NaN or beyond 32 bits)")
    if wrong.any():
        notes = (*notes, f"{int(wrong.sum()):,} images are not finite and left out")
    return ~wrong, notes


def _extremes(reader: ImageReader, numbers: Int64[ndarray, " n"]) -> tuple[float, float]:
    """Find the least and the greatest number in images."""
    pairs = [(float(x.min()), float(x.max())) for x in map(reader.read, _parts(reader, numbers))]
    low, high = zip(*pairs, strict=True)
    return min(low), max(high)


def _parts(reader: ImageReader, numbers: Int64[ndarray, " n"]) -> list[Int64[ndarray, " part"]]:
    size = 8 * int(np.prod(reader.data_shape))
    return np.array_split(numbers, max(1, -(-len(numbers) * size // 2**26)))
