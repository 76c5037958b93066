"""Frozen frames: long runs of images that are exactly equal, as of a camera that stopped."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any, NamedTuple, cast

import numpy as np
from jaxtyping import Bool, Int64
from numpy import ndarray

from symgen.data.recordings.footage import Footage
from symgen.data.recordings.frames import Frame, Frames, Gap
from symgen.data.recordings.readers import Lying

__all__ = ["FROZEN", "Run", "frozen_runs", "thawed"]

FROZEN = 16  # frames in a row that are exactly equal, which no lens and no sensor gives
_AT_ONCE = 2**22  # bytes of frames that are compared together: those between them are mapped, too


class Run(NamedTuple):
    """Frames of a recording that are cut out, and why."""

    start: int
    count: int
    reason: str


def thawed(frames: Frames, least: int) -> Frames:
    """Put a gap in the place of frozen frames; frames of a recording that never changes stay.

    Of `least` images or more that are exactly equal the one next to others stays, unless it is
    one plain level, such as black.

    Example:
        >>> film = [np.array([[[value, 0]]]) for value in (1, 2, 3, 3, 3, 3)]
        >>> [each if isinstance(each, Gap) else int(each.max()) for each in thawed(iter(film), 3)]
        [1, 2, 3, Gap(reason='3 images are exactly equal to the one next to them: --frozen 0 \
keeps them', frames=3)]
    """
    last: Frame | None = None
    alike, before = 0, False  # how many are like the last one, whether there was another
    for frame in frames:
        if isinstance(frame, Gap) or last is None:
            if last is not None:
                yield from _released(last, alike, least, before, changes=True)
            last, alike, before = None if isinstance(frame, Gap) else frame, 0, False
            if isinstance(frame, Gap):
                yield frame
        elif _equal(frame, last):
            alike += 1
        else:
            yield from _released(last, alike, least, before, changes=True)
            last, alike, before = frame, 0, True
    if last is not None:
        yield from _released(last, alike, least, before, changes=before)


def _released(last: Frame, alike: int, least: int, before: bool, changes: bool) -> Frames:
    """Return frames that were held back, or a gap and the one that stays."""
    if not changes or last.ndim == 1 or alike + 1 < least:
        yield from repeat(last, alike + 1)
        return
    plain = _is_plain(last)
    if before and not plain:
        yield last
    yield Gap(_reason(alike + plain, plain), alike + plain)
    if not before and not plain:
        yield last


def _reason(count: int, plain: bool) -> str:
    like = "all of one plain level" if plain else "exactly equal to the one next to them"
    return f"{count} images are {like}: --frozen 0 keeps them"


def _equal(one: Frame, other: Frame) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and bool((one == other).all())


def _is_plain(frame: Frame) -> bool:
    return bool((frame == frame.flat[0]).all())


# --- in place ----------------------------------------------------------------------------------


def frozen_runs(footage: Footage, least: int) -> dict[int, list[Run]]:
    """Find the frozen frames of recordings that lie in one piece each, as `thawed` does.

    Of every few frames one row is looked at, the whole where two of these in a row are equal, and
    all frames around if these are. A recording of which all that are looked at are equal is taken
    for one that never changes.
    """
    if footage.vectors or not least:
        return {}
    step = max(1, (least - 1) // 2)
    found: dict[int, list[Run]] = {}
    for number, low, high in _stretches(footage, step):
        runs = list(_runs_within(footage, number, low, high, least))
        if runs:
            found.setdefault(number, []).extend(runs)
    return found


def _stretches(footage: Footage, step: int) -> Iterator[tuple[int, int, int]]:
    """Yield recording, first and last frame of where frames that were looked at are equal."""
    probes = _probes(footage, step)
    owner = np.searchsorted(footage.first, probes, side="right") - 1
    same = _same(footage, probes, row=footage.data_shape[-2] // 2)  # as the one before
    same[1:] &= owner[1:] == owner[:-1]
    for begin, end in _runs(same):
        same[begin:end] = _same(footage, probes[begin - 1 : end])[1:]
    for begin, end in _runs(same):
        number = int(owner[begin])
        first, length = int(footage.first[number]), int(footage.lengths[number])
        low, high = int(probes[begin - 1]) - first, int(probes[end - 1]) - first
        if (low, high) != (0, length - 1):
            yield number, max(0, low - step), min(length - 1, high + step)


def _probes(footage: Footage, step: int) -> Int64[ndarray, " n"]:
    """Return the numbers of every so many frames of each recording, and of its last one."""
    counts = (footage.lengths - 1) // step + 1
    begin = np.repeat(footage.first, counts)
    rank = np.arange(counts.sum()) - np.repeat(counts.cumsum() - counts, counts)
    return np.union1d(begin + step * rank, footage.first + footage.lengths - 1)


def _same(
    footage: Footage, numbers: Int64[ndarray, " n"], row: int | None = None
) -> Bool[ndarray, " n"]:
    """Tell which frames, or rows of them, are equal to those before them in a list of numbers."""
    reader = cast(Lying, footage.reader)
    same = np.zeros(len(numbers), bool)
    height = 1 if row is None else footage.data_shape[-2]
    size = max(2, _AT_ONCE * height // footage.frame_bytes)
    for begin in range(0, len(numbers) - 1, size - 1):
        frames = reader.read(numbers[begin : begin + size], row)
        flat = frames.reshape(len(frames), -1)
        same[begin + 1 : begin + len(flat)] = (flat[1:] == flat[:-1]).all(1)
    return same


def _runs_within(footage: Footage, number: int, low: int, high: int, least: int) -> Iterator[Run]:
    first: Any = footage.first[number]
    for begin, end in _runs(_same(footage, np.arange(first + low, first + high + 1))):
        start, count = low + begin - 1, end - begin + 1  # with the first of them
        if count >= least:
            plain = _is_plain(footage.reader.read(np.array([first + start]))[0])
            kept_first = not plain and start > 0
            lost = count if plain else count - 1
            yield Run(start + kept_first, lost, _reason(lost, plain))


def _runs(same: Bool[ndarray, " n"]) -> Iterator[list[int]]:
    """Yield where frames in a row equal the one before: the first of them, one past the last."""
    ends = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(np.int8)))
    yield from ends.reshape(-1, 2).tolist()
