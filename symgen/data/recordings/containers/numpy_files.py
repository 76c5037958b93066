"""Arrays in `.npy` and `.npz` files."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from numpy.lib import format as npy

from symgen.data.recordings.containers.stored import (
    StoredArray,
    require_room,
    require_some,
    stored,
    unknown_numbers,
)

__all__ = ["open_npy", "open_npz"]

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class _Numbers(NamedTuple):
    """What the header of an array announces."""

    shape: tuple[int, ...]
    dtype: np.dtype
    order: Literal["C", "F"]  # of Fortran
    start: int  # of its first number in the file


class _Mapped(NamedTuple):
    """An `.npy` file, mapped anew for every part: what a map has touched counts as memory."""

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype

    def __getitem__(self, slices: tuple[slice, ...]) -> Shaped[ndarray, "..."]:
        with self.path.open("rb") as file:
            found = _header(file, self.path.stat().st_size)
        if (found.shape, found.dtype) != (self.shape, self.dtype):
            raise ValueError("the file has changed since it was opened: open it again")
        if not prod(found.shape):  # which cannot be mapped
            return np.empty(found.shape, found.dtype)[slices]
        mapped = np.memmap(self.path, found.dtype, "r", found.start, found.shape, found.order)
        return np.array(mapped[slices])


def open_npy(path: Path) -> dict[str, StoredArray]:
    """Open the one array of an `.npy` file, named like the file."""
    array = _map(path)
    why = unknown_numbers(array.dtype, array.shape)
    arrays = {} if why else {path.stem: stored(path, path.stem, array, None, partial(_map, path))}
    require_some(arrays, {path.stem: why} if why else {})
    return arrays


def open_npz(path: Path) -> dict[str, StoredArray]:
    """Open the arrays of an archive, each of which is read as a whole, with its checksum."""
    arrays, left_out = {}, {}
    with zipfile.ZipFile(path) as archive:
        for member in _members(archive):
            name = member.filename.removesuffix(".npy")
            if name in arrays or name in left_out:
                raise ValueError(f"it has two arrays {name}")
            with archive.open(member) as file:
                found = _header(file, member.file_size, objects=True)
            if why := unknown_numbers(found.dtype, found.shape):
                left_out[name] = why
            else:
                arrays[name] = stored(path, name, found, None, partial(_member, path, name))
    require_some(arrays, left_out)
    return arrays


def _map(path: Path, _: ExitStack | None = None) -> _Mapped:
    with path.open("rb") as file:
        found = _header(file, path.stat().st_size)
    return _Mapped(path, found.shape, found.dtype)


def _member(path: Path, name: str, _: ExitStack) -> Shaped[ndarray, "..."]:
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo(f"{name}.npy")
        mend = "save it with np.save, or in HDF5, which are read part by part"
        require_room(member.file_size, f"{name}, which is read as a whole,", mend)
        with archive.open(member) as file:
            found = _header(file, member.file_size)
            content = file.read()  # to its end, where the checksum is
    flat = np.frombuffer(content, found.dtype, prod(found.shape))
    return flat.reshape(found.shape, order=found.order)


def _members(archive: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    yield from (member for member in archive.infolist() if member.filename.endswith(".npy"))


def _header(file: BinaryIO | Any, size: int, objects: bool = False) -> _Numbers:
    """Read the header of an array, which must announce as many bytes as there are."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"it is of version {version}, which numbers do not need")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject and not objects:
        raise ValueError("it holds objects, which are no numbers")
    told = file.tell() + dtype.itemsize * prod(shape)
    if any(n < 0 for n in shape) or (told != size and not dtype.hasobject):
        raise ValueError(f"it announces {shape}, {told:,} bytes in all, but has {size:,}")
    return _Numbers(shape, dtype, "F" if fortran else "C", file.tell())
