"""Footage: the frames of many recordings, one after the other in an array on disk."""

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from jaxtyping import Int64, Shaped
from numpy import ndarray

from symgen._files import read_json, write_atomically
from symgen.data.recordings.frames import Frame

__all__ = ["Footage", "Recording", "Skipped", "open_footage", "write_footage"]

Recording = tuple[str, Iterator[Frame]]  # not read yet: its name for errors, and its frames

_LOOKED_AT, _FEWEST = 2**24, 64  # what a fingerprint reads: in bytes, and at least in frames
_MOST = 2**30  # bytes that it reads of frames so large that 64 would be more; two at least
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors of writing, not of a recording
_BLOCK, _BLOCKS = (
    2**12,
    16,
)  # bytes of each block that the hash of one recording reads; their number


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
    stamp: tuple[int, int] = field(init=False)  # size of the file and time of its last change

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamp", stamp_of(self.path))

    def name(self, recording: int) -> str:
        """Name a recording."""
        if self.names is not None:
            return self.names[recording]
        return f"{self.path}[{self.first[recording] // self.lengths[recording]}]"

    def read(self, frames: Int64[ndarray, "*batch"]) -> Shaped[ndarray, "..."]:
        """Copy frames out of the file by their numbers."""
        return np.asarray(self._mapped()[frames])

    def _mapped(self) -> Shaped[ndarray, " frames *data"]:
        """Map the file, which must be the one that was opened, or one of the same content."""
        if stamp_of(self.path) != self.stamp:
            there, known = replace(self), self.__dict__.get("fingerprint")
            if there.stamp[0] != self.stamp[0] or known != there.fingerprint:
                raise ValueError(f"{self.path} has changed since it was opened: open it again")
            object.__setattr__(self, "stamp", there.stamp)
        return np.load(self.path, mmap_mode="r").reshape(-1, *self.data_shape)

    @cached_property
    def short_names(self) -> list[str]:
        """Name all recordings wherever they lie: by number in an array, else by file or folder."""
        names = [self.name(recording) for recording in range(len(self.lengths))]
        if "array" in self.kind:
            return [name[name.rindex("[") :] for name in names]
        parent = os.path.commonpath([os.path.dirname(name) for name in names])
        short = (os.fsencode(os.path.relpath(name, parent or ".")) for name in names)
        return [name.decode("utf-8", "backslashreplace") for name in short]

    def only(self, recordings: Int64[ndarray, " n"]) -> "Footage":
        """Return the footage of some of the recordings."""
        names = self.names and tuple(self.names[number] for number in recordings)
        first, lengths = self.first[recordings], self.lengths[recordings]
        return replace(self, first=first, lengths=lengths, names=names)

    def hashes(self, recording: Any, begin: Any, length: Any) -> dict[str, str]:
        """Return a hash of each recording from `begin` on, by short name: of up to 16 blocks."""
        mapped = self._mapped()
        size, flat = mapped[:1].nbytes, mapped.reshape(-1).view(np.uint8)
        found = {}
        for number, start, count in zip(recording, begin, length, strict=True):
            about = (self.data_shape, mapped.dtype.str, int(start), int(count))
            content = hashlib.sha256(repr(about).encode())
            frames = flat[size * (self.first[number] + start) :][: size * count]
            blocks = min(_BLOCKS, -(-len(frames) // _BLOCK))
            for offset in np.linspace(0, max(0, len(frames) - _BLOCK), blocks).astype(np.int64):
                content.update(frames[offset : offset + _BLOCK].tobytes())
            found[self.short_names[number]] = content.hexdigest()[:16]
        return found

    @cached_property
    def sample(self) -> Shaped[ndarray, " frames *data"]:
        """All frames of small footage, or up to 16 MiB of them, evenly spread."""
        count = min(self._looked_at, max(1, _LOOKED_AT // self.frame_bytes))
        return np.concatenate(list(self._spread(count)))

    @cached_property
    def fingerprint(self) -> str:
        """Name the content wherever it lies: a hash of lengths, of all frames or 64 and 16 MiB."""
        dtype = self.read(self.first[:1]).dtype.str
        content = hashlib.sha256(repr((self.data_shape, dtype)).encode())
        content.update(self.lengths.astype("<i8").tobytes())
        for frames in self._spread(self._looked_at):
            content.update(frames.tobytes())
        return content.hexdigest()[:16]

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes of a frame in the file."""
        return self.read(self.first[:1]).nbytes

    @property
    def _looked_at(self) -> int:
        fewest = min(_FEWEST, max(2, _MOST // self.frame_bytes))
        return min(max(fewest, _LOOKED_AT // self.frame_bytes), int(self.lengths.sum()))

    def _spread(self, count: int) -> Iterator[Shaped[ndarray, " frames *data"]]:
        """Read so many frames, evenly spread over all recordings, a few at a time: see Footage."""
        ends = self.lengths.cumsum()
        rank = np.linspace(0, ends[-1] - 1, count).astype(np.int64)
        recording = np.searchsorted(ends, rank, side="right")
        numbers = self.first[recording] + rank - (ends - self.lengths)[recording]
        step = max(1, min(_FEWEST, _LOOKED_AT // self.frame_bytes))
        yield from (self.read(numbers[start : start + step]) for start in range(0, count, step))


def stamp_of(path: Path) -> tuple[int, int]:
    """Return size and time of the last change of a file: others if it is another one."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns


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
                    if not skip_broken or getattr(error, "errno", None) in _FULL:
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
        about = {"kind": kind, "data_shape": like.shape, "names": names, "lengths": lengths}
        about["skipped"] = skipped
        file = path.with_suffix(".json")
        text = json.dumps({**about, "seal": _seal(about, _footage(about, partial))})
        # The array comes last: where it is, all is complete.
        write_atomically(file, lambda partial: partial.write_text(text, encoding="utf-8"))

    write_atomically(path, write)
    return open_footage(path)


def open_footage(path: Path) -> Footage:
    """Open what `write_footage` wrote.

    Raises:
        ValueError: with its path, if it is damaged.
    """
    try:
        about = read_json(path.with_suffix(".json"))
        seal, footage = about.pop("seal"), _footage(about, path)
        if seal != _seal(about, footage):
            raise ValueError("it is not what was written")
    except Exception as error:  # whatever damaged files lead to
        raise ValueError(f"{path} is damaged or of another version ({error})") from error
    return footage


def _footage(about: Mapping[str, Any], path: Path) -> Footage:
    shape, names = (tuple(about[key]) for key in ("data_shape", "names"))
    lengths = np.array(about["lengths"], dtype=np.int64)
    skipped = tuple(Skipped(*entry) for entry in about["skipped"])
    return Footage(about["kind"], path, shape, lengths.cumsum() - lengths, lengths, names, skipped)


def _seal(about: Mapping[str, Any], footage: Footage) -> str:
    """Return a hash of what is told of footage, of the size of its file and of its frames."""
    told = json.dumps([about, footage.stamp[0], footage.fingerprint])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


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
