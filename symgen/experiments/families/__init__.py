"""Families of models: how each is measured and described, one file for each."""

from typing import Any

from symgen.experiments.families.ace import ACEFamily
from symgen.experiments.families.extent import (
    Limit,
    ObserveBatches,
    TimeLimit,
    evenly_spread,
    first_items,
)
from symgen.experiments.families.family import Family, Metric, Row
from symgen.experiments.families.topographic import TopographicFamily

FAMILIES: tuple[Family, ...] = (TopographicFamily(), ACEFamily())


def family_of(kind: type[Any]) -> Family:
    """Return the family of a class of models."""
    for family in FAMILIES:
        if issubclass(kind, family.kind):
            return family
    known = " or ".join(family.kind.__name__ for family in FAMILIES)
    raise ValueError(f"a {kind.__name__} belongs to no family: give a {known}")
