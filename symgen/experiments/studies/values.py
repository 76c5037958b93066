"""Values of studies, named by their place in what was measured, and how they are joined."""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_JOINS: dict[str, Callable[..., float]] = {
    "sum": lambda *terms: sum(terms),
    "product": lambda *factors: math.prod(factors),
    "ratio": lambda a, b: a / b if b else math.nan,
    "least": min,
    "distance": lambda a, b: abs(a - b),
}


def at(measured: Any, place: str) -> Any:
    """Return what stands at a place of nested dictionaries and lists; None if nothing does.

    Example:
        >>> at({"forecast": {"errors": [3.0, 4.0]}}, "forecast.errors.1")
        4.0
        >>> at({}, "evaluation.e_eq") is None
        True
    """
    for key in place.split("."):
        if isinstance(measured, list):
            measured = measured[int(key)] if int(key) < len(measured) else None
        else:
            measured = None if measured is None else measured.get(key)
    return measured


def formula(told: Any, find: Callable[[str], Any]) -> Any:
    """Compute a value from a name, a list of names to add with signs, or some to join.

    Args:
        told: a name; a list such as `["a", "-b"]`; or `{"ratio": ["a", "b"], "times": 100}`,
            `{"sum": …}`, `{"product": …}`, `{"least": …}`, `{"distance": …}`.
        find: returns the value of a name, None if there is none.

    Returns:
        The value; None if a part of it is missing.

    Example:
        >>> formula({"ratio": ["a", "b"], "times": 100}, {"a": 1.0, "b": 4.0}.get)
        25.0
        >>> formula(["a", "-b"], {"a": 1.0, "b": 4.0}.get)
        -3.0
    """
    if isinstance(told, str):
        return find(told)
    names = told if isinstance(told, list) else next(iter(told.values()))
    values = [find(name.removeprefix("-")) for name in names]
    if any(value is None for value in values):
        return None
    if isinstance(told, list):
        signed = zip(names, values, strict=True)
        return sum(-value if name.startswith("-") else value for name, value in signed)
    return told.get("times", 1) * _JOINS[next(iter(told))](*values)


def mean_and_std(values: Sequence[int | float | None]) -> Mapping[str, float | None]:
    """Join the values of several seeds, those that are known.

    Example:
        >>> mean_and_std([1.0, None, 3.0])["mean"], mean_and_std([1.0])["std"]
        (2.0, None)
    """
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
    }
