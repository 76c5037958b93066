"""Footage that was decoded: written frame by frame into one array on disk, and opened again."""

import errno
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from symgen._files import read_json, write_atomically
from symgen.data.recordings.footage import Footage, Pieces, Skipped
from symgen.data.recordings.frames import Frame, Frames, Gap
from symgen.data.recordings.readers import Flat

__all__ = ["Recording", "open_footage", "write_footage"]

Recording = tuple[str, Frames]  # not read yet: its name for errors, and its frames

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors of writing, not of a recording


class _Written(NamedTuple):
    """One recording in the file."""

    like: Frame  # what all frames are like
    pieces: list[tuple[int, int]]  # start and length of each
    gaps: list[tuple[int, Gap]]  # with the frame where they are
    total: int  # frames, with those that are missing
    extremes: tuple[float, float]


class _Told(NamedTuple):
    """What is told of footage beside its frames, as lists for JSON."""

    names: list[str]
    totals: list[int]
    pieces: list[tuple[int, int, int]]  # recording, start, length
    skipped: list[Skipped]
    cuts: list[Skipped]
    notes: list[str]
    extremes: list[tuple[float, float]]


def write_footage(
    recordings: Iterable[Recording],
    kind: str,
    path: Path,
    skip_broken: bool,
    notes: list[str],
    axes: str | None = None,
) -> Footage:
    """Write recordings into one `.npy` file, frame by frame, with a JSON file next to it.

    A recording is cut in pieces at every `Gap`. `skip_broken` leaves out recordings that cannot be
    read or do not fit the first good one; else they are an error, as is having none left.

    Args:
        notes: what is to be said of the recordings, known once they have been read.
        axes: of the arrays that they came from.
    """
    told = _Told([], [], [], [], [], notes, [])

    def write(partial: Path) -> None:
        like: Frame | None = None
        with open(partial, "wb+") as file:
            for name, frames in recordings:
                position = file.tell()
                try:
                    written = _append(file, name, frames, like)
                except (ValueError, OSError) as error:
                    if not skip_broken or getattr(error, "errno", None) in _FULL:
                        raise
                    told.skipped.append(Skipped(name, str(error)))
                    file.truncate(file.seek(position))
                else:
                    like = written.like
                    _tell(told, name, written)
            if like is None:
                all_broken = f"all {len(told.skipped)} recordings are broken; the first: "
                none = "there is no recording at all, give one or more"
                reason = all_broken + told.skipped[0].reason if told.skipped else none
                raise ValueError(f"{kind}: {reason}")
            _write_header(file, like, sum(length for *_, length in told.pieces))
        low, high = zip(*told.extremes, strict=True)
        about: dict[str, Any] = told._replace(extremes=[(min(low), max(high))])._asdict()
        about |= {"kind": kind, "data_shape": like.shape, "axes": axes}
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
    recording, start, length = np.array(about["pieces"], np.int64).reshape(-1, 3).T.copy()
    shape = tuple(about["data_shape"])
    skipped, cuts = (tuple(Skipped(*each) for each in about[n]) for n in ("skipped", "cuts"))
    return Footage(
        about["kind"],
        Flat(path, shape),
        shape,
        tuple(about["names"]),
        np.array(about["totals"], np.int64),
        Pieces(recording, start, length.cumsum() - length, length),
        about["axes"],
        skipped,
        cuts,
        tuple(about["notes"]),
        tuple(about["extremes"][0]),
    )


def _seal(about: Mapping[str, Any], footage: Footage) -> str:
    """Return a hash of what is told of footage, of the size of its file and of its frames."""
    told = json.dumps([about, footage.stamps[0][0], footage.fingerprint])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _append(file: BinaryIO, name: str, frames: Frames, like: Frame | None) -> _Written:
    """Write one recording, cut in pieces where frames are missing."""
    pieces, gaps = [], []
    start = number = count = 0
    low, high = np.inf, -np.inf
    for frame in frames:
        if isinstance(frame, Gap):
            gaps.append((number, frame))
            pieces.append((start, number - start))
            number += frame.frames
            start = number
            continue
        if like is None:
            like = frame
            _write_header(file, like, 0)
        if (frame.shape, frame.dtype) != (like.shape, like.dtype):
            raise ValueError(
                f"{name}, frame {number} is {_layout(frame)} but those before it are "
                f"{_layout(like)}: bring all to one size with size (--size), to one channel with "
                "gray (--gray), and give bytes or floats throughout"
            )
        file.write(np.ascontiguousarray(frame).tobytes())
        low, high = min(low, float(frame.min())), max(high, float(frame.max()))
        number, count = number + 1, count + 1
    pieces = [piece for piece in [*pieces, (start, number - start)] if piece[1]]
    if like is None or count < 2:
        counted = f"{count} frame{'' if count == 1 else 's'}"
        more = f" beside {gaps[0][1].reason}" if gaps else ""
        raise ValueError(f"{name} has {counted}{more}: a sequence needs two or more")
    return _Written(like, pieces, gaps, number, (low, high))


def _tell(told: _Told, name: str, written: _Written) -> None:
    number = len(told.names)
    told.names.append(name)
    told.totals.append(written.total)
    told.pieces.extend((number, *piece) for piece in written.pieces)
    told.cuts.extend(Skipped(f"{name}, frame {at}", gap.reason) for at, gap in written.gaps)
    told.extremes.append(written.extremes)


def _layout(frame: Frame) -> str:
    return f"{' × '.join(map(str, frame.shape))} {frame.dtype}"


def _write_header(file: BinaryIO, like: Frame, length: int) -> None:
    """Write the header, whose size does not depend on the length: numpy leaves room to grow."""
    file.seek(0)
    header = {"descr": like.dtype.str, "fortran_order": False, "shape": (length, *like.shape)}
    np.lib.format.write_array_header_1_0(file, header)
