"""The reproduction of ACE with symmetry statistics (Georgiev 2016)."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from symgen.experiments.reproduce.ace_budget import FULL, SMOKE, Budget
from symgen.experiments.reproduce.criteria import CRITERIA, TRIED
from symgen.experiments.reproduce.criterion import examine
from symgen.experiments.reproduce.evidence import Data, Evidence
from symgen.experiments.reproduce.plan import Missing
from symgen.experiments.runs import commit, hardware
from symgen.training.checkpoint import write_atomically
from symgen.training.optimisation import nearest

__all__ = ["reproduce_ace"]

_BASELINES: tuple[Data, ...] = ("mnist", "rts", "tc")


def reproduce_ace(
    out: Path,
    record: Path | None = None,
    *,
    seeds: int = 3,
    smoke: bool = False,
    only: Sequence[str] | None = None,
    train: bool = True,
    root: Path | None = None,
    device: str = "cpu",
    observe: Callable[[int, int, str], object] | None = None,
    budget: Budget | None = None,
) -> dict[str, Any]:
    """Measure criteria E1 to E15, training whatever is not trained yet.

    Finished runs are used as they are and stopped ones are resumed, so the command may be given
    again after an interruption; no two processes may train in the same folder at a time.

    Args:
        out: folder of the run folders `PRESET-SEED` and `judge-DATA`; also gets `ace.json`.
        record: a second file for the same record.
        seeds: seeds of every preset that a comparison is claimed of.
        smoke: embedded digits, small nets, one seed: all of the code in two minutes, no verdict.
        only: numbers of criteria; None for all.
        train: whether to train what is missing; otherwise criteria without their runs are
            reported as not run.
        root: folder of the image files; None: the environment variable SYMGEN_DATA.
        device: where to train and to measure.
        observe: is told what is done of how much, and of what.
        budget: how much work to spend; by default that of a full or a smoke run.

    Returns:
        The record: criteria, runs, judges, baselines, commit and hardware.

    Raises:
        ValueError: if `seeds` is not positive or there is no such criterion.
    """
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: give a positive number")
    known = {criterion.id: criterion for criterion in CRITERIA}
    for name in only or ():
        if name not in known:
            raise ValueError(f"no criterion {name!r}: {nearest(name, known)}")
    count = 1 if smoke else seeds
    command = f"symgen reproduce ace{' --smoke' * smoke} --seeds {count} --out {out}"
    for path in filter(None, (out / "ace.json", record)):
        path.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after
    evidence = Evidence(
        out,
        budget or (SMOKE if smoke else FULL),
        command=command,
        root=root,
        device=device,
        train=train,
        observe=observe,
    )
    criteria = [
        examine(criterion, evidence, count, smoke, TRIED.get(criterion.id, ""))
        for criterion in CRITERIA
        if only is None or criterion.id in only
    ]
    result = {
        "command": command,
        "commit": commit(),
        "hardware": hardware(device),
        "smoke": smoke,
        "seeds": count,
        "samples": evidence.budget.samples,
        "criteria": criteria,
        "runs": evidence.runs,
        "judges": evidence.judges,
        "baselines": _baselines(evidence),
    }
    text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    for path in filter(None, (out / "ace.json", record)):
        write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return result


def _baselines(evidence: Evidence) -> dict[str, dict[str, float]]:
    """Return the costs that bounds are measured against, for all data that can be read."""
    for data in _BASELINES:
        try:
            evidence.class_mean(data)
        except Missing:
            break  # the criteria that need them have said why
    return evidence.baselines
