"""Errors that say the mend: what a misspelt name may have meant, which choices there are."""

import difflib
from collections.abc import Iterable
from typing import Any

__all__ = ["either", "nearest", "require_choice"]

_LISTED = 12  # names that an error lists in full


def nearest(name: str, names: Iterable[str]) -> str:
    """Phrase the end of an error about an unknown name: the names it may have meant."""
    names = sorted(names)
    spelled = {known.lower(): known for known in names}
    near = difflib.get_close_matches(str(name).lower(), spelled, n=3, cutoff=0.5)
    if near:
        return f"did you mean {', '.join(spelled[found] for found in near)}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"choose one of {', '.join(names[:_LISTED])}{more}"


def require_choice(name: str, given: Any, choices: Iterable[Any]) -> None:
    """Refuse a value that is not among the choices.

    Raises:
        ValueError: with the name, the value and the choices.
    """
    known = list(choices)
    if given not in known:
        raise ValueError(f"{name}={given!r}: choose {either(map(str, known))}")


def either(choices: Iterable[str]) -> str:
    """List choices in words."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last
