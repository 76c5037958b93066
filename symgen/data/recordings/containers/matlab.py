"""Variables of MATLAB files, their axes in the order that MATLAB shows."""

from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from symgen.data.recordings.containers.hdf5 import open_hdf5_file, require_written, walked
from symgen.data.recordings.containers.stored import (
    StoredArray,
    native,
    require_room,
    require_some,
    stored,
    unknown_numbers,
)

__all__ = ["open_matlab"]

_HDF5, _AT = b"\x89HDF\r\n\x1a\n", 512  # behind a header of MATLAB
_TYPES = {kind: kind for bits in (8, 16, 32, 64) for kind in (f"int{bits}", f"uint{bits}")}
_TYPES |= {"double": "float64", "single": "float32", "logical": "bool"}


class _Shown(NamedTuple):
    """A dataset of version 7.3, which holds the axes of a variable the other way round."""

    dataset: Any
    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, slices: tuple[slice, ...]) -> Shaped[ndarray, "..."]:
        return self.dataset[slices[::-1]].T


def open_matlab(path: Path) -> dict[str, StoredArray]:
    """Open the variables of a file; those of versions before 7.3 are read as a whole.

    Cells, text, sparse matrices and objects are left out, and structures of those versions.
    """
    with path.open("rb") as file:
        head = file.read(_AT + len(_HDF5))
    return _open_new(path) if _HDF5 in (head[: len(_HDF5)], head[_AT:]) else _open_old(path)


def _open_new(path: Path) -> dict[str, StoredArray]:
    arrays, left_out = {}, {}
    with open_hdf5_file(path) as file:
        for name, dataset in walked(file):
            if name.startswith("#"):  # what cells and objects refer to
                continue
            if isinstance(dataset, str):
                left_out[name] = dataset
            elif why := _unknown(dataset) or unknown_numbers(native(dataset.dtype), dataset.shape):
                left_out[name] = why
            else:
                arrays[name] = stored(path, name, _shown(dataset), None, partial(_new, path, name))
    require_some(arrays, left_out)
    return arrays


def _unknown(dataset: Any) -> str | None:
    kind = dataset.attrs.get("MATLAB_class", b"double")
    kind = kind.decode() if isinstance(kind, bytes) else str(kind)
    return "empty" if "MATLAB_empty" in dataset.attrs else None if kind in _TYPES else kind


def _shown(dataset: Any) -> _Shown:
    logical = dataset.attrs.get("MATLAB_class") == b"logical"
    return _Shown(dataset, dataset.shape[::-1], np.dtype(bool) if logical else dataset.dtype)


def _new(path: Path, name: str, stack: ExitStack) -> _Shown:
    dataset = stack.enter_context(open_hdf5_file(path))[name]
    require_written(name, dataset)
    return _shown(dataset)


def _open_old(path: Path) -> dict[str, StoredArray]:
    from scipy.io import whosmat

    arrays, left_out = {}, {}
    for name, shape, kind in whosmat(path):
        if kind not in _TYPES:
            left_out[name] = kind
        else:
            told = _Announced(shape, np.dtype(_TYPES[kind]))
            arrays[name] = stored(path, name, told, None, partial(_old, path, name, told))
    require_some(arrays, left_out)
    return arrays


class _Announced(NamedTuple):
    """What the header of a variable tells."""

    shape: tuple[int, ...]
    dtype: np.dtype


def _old(path: Path, name: str, told: _Announced, _: ExitStack) -> Shaped[ndarray, "..."]:
    from scipy.io import loadmat

    mend = "save it by save(..., '-v7.3'), which is read part by part"
    size = prod(told.shape) * told.dtype.itemsize
    require_room(size, f"{name}, which is read as a whole,", mend)
    found = loadmat(path, variable_names=[name])[name]  # doubles may be bytes there
    if found.dtype.kind == "c":
        raise ValueError("it holds complex numbers: save real ones, such as real(x) and imag(x)")
    return found.astype(told.dtype)
