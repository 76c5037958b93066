"""Numbers that are options: of the right kind and within bounds, or refused by name."""

import math
from numbers import Integral, Real
from typing import Any

__all__ = ["require_real", "require_seed", "require_whole"]

MOST = 2**31 - 1  # of anything that is counted
MOST_FRAMES = 2**16  # of a sequence that is made


def require_whole(name: str, value: Any, least: int, most: int = MOST) -> None:
    """Refuse what is no whole number from `least` to `most`.

    Raises:
        ValueError: with the name and the value.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ValueError(f"{name}={value!r}: give a whole number")
    _require_within(name, value, least, most)


def require_seed(name: str, value: Any) -> None:
    """Refuse what is no seed of torch's generators."""
    require_whole(name, value, -(2**63), 2**64 - 1)


def require_real(name: str, value: Any, least: Any, most: Any) -> None:
    """Refuse what is no finite number from `least` to `most`."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r}: give a finite number")
    _require_within(name, value, least, most)


def _require_within(name: str, value: Any, least: Any, most: Any) -> None:
    if not least <= value <= most:
        bound = f"{least} or more" if value < least else f"{most} or less"
        raise ValueError(f"{name}={value!r}: give {bound}")
