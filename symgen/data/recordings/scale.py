"""Scale: how the numbers of recordings become what a likelihood takes."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Shaped
from numpy import ndarray
from torch import Tensor

__all__ = ["Levels", "Scale", "as_scale", "choose_levels", "unlike", "unused"]

Scale = (
    Literal["auto", "dtype", "none"] | tuple[float, float] | tuple[Literal["percentile"], float]
)

_SIGNED, _BYTES = (-1.0, 1.0), (0.0, 255.0)
_LIKE_BYTES = 128  # floats that reach beyond this and not beyond 255 were bytes
_FEW = 0.05  # of the range, at most: nearly black


class Levels(NamedTuple):
    """The numbers that become 0 and 1, and why these.

    Example:
        >>> levels = Levels(0, 4095)
        >>> levels.applied(torch.tensor([0, 819, 4095, 5000])).tolist()
        [0.0, 0.20000000298023224, 1.0, 1.0]
        >>> levels.undone(torch.tensor([0.5])).tolist()
        [2047.5]
    """

    low: float
    high: float
    why: str = ""

    def applied(self, frames: Shaped[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """Scale numbers; what lies beyond the levels becomes 0 or 1."""
        if (self.low, self.high) == _BYTES and frames.dtype == torch.uint8:
            return frames.float().div_(255)
        wide = frames.dtype not in (torch.uint8, torch.int8, torch.int16, torch.float32)
        exact = frames.double() if wide else frames.float()  # integers beyond 2^24, uint16
        return ((exact - self.low) / (self.high - self.low)).clamp_(0, 1).float()

    def undone(self, frames: Float32[Tensor, "..."]) -> Float32[Tensor, "..."]:
        """Return scaled numbers to what they were."""
        return frames * (self.high - self.low) + self.low


def as_scale(scale: Any) -> Scale:
    """Return a scale with its numbers as floats, or refuse it.

    Example:
        >>> as_scale((0, 4095))
        (0.0, 4095.0)
        >>> as_scale((5, 5))
        Traceback (most recent call last):
        ValueError: scale=(5, 5): give auto, dtype, none, two finite numbers that become 0 and 1, \
the lower one first, or percentile P with P above 50 and up to 100
    """
    match scale:
        case "auto" | "dtype" | "none":
            return scale
        case ("percentile", float() | int() as share) if 50 < share <= 100:
            return "percentile", float(share)
        case (float() | int() as low, float() | int() as high) if -np.inf < low < high < np.inf:
            return float(low), float(high)
    raise ValueError(
        f"scale={scale!r}: give auto, dtype, none, two finite numbers that become 0 and 1, the "
        "lower one first, or percentile P with P above 50 and up to 100"
    )


def choose_levels(
    scale: Scale,
    dtype: np.dtype,
    vectors: bool,
    sample: Callable[[], Shaped[ndarray, "..."]],
    extremes: Callable[[], tuple[float, float]],
) -> Levels | None:
    """Decide which numbers become 0 and 1; None leaves numbers as they are.

    "auto" leaves vectors as they are. Bytes become parts of 255 and whole numbers without a sign
    parts of the greatest number of their bits, such as 4095; masks of 0 and 1 become black and
    white. Floats in [0, 1] stay, those in [-1, 1] are signed images, those up to 255 bytes;
    whatever else goes from its least to its greatest number.

    Args:
        sample: returns some frames.
        extremes: returns the least and the greatest number.

    Example:
        >>> numbers = np.array([3, 4000], np.uint16)
        >>> extremes = lambda: (3.0, 4000.0)
        >>> levels = choose_levels("auto", numbers.dtype, False, lambda: numbers, extremes)
        >>> levels.low, levels.high, levels.why
        (0.0, 4095.0, 'whole numbers of 12 bits')
    """
    if scale == "none" or (scale == "auto" and vectors):
        return None
    if scale == "auto":
        return _automatic(dtype, extremes())
    if scale == "dtype":
        whole = dtype.kind in "iu"
        low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if whole else (0, 1)
        return Levels(float(low), float(high), f"all that {dtype} holds" if whole else "floats")
    if scale[0] == "percentile":
        share = float(scale[1])
        low, high = map(float, np.percentile(sample(), (100 - share, share)))
        why = f"percentiles {100 - share:g} and {share:g} of the frames looked at"
        return Levels(low, *((high, why) if high > low else (low + 1, "all are one number")))
    low, high = scale  # pyright: ignore[reportAssignmentType]
    return Levels(float(low), float(high), "as given")


def _automatic(dtype: np.dtype, extremes: tuple[float, float]) -> Levels:
    low, high = extremes
    if dtype.kind in "iu" and low >= 0:
        if high == 1:
            return Levels(0.0, 1.0, "a mask of 0 and 1, now black and white")
        if dtype == np.uint8:
            return Levels(*_BYTES, "bytes")
        bits = max(1, int(high).bit_length())
        return Levels(0.0, float(2**bits - 1), f"whole numbers of {bits} bits")
    if dtype.kind == "f":
        if low >= 0 and high <= 1:
            return Levels(0.0, 1.0, "floats in [0, 1]")
        if low >= -1 and high <= 1:
            return Levels(*_SIGNED, "floats in [-1, 1]")
        if low >= 0 and _LIKE_BYTES < high <= 255:
            return Levels(*_BYTES, "floats in [0, 255]")
    high = high if high > low else low + 1
    return Levels(low, high, "from the least to the greatest number")


def unused(levels: Levels, extremes: tuple[float, float]) -> str | None:
    """Say that recordings use little of the levels, so that they are nearly of one gray."""
    low, high = (np.clip(each, levels.low, levels.high) for each in extremes)
    share = (high - low) / (levels.high - levels.low)
    if share >= _FEW:
        return None
    return (
        f"values reach from {extremes[0]:g} to {extremes[1]:g}, {100 * share:.2g} % of the range "
        f"from {levels.low:g} to {levels.high:g}: to use all of it, give --scale "
        f"{extremes[0]:g} {extremes[1] if extremes[1] > extremes[0] else extremes[0] + 1:g}"
    )


def unlike(levels: Levels, extremes: tuple[float, float]) -> str | None:
    """Say that numbers are hardly those that levels were chosen for: too large, or nearly equal.

    Example:
        >>> unlike(Levels(0, 1), (0.0, 255.0))
        'values reach from 0 to 255, but the model was trained on 0 to 1: bring them to the same \
numbers first'
        >>> unlike(Levels(0, 4095), (90.0, 4200.0))
    """
    low, high = extremes
    span = levels.high - levels.low
    beyond = low < levels.low - span / 2 or high > levels.high + span / 2
    if not beyond and unused(levels, extremes) is None:
        return None
    return (
        f"values reach from {low:g} to {high:g}, but the model was trained on {levels.low:g} to "
        f"{levels.high:g}: bring them to the same numbers first"
    )
