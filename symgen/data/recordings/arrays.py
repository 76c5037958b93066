"""Arrays of recordings in `.npy` and `.npz` files, read frame by frame."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from numpy.lib import format as npy

from symgen.data.image_files import require_file
from symgen.data.recordings.footage import Footage, Recording, Skipped
from symgen.data.recordings.frames import check_array, check_values

__all__ = ["array_recordings", "footage_in_place"]

_AT_ONCE = 2**26  # bytes of frames that are checked together
_WHOLE = 2**30  # bytes that are read together where frames are scattered, in Fortran order
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


class _Array(NamedTuple):
    """An array in an open file."""

    path: Path
    file: Any  # open
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int  # of its first number in the file
    vectors: bool

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a frame, with its channels."""
        return self.shape[2:] if self.vectors else (1, *self.shape[2:])[-3:]

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.dtype.itemsize * prod(self.data_shape)

    def frames(self, first: int, count: int) -> Shaped[ndarray, " count *data"]:
        """Read frames, counted over all recordings."""
        self.file.seek(self.start + first * self.frame_bytes)
        content = self.file.read(count * self.frame_bytes)
        return np.frombuffer(content, self.dtype).reshape(count, *self.data_shape)


@lru_cache(maxsize=8)
def footage_in_place(
    path: Path, skip_broken: bool, vectors: bool, stamp: tuple[int, int]
) -> Footage:
    """Describe a `.npy` file that is read in place; floats are checked once, in blocks."""
    with _opened(path, vectors) as array:
        count, length = array.shape[:2]
        if length < 2:
            raise ValueError(f"{path} has sequences of {length} frame: a sequence needs two")
        if array.fortran:
            raise ValueError(f"{path} is in Fortran order: save np.ascontiguousarray of it")
        skipped = {} if array.dtype == np.uint8 else _broken(array, skip_broken)
    good = np.setdiff1d(np.arange(count), list(skipped))
    if not len(good):
        raise ValueError(f"{path}: all sequences are broken; the first: {skipped[0].reason}")
    first, lengths, left_out = length * good, np.full_like(good, length), tuple(skipped.values())
    return Footage(".npy array", path, array.data_shape, first, lengths, skipped=left_out)


def array_recordings(path: Path, vectors: bool) -> Iterator[Recording]:
    """Read the recordings of an array one after the other."""
    with _opened(path, vectors) as array:
        count, length = array.shape[:2]
        whole = _transposed(array) if array.fortran else None
        for number in range(count):
            frames = (array.frames(number * length + i, 1)[0] for i in range(length))
            yield f"{path}[{number}]", frames if whole is None else iter(whole[number])


@contextmanager
def _opened(path: Path, vectors: bool) -> Iterator[_Array]:
    """Open an `.npy` file, or the only one in an `.npz`, and check its header."""
    require_file(path)
    with ExitStack() as files:
        try:
            file, size = _stream(path, files)
            version = npy.read_magic(file)
            if version not in _HEADERS:
                raise ValueError(f"it is of version {version}, which numbers do not need")
            shape, fortran, dtype = _HEADERS[version](file)
            start = file.tell()
            told = start + dtype.itemsize * prod(shape)
            if dtype.hasobject:
                raise ValueError("it holds objects, which are no numbers")
            if any(n < 0 for n in shape) or told != size:
                raise ValueError(f"it announces {shape}, {told:,} bytes in all, but has {size:,}")
        except Exception as error:  # libraries raise nearly any kind for damaged files
            said = " ".join(f"{error}".split())
            raise ValueError(f"{path} cannot be read as an array: {said}") from error
        check_array(str(path), shape, dtype, "n, S", vectors)
        yield _Array(path, file, shape, dtype, fortran, start, vectors)


def _stream(path: Path, files: ExitStack) -> tuple[Any, int]:
    """Open the bytes of an `.npy` file and tell their number."""
    if path.suffix == ".npy":
        return files.enter_context(path.open("rb")), path.stat().st_size
    archive = files.enter_context(zipfile.ZipFile(path))
    members = archive.infolist()
    if len(members) != 1:
        names = ", ".join(member.filename.removesuffix(".npy") for member in members)
        raise ValueError(f"it has {len(members)} arrays ({names}): save one")
    with archive.open(members[0]) as file:
        while file.read(2**20):  # to its end, where the checksum is
            pass
    return files.enter_context(archive.open(members[0])), members[0].file_size


def _transposed(array: _Array) -> Shaped[ndarray, "..."]:
    size = array.frame_bytes * prod(array.shape[:2])
    if size > _WHOLE:
        raise ValueError(
            f"{array.path} is in Fortran order, {size / 1e9:.1f} GB that must be read at once: "
            "save np.ascontiguousarray of it"
        )
    flat = np.frombuffer(array.file.read(), array.dtype)
    return flat.reshape(array.shape[::-1]).T.reshape(*array.shape[:2], *array.data_shape)


def _broken(array: _Array, skip: bool) -> dict[int, Skipped]:
    """Check all values, a block of frames at a time, and return the recordings with bad ones."""
    count, length = array.shape[:2]
    step = max(1, _AT_ONCE // array.frame_bytes)
    skipped: dict[int, Skipped] = {}
    for number in range(count):
        name = f"{array.path}[{number}]"
        try:
            for begin in range(0, length, step):
                block = array.frames(number * length + begin, min(step, length - begin))
                check_values(name, block, begin)
        except ValueError as error:
            if not skip:
                raise
            skipped[number] = Skipped(name, str(error))
    return skipped
