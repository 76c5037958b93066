"""What the package exports: the names that the reference shows and the suite checks."""

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any

import symgen

ROOMS = (
    "symgen.groups",
    "symgen.groups.affine",
    "symgen.groups.colour",
    "symgen.groups.projective",
    "symgen.latents",
    "symgen.likelihoods",
    "symgen.nets",
    "symgen.data",
    "symgen.data.cifar10",
    "symgen.data.dsprites",
    "symgen.models",
    "symgen.metrics",
    "symgen.training",
    "symgen.figures",
    "symgen",
)
"""The public rooms, those that others import from first."""

_FOR_USERS = {
    "symgen.training": (
        *("fit", "Meter", "Progress", "Run", "RunBusy", "step", "Trainable", "Training"),
        *("TrainingDiverged", "TrainingStopped"),
    )
}
"""Of rooms whose other names are for the package itself, those for its users."""


def names_of(room: ModuleType) -> list[str]:
    """List the classes and functions that a room exports: its files', where it lists none."""
    own = {
        name: value
        for name, value in inspect.getmembers(room)
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("symgen.")
    }
    listed = _FOR_USERS.get(room.__name__, getattr(room, "__all__", None))
    return sorted(
        (
            name
            for name, value in own.items()
            if name in (import_module(value.__module__).__all__ if listed is None else listed)
        ),
        key=str.lower,
    )


def exports() -> dict[str, dict[str, Any]]:
    """Return classes and functions by room and name, each in the room that has it first."""
    found: dict[str, dict[str, Any]] = {}
    seen: set[int] = set()
    for path in ROOMS:
        room = import_module(path)
        values = {name: getattr(room, name) for name in names_of(room)}
        found[path] = {name: value for name, value in values.items() if id(value) not in seen}
        seen |= {id(value) for value in found[path].values()}
    return found


def elsewhere() -> dict[str, str]:
    """Return where the names that `symgen` passes on are described."""
    return {
        name: f"{room}.{name}"
        for room, values in exports().items()
        for name, value in values.items()
        if room != "symgen" and name in symgen.__all__ and getattr(symgen, name) is value
    }
