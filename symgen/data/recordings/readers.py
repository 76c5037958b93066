"""Where the frames of recordings lie: arrays of any order of axes, read in place by number."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray

from symgen.data.recordings.axes import frames_last, shape_of_frames
from symgen.data.recordings.containers import StoredArray

__all__ = ["Flat", "FrameReader", "Lying", "Located"]

_OPEN = 16  # files that stay open
_AROUND = 2**16  # bytes that the system maps around a number that is touched
_MAPPED = 2**25  # bytes of a file that are mapped together, about


@runtime_checkable
class FrameReader(Protocol):
    """What reads frames by number; the frames of all recordings are numbered one by one."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What it reads, to be found from any folder."""
        ...

    def read(self, frames: Int64[ndarray, " n"]) -> Shaped[ndarray, " n *data"]:
        """Copy frames out of the files."""
        ...


@dataclass(frozen=True, eq=False)
class Flat:
    """Frames one after the other in an `.npy` file, which is mapped anew for every read.

    A map that stays open would count every page it has touched as the process's memory.
    """

    path: Path
    data_shape: tuple[int, ...]

    @property
    def files(self) -> tuple[Path, ...]:
        """The `.npy` file."""
        return (self.path,)

    def read(self, frames: Int64[ndarray, " n"]) -> Shaped[ndarray, " n *data"]:
        """Copy frames out of the file."""
        return np.asarray(np.load(self.path, mmap_mode="r").reshape(-1, *self.data_shape)[frames])


@dataclass(frozen=True, eq=False)
class Located:
    """An array in a file whose axes are known.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from symgen.data.recordings.containers import open_arrays
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "film.npy")
        ...     np.save(path, np.arange(24).reshape(2, 3, 4))  # height, width, frames
        ...     Located(open_arrays(path)["film"], "YXT").read(np.array([1, 3]))[:, 0, 0].tolist()
        [[1, 5, 9], [3, 7, 11]]
    """

    array: StoredArray
    axes: str

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a frame."""
        return shape_of_frames(self.axes, self.array.shape)

    @property
    def recordings(self) -> int:
        """Recordings in the array."""
        return self.array.shape[self.axes.index("N")] if "N" in self.axes else 1

    @property
    def length(self) -> int:
        """Frames of each recording."""
        return self.array.shape[self.axes.index("T")]

    def read(
        self, frames: Int64[ndarray, " n"], row: int | None = None
    ) -> Shaped[ndarray, " n *data"]:
        """Copy frames, or one row of each, out of the file by number, counted over recordings."""
        recording, time = np.divmod(frames, self.length)
        shape = self.data_shape if row is None else (*self.data_shape[:-2], self.data_shape[-1])
        found = np.empty((len(frames), *shape), self.array.dtype)
        if self.array.path.suffix.lower() == ".npy":
            self._read_mapped(recording, time, row, found)
            return found
        breaks = np.flatnonzero((np.diff(time) != 1) | (np.diff(recording) != 0)) + 1
        for begin, end in zip([0, *breaks.tolist()], [*breaks.tolist(), len(frames)], strict=True):
            if begin < end:
                found[begin:end] = self.run(recording[begin], time[begin], end - begin, row)
        return found

    def _read_mapped(
        self,
        recording: Int64[ndarray, " n"],
        time: Int64[ndarray, " n"],
        row: int | None,
        found: Shaped[ndarray, " n *data"],
    ) -> None:
        """Read frames of an `.npy` file, mapped anew for some at a time.

        What a map has touched counts as memory, and the system maps what lies around it, too.
        """
        touched = max(_AROUND, found.nbytes // max(1, len(time)))
        step = max(1, _MAPPED // touched)
        for at in range(0, len(time), step):
            mapped = np.load(self.array.path, mmap_mode="r")
            if row is not None and hasattr(mmap, "MADV_RANDOM"):  # read no megabytes ahead
                mapped.base.madvise(mmap.MADV_RANDOM)
            whole = frames_last(mapped, self.axes)
            part = whole if row is None else whole[..., row, :]
            found[at : at + step] = part[recording[at : at + step], time[at : at + step]]

    def run(
        self, recording: Any, first: Any, count: int, row: int | None = None
    ) -> Shaped[ndarray, " n *data"]:
        """Read frames of a recording that follow one another, or one row of each."""
        taken = {"N": slice(recording, recording + 1), "T": slice(first, first + count)}
        if row is not None:
            taken["Y"] = slice(row, row + 1)
        index = tuple(taken.get(letter, slice(None)) for letter in self.axes)
        frames = frames_last(self.array.read(index), self.axes)[0]
        return frames if row is None else frames[..., 0, :]


@dataclass(frozen=True, eq=False)
class Lying:
    """Arrays that are read in place, one after the other."""

    arrays: Sequence[Located]

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of the arrays."""
        return tuple(each.array.path for each in self.arrays)

    @cached_property
    def _ends(self) -> Int64[ndarray, " n"]:
        return np.cumsum([each.recordings * each.length for each in self.arrays], dtype=np.int64)

    def read(
        self, frames: Int64[ndarray, " n"], row: int | None = None
    ) -> Shaped[ndarray, " n *data"]:
        """Copy frames, or one row of each, out of the files."""
        if len(self.arrays) == 1:
            return self.arrays[0].read(frames, row)
        first = self.arrays[0]
        shape = first.data_shape if row is None else (*first.data_shape[:-2], first.data_shape[-1])
        found = np.empty((len(frames), *shape), first.array.dtype)
        owner = np.searchsorted(self._ends, frames, side="right")
        for number in np.unique(owner):
            each, mine = self.arrays[number], owner == number
            before = self._ends[number] - each.recordings * each.length
            found[mine] = each.read(frames[mine] - before, row)
            if len(self.arrays) > _OPEN:
                each.array.close()
        return found
