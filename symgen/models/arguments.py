"""The arguments of models' constructors: noted by name, refused where they are no such thing."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, wraps
from typing import Any, get_args, get_type_hints

from torch import nn

from symgen._memory import MEMORY
from symgen._tensors import Bounded
from symgen._typed import typed
from symgen.likelihoods import Likelihood

__all__ = ["bound", "checked"]

_OWN = {nn.Module: "a torch module", Likelihood: "a Likelihood"}  # parts of one's own


def checked(made: Callable[..., None]) -> Callable[..., None]:
    """Let a constructor refuse options that are not of their types, or larger than memory."""
    signature = inspect.signature(made)

    @wraps(made)
    def made_checked(self: Any, *arguments: Any, **named: Any) -> None:
        given, hints = bound(signature, arguments, named), _hints(made)
        for name, value in given.items():
            _require(name, value, hints.get(name, Any))
        largest = max(given, key=lambda name: _greatest(given[name]), default="")
        told = f"{largest}={given.get(largest)!r} makes {type(self).__name__} larger than half of "
        with Bounded(
            MEMORY // 8, f"{told}{MEMORY / 2**30:,.0f} GiB of memory: give smaller sizes"
        ):
            made(self, *arguments, **named)

    return made_checked


def bound(
    signature: inspect.Signature, arguments: Sequence[Any], named: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a constructor is given, by name; nothing where it will refuse it."""
    try:
        given = signature.bind_partial(None, *arguments, **named).arguments
    except TypeError:  # the constructor will say so
        return {}
    for name, parameter in signature.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            given |= given.pop(name, {})
    return {name: value for name, value in given.items() if name != "self"}


def _require(name: str, value: Any, hint: Any) -> None:
    """Refuse a value that is not of a type, see `typed`, and name the parts that one may give."""
    try:
        typed(name, value, hint)
    except ValueError as error:
        own = [told for kind, told in _OWN.items() if kind in get_args(hint)]
        raise ValueError(", or ".join([str(error), *own])) from None


@lru_cache
def _hints(made: Callable[..., None]) -> dict[str, Any]:
    """Return the types of a constructor's arguments, as far as they can be looked up."""
    try:
        return get_type_hints(made)
    except (NameError, TypeError):  # names that exist only for type checkers
        return {}


def _greatest(value: Any) -> int:
    """Return the greatest whole number in an argument, 0 where there is none."""
    every = value if isinstance(value, tuple | list) else (value,)
    return max((one for one in every if isinstance(one, int)), default=0)
