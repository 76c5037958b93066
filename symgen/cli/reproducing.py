"""The verb reproduce: the claims of a paper, measured and judged."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.table import Table
from tyro.conf import Positional

from symgen.cli._terminal import console, parse, progress
from symgen.experiments.reproduce import reproduce_ace

__all__ = ["reproduce"]


@dataclass(frozen=True)
class _Reproduce:
    """Measure every claim of a paper as a criterion with a threshold; train what is missing.

    Finished runs are used as they are and stopped ones resumed: give the command again after an
    interruption.
    """

    item: Positional[Literal["ace"]]
    """What to reproduce."""
    smoke: bool = False
    """All of the code in two minutes on embedded digits; no verdict."""
    seeds: int = 3
    """Seeds of every preset that a comparison is claimed of."""
    only: tuple[str, ...] | None = None
    """Numbers of criteria, such as E4 E5; all by default."""
    train: bool = True
    """Train what is missing; otherwise criteria without their runs are not run."""
    out: Path | None = None
    """Folder of the runs; by default runs/ace or runs/ace-smoke."""
    record: Path | None = None
    """Also write the record to this file, for example results/ace.json."""
    root: Path | None = None
    """Folder of the image files."""
    device: str = "cpu"
    """Where to train and to measure: cpu, cuda."""


def reproduce(words: Sequence[str]) -> None:
    """Measure the claims of a paper."""
    options = parse(_Reproduce, "reproduce", words)
    out = options.out or Path("runs/ace-smoke" if options.smoke else "runs/ace")
    with progress("reproducing") as show:
        record = reproduce_ace(
            out,
            options.record,
            seeds=options.seeds,
            smoke=options.smoke,
            only=options.only,
            train=options.train,
            root=options.root,
            device=options.device,
            observe=show,
        )
    table = Table("", "claim", "measured", "threshold", "verdict", box=None, pad_edge=False)
    for criterion in record["criteria"]:
        limits = [
            "–" if limit["mean"] is None else f"{limit['mean']:.4g}"
            for limit in criterion["limits"]
        ]
        table.add_row(
            criterion["id"],
            criterion["claim"],
            "; ".join(limits),
            criterion["threshold"],
            criterion["verdict"],
        )
    console.print(table)
    console.print(f"all numbers: {out / 'ace.json'}", markup=False, soft_wrap=True)
