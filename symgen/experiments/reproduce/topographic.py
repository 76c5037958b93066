"""The reproduction of the Topographic VAE's tables and figures (Keller & Welling 2021)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from symgen.experiments.experiment import Experiment
from symgen.experiments.reproduce.budgets import BUDGETS, Spending
from symgen.experiments.reproduce.entries import Entries, entry_of, read_entries
from symgen.experiments.reproduce.items import ITEMS
from symgen.experiments.reproduce.measuring import measure
from symgen.experiments.reproduce.plan import Missing, finished_run, origin, steps_done
from symgen.experiments.runs import commit, hardware
from symgen.experiments.serialisation import to_json
from symgen.training import Progress
from symgen.training.optimisation import nearest

__all__ = ["reproduce_topographic"]

Observe = Callable[[int, int, str], object]


def reproduce_topographic(
    item: str,
    out: Path,
    record: Path,
    *,
    budget: str = "laptop",
    seeds: int = 3,
    only: Sequence[str] | None = None,
    train: bool = True,
    root: Path | None = None,
    device: str = "cpu",
    observe: Observe | None = None,
    spending: Spending | None = None,
) -> dict[str, Any]:
    """Train and measure the lines of a table or figure, and put them on record.

    What is on record with the same settings, budget and seed is left as it is, here or in the
    record of another item beside it, unless its run folder tells of another run. Of the others,
    finished runs are measured, stopped ones resumed, missing ones trained; the record is written
    after each. Lines that need the same run share it: run folders are named by preset and seed.
    Several processes may work at once; a run that another one trains is passed over.

    Args:
        item: name of the table or figure, see `ITEMS`.
        out: folder of the run folders `PRESET-SEED`.
        record: file of the record.
        budget: how much work to spend, see `BUDGETS`.
        seeds: number of seeds of every line, from 0.
        only: names of lines; None for all.
        train: whether to train what is missing.
        root: folder of the image files; None: the environment variable SYMGEN_DATA.
        device: where to train and to measure.
        observe: is told what is done of how much, and of what.
        spending: what the budget comes to, if not what its name stands for.

    Returns:
        The entries of the lines, and why others are missing, by run.

    Raises:
        ValueError: if there is no such item, budget or line, or `seeds` is not positive.
    """
    for value, kind, known in ((item, "item", ITEMS), (budget, "budget", BUDGETS)):
        if value not in known:
            raise ValueError(f"no {kind} {value!r}: {nearest(value, known)}")
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: give a positive number")
    spending = spending or BUDGETS[budget]
    lines = ITEMS[item].lines(spending.faithful)
    names = {line.name for line in lines}
    for name in only or ():
        if name not in names:
            raise ValueError(f"no line {name!r} in {item}: {nearest(name, names)}")
    record.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after

    show: Observe = observe or (lambda done, total, text: None)
    chosen = [line for line in lines if only is None or line.name in only]
    entries = Entries(item, record)
    words = [f"symgen reproduce {item} --seeds {seeds} --budget {budget}"]
    words += [f"--only {' '.join(only)}"] if only else []
    about = {
        "item": item,
        "command": " ".join(words),
        "commit": commit(),
        "hardware": hardware(device),
    }
    evaluated = {"sequences": spending.sequences, "samples": spending.samples, "seed": 0}
    missing: dict[str, str] = {}
    jobs = []
    for seed in range(seeds):  # the first seed of every line comes first
        for line in chosen:
            folder = out / f"{line.preset}-{seed}"
            wanted = spending.experiment(line.preset, seed, root)
            known = entries.find(line, budget, seed, wanted, evaluated)
            if known is None or not _tells_of(known, folder, wanted):
                jobs.append((line, seed, folder, wanted))
            elif entry_of(read_entries(record), line, budget, seed) != known:
                entries.put(known, about)  # found in another item's record

    for number, (line, seed, folder, wanted) in enumerate(jobs):
        later = {there: experiment for _, _, there, experiment in jobs[number + 1 :]}
        later.pop(folder, None)
        name = f"run {number + 1} of {len(jobs)}, {folder.name}"
        try:
            run = finished_run(
                line.preset,
                wanted,
                folder,
                command=spending.command(line.preset, seed, folder),
                train=train,
                device=device,
                observe=_training(show, name, _items_left(later) if train else 0),
            )
        except Missing as reason:
            missing[folder.name] = str(reason)
            continue
        measured = measure(
            run, line.test_mode, evaluated, device=device, observe=_evaluation(show, name)
        )
        entry = {
            "row": line.name,
            "preset": line.preset,
            "test_mode": line.test_mode,
            "budget": budget,
            "seed": seed,
            "settings": to_json(_portable(wanted)),
            **origin(folder),
            **measured,
            "evaluated": {**evaluated, "commit": commit(), "hardware": hardware(device)},
        }
        entries.put(entry, about)

    found = [
        entry
        for line in chosen
        for seed in range(seeds)
        if (entry := entry_of(read_entries(record), line, budget, seed)) is not None
    ]
    return {**about, "entries": found, "missing": missing}


def _tells_of(entry: dict[str, Any], folder: Path, wanted: Experiment) -> bool:
    """Return whether an entry is of the run in a folder, or there is no finished run there."""
    if steps_done(folder) < wanted.training.steps:
        return True
    return origin(folder).items() <= entry.items()


def _portable(experiment: Experiment) -> Experiment:
    """Leave out where the files lay."""
    return replace(experiment, data=replace(experiment.data, root=None, download=False))


def _items_left(jobs: dict[Path, Experiment]) -> int:
    """Count the sequences that runs have still to see."""
    return sum(
        (wanted.training.steps - steps_done(folder)) * wanted.training.batch_size
        for folder, wanted in jobs.items()
    )


def _training(show: Observe, name: str, later: int) -> Callable[[Progress], None]:
    def observe(now: Progress) -> None:
        all_left = now.seconds_left + later / now.sequences_per_second
        text = (
            f"{name}: loss {now.loss:.1f}, {_minutes(now.seconds_left)} left, "
            f"{_minutes(all_left)} for all"
        )
        show(now.step, now.steps, text)

    return observe


def _evaluation(show: Observe, name: str) -> Callable[[int, int], None]:
    def observe(done: int, total: int) -> None:
        show(done, total, f"{name}: evaluated {done} of {total} batches")

    return observe


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min"
