"""Presets: every experiment that has a name, as data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from symgen._errors import nearest
from symgen._files import read_toml
from symgen.experiments.builders import builder, options_of
from symgen.experiments.datasets import data_from_json
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets.rows import EDITIONS, Edition, Printed, Row, row_presets, rows
from symgen.training import Training

_FILES = ("sprites", "recordings", "mnist", "faithful", "extensions", "ace", "studies")
_PARTS = ("model", "data", "training")


@dataclass(frozen=True)
class Preset:
    """An experiment that has a name.

    Attributes:
        name: its name.
        about: what it is.
        experiment: builder, options, data and training.
        first: whether it is among those to look at first.
        compare: preset that it extends and is compared with.
    """

    name: str
    about: str
    experiment: Experiment
    first: bool = False
    compare: str | None = None


@cache
def _described() -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Return recipes and presets as the files say them."""
    recipes: dict[str, dict[str, Any]] = {}
    found: dict[str, dict[str, Any]] = {}
    for name in _FILES:
        told = read_toml(f"{name}.toml", f"{__name__}.rows")
        recipes |= told.get("recipes", {})
        found |= told.get("presets", {})
    found |= row_presets()
    for name, told in list(found.items()):
        for edition in EDITIONS if "faithful" in told else ():
            found[f"{name}-{edition}"] = _faithful(told, found, edition)
    return recipes, found


def _faithful(
    told: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]], edition: Edition
) -> dict[str, Any]:
    """Return a preset of our recipe with the settings of an edition's row."""
    own = found[f"{told['faithful']}-{edition}"]
    about = f"{told['about']}: the {edition}'s recipe (100 epochs)"
    data = {"kind": own["data"]["kind"], **told["data"]}
    return {**own, "about": about, "data": data}


def _parts(told: Mapping[str, Any], recipes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Merge the recipes that a preset names, in order, and what it says itself."""
    merged: dict[str, dict[str, Any]] = {part: {} for part in _PARTS}
    for source in (*(_parts(recipes[name], recipes) for name in told.get("recipes", ())), told):
        for part in _PARTS:
            merged[part] |= source.get(part, {})
    for option in told.get("drop", ()):
        merged["model"].pop(option, None)
    return merged


@cache
def _preset(name: str) -> Preset:
    recipes, found = _described()
    told = found[name]
    parts = _parts(told, recipes)
    known = options_of(builder(told["builder"]))
    model = {
        option: None if value == "none" and known[option].allows_none else value
        for option, value in parts["model"].items()
    }
    data, training = data_from_json(parts["data"]), Training().changed(parts["training"])
    experiment = Experiment(told["builder"], model, data, training)
    first, compare = told.get("first", False), told.get("compare")
    return Preset(name, told["about"], experiment, first, compare)


def presets() -> Iterator[Preset]:
    """Iterate over all presets."""
    return map(_preset, _described()[1])


def preset(name: str) -> Preset:
    """Look up a preset by its name.

    Raises:
        ValueError: if there is none; the message lists the near names.

    Example:
        >>> preset("demo").experiment.model["window"]
        10
        >>> preset("dmeo")
        Traceback (most recent call last):
        ValueError: unknown preset 'dmeo': did you mean demo? symgen presets --all lists every one
    """
    known = _described()[1]
    if name not in known:
        near = nearest(name, known)
        near += "" if near.endswith("?") else ";"
        raise ValueError(f"unknown preset {name!r}: {near} symgen presets --all lists every one")
    return _preset(name)
