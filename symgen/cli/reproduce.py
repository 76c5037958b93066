"""The verb reproduce: what a paper prints or claims, measured."""

from pathlib import Path
from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from symgen.cli._options import Device, Root, usable_device
from symgen.cli._terminal import console, print_paths, progress, say
from symgen.experiments.studies import draw_windows, run_study, study, study_names, tables_of


def reproduce(
    name: Annotated[Positional[str], arg(metavar="[STUDY]")] = "",
    /,
    *,
    budget: str = "laptop",
    seeds: int = 3,
    only: tuple[str, ...] | None = None,
    train: bool = True,
    out: Path | None = None,
    record: Path | None = None,
    root: Root = None,
    device: Device = "cpu",
) -> None:
    """Reproduce a table or figure of a paper, the claims of the ACE paper, or a study beyond them.

    Trains what is missing, resumes what was stopped, leaves what is on record: give the command
    again after an interruption. Several processes may share the work. Without a name it lists what
    can be reproduced.

    Args:
        name: What to reproduce, such as table1, figure5, generalisation, ace.
        budget: smoke: runs all of the code in seconds, the results mean nothing. laptop: our
            recipe, minutes a run on two cores. paper: the papers' own recipes, 100 epochs.
        seeds: Seeds of every line.
        only: Names of lines, such as vae-mnist; all by default.
        train: Train what is missing; otherwise measure the runs that are there.
        out: Folder of the runs; by default runs/studies/BUDGET.
        record: File of the record; by default results/STUDY.json, or within the folder of the runs
            for a smoke run.
    """
    if not name:
        say("\n".join(f"{known:16} {study(known).title}" for known in study_names()))
        return
    about = study(name)
    out = out or Path("runs/studies") / budget
    record = record or (out if budget == "smoke" else Path("results")) / f"{name}.json"
    with progress("reproducing") as show:
        found = run_study(
            name,
            out,
            record,
            budget=budget,
            seeds=seeds,
            only=only,
            train=train,
            place=root,
            device=usable_device(device),
            show=show,
        )
    say(f"{about.title}; budget {budget}")
    if found["entries"]:
        for header, rows in tables_of(about, found, budget, only):
            table = Table(box=None, pad_edge=False)
            for column in header:
                table.add_column(column.replace("*", ""), overflow="fold")
            for row in rows:
                table.add_row(*row)
            console.print("", table)
    for run, reason in found["missing"].items():
        say(f"not run: {run}: {reason}")
    say(f"everything: {record}")
    if name == "figure5" and found["entries"]:
        picture = record.with_suffix(".png")
        draw_windows(found["entries"], budget, picture)
        print_paths([picture])
