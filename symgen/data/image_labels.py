"""Labels of images: in an array beside them, in a file of their own, and their numbers."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray

from symgen._errors import nearest
from symgen.data.recordings.containers import StoredArray, open_arrays
from symgen.data.recordings.folders import counted

__all__ = ["has_labels", "is_file_of_labels", "labels_among", "labels_of_file", "numbered"]

_LABELS = ("labels", "label", "y", "targets", "target", "classes", "class")


def is_file_of_labels(labels: str) -> bool:
    """Tell whether labels are in a file of their own, rather than in an array of this name.

    Example:
        >>> is_file_of_labels("cells.csv"), is_file_of_labels("day0/kind")
        (True, False)
    """
    return Path(labels).suffix.lower() in (".csv", ".txt", ".npy")


def has_labels(path: Path) -> bool:
    """Tell whether a file of arrays has one that is called as labels are."""
    if _texts(path, _LABELS):
        return True
    return any(name.rpartition("/")[2].lower() in _LABELS for name in open_arrays(path))


def labels_among(
    path: Path, arrays: Mapping[str, StoredArray], labels: str | None, count: int
) -> tuple[Sequence[str | None], tuple[str, ...]]:
    """Find the array of labels beside images, and say what else is there."""
    file = labels is not None and is_file_of_labels(labels)
    named = [name for name in arrays if name.rpartition("/")[2].lower() in _LABELS]
    if labels is not None and not file:
        named = [labels]
    if len(named) <= 1 and not file and (texts := _texts(path, named or _LABELS)):
        ((name, values),) = texts.items()
        return _as_names(f"{path}: {name}", values, count), ()
    if labels is not None and not file and labels not in arrays:
        raise ValueError(
            f"labels={labels!r}: {path} has no such array beside the images, "
            f"{nearest(labels, arrays)}"
        )
    if len(named) == 1 and not file:
        return _as_labels(f"{path}: {named[0]}", arrays[named[0]].read(), count), ()
    can = {n: a for n, a in arrays.items() if a.dtype.kind in "biu" and a.shape[:1] == (count,)}
    can = {name: array for name, array in can.items() if np.prod(array.shape) == count}
    left = ", ".join(f"{name} {each.shape} {each.dtype}" for name, each in arrays.items())
    note = f"{path}: left alone {left}"
    if can and not file:
        note += f"; if they are labels, give --labels {next(iter(can))}"
    return [None] * count, (note,) if left else ()


def _texts(path: Path, wanted: Sequence[str]) -> dict[str, Shaped[ndarray, "..."]]:
    """Read the first array of text with one of these names in an `.npz`, if there is one."""
    if path.suffix.lower() != ".npz":
        return {}
    with np.load(path, allow_pickle=False) as file:
        for name in file.files:
            if name in wanted or name.lower() in wanted:
                try:
                    values = file[name]
                except ValueError:  # it holds objects
                    continue
                if values.dtype.kind in "US":
                    return {name: values.astype(str)}
    return {}


def _as_names(name: str, values: Shaped[ndarray, "..."], count: int) -> list[str | None]:
    """Return text as labels; an empty one stands for none."""
    if values.shape != (count,):
        raise ValueError(
            f"{name} has text of shape {values.shape} for {count:,} images: give each a label, "
            "empty for none"
        )
    return [text or None for text in values.tolist()]


def _as_labels(name: str, values: Shaped[ndarray, "..."], count: int) -> list[str | None]:
    """Return numbers as labels; -1 and what is no number stand for none."""
    flat = values.reshape(-1)
    sure = flat[~np.isnan(flat)] if flat.dtype.kind == "f" else flat
    whole = (
        flat.dtype.kind in "biuf" and np.isfinite(sure).all() and (sure == np.floor(sure)).all()
    )
    if len(flat) != count or not whole or (sure < -1).any():
        raise ValueError(
            f"{name} has shape {values.shape} of {values.dtype} for {count:,} images: give a "
            "whole number from 0 on for each, -1 for none"
        )
    return [None if v != v or v == -1 else str(int(v)) for v in flat.tolist()]


def labels_of_file(path: Path, names: Sequence[str]) -> Sequence[str | None]:
    """Read labels from a file of their own."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: name a file of lines image,label")
    if path.suffix.lower() == ".npy":
        (array,) = open_arrays(path).values()
        return _as_labels(str(path), array.read(), len(names))
    places = {name: number for number, name in enumerate(names)}
    stems: dict[str, int] = {}
    for number, name in enumerate(names):
        for short in _short(name):
            stems[short] = number if short not in stems or short == name else -1
    labels: list[str | None] = [None] * len(names)
    told: dict[int, str] = {}
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: save lines image,label") from error
    with StringIO(text, newline="") as file:
        for line, row in enumerate(csv.reader(file), 1):
            if len(row) != 2:
                raise ValueError(f"{path}, line {line}: {row} is no pair: give image,label")
            name, label = (entry.strip() for entry in row)
            place = places.get(name, stems.get(name, -1))
            if place < 0 and line == 1 and name not in stems:  # a header
                continue
            if place < 0 and name in stems:
                raise ValueError(
                    f"{path}, line {line}: several images are called {name!r}: give its path in "
                    f"the folder, such as {next(n for n in names if name in _short(n))!r}"
                )
            if place < 0:
                raise ValueError(f"{path}, line {line}: no image {name!r}, {nearest(name, names)}")
            if told.setdefault(place, label) != label:
                raise ValueError(
                    f"{path}, line {line}: {name!r} is {label!r} here, but {told[place]!r} in a "
                    "line before: give each image one label"
                )
            labels[place] = None if label in ("", "-1") else label
    return labels


def _short(name: str) -> tuple[str, str]:
    """Return the names by which an image in a folder can be called, too."""
    return Path(name).name, Path(name).stem


def numbered(
    labels: Sequence[str | None], class_names: Sequence[str] | None
) -> tuple[Int64[ndarray, " n"], tuple[str, ...]]:
    """Number labels in the natural order of their names, or in a given one."""
    found = sorted({label for label in labels if label is not None}, key=counted)
    names = tuple(found if class_names is None else class_names)
    if len({*names}) < len(names):
        raise ValueError(f"class_names={list(names)}: give each class a name of its own")
    place = {name: number for number, name in enumerate(names)}
    numbers = [-1 if label is None else place.get(label, -1) for label in labels]
    return np.array(numbers, np.int64), names
