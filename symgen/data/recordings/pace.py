"""Frames in time: how far apart they are, where a film pauses, and frames at even times."""

import warnings
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from symgen.data.recordings.frames import Frame, Gap

__all__ = ["Pace", "Shown", "at_rate", "in_pieces", "pace_of"]

_PAUSE = 3  # times the usual step
_EVEN = (0.5, 1.5)  # of it, since containers round their times
_TIE, _SLACK = 0.05, 0.25  # of it, for the same reason

Shown = tuple[Frame, float, float]  # a frame, and from when until when it is shown, in seconds


class Pace(NamedTuple):
    """The times between the frames of a film, in seconds."""

    rate: float  # in 1/s, of frames as they usually follow one another
    step: float  # the usual one
    shortest: float
    longest: float  # that is no pause

    def pauses(self, start: float, end: float) -> bool:
        """Tell whether so much time is a pause."""
        return end - start > _PAUSE * self.step

    @property
    def uneven(self) -> bool:
        """Whether frames come at no single rate."""
        least, most = (share * self.step for share in _EVEN)
        return self.shortest < least or self.longest > most


def pace_of(times: Iterable[float], rate: float) -> Pace:
    """Measure the pace of frames shown at some times, by what is told as their rate, in 1/s.

    Example:
        >>> pace = pace_of([0.0, 0.1, 0.2, 0.35, 0.45, 2.5], rate=10.0)
        >>> [round(value, 2) for value in pace], pace.pauses(0.45, 2.5), pace.uneven
        ([10.0, 0.1, 0.1, 0.15], True, False)
    """
    steps = [after - before for before, after in pairwise(sorted(times)) if after > before]
    usual = median(steps or [1 / rate])
    steady = [step for step in steps if step <= _PAUSE * usual] or [usual]
    least, most = (share * usual for share in _EVEN)
    told = least < 1 / rate < most  # more exactly than in times that were rounded
    return Pace(rate if told else 1 / usual, usual, min(steady), max(steady))


def in_pieces(path: Path, shown: Iterable[Shown], pace: Pace) -> Iterator[Frame | Gap]:
    """Yield all frames, with a gap for each pause; say so if they come at no single rate."""
    if pace.uneven:
        shortest, longest = 1000 * pace.shortest, 1000 * pace.longest
        warnings.warn(
            f"{path} has a variable frame rate, {shortest:.0f} to {longest:.0f} ms from frame to "
            "frame: its frames are taken as if evenly spaced; choose a rate (--rate) to space "
            "them so",
            stacklevel=2,
        )
    before = None
    for number, (frame, start, _) in enumerate(shown):
        if before is not None and pace.pauses(before, start):
            said = f"a pause of {start - before:.2f} s before frame {number}"
            yield Gap(f"{said}: a rate (--rate) fills it", round((start - before) / pace.step) - 1)
        before = start
        yield frame


def at_rate(path: Path, shown: Iterable[Shown], pace: Pace, rate: float) -> Iterator[Frame | Gap]:
    """Yield, a rate times a second, the frame nearest in time; in a pause, the one that stands."""
    ticks, frame, start, end = 0, None, 0.0, 0.0
    for after, (frame, start, end) in enumerate(shown, 1):
        stands = pace.pauses(start, end)
        if stands:
            said = f"{path} stands still for {end - start:.2f} s before frame {after}"
            warnings.warn(f"{said}: its last frame is repeated", stacklevel=2)
        until = end - _SLACK * pace.step if stands else (start + end) / 2 + _TIE * pace.step
        while ticks / rate <= until:
            yield frame
            ticks += 1
    while frame is not None and ticks / rate < end - _SLACK * pace.step:
        yield frame
        ticks += 1
