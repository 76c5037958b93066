"""Finding single images in arrays, and their labels beside them."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from symgen._errors import nearest
from symgen.data.image_labels import labels_among
from symgen.data.labelled import ImageReader, Stack
from symgen.data.recordings.axes import in_words, readings
from symgen.data.recordings.containers import StoredArray, open_arrays
from symgen.data.recordings.frames import Gap, prepared
from symgen.data.recordings.readers import Located

__all__ = ["Found", "images_in_array", "ready"]


class Found(NamedTuple):
    """Images, with a name and a label each, None for none."""

    reader: ImageReader
    names: Sequence[str]
    labels: Sequence[str | None]
    notes: tuple[str, ...]
    transparent: bool = False


def ready(
    images: Iterable[Shaped[ndarray, "..."]],
    size: tuple[int, int] | None,
    gray: bool,
    what: object,
) -> list[Shaped[ndarray, "..."]]:
    """Resize images and turn them to gray if asked for."""
    found = []
    for image in prepared(iter(images), size, gray):
        if isinstance(image, Gap):
            raise ValueError(f"{what}: {image.reason}")
        found.append(image)
    return found


def images_in_array(
    path: Path,
    labels: str | None,
    key: str | None,
    axes: str | None,
    size: tuple[int, int] | None,
    gray: bool,
) -> Found:
    """Find images in a file of arrays, and the labels beside them."""
    arrays = open_arrays(path)
    name, located = _images_among(path, arrays, key, axes)
    count = located.length
    reader: ImageReader = located
    if size is not None or gray or located.array.dtype.kind not in "fiu":
        raw = located.read(np.arange(count))
        reader = Stack(np.stack(ready(raw, size, gray, path)))
    others = {other: array for other, array in arrays.items() if other != name}
    told, notes = labels_among(path, others, labels, count)
    return Found(reader, range_names(count), told, notes)


def range_names(count: int) -> list[str]:
    """Name images of an array by their numbers."""
    return [str(number) for number in range(count)]


def _images_among(
    path: Path, arrays: Mapping[str, StoredArray], key: str | None, axes: str | None
) -> tuple[str, Located]:
    """Choose the array of images, and say what its axes are."""
    if key is not None:
        if key not in arrays:
            raise ValueError(f"key={key!r}: {path} has no such array, {nearest(key, arrays)}")
        return key, Located(arrays[key], _image_axes(f"{path}: {key}", arrays[key], axes))
    can = {}
    for name, array in arrays.items():
        try:
            can[name] = _image_axes(f"{path}: {name}", array, axes)
        except ValueError:
            if len(arrays) == 1:
                raise
    if len(can) != 1:
        told = ", ".join(f"{name} {each.shape} {each.dtype}" for name, each in arrays.items())
        many = "several of which can be" if can else "none of which is surely"
        raise ValueError(f"{path} has {told}, {many} images: name one with key (--key)")
    ((name, chosen),) = can.items()
    return name, Located(arrays[name], chosen)


def _image_axes(name: str, array: StoredArray, axes: str | None) -> str:
    """Return the axes of an array of images as those of one recording, whose frames they are."""
    shape = array.shape
    if array.dtype.kind == "c":
        raise ValueError(
            f"{name} holds {array.dtype}: save its magnitude, or real and imaginary "
            "part as two channels"
        )
    if axes is not None:
        letters = axes.replace("N", "T") if "T" not in axes else axes
        if len(letters) != len(shape) or not {"T", "Y", "X"} <= {*letters} <= {*"TCYX"}:
            raise ValueError(
                f"axes={axes!r}: {name} has shape {shape}: name each axis once by a letter of N "
                "images, C channels, Y X height and width, such as NYX or NYXC"
            )
        return letters
    orders = [o for o in readings(shape, array.dtype, several=False) if not {*o} & {*"ZF"}]
    usual = [order for order in orders if order[0] == "T"] or orders
    if len(usual) == 1:
        return usual[0]
    told = ", ".join(f"{o.replace('T', 'N')} ({in_words(o, shape)})" for o in orders)
    read = f"can be read as {told}" if orders else "is not surely images"
    raise ValueError(
        f"{name} has shape {shape} of {array.dtype}, which {read}: name its axes, such as "
        "--axes NYX or NYXC"
    )
