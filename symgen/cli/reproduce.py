"""The verb reproduce: what a paper prints or claims, measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from tyro.conf import Positional

from symgen.cli._terminal import console, parse, print_paths, progress
from symgen.experiments.reproduce import (
    ITEMS,
    draw_windows,
    reproduce_ace,
    reproduce_topographic,
)
from symgen.experiments.tables import tables_of

__all__ = ["Reproduce", "reproduce"]


@dataclass(frozen=True)
class Reproduce:
    """Reproduce a table or figure of the Topographic VAE's paper, or the claims of ACE's.

    Trains what is missing, resumes what was stopped, leaves what is on record: give the command
    again after an interruption. Several processes may share the work.
    """

    item: Positional[
        Literal[
            "table1",
            "table2",
            "table3",
            "table4",
            "table5",
            "figure1",
            "figure3",
            "figure5",
            "generalisation",
            "ace",
        ]
    ]
    """What to reproduce."""
    budget: Literal["smoke", "laptop", "paper"] = "laptop"
    """smoke: all of the code in seconds a run, to no claim. laptop: our recipe, minutes a run on
    two cores. paper: the paper's own recipes of 100 epochs; ACE has none."""
    smoke: bool = False
    """The same as --budget smoke."""
    seeds: int = 3
    """Seeds of every line, or of every preset that ACE claims a comparison of."""
    only: tuple[str, ...] | None = None
    """Names of lines, such as vae-mnist, or numbers of ACE's criteria, such as E4 E5; all by
    default."""
    train: bool = True
    """Train what is missing; otherwise measure the runs that are there."""
    out: Path | None = None
    """Folder of the runs; by default runs/tvae/BUDGET, and runs/ace or runs/ace-smoke."""
    record: Path | None = None
    """File of the record; by default results/ITEM.json, or within the folder of the runs for a
    smoke run. Of ACE a second file, such as results/ace.json."""
    root: Path | None = None
    """Folder of the image files."""
    device: str = "cpu"
    """Where to train and to measure: cpu, cuda."""


def reproduce(words: Sequence[str]) -> None:
    """Measure what a paper prints or claims."""
    options = parse(Reproduce, "reproduce", words)
    budget = "smoke" if options.smoke else options.budget
    if options.item == "ace":
        _reproduce_ace(options, budget)
    else:
        _reproduce_topographic(options, budget)


def _reproduce_topographic(options: Reproduce, budget: str) -> None:
    out = options.out or Path("runs/tvae") / budget
    name = f"{options.item}.json"
    default = out / name if budget == "smoke" else Path("results") / name
    record = options.record or default
    with progress("reproducing") as show:
        found = reproduce_topographic(
            options.item,
            out,
            record,
            budget=budget,
            seeds=options.seeds,
            only=options.only,
            train=options.train,
            root=options.root,
            device=options.device,
            observe=show,
        )
    item = ITEMS[options.item]
    console.print(f"{item.title}; budget {budget}", markup=False)
    for header, rows in tables_of(item, found["entries"], budget, options.only):
        table = Table(*(column.replace("*", "") for column in header), box=None, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        console.print("", table)
    for name, reason in found["missing"].items():
        console.print(f"not run: {name}: {reason}", markup=False, soft_wrap=True)
    console.print(f"all numbers: {record}", markup=False, soft_wrap=True)
    if options.item == "figure5" and found["entries"]:
        picture = record.with_suffix(".png")
        draw_windows(found["entries"], budget, picture)
        print_paths([picture])


def _reproduce_ace(options: Reproduce, budget: str) -> None:
    if budget == "paper":
        raise ValueError("budget 'paper': ACE's claims are judged on our recipes only")
    smoke = budget == "smoke"
    out = options.out or Path("runs/ace-smoke" if smoke else "runs/ace")
    with progress("reproducing") as show:
        record = reproduce_ace(
            out,
            options.record,
            seeds=options.seeds,
            smoke=smoke,
            only=options.only,
            train=options.train,
            root=options.root,
            device=options.device,
            observe=show,
        )
    table = Table("", "claim", "measured", "threshold", "verdict", box=None, pad_edge=False)
    for criterion in record["criteria"]:
        table.add_row(
            criterion["id"],
            criterion["claim"],
            "; ".join(map(_mean, criterion["limits"])),
            criterion["threshold"],
            criterion["verdict"],
        )
    console.print(table)
    console.print(f"all numbers: {out / 'ace.json'}", markup=False, soft_wrap=True)


def _mean(limit: dict[str, Any]) -> str:
    return "–" if limit["mean"] is None else f"{limit['mean']:.4g}"
