"""A criterion: a claim, what to measure for it, and the limits that decide."""

import math
import operator
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from symgen.experiments.reproduce.evidence import Evidence
from symgen.experiments.reproduce.plan import Missing

__all__ = ["Criterion", "Limit", "Values", "examine"]

Values = Mapping[str, float | None]
"""What one seed gives, by name; None stands for what could not be measured."""

_RELATIONS = {"<": operator.lt, "≤": operator.le, ">": operator.gt, "≥": operator.ge}


@dataclass(frozen=True)
class Limit:
    """A bound on a measured value.

    Example:
        >>> limit = Limit("gain, nats", "≥", 50)
        >>> limit.holds([40.0, 70.0]), limit.holds([None, 70.0]), str(limit)
        (True, None, 'gain, nats ≥ 50')
    """

    value: str
    """Name of the value."""
    relation: Literal["<", "≤", ">", "≥"]
    """How it must stand to the bound."""
    bound: int | float
    """The threshold."""
    every: bool = False
    """Every seed has to obey it, not only their mean."""

    def holds(self, values: Sequence[float | None]) -> bool | None:
        """Compare with one value per seed; None if one of them is missing."""
        known = [value for value in values if value is not None and math.isfinite(value)]
        if not known or len(known) < len(values):
            return None
        compare = _RELATIONS[self.relation]
        decisive = known if self.every else [statistics.fmean(known)]
        return all(compare(value, self.bound) for value in decisive)

    def __str__(self) -> str:
        return f"{self.value} {self.relation} {self.bound:g}" + ", every seed" * self.every


@dataclass(frozen=True)
class Criterion:
    """A claim and how it is decided."""

    id: str
    """Its number."""
    claim: str
    """What is claimed, in few words."""
    limits: tuple[Limit, ...]
    """What has to hold, all of it."""
    measure: Callable[[Evidence, int], Values]
    """Measures one seed; may give more values than the limits ask for."""
    projected: bool = False
    """The thresholds are projections: they may be set anew once, with the reason."""
    note: str = ""
    """What a reader has to know."""

    @property
    def threshold(self) -> str:
        """All limits in words."""
        return "; ".join(map(str, self.limits))


def examine(
    criterion: Criterion, evidence: Evidence, seeds: int, smoke: bool, tried: str = ""
) -> dict[str, Any]:
    """Measure a criterion on all seeds and decide it.

    It passes if every limit holds on what was measured for all seeds, and fails if one does not.
    It is open where a part or a seed is missing, and not run where all are. A smoke run decides
    nothing.

    Args:
        criterion: what to examine.
        evidence: where runs and judges come from.
        seeds: number of seeds.
        smoke: the runs are too short for a verdict.
        tried: what was tried, for a criterion that fails.

    Returns:
        A record, ready for JSON.
    """
    measured: list[Values] = []
    missing: list[str] = []
    for seed in range(seeds):
        try:
            measured.append(criterion.measure(evidence, seed))
        except Missing as reason:
            measured.append({})
            missing.append(str(reason))
    names = dict.fromkeys(name for values in measured for name in values)
    values = {name: [_plain(each.get(name)) for each in measured] for name in names}
    holds = [limit.holds(values.get(limit.value, [None])) for limit in criterion.limits]
    verdict = _verdict(holds, ran=bool(names), smoke=smoke)
    notes = [criterion.note, *dict.fromkeys(missing)]
    if verdict == "failed":
        notes.append(tried or "nothing else has been tried yet")
    return {
        "id": criterion.id,
        "claim": criterion.claim,
        "threshold": criterion.threshold,
        "projected": criterion.projected,
        "verdict": verdict,
        "passed": {"passed": True, "failed": False}.get(verdict),
        "limits": [
            asdict(limit) | _summary(values.get(limit.value, [])) | {"holds": hold}
            for limit, hold in zip(criterion.limits, holds, strict=True)
        ],
        "values": {name: {"seeds": v, **_summary(v)} for name, v in values.items()},
        "note": "; ".join(filter(None, notes)),
    }


def _verdict(holds: Sequence[bool | None], *, ran: bool, smoke: bool) -> str:
    if not ran:
        return "not run"
    if smoke:
        return "smoke"
    if False in holds:
        return "failed"
    return "open" if None in holds else "passed"


def _plain(value: float | None) -> float | None:
    """Return a number that JSON can hold."""
    return value if value is not None and math.isfinite(value) else None


def _summary(values: Sequence[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.fmean(known) if known else None,
        "std": statistics.stdev(known) if len(known) > 1 else None,
    }
