"""The verb reproduce: what a paper prints or claims, measured."""

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from symgen._devices import usable_device
from symgen.cli._options import Device, Root
from symgen.cli._study import Distributed, distribute, require_all, show_tables
from symgen.cli._terminal import print_paths, progress, say
from symgen.experiments.studies import draw_windows, planned, run_study, study, study_names
from symgen.experiments.studies.workers import Place


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
    on: Place | None = None,
    jobs: int | None = None,
    partition: str | None = None,
    time: int = Distributed.time,
    gpus: int = 0,
    cpus: int = 1,
    status: bool = False,
) -> None:
    """Reproduce a table or figure of a paper, the claims of the ACE paper, or a study beyond them.

    Trains what is missing, resumes what was stopped, leaves what is on record: give the command
    again after an interruption. Several processes may share the work. Without a name it lists what
    can be reproduced.

    Args:
        name: What to reproduce, such as table1, figure5, generalisation, ace.
        budget: smoke: runs all of the code in seconds, the results mean nothing. laptop: our
            recipe, minutes a run on two cores. night: a tenth or less of the paper's frames, an
            hour a run, for its tables. paper: the papers' own recipes, 100 epochs.
        seeds: Seeds of every line.
        only: Names of lines, such as vae-mnist; all by default.
        train: Train what is missing; otherwise measure the runs that are there.
        out: Folder of the runs; by default runs/studies/BUDGET.
        record: File of the record; by default results/STUDY.json, or within the folder of the runs
            for a smoke run.
        on: local: several processes of this machine. slurm: an array of jobs. debug: this process,
            as a job would. By default this process.
        jobs: Runs at a time; by default one for each processor, and 256 on SLURM.
        partition: SLURM: partition of the jobs.
        time: SLURM: minutes that a job may take; a run that takes longer goes on in the next.
        gpus: SLURM: GPUs of a job.
        cpus: SLURM: processors of a job, and threads.
        status: Only show how far every run is.
    """
    if not name:
        say("\n".join(f"{known:16} {study(known).title}" for known in study_names()))
        return
    about = study(name)
    out = out or Path("runs/studies") / budget
    record = record or (out if budget == "smoke" else Path("results")) / f"{name}.json"
    chosen: dict[str, Any] = {"budget": budget, "seeds": seeds, "only": only, "train": train}
    chosen |= {"place": root, "device": usable_device(device)}
    if on is None and not status:
        with progress("reproducing") as show:
            found = run_study(name, out, record, **chosen, show=show)
    else:
        plan = planned(name, out, record, **chosen)
        where = Distributed(on or "local", jobs, partition, time, gpus, cpus, status=status)
        if (missing := distribute(plan, where, "reproducing")) is None:
            return
        found = plan.result(missing)
    say(f"{about.title}; budget {budget}")
    show_tables(about, found, budget, only)
    say(f"everything: {record}")
    if name == "figure5" and found["entries"]:
        picture = record.with_suffix(".png")
        draw_windows(found["entries"], budget, picture)
        print_paths([picture])
    if train:
        require_all(found["missing"], len(found["missing"]) + len(found["entries"]))
