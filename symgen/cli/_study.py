"""What sweep and reproduce share: runs on several processes or a cluster, and tables."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from rich.table import Table

from symgen.cli._terminal import Unfinished, console, progress, say
from symgen.experiments.studies import Plan, Study, seconds_of, tables_of, workers
from symgen.training.progress import duration


@dataclass(frozen=True)
class Distributed:
    """Where runs are trained."""

    on: workers.Place = "local"
    """Processes of this machine, jobs of SLURM, or this process alone."""
    jobs: int | None = None
    """Runs at a time; by default one for each processor, and 256 on SLURM."""
    partition: str | None = None
    """SLURM: partition of the jobs."""
    time: int = 240
    """SLURM: minutes that a job may take; a run that takes longer goes on in the next."""
    gpus: int = 0
    """SLURM: GPUs of a job."""
    cpus: int = 1
    """SLURM: processors of a job, and threads."""
    account: str | None = None
    """SLURM: account that pays."""
    constraint: str | None = None
    """SLURM: features that a node must have."""
    status: bool = False
    """Only show how far every run is."""


def distribute(plan: Plan, options: Distributed, verb: str) -> dict[str, str] | None:
    """Say what is to be done, and do it; return why runs failed, None if it is not done yet."""
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"jobs={options.jobs}: give a positive number")
    if options.status:
        return _status(plan)
    left, every = plan.pending(), plan.jobs
    most = 1 if options.on == "debug" else options.jobs or torch.get_num_threads()
    jobs = min(most, max(1, len(left)))
    say(f"{len(every)} runs of {plan.about.title}, {len(every) - len(left)} of them on record")
    if left:
        _tell_time(plan, len(left), options, jobs)
        if options.on == "slurm":
            return _submit(plan, options)
        with progress(verb) as show:
            if options.on == "debug":
                workers.work_here(plan)
            else:
                workers.work_locally(plan, jobs, lambda: show(*_done(plan)))
    found = workers.standings(plan)
    return {each.name: each.why or each.state for each in found if each.state != "done"}


def require_all(missing: Mapping[str, str], runs: int) -> None:
    """End with a status that tells scripts that some runs could not be made.

    Raises:
        Unfinished: if there are such.
    """
    if missing:
        raise Unfinished(f"symgen: not done: {len(missing)} of {runs} runs, see above")


def show_tables(
    about: Study, found: Mapping[str, Any], budget: str, only: Sequence[str] | None = None
) -> bool:
    """Print the tables of what is on record, and what is not; False if nothing is."""
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
    return bool(found["entries"])


def _tell_time(plan: Plan, left: int, options: Distributed, jobs: int) -> None:
    seconds = seconds_of(plan)
    if options.on == "slurm":
        say(f"{left} to do, {duration(seconds)} of training on this {plan.workshop.device}")
    else:
        several = f", {duration(seconds / jobs)} by {jobs} processes" if jobs > 1 else ""
        say(f"{left} to do: about {duration(seconds)} of training{several}, and the measurements")


def _submit(plan: Plan, options: Distributed) -> None:
    asked: dict[str, Any] = {
        "time": options.time,
        "partition": options.partition,
        "account": options.account,
        "constraint": options.constraint,
        "gpus_per_node": options.gpus or None,
        "cpus_per_task": options.cpus,
        "array_parallelism": options.jobs or 256,
    }
    given = {name: value for name, value in asked.items() if value is not None}
    numbers = workers.submit(plan, **given)
    say(f"queued: {numbers[0]} to {numbers[-1]}; the same command with --status shows how far")


def _status(plan: Plan) -> None:
    """Print how far every run is."""
    found = workers.standings(plan)
    table = Table("run", "state", "step", "", box=None, pad_edge=False)
    for each in found:
        table.add_row(each.name, each.state, f"{each.step:,} of {each.steps:,}", each.why)
    console.print(table)
    counts = Counter(each.state for each in found)
    say(", ".join(f"{count} {state}" for state, count in counts.items()))


def _done(plan: Plan) -> tuple[int, int, str]:
    """Return the steps that are taken, those of all runs, and how many of these are done."""
    found = workers.standings(plan)
    counts = Counter(each.state for each in found)
    text = ", ".join(f"{count} {state}" for state, count in counts.items())
    return sum(each.step for each in found), sum(each.steps for each in found), text
