"""Recordings in files of arrays: which array, what its axes are, and reading it in place."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from symgen._errors import nearest
from symgen.data.recordings.axes import choose_axes, in_words, readings
from symgen.data.recordings.containers import StoredArray, open_arrays
from symgen.data.recordings.footage import Footage, Pieces, Skipped
from symgen.data.recordings.frames import Frame, unusable
from symgen.data.recordings.frozen import Run, frozen_runs
from symgen.data.recordings.readers import Located, Lying
from symgen.data.recordings.writing import Recording

__all__ = ["array_footage", "array_recordings", "lies_in_place", "locate"]

_AT_ONCE = 2**26  # bytes of frames that are checked together
_IN_PLACE = (".npy", ".h5", ".hdf5", ".zarr", ".tif", ".tiff")  # others are read as a whole

Listed = Callable[[str, int], Sequence[tuple[int, str]]]  # bad frames of a recording, with why


def locate(
    path: Path, key: str | None, axes: str | None, factors: Sequence[str] = ()
) -> tuple[Located, list[str]]:
    """Find the recordings in a file of arrays, and say what else is there.

    Args:
        factors: names of arrays that are none.

    Raises:
        ValueError: in one line, if there is none, or several and `key` names none of them, or
            its axes are not sure.
    """
    if key is not None and key in factors:
        raise ValueError(f"key={key!r} is among factors={tuple(factors)}: name it in one of them")
    there = open_arrays(path)
    rest = {name: array for name, array in there.items() if name not in factors}
    single = {name for name, array in rest.items() if prod(array.shape) == 1} - {key}  # of MATLAB
    arrays = {name: array for name, array in rest.items() if name not in single} or rest
    if not arrays:
        raise ValueError(f"{path} has no array but those of factors={tuple(factors)}: name fewer")
    name, others = _chosen(path, arrays, key, axes)
    array = arrays[name]
    shown = str(path) if len(there) == 1 else f"{path}: {name}"
    located = Located(array, choose_axes(shown, array.shape, array.dtype, axes, array.axes))
    notes = [f"{path}: {name} is read; left alone {_told(others)}"] if others else []
    offered = [n for n, each in arrays.items() if n != name and _can_tell(each, located)]
    if offered:
        told = f"--factors {' '.join(offered)}"
        notes.append(f"{path} may tell more of its recordings or frames: {told}")
    return located, notes


def _can_tell(array: StoredArray, located: Located) -> bool:
    """Tell whether an array may hold a factor: a number for each recording, or for each frame."""
    sizes = {located.recordings, located.length, 1}
    return array.dtype.kind in "biuf" and len(array.shape) <= 2 and sizes >= {*array.shape}


def _chosen(
    path: Path, arrays: Mapping[str, StoredArray], key: str | None, axes: str | None
) -> tuple[str, dict[str, StoredArray]]:
    """Choose the array of the name, the only one, or of an archive the only that can be one."""
    if key is not None:
        if key not in arrays:
            raise ValueError(f"key={key!r}: {path} has no such array, {nearest(key, arrays)}")
        return key, {}
    can = {name: array for name, array in arrays.items() if _can_be(array, axes)}
    if len(can) > 1 or (can and len(arrays) > 1 and path.suffix.lower() != ".npz"):
        raise ValueError(
            f"{path} has {len(arrays)} arrays, {_told(arrays)}: choose one, such as --key "
            f"{next(iter(can))}; what is known of its frames can be given by --factors NAME"
        )
    if not can and len(arrays) > 1:
        raise ValueError(
            f"{path} has {len(arrays)} arrays, none of which is surely recordings, "
            f"{_told(arrays)}: name one with --key, and its axes with --axes"
        )
    (name,) = can or arrays
    return name, {other: array for other, array in arrays.items() if other != name}


def _can_be(array: StoredArray, axes: str | None) -> bool:
    if array.dtype.kind == "c":
        return False
    if axes is not None:
        return len(array.shape) == len(axes)
    return bool(readings(array.shape, array.dtype)) or "T" in (array.axes or "")


def _told(arrays: Mapping[str, StoredArray]) -> str:
    return ", ".join(f"{name} {each.shape} {each.dtype}" for name, each in arrays.items())


def lies_in_place(arrays: Sequence[Located]) -> bool:
    """Tell whether the frames of arrays can be read where they are, without decoding all."""
    first = arrays[0]
    return all(
        each.array.path.suffix.lower() in _IN_PLACE
        and each.data_shape == first.data_shape
        and each.array.dtype == first.array.dtype
        and each.array.dtype.kind in "fiu"
        for each in arrays
    )


def array_recordings(arrays: Sequence[Located]) -> Iterator[Recording]:
    """Read the recordings of arrays one after the other."""
    names = iter(_names(arrays))
    for each in arrays:
        for recording in range(each.recordings):
            yield str(next(names)), _frames(each, recording)
        each.array.close()


def _frames(located: Located, recording: int) -> Iterator[Frame]:
    step = max(1, 2**20 // (located.array.dtype.itemsize * prod(located.data_shape)))
    for begin in range(0, located.length, step):
        yield from located.run(recording, begin, min(step, located.length - begin))


def _names(arrays: Sequence[Located]) -> Iterator[str]:
    for each in arrays:
        if "N" in each.axes:
            yield from (f"{each.array.path}[{number}]" for number in range(each.recordings))
        else:
            yield str(each.array.path)


def array_footage(
    arrays: Sequence[Located],
    kind: str,
    notes: Sequence[str],
    listed: Listed | None,
    frozen: int = 0,
) -> Footage:
    """Describe arrays that are read in place; floats are looked through once, in blocks.

    Args:
        listed: returns the frames of a recording, by name, that a list calls bad.
        frozen: images in a row that are exactly equal from which they are cut out; 0 for never.
    """
    for each in arrays:
        if each.length < 2:
            words = in_words(each.axes, each.array.shape)
            raise ValueError(f"{each.array.path} has {words}: a sequence needs two or more")
    lengths = np.repeat([each.length for each in arrays], [each.recordings for each in arrays])
    one = len(arrays) == 1
    names = range(len(lengths)) if one and "N" in arrays[0].axes else tuple(_names(arrays))
    recording = np.arange(len(lengths))
    pieces = Pieces(recording, np.zeros_like(lengths), lengths.cumsum() - lengths, lengths)
    first = arrays[0]
    footage = Footage(kind, Lying(arrays), first.data_shape, names, lengths, pieces, first.axes)
    extremes, bad = None, {}
    if first.array.dtype.kind == "f":
        extremes, bad = _looked_through(footage)
    for number, runs in frozen_runs(footage, frozen).items():
        bad.setdefault(number, []).extend(runs)
    if listed is not None:
        for number in recording.tolist():
            found = listed(footage.name(number), int(lengths[number]))
            known = {run.start for run in bad.get(number, ())}
            more = [Run(at, 1, why) for at, why in dict(found).items() if at not in known]
            if more:
                bad.setdefault(number, []).extend(more)
    whole = _without(footage, bad)
    cuts = [
        Skipped(f"{footage.name(number)}, frame {run.start}", run.reason)
        for number, runs in sorted(bad.items())
        for run in sorted(runs)
    ]
    if not len(whole.length):
        raise ValueError(f"{first.array.path}: no frame is good; the first: {cuts[0].reason}")
    return Footage(
        kind, footage.reader, first.data_shape, names, lengths, whole, first.axes, (),
        tuple(cuts), tuple(notes), extremes,
    )  # fmt: skip


def _looked_through(
    footage: Footage,
) -> tuple[tuple[float, float] | None, dict[int, list[Run]]]:
    """Find the least and the greatest number, and the frames that are not finite."""
    low, high = np.inf, -np.inf
    bad: dict[int, list[Run]] = {}
    step = max(1, _AT_ONCE // footage.frame_bytes)
    total = int(footage.lengths.sum())
    for begin in range(0, total, step):
        frames = footage.reader.read(np.arange(begin, min(begin + step, total)))
        wrong = unusable(frames)
        if wrong.any():
            for at in (begin + np.flatnonzero(wrong)).tolist():
                number = int(np.searchsorted(footage.first, at, side="right")) - 1
                reason = "its numbers are not finite (NaN or beyond 32 bits)"
                run = Run(at - int(footage.first[number]), 1, reason)
                bad.setdefault(number, []).append(run)
            frames = frames[~wrong]
        if len(frames):
            low, high = min(low, float(frames.min())), max(high, float(frames.max()))
    return ((low, high) if low <= high else None), bad


def _without(footage: Footage, bad: Mapping[int, Sequence[Run]]) -> Pieces:
    """Cut recordings in pieces where frames are bad."""
    if not bad:
        return footage.pieces
    good = np.setdiff1d(np.arange(len(footage.lengths)), list(bad))
    cut = [footage.pieces.only(good)]
    for number, runs in bad.items():
        keep: Bool[ndarray, " frames"] = np.ones(int(footage.lengths[number]), bool)
        for start, count, _ in runs:
            keep[start : start + count] = False
        edges = np.flatnonzero(np.diff(np.concatenate([[False], keep, [False]]).astype(np.int8)))
        start, end = edges[::2], edges[1::2]
        same = np.full_like(start, number)
        cut.append(Pieces(same, start, start + footage.first[number], end - start))
    joined = Pieces(*(np.concatenate(parts) for parts in zip(*cut, strict=True)))
    return joined.only(np.argsort(joined.first, kind="stable"))
