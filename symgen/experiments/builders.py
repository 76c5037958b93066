"""The builders of models, and their options as their signatures say."""

import inspect
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from torch import nn

from symgen._errors import nearest
from symgen._typed import typed
from symgen.likelihoods import Likelihood
from symgen.models import ACE, TVAE, VAE, BubbleVAE, Judge, Pretrained, TopographicVAE, TorusVAE

BUILDERS: dict[str, type[Pretrained]] = {
    kind.__name__: kind for kind in (TVAE, BubbleVAE, VAE, TorusVAE, ACE, TopographicVAE, Judge)
}
FROM_DATA = ("data_shape", "frames", "classes", "labelled", "ground", "spread")


class Option(NamedTuple):
    """An option of a builder that can be written down: its type, its default, what it is."""

    type: Any
    default: Any
    help: str

    @property
    def allows_none(self) -> bool:
        """Whether None is a value, and "none" is not one of its own."""
        members = get_args(self.type)
        named = [name for member in members for name in get_args(member)]
        return type(None) in members and "none" not in named


def builder(name: str) -> type[Pretrained]:
    """Look up a builder by its name."""
    if not isinstance(name, str) or name not in BUILDERS:
        raise ValueError(f"unknown model {name!r}: {nearest(name, BUILDERS)}")
    return BUILDERS[name]


@lru_cache
def options_of(kind: type[Pretrained]) -> dict[str, Option]:
    """Read the options of a builder off its signature and docstring.

    What comes from the data (`FROM_DATA`, such as `data_shape`) is left out, and what cannot be
    written down: modules and values of one's own.

    Example:
        >>> options_of(TVAE)["window"].default is None, "encoder" in options_of(TVAE)
        (True, False)
    """
    hints = get_type_hints(kind.__init__)
    told = _arguments(kind)
    found = {}
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        plain = None if name in ("self", *FROM_DATA) else _plain(hints[name])
        if plain is not None:
            default = parameter.default
            default = tuple(default) if isinstance(default, list | tuple) else default
            found[name] = Option(plain, default, told.get(name, ""))
    return found


def complete(kind: type[Pretrained], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all options of a builder, given ones in place of defaults, in their own types."""
    known = options_of(kind)
    for name in values:
        if name not in known:
            raise ValueError(f"{kind.__name__} has no option {name!r}: {nearest(name, known)}")
    given = {name: typed(name, value, known[name].type) for name, value in values.items()}
    return {name: option.default for name, option in known.items()} | given


def takes(kind: type[Pretrained], name: str) -> bool:
    """Tell whether a builder has an argument."""
    return name in inspect.signature(kind.__init__).parameters


def _plain(hint: Any) -> Any:
    """Leave out of a type what cannot be written down; None if nothing is left."""
    members = get_args(hint) if get_origin(hint) in (Union, type(int | None)) else (hint,)
    kept = []
    for member in members:
        origin = get_origin(member)
        if origin is Sequence:
            kept.append(tuple[get_args(member)[0], ...])
        elif origin is not None or member in (int, float, bool, str, type(None)):
            kept.append(member)
        elif not (isinstance(member, type) and issubclass(member, nn.Module | Likelihood)):
            return None
    if not kept or kept == [type(None)]:
        return None
    return Union[tuple(kept)]  # noqa: UP007


def _arguments(kind: type) -> dict[str, str]:
    """Read what a docstring says of every argument, over that of its parents and of TVAE."""
    told: dict[str, str] = {}
    for one in (TVAE, *reversed(kind.__mro__)):
        section = re.search(r"Args:\n(.*?)(\n\s*\n|\Z)", inspect.getdoc(one) or "", re.DOTALL)
        if section is None:
            continue
        for entry in re.split(r"\n(?=    \w+: )", "\n" + section.group(1)):
            name, _, text = entry.strip().partition(": ")
            told[name] = " ".join(text.split())
    return told
