"""Values of options in the types of their annotations, or refused by name: one check for all."""

import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from symgen._errors import either

__all__ = [
    "Amount",
    "Count",
    "Draws",
    "Range",
    "Seed",
    "Share",
    "Whole",
    "type_fields",
    "typed",
    "typed_values",
]

_SHOWN = 200  # letters of a value that an error repeats
_MOST = 2**53  # of anything that is counted
_TOLD = {
    int: "a whole number",
    float: "a finite number",
    bool: "True or False",
    str: "a text",
    NoneType: "None",
    Path: "a path",
}


class Range(NamedTuple):
    """The least and the greatest value of a number, in its annotation."""

    least: float
    most: float = math.inf


Whole = Annotated[int, Range(0, _MOST)]
Count = Annotated[int, Range(1, _MOST)]
Draws = Annotated[int, Range(1, 10**6)]  # at once
Seed = Annotated[int, Range(-(2**63), 2**64 - 1)]  # of torch's generators
Amount = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]


def type_fields(settings: Any) -> None:
    """Bring every field of a dataclass, a frozen one too, to its annotated type, see `typed`."""
    given = {entry.name: getattr(settings, entry.name) for entry in fields(settings)}
    for name, value in typed_values(type(settings), given).items():
        object.__setattr__(settings, name, value)


def typed_values(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values for fields of a dataclass in their annotated types, see `typed`."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: typed(name, value, hints[name]) for name, value in values.items()}


def typed(name: str, value: Any, kind: Any) -> Any:
    """Return a value in the type of an annotation, whether it came from Python, words or JSON.

    Lists become tuples, texts paths and the numbers of numpy those of Python, where such are
    asked for; nothing else is converted. Numbers are finite and within their `Range`. Types that
    cannot be told apart at run time are let through.

    Raises:
        ValueError: with the name, the value and what to give instead.

    Example:
        >>> typed("size", [3, 4], tuple[int, ...])
        (3, 4)
        >>> typed("examples", True, Count)
        Traceback (most recent call last):
        ValueError: examples=True: give a whole number of 1 or more
    """
    try:
        return _read(value, kind)
    except _Misfit:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        verb = "choose" if any(get_origin(one) is Literal for one in _members(kind)) else "give"
        raise ValueError(f"{name}={shown}: {verb} {_phrased(kind)}") from None


class _Misfit(Exception):
    """A value is not of a type."""


def _read(value: Any, kind: Any) -> Any:
    """Return a value in a type, or raise _Misfit."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _read_any(value, arguments)
    if origin is Annotated:
        return _within(_read(value, arguments[0]), arguments[1:])
    if origin is Literal:
        return _kept(value, any(type(value) is type(one) and value == one for one in arguments))
    if origin in (tuple, Sequence):
        _kept(value, isinstance(value, list | tuple))
        several = origin is Sequence or arguments[-1] is ...
        kinds = arguments[:1] * len(value) if several else arguments
        _kept(value, len(kinds) == len(value))
        return tuple(_read(*pair) for pair in zip(value, kinds, strict=True))
    if origin in (dict, Mapping):
        _kept(value, isinstance(value, Mapping) and all(isinstance(key, str) for key in value))
        return {key: _read(entry, arguments[1]) for key, entry in value.items()}
    if kind is int:
        return int(_kept(value, isinstance(value, Integral) and not isinstance(value, bool)))
    if kind is float:
        number = _kept(value, isinstance(value, Real) and not isinstance(value, bool))
        number = number if isinstance(number, int) else float(number)
        return _kept(number, abs(number) <= sys.float_info.max)  # written so that NaN fails
    if kind is Path:
        return Path(_kept(value, isinstance(value, str | Path)))
    return _kept(value, kind is Any or not isinstance(kind, type) or isinstance(value, kind))


def _read_any(value: Any, kinds: Iterable[Any]) -> Any:
    for kind in kinds:
        try:
            return _read(value, kind)
        except _Misfit:
            continue
    raise _Misfit


def _kept(value: Any, fits: bool) -> Any:
    if not fits:
        raise _Misfit
    return value


def _within(value: Any, about: Iterable[Any]) -> Any:
    ranges = [each for each in about if isinstance(each, Range)]
    return _kept(value, all(least <= value <= most for least, most in ranges))


def _members(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _phrased(kind: Any) -> str:
    """Say what a value of a type is."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return either(choice for one in arguments for choice in _choices(one))
    if origin is Annotated:
        bounds = [one for one in arguments[1:] if isinstance(one, Range)]
        return " ".join([_phrased(arguments[0]), *map(_bounded, bounds)])
    if origin is Literal:
        return either(_choices(kind))
    if origin in (tuple, Sequence):
        several = origin is Sequence or arguments[-1] is ...
        every = ", ".join(map(_phrased, arguments))
        return f"several, each {_phrased(arguments[0])}" if several else f"({every})"
    if origin in (dict, Mapping):
        return f"by name {_phrased(arguments[1])}"
    return _TOLD.get(kind) or f"a {getattr(kind, '__name__', kind)}"


def _choices(kind: Any) -> list[str]:
    """Say what a member of a union is; words and files cannot name a part of one's own."""
    if get_origin(kind) is Literal:
        return [str(one) for one in get_args(kind)]
    return [_phrased(kind)] if kind in _TOLD or get_args(kind) else []


def _bounded(bounds: Range) -> str:
    least, most = (f"{bound:,}" for bound in bounds)
    open_ended = bounds.most >= _MOST and bounds.least >= 0
    return f"of {least} or more" if open_ended else f"from {least} to {most}"
