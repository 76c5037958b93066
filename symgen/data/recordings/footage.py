"""Footage: the frames of many recordings, wherever they lie."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int64, Shaped
from numpy import ndarray

from symgen.data.recordings.factors import Factors
from symgen.data.recordings.readers import FrameReader

__all__ = ["Footage", "Pieces", "Skipped", "stamp_of"]

_LOOKED_AT, _FEWEST = 2**24, 64  # what a fingerprint reads: in bytes, and at least in frames
_MOST = 2**30  # bytes that it reads of frames so large that 64 would be more; two at least
_AT_ONCE = 2**26  # bytes of frames that are looked through together
_HASHED = 2**16  # bytes that the hash of one piece reads, or two frames
_CHUNK = 2**12  # pieces that are hashed together, at most


class Skipped(NamedTuple):
    """What was left out, and why."""

    name: str
    reason: str


class Pieces(NamedTuple):
    """The pieces that recordings have been cut into: one each if nothing is wrong with it."""

    recording: Int64[ndarray, " n"]  # number of the recording
    start: Int64[ndarray, " n"]  # first frame in its recording, which counts bad ones
    first: Int64[ndarray, " n"]  # number of the first frame among all that can be read
    length: Int64[ndarray, " n"]

    def only(self, chosen: Any) -> "Pieces":
        """Return some of the pieces."""
        return Pieces(*(part[chosen] for part in self))


@dataclass(frozen=True, eq=False)
class Footage:
    """Frames of recordings, which have been cut in pieces where frames are bad or missing."""

    kind: str  # what the recordings came as, in words
    reader: FrameReader
    data_shape: tuple[int, ...]  # (channels, [depth,] height, width), or (features,) of a vector
    names: tuple[str, ...] | range  # of the recordings; a range numbers them in their file
    totals: Int64[ndarray, " n"]  # frames of each recording, with bad ones
    pieces: Pieces
    axes: str | None = None  # of the arrays that it came from
    skipped: tuple[Skipped, ...] = ()  # recordings that were left out
    cuts: tuple[Skipped, ...] = ()  # where recordings are cut
    notes: tuple[str, ...] = ()  # what else should be said
    known_extremes: tuple[float, float] | None = None  # least and greatest number, if known
    factors: Factors | None = None  # what is known of every frame
    stamps: tuple[tuple[int, int], ...] = field(init=False)  # of the files, see `stamp_of`

    def __post_init__(self) -> None:
        object.__setattr__(self, "stamps", tuple(map(stamp_of, self.reader.files)))

    @property
    def path(self) -> Path:
        """The file that is read, or the first of several."""
        return self.reader.files[0]

    @property
    def lengths(self) -> Int64[ndarray, " n"]:
        """Frames of each piece."""
        return self.pieces.length

    @property
    def first(self) -> Int64[ndarray, " n"]:
        """Number of the first frame of each piece."""
        return self.pieces.first

    @cached_property
    def whole(self) -> Bool[ndarray, " n"]:
        """Whether each piece is all of its recording."""
        return self.lengths == self.totals[self.pieces.recording]

    def name(self, piece: int) -> str:
        """Name a piece: by its recording, and its frames if that was cut."""
        recording = int(self.pieces.recording[piece])
        name = self.names[recording]
        name = f"{self.path}[{name}]" if isinstance(self.names, range) else str(name)
        if self.whole[piece]:
            return name
        start = int(self.pieces.start[piece])
        return f"{name}[{start}:{start + int(self.lengths[piece])}]"

    @cached_property
    def short_names(self) -> list[str]:
        """Name all pieces wherever they lie: by number in an array, else by file or folder."""
        names = [self.name(piece) for piece in range(len(self.lengths))]
        if isinstance(self.names, range):
            return [name.removeprefix(str(self.path)) for name in names]
        parent = os.path.commonpath([os.path.dirname(name) for name in names])
        short = (os.fsencode(os.path.relpath(name, parent or ".")) for name in names)
        return [name.decode("utf-8", "backslashreplace") for name in short]

    def read(self, frames: Int64[ndarray, "*batch"]) -> Shaped[ndarray, "..."]:
        """Copy frames out of the files by their numbers.

        Raises:
            ValueError: if a file is no longer the one that was opened, nor one of its content.
        """
        self._require_same()
        found = self.reader.read(frames.reshape(-1))
        return found.reshape(*frames.shape, *self.data_shape)

    def _require_same(self) -> None:
        if tuple(map(stamp_of, self.reader.files)) != self.stamps:
            there, known = replace(self), self.__dict__.get("fingerprint")
            sizes = [[size for size, _ in each.stamps] for each in (there, self)]
            if sizes[0] != sizes[1] or known != there.fingerprint:
                raise ValueError(f"{self.path} has changed since it was opened: open it again")
            object.__setattr__(self, "stamps", there.stamps)

    def only(self, chosen: Int64[ndarray, " n"]) -> "Footage":
        """Return the footage of some of the pieces."""
        return replace(self, pieces=self.pieces.only(chosen))

    def hashes(self, piece: Any, begin: Any, length: Any) -> dict[str, str]:
        """Return a hash of each piece from `begin` on, by short name: of frames evenly spread."""
        found: dict[str, str] = {}
        most = max(2, _HASHED // self.frame_bytes)
        step = max(1, min(_CHUNK, _LOOKED_AT // (most * self.frame_bytes)))
        for at in range(0, len(piece), step):
            chunk = [part[at : at + step].tolist() for part in (piece, begin, length)]
            numbers = [
                self.first[n] + b + np.linspace(0, c - 1, min(c, most)).astype(np.int64)
                for n, b, c in zip(*chunk, strict=True)
            ]
            content = self.read(np.concatenate(numbers))
            parts = np.split(content, np.cumsum([len(each) for each in numbers])[:-1])
            for number, start, count, part in zip(*chunk, parts, strict=True):
                about = (self.data_shape, content.dtype.str, start, count)
                hashed = hashlib.sha256(repr(about).encode() + part.tobytes())
                found[self.short_names[number]] = hashed.hexdigest()[:16]
        return found

    @cached_property
    def sample(self) -> Shaped[ndarray, " frames *data"]:
        """All frames of small footage, or up to 16 MiB of them, evenly spread."""
        count = min(self._looked_at, max(1, _LOOKED_AT // self.frame_bytes))
        return np.concatenate(list(self._spread(count)))

    @cached_property
    def fingerprint(self) -> str:
        """Name the content wherever it lies: a hash of lengths, of all frames or 64 and 16 MiB."""
        content = hashlib.sha256(repr((self.data_shape, self.dtype.str)).encode())
        content.update(self.lengths.astype("<i8").tobytes())
        for frames in self._spread(self._looked_at):
            content.update(frames.tobytes())
        return content.hexdigest()[:16]

    @cached_property
    def dtype(self) -> np.dtype:
        """Type of the numbers."""
        return self.reader.read(self.first[:1]).dtype

    @property
    def vectors(self) -> bool:
        """Whether frames are vectors."""
        return len(self.data_shape) == 1

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.dtype.itemsize * prod(self.data_shape)

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The least and the greatest number; of bytes, those of the sample unless it is a mask."""
        if self.known_extremes is not None:
            return self.known_extremes
        found = float(self.sample.min()), float(self.sample.max())
        if self.dtype == np.uint8 and found[1] != 1:
            return found
        for frames in self.blocks():
            found = min(found[0], float(frames.min())), max(found[1], float(frames.max()))
            if self.dtype == np.uint8 and found[1] > 1:
                break
        return found

    def blocks(self) -> Iterator[Shaped[ndarray, " frames *data"]]:
        """Read all frames, some at a time."""
        step = max(1, _AT_ONCE // self.frame_bytes)
        for first, length in zip(self.first.tolist(), self.lengths.tolist(), strict=True):
            for begin in range(first, first + length, step):
                yield self.read(np.arange(begin, min(begin + step, first + length)))

    @property
    def _looked_at(self) -> int:
        fewest = min(_FEWEST, max(2, _MOST // self.frame_bytes))
        return min(max(fewest, _LOOKED_AT // self.frame_bytes), int(self.lengths.sum()))

    def _spread(self, count: int) -> Iterator[Shaped[ndarray, " frames *data"]]:
        """Read so many frames, evenly spread over all pieces, a few at a time: see Footage."""
        ends = self.lengths.cumsum()
        rank = np.linspace(0, ends[-1] - 1, count).astype(np.int64)
        piece = np.searchsorted(ends, rank, side="right")
        numbers = self.first[piece] + rank - (ends - self.lengths)[piece]
        step = max(1, min(_FEWEST, _LOOKED_AT // self.frame_bytes))
        yield from (
            self.reader.read(numbers[start : start + step]) for start in range(0, count, step)
        )


def stamp_of(path: Path) -> tuple[int, int]:
    """Return size and time of the last change of a file: others if it is another one."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
