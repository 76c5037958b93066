"""Footage: the frames of many recordings, one after the other in an array on disk."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray

from symgen._files import write_atomically
from symgen.data.recordings.frames import Frame

__all__ = ["Footage", "Recording", "Skipped", "open_footage", "write_footage"]

Recording = tuple[str, Iterator[Frame]]  # not read yet: its name for errors, and its frames

_LOOKED_AT, _FEWEST = 2**24, 64  # what a fingerprint reads: in bytes, and at least in frames


class Skipped(NamedTuple):
    """A recording that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames of many recordings in one `.npy` file, which is mapped anew for every read.

    A map that stays open would count every page it has touched as the process's memory.
    """

    kind: str  # what the recordings came as, in words
    path: Path  # the `.npy` file, frame after frame; absolute, to be found from any folder
    data_shape: tuple[int, ...]  # (channels, height, width) of a frame, (features,) of a vector
    first: Int64[ndarray, " n"]  # number of the first frame of each recording in the file
    lengths: Int64[ndarray, " n"]  # frames of each recording
    names: tuple[str, ...] | None = None  # of each recording; None numbers them in the file
    skipped: tuple[Skipped, ...] = ()  # recordings that were left out

    def name(self, recording: int) -> str:
        """Name a recording."""
        if self.names is not None:
            return self.names[recording]
        return f"{self.path}[{self.first[recording] // self.lengths[recording]}]"

    def read(self, frames: Int64[ndarray, "*batch"]) -> Shaped[ndarray, "..."]:
        """Copy frames out of the file by their numbers."""
        mapped = np.load(self.path, mmap_mode="r")
        return np.asarray(mapped.reshape(-1, *self.data_shape)[frames])

    @cached_property
    def sample(self) -> Shaped[ndarray, " frames *data"]:
        """All frames of small footage, or 16 MiB of them, evenly spread over all recordings."""
        ends = self.lengths.cumsum()
        frame_bytes = self.read(self.first[:1]).nbytes
        count = min(max(_FEWEST, _LOOKED_AT // frame_bytes), int(ends[-1]))
        rank = np.linspace(0, ends[-1] - 1, count).astype(np.int64)
        recording = np.searchsorted(ends, rank, side="right")
        return self.read(self.first[recording] + rank - (ends - self.lengths)[recording])

    @cached_property
    def fingerprint(self) -> str:
        """Name the content: a hash of the lengths and of `sample`, wherever the file lies."""
        content = hashlib.sha256(repr((self.data_shape, self.sample.dtype.str)).encode())
        content.update(self.lengths.astype("<i8").tobytes())
        content.update(self.sample.tobytes())
        return content.hexdigest()[:16]


def write_footage(
    recordings: Iterable[Recording], kind: str, path: Path, skip_broken: bool
) -> Footage:
    """Write recordings into one `.npy` file, frame by frame, with a JSON file next to it.

    `skip_broken` leaves out recordings that cannot be read or do not fit the first good one; else
    they are an error, as is having none left.
    """
    names, lengths, skipped = [], [], []

    def write(partial: Path) -> None:
        like: Frame | None = None
        with open(partial, "wb+") as file:
            for name, frames in recordings:
                position = file.tell()
                try:
                    like, length = _append(file, name, frames, like)
                except (ValueError, OSError) as error:
                    if not skip_broken:
                        raise
                    skipped.append(Skipped(name, str(error)))
                    file.truncate(file.seek(position))
                else:
                    names.append(name)
                    lengths.append(length)
            if like is None:
                all_broken = f"all {len(skipped)} recordings are broken; the first: "
                none = "there is no recording at all, give one or more"
                raise ValueError(f"{kind}: {all_broken + skipped[0].reason if skipped else none}")
            _write_header(file, like, sum(lengths))
        described = {"kind": kind, "data_shape": like.shape, "names": names, "lengths": lengths}
        # The array comes last: where it is, all is complete.
        path.with_suffix(".json").write_text(json.dumps({**described, "skipped": skipped}))

    write_atomically(path, write)
    return open_footage(path)


def open_footage(path: Path) -> Footage:
    """Open what `write_footage` wrote."""
    described = json.loads(path.with_suffix(".json").read_text())
    shape, names = (tuple(described[key]) for key in ("data_shape", "names"))
    lengths = np.array(described["lengths"], dtype=np.int64)
    skipped = tuple(Skipped(*entry) for entry in described["skipped"])
    first = lengths.cumsum() - lengths
    return Footage(described["kind"], path, shape, first, lengths, names, skipped)


def _append(
    file: BinaryIO, name: str, frames: Iterator[Frame], like: Frame | None
) -> tuple[Frame, int]:
    """Write one recording; return the frame that all frames are like, and its length."""
    length = 0
    for frame in frames:
        if like is None:
            like = frame
            _write_header(file, like, 0)
        if (frame.shape, frame.dtype) != (like.shape, like.dtype):
            raise ValueError(
                f"{name}, frame {length} is {_layout(frame)} but those before it are "
                f"{_layout(like)}: bring all to one size with size (--size), to one channel with "
                "gray (--gray), and give bytes or floats throughout"
            )
        file.write(np.ascontiguousarray(frame).tobytes())
        length += 1
    if like is None or length < 2:
        counted = f"{length} frame{'' if length == 1 else 's'}"
        raise ValueError(f"{name} has {counted}: a sequence needs two or more")
    return like, length


def _layout(frame: Frame) -> str:
    return f"{' × '.join(map(str, frame.shape))} {frame.dtype}"


def _write_header(file: BinaryIO, like: Frame, length: int) -> None:
    """Write the header, whose size does not depend on the length: numpy leaves room to grow."""
    file.seek(0)
    header = {"descr": like.dtype.str, "fortran_order": False, "shape": (length, *like.shape)}
    np.lib.format.write_array_header_1_0(file, header)
