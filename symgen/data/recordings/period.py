"""The period of recordings: after how many frames they look as they did before."""

from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64, Shaped
from numpy import ndarray

from symgen.data.recordings.footage import Footage

__all__ = ["Period", "measure_period", "period_of"]

_RECORDINGS, _FRAMES = 16, 1024  # that are looked at: so many, and so many frames of each
_BYTES, _AT_ONCE = 2**27, 2**24  # that are read of each, and together
_VALUES = 2**20  # numbers of each that are compared
_DIP = 0.5  # of the greatest difference before: less is a return
_AS_GOOD = 1.25  # times the least difference of all returns


class Period(NamedTuple):
    """A period that recordings share."""

    frames: int | None  # the commonest period, None where no recording has one
    found: int  # recordings of that period
    recordings: int  # that were looked at
    length: int  # frames of the longest of them that were looked at


def period_of(frames: Shaped[ndarray, " T *data"]) -> int | None:
    """Return the number of frames after which a recording looks as it did, or None.

    It is the first lag τ, up to half of the recording, at which the mean squared difference of
    frames τ apart has a minimum of at most half of its greatest value before, and is within a
    quarter of the least of all such minima: a nearly symmetric object comes nearly back after half
    a turn. Noise hides a return when it is as large as the motion.

    Args:
        frames: images, volumes or vectors (T, *data) in the order of time, of any real type.

    Example:
        >>> angle = 2 * np.pi * np.arange(40)[:, None] / 12
        >>> period_of(np.cos(angle + np.arange(5))), period_of(np.arange(40.0)[:, None])
        (12, None)
    """
    if len(frames) < 6 or (frames == frames[0]).all():  # the least that has a lag between others
        return None
    difference = _differences(frames.reshape(len(frames), -1).astype(np.float64))
    lags = range(2, len(difference) - 1)
    before = np.maximum.accumulate(difference)
    returns = [
        lag
        for lag in lags
        if difference[lag] <= min(difference[lag - 1], difference[lag + 1])
        and difference[lag] < _DIP * before[lag - 1]
    ]
    if not returns:
        return None
    least = min(difference[lag] for lag in returns)
    slack = 1e-6 * before[-1]  # a perfect return differs by rounding
    return next(lag for lag in returns if difference[lag] <= _AS_GOOD * least + slack)


def measure_period(footage: Footage, every: int = 1) -> Period:
    """Look for a period in up to 16 recordings, in up to 1,024 of every so many frames of each.

    Fewer are looked at where these have more than 128 MiB, but eight at least. Where a recording
    is cut, its longest piece counts.

    Args:
        footage: the recordings.
        every: take every k-th frame.

    Returns:
        The commonest period, in frames that were taken.
    """
    most = max(8, min(_FRAMES, _BYTES // max(1, footage.frame_bytes)))
    used = np.minimum(-(-footage.lengths // every), most)
    order = np.argsort(-used, kind="stable")
    _, first = np.unique(footage.pieces.recording[order], return_index=True)
    longest = order[first]  # piece of every recording
    long = longest[used[longest] >= 8]
    chosen = long[np.linspace(0, len(long) - 1, min(len(long), _RECORDINGS)).astype(np.int64)]
    found: list[int] = []
    for piece in chosen.tolist():
        numbers = footage.first[piece] + every * np.arange(int(used[piece]))
        found += [lag] if (lag := period_of(_some_values(footage, numbers))) else []
    frames = int(used[chosen].max()) if len(chosen) else 0
    if not found:
        return Period(None, 0, len(chosen), frames)
    values, counts = np.unique(found, return_counts=True)
    return Period(int(values[counts.argmax()]), int(counts.max()), len(chosen), frames)


def _some_values(footage: Footage, numbers: Int64[ndarray, " T"]) -> Shaped[ndarray, "T n"]:
    """Read frames, and the same values of each, at random places, where they have too many."""
    size, most = prod(footage.data_shape), _VALUES // len(numbers)
    places = slice(None)
    if size > most:
        places = np.random.default_rng(0).integers(size, size=most)
    step = max(1, _AT_ONCE // max(1, footage.frame_bytes))
    parts = [numbers[at : at + step] for at in range(0, len(numbers), step)]
    return np.concatenate([footage.read(part).reshape(len(part), -1)[:, places] for part in parts])


def _differences(frames: Float[ndarray, "T n"]) -> Float[ndarray, " lags"]:
    """Return the mean squared difference of frames 0, 1, … T // 2 + 1 apart."""
    count = len(frames)
    frames = frames - frames.mean(0)
    spectrum = np.fft.rfft(frames, 2 * count, axis=0)  # zeros keep the ends apart
    power = (spectrum.real**2 + spectrum.imag**2).sum(1)
    products = np.fft.irfft(power, 2 * count)  # x_t · x_(t + lag), summed over t
    energy = np.concatenate([[0.0], (frames**2).sum(1).cumsum()])
    lags = np.arange(count // 2 + 2)  # the last one to compare with
    ends = energy[count] - energy[lags] + energy[count - lags]
    return (ends - 2 * products[lags]) / (count - lags)
