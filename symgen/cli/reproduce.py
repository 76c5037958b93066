"""The verb reproduce: what a paper prints or claims, measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tyro.conf import Positional

from symgen.cli._terminal import console, parse, print_paths, progress, say, usable_device
from symgen.experiments.studies import draw_windows, run_study, study, study_names, tables_of

__all__ = ["reproduce"]


@dataclass(frozen=True)
class _Reproduce:
    """Reproduce a table or figure of a paper, the claims of ACE's, or a comparison beyond them.

    Trains what is missing, resumes what was stopped, leaves what is on record: give the command
    again after an interruption. Several processes may share the work. Without a name it lists what
    can be reproduced.
    """

    study: Positional[str] = ""
    """What to reproduce, such as table1, figure5, generalisation, ace."""
    budget: str = "laptop"
    """smoke: all of the code in seconds a run, to no claim. laptop: our recipe, minutes a run on
    two cores. paper: the paper's own recipes of 100 epochs, of tables and figures."""
    seeds: int = 3
    """Seeds of every line."""
    only: tuple[str, ...] | None = None
    """Names of lines, such as vae-mnist; all by default."""
    train: bool = True
    """Train what is missing; otherwise measure the runs that are there."""
    out: Path | None = None
    """Folder of the runs; by default runs/studies/BUDGET."""
    record: Path | None = None
    """File of the record; by default results/STUDY.json, or within the folder of the runs for a
    smoke run."""
    root: Path | None = None
    """Folder of the image files."""
    device: str = "cpu"
    """Where to train and to measure: cpu, cuda."""


def reproduce(words: Sequence[str]) -> None:
    """Measure what a paper prints or claims."""
    options = parse(_Reproduce, "reproduce", words)
    if not options.study:
        say("\n".join(f"{name:16} {study(name).title}" for name in study_names()))
        return
    about = study(options.study)
    out = options.out or Path("runs/studies") / options.budget
    name = f"{options.study}.json"
    default = out / name if options.budget == "smoke" else Path("results") / name
    record = options.record or default
    with progress("reproducing") as show:
        found = run_study(
            options.study,
            out,
            record,
            budget=options.budget,
            seeds=options.seeds,
            only=options.only,
            train=options.train,
            place=options.root,
            device=usable_device(options.device),
            show=show,
        )
    say(f"{about.title}; budget {options.budget}")
    if found["entries"]:
        for header, rows in tables_of(about, found, options.budget, options.only):
            table = Table(
                *(column.replace("*", "") for column in header), box=None, pad_edge=False
            )
            for row in rows:
                table.add_row(*row)
            console.print("", table)
    for run, reason in found["missing"].items():
        say(f"not run: {run}: {reason}")
    say(f"everything: {record}")
    if options.study == "figure5" and found["entries"]:
        picture = record.with_suffix(".png")
        draw_windows(found["entries"], options.budget, picture)
        print_paths([picture])
