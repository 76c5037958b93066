"""Acceptance criteria of ACE, decided from what is on record; `criteria.toml` holds them."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import Any, NamedTuple

from symgen._files import read_toml
from symgen.experiments.studies.values import at, formula, mean_and_std

_RELATIONS = {"<": operator.lt, "≤": operator.le, ">": operator.gt, "≥": operator.ge}
_LIMIT = re.compile(r"(.+) ([<≤>≥]) (\S+?)(, every seed)?")


class Limit(NamedTuple):
    """A bound on a measured value.

    Attributes:
        value: name of the value.
        relation: how it must stand to the bound.
        bound: the threshold.
        every: every seed has to obey it, not only their mean.
    """

    value: str
    relation: str
    bound: float
    every: bool

    @classmethod
    def read(cls, text: str) -> "Limit":
        """Read a limit such as "gain, nats > 0, every seed"."""
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no limit: write it as 'VALUE ≥ NUMBER'")
        value, relation, bound, every = match.groups()
        return cls(value, relation, float(bound), every is not None)

    def holds(self, values: Sequence[float | None]) -> bool | None:
        """Compare with one value per seed; None if one of them is missing."""
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        decisive = known if self.every else [fmean(known)]
        return all(_RELATIONS[self.relation](value, self.bound) for value in decisive)


@cache
def criteria() -> Mapping[str, Mapping[str, Any]]:
    """Return the claims by number, with their limits and the values that decide them."""
    return read_toml("criteria.toml", __name__)


def judged(entries: Sequence[Mapping[str, Any]], seeds: int, smoke: bool) -> list[dict[str, Any]]:
    """Decide all criteria of ACE from the entries on record.

    One passes if every limit holds on what was measured for all seeds, and fails if one does not.
    It is open where a part or a seed is missing, and not run where all are. A smoke run decides
    nothing.
    """
    known = {f"{entry['preset']}@{entry['seed']}": entry["measured"] for entry in entries}
    return [_examine(name, told, known, seeds, smoke) for name, told in criteria().items()]


def _examine(
    name: str, told: Mapping[str, Any], known: Mapping[str, Any], seeds: int, smoke: bool
) -> dict[str, Any]:
    missing: dict[str, None] = {}  # a set that keeps its order
    measured = [_values(told["values"], known, seed, missing) for seed in range(seeds)]
    names = dict.fromkeys(value for values in measured for value in values)
    values = {value: [_finite(each.get(value)) for each in measured] for value in names}
    limits = [Limit.read(text) for text in told["limits"]]
    holds = [limit.holds(values.get(limit.value, [None])) for limit in limits]
    verdict = _verdict(holds, ran=bool(names), smoke=smoke)
    notes = [told.get("note", ""), *missing]
    notes += [told.get("tried", "nothing else has been tried yet")] if verdict == "failed" else []
    return {
        "id": name,
        "claim": told["claim"],
        "threshold": "; ".join(told["limits"]),
        "projected": told.get("projected", False),
        "verdict": verdict,
        "passed": {"passed": True, "failed": False}.get(verdict),
        "limits": [
            {**limit._asdict(), **mean_and_std(values.get(limit.value, [])), "holds": hold}
            for limit, hold in zip(limits, holds, strict=True)
        ],
        "values": {value: {"seeds": v, **mean_and_std(v)} for value, v in values.items()},
        "note": "; ".join(filter(None, notes)),
    }


def _values(
    told: Mapping[str, Any], known: Mapping[str, Any], seed: int, missing: dict[str, None]
) -> dict[str, Any]:
    """Compute the values of one seed, none of them if a part of one is missing."""
    complete = True

    def find(name: str) -> Any:
        nonlocal complete
        run, _, place = name.partition(": ")
        run = run if "@" in run else f"{run}@{seed}"
        value = at(known.get(run), place)
        if value is None:
            complete = False
            missing[f"{run.replace('@', '-')} has no {place} on record"] = None
        return value

    found = {name: formula(each, find) for name, each in told.items()}
    found |= found.pop("*", None) or {}
    return found if complete else {}


def _verdict(holds: Sequence[bool | None], *, ran: bool, smoke: bool) -> str:
    if not ran:
        return "not run"
    if smoke:
        return "smoke"
    if False in holds:
        return "failed"
    return "open" if None in holds else "passed"


def _finite(value: float | None) -> float | None:
    """Return a value that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None
