"""Recordings in memory: a tensor, or any iterable or Dataset of tensors, pairs or dictionaries."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from torch import Tensor

from symgen._errors import nearest
from symgen.data.recordings.axes import choose_axes, frames_last
from symgen.data.recordings.writing import Recording

__all__ = ["item_recordings"]


def item_recordings(
    data: Any, axes: str | None, key: str | None
) -> tuple[Iterator[Recording], str | None]:
    """Read recordings from a tensor of one or several, or from an iterable or Dataset of them.

    Items are tensors or arrays, tuples whose first tensor is taken, such as (clip, label), or
    dictionaries, of which the only entry that can be one, or that of `key`, is taken.

    Returns:
        the recordings by name, "item 0" and so on, and the axes that they have.

    Raises:
        ValueError: in one line, for what is no recording, or whose axes are not sure.
    """
    if isinstance(data, Mapping):
        data = [data]
    if isinstance(data, Tensor | np.ndarray):
        array = _numbers("the array", data)
        chosen = choose_axes("the array", array.shape, array.dtype, axes)
        items = enumerate(frames_last(array, chosen))
        return ((f"item {number}", iter(frames)) for number, frames in items), chosen
    # A torch Dataset has no iterator; its length, not an IndexError, says where it ends.
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not (indexed or hasattr(data, "__iter__")):
        raise ValueError(f"{data!r} is not a recording: give a path or tensors")
    items: Iterable[Any] = map(data.__getitem__, range(len(data))) if indexed else data
    read = (_read(f"item {number}", item, axes, key) for number, item in enumerate(items))
    first = next(read, None)
    if first is None:
        return iter(()), None
    found = ((name, iter(frames)) for name, frames, _ in chain([first], read))
    return found, first[2]


def _read(
    name: str, item: Any, axes: str | None, key: str | None
) -> tuple[str, Shaped[ndarray, " S *data"], str]:
    array = _numbers(name, _chosen(name, item, key))
    chosen = choose_axes(name, array.shape, array.dtype, axes, several=False)
    return name, frames_last(array, chosen)[0], chosen


def _chosen(name: str, item: Any, key: str | None) -> Any:
    """Take the recording out of an item."""
    if isinstance(item, Mapping):
        if key is not None:
            if key not in item:
                raise ValueError(f"key={key!r}: {name} has no such entry, {nearest(key, item)}")
            return item[key]
        can = {entry: part for entry, part in item.items() if _can_be(part)}
        if len(can) != 1:
            raise ValueError(
                f"{name} is a dictionary of {', '.join(map(str, item)) or 'nothing'}, of which "
                f"{', '.join(map(str, can)) or 'none'} can be a recording: name one with key"
            )
        return next(iter(can.values()))
    if isinstance(item, tuple | list):
        return next((part for part in item if _can_be(part)), item)
    return item


def _can_be(part: Any) -> bool:
    return isinstance(part, Tensor | np.ndarray) and part.ndim > 1


def _numbers(name: str, item: Any) -> Shaped[ndarray, "..."]:
    if not isinstance(item, Tensor | np.ndarray):
        kind = type(item).__name__
        raise ValueError(f"{name} is a {kind}: give tensors (S, channels, height, width)")
    try:
        array = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
    except (RuntimeError, TypeError) as error:  # bfloat16, sparse, without content
        said = " ".join(f"{error}".split())
        raise ValueError(f"{name} has no numbers that numpy knows: {said}") from error
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {array.dtype}: give real numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)
