"""An array in a file, of which parts are read, whatever the format of the file."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from symgen._memory import MEMORY
from symgen.data.extras import readable

__all__ = ["Index", "StoredArray"]

Index = tuple[slice | int, ...]

_ABSURD = 2**50  # bytes, more than a file of our days holds
_NUMBERS = "buifc"  # kinds of numpy: booleans, integers, floats, complex numbers


@dataclass(eq=False)
class StoredArray:
    """An array in a file, of which parts are read.

    The file is opened for the first part, and again in a process that was forked, whose reading
    would move the place in the file of the other one.
    """

    path: Path
    name: str  # in its file
    shape: tuple[int, ...]
    dtype: np.dtype  # of what is read, in the byte order of this machine
    axes: str | None  # what the file itself names them, letters of NTCZYXF
    opener: Callable[[ExitStack], Any]  # opens the file for as long, and returns what to index
    _open: tuple[int, ExitStack, Any] | None = field(default=None, init=False, repr=False)

    def read(self, index: Index = ()) -> Shaped[ndarray, "..."]:
        """Read a part as numpy would index it, by slices with steps of 1 or more and by numbers.

        Raises:
            ValueError: in one line with the path, if the file is damaged or has changed, or holds
                complex numbers.
            IndexError: if there is no such part.
        """
        slices, numbers = _slices(index, self.shape)
        if self.dtype.kind == "c":
            raise ValueError(
                f"{self.path}: {self.name} holds complex numbers ({self.dtype}): save real ones, "
                "such as np.stack([x.real, x.imag], 1)"
            )
        with readable(f"{self.path}: {self.name} cannot be read"):
            part = np.array(self._opened()[slices], self.dtype, order="C", copy=None)
        return np.asarray(part[numbers])  # also of a single number

    def close(self) -> None:
        """Close the file; reading more opens it again."""
        opened, self._open = self._open, None
        if opened is not None and opened[0] == os.getpid():
            opened[1].close()

    def _opened(self) -> Any:
        if self._open is None or self._open[0] != os.getpid():
            with ExitStack() as stack, quiet():
                array = self.opener(stack)
                there = tuple(array.shape), native(array.dtype)
                if there != (self.shape, self.dtype):
                    raise ValueError("the file has changed since it was opened: open it again")
                self._open = os.getpid(), stack.pop_all(), array
        return self._open[2]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": None}

    def __del__(self) -> None:
        with suppress(Exception):  # at the end of a process much is gone
            self.close()


def stored(
    path: Path, name: str, array: Any, axes: str | None, opener: Callable[[ExitStack], Any]
) -> StoredArray:
    """Describe an array that an opener has opened.

    Raises:
        ValueError: if its shape is no shape of a real array.
    """
    shape, dtype = tuple(map(int, array.shape)), native(array.dtype)
    require_size(shape, dtype)
    return StoredArray(path, name, shape, dtype, axes, opener)


def require_size(shape: tuple[int, ...], dtype: np.dtype) -> int:
    """Return the bytes of an array, unless its shape is absurd."""
    size = prod(shape) * dtype.itemsize
    if any(n < 0 for n in shape) or size > _ABSURD:
        raise ValueError(f"it announces an array {shape} of {dtype}, which is absurd")
    return size


def require_room(size: int, what: str, mend: str) -> None:
    """Refuse what must be in memory as a whole and is larger than a quarter of it."""
    if size > MEMORY // 4:
        raise ValueError(
            f"{what} takes {size / 2**30:,.1f} GiB at once, more than a quarter of the memory "
            f"({MEMORY / 2**30:,.0f} GiB): {mend}"
        )


def unknown_numbers(dtype: np.dtype, shape: tuple[int, ...]) -> str | None:
    """Say in words why an array is left out; None if it holds numbers along axes."""
    if dtype.kind not in _NUMBERS:
        return f"{dtype}, no numbers"
    return None if shape else "a single number"


def require_some(arrays: Mapping[str, StoredArray], left_out: Mapping[str, str]) -> None:
    """Refuse a file without an array, naming what there is instead."""
    if not arrays:
        told = ", ".join(f"{name} ({why})" for name, why in left_out.items())
        raise ValueError(f"it has no array of numbers{', only ' if told else ''}{told}")


def native(dtype: Any) -> np.dtype:
    """Return a type in the byte order of this machine, without remarks of a library."""
    dtype = np.dtype(dtype)
    return np.dtype(dtype.newbyteorder("=").str) if dtype.kind in _NUMBERS else dtype


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what libraries warn of as they open a file: versions, and what others wrote."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _slices(
    index: Index, shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice | int, ...]]:
    """Return slices within a shape, and what takes their axis from those of a single number."""
    if len(index) > len(shape):
        raise IndexError(f"{len(index)} indices for an array {shape}")
    slices, numbers = [], []
    for axis, part in enumerate(index):
        length = shape[axis]
        if isinstance(part, slice):
            start, stop, step = part.indices(length)
            if step < 1:
                raise IndexError(f"a step of {step}: read forwards, and turn round what was read")
            slices.append(slice(start, max(start, stop), step))
            numbers.append(slice(None))
        elif -length <= part < length:
            slices.append(slice(part % length, part % length + 1, 1))
            numbers.append(0)
        else:
            raise IndexError(f"no {part} in an axis of {length}")
    slices += [slice(0, length, 1) for length in shape[len(index) :]]
    return tuple(slices), tuple(numbers)
