"""The engine of all studies: plan, train or resume, measure, record."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from symgen._errors import nearest
from symgen._files import file_to_write
from symgen.experiments.experiment import Experiment
from symgen.experiments.runs import OpenRun, open_run
from symgen.experiments.starting import resume_run, start_run
from symgen.experiments.studies.criteria import judged
from symgen.experiments.studies.measures import MEASURES
from symgen.experiments.studies.record import Entry, StudyRecord, entry_of, read_entries, shaping
from symgen.experiments.studies.study import Budget, Line, Study, study
from symgen.models import Pretrained
from symgen.training import (
    RunBusy,
    TrainingDiverged,
    commit,
    hardware,
    hold,
    last_record,
    saved_step,
)
from symgen.training.progress import Observe, duration
from symgen.training.run_folder import CHECKPOINT, CONFIG, METRICS

Show = Callable[[int, int, str], object]
_PLACES = ("root", "data", "cache")  # of files on the machine of the training


class Missing(RuntimeError):
    """Something that a study needs was not made; the message tells why."""


@dataclass
class Workshop:
    """Where the runs of studies lie, and what may be done about those that are missing.

    Attributes:
        out: folder of the run folders.
        budget: what a run may spend.
        train: whether to train what is not finished.
        place: folder of the image files.
        device: where to train and to measure.
        show: is given what is done of how much, and of what.
    """

    out: Path
    budget: Budget
    train: bool = True
    place: Path | None = None
    device: str = "cpu"
    show: Show = lambda done, total, text: None

    def folder(self, line: Line, seed: int) -> Path:
        """Return the run folder of a line and seed."""
        return self.out / line.run_name(seed)

    def finished(self, line: Line, seed: int, observe: Observe | None = None) -> OpenRun:
        """Return a run that is trained to its end: as found, resumed, or started."""
        folder = self.folder(line, seed)
        wanted = self.budget.experiment(line, seed, self.place)
        place = None if wanted.data.place is None else self.place
        command = self.budget.command(line, seed, folder)
        done = saved_step(folder / CHECKPOINT)
        how: dict[str, Any] = {"device": self.device, "observe": observe}
        try:
            if (folder / CONFIG).is_file():
                _require_same(open_run(folder).experiment, wanted, folder)
            if done >= wanted.training.steps:
                with hold(folder):  # its last save may still be going on
                    pass
            elif not self.train:
                raise Missing(
                    f"{folder} is at step {done} of {wanted.training.steps}: train it with "
                    f"`{command}`" + (" and --resume" if done else "")
                )
            elif (folder / CHECKPOINT).is_file():
                resume_run(open_run(folder, place), **how)
            else:
                start_run(line.preset, wanted, folder, command=command, **how)
            return open_run(folder, place)
        except (FileNotFoundError, RunBusy, TrainingDiverged) as error:
            raise Missing(f"{folder.name}: {error}") from error


@dataclass
class StudyRun:
    """A run of a study under measurement: what a measure is given.

    Attributes:
        line: the line that it belongs to.
        seed: its seed.
        experiment: what was trained, with the test of the line.
        workshop: where other runs are, such as those of judges.
        run: the run; None of a model with its initial weights.
    """

    line: Line
    seed: int
    experiment: Experiment
    workshop: Workshop
    run: OpenRun | None

    @property
    def budget(self) -> Budget:
        """What may be spent."""
        return self.workshop.budget

    @cached_property
    def model(self) -> Any:
        """The model, ready to evaluate."""
        if self.run is None:
            return self.experiment.build(self.workshop.device)[0].eval()
        return self.run.model().to(self.workshop.device)

    def other(self, preset: str, seed: int = 0) -> Any:
        """Load the model of a run of another preset."""
        folder = self.workshop.folder(Line(preset, preset, preset), seed)
        if not (folder / CONFIG).is_file():
            raise Missing(f"{folder.name} is needed for {self.line.name} and is not there")
        return Pretrained.from_pretrained(folder).to(self.workshop.device)

    def observed(self, done: int, total: int) -> None:
        """Show how far a measurement is."""
        text = f"{self.line.run_name(self.seed)}: measured {done} of {total} batches"
        self.workshop.show(done, total, text)


def run_study(
    name: str,
    out: Path,
    record: Path,
    *,
    budget: str = "laptop",
    seeds: int = 3,
    only: Sequence[str] | None = None,
    train: bool = True,
    place: Path | None = None,
    device: str = "cpu",
    show: Show | None = None,
    spending: Budget | None = None,
) -> dict[str, Any]:
    """Train and measure the lines of a study, and put them on record.

    What is on record with the same settings, budget and seed is left as it is, here or in the
    record of another study in the same folder, unless its run folder tells of another run. Of the
    others, finished runs are measured, stopped ones resumed, missing ones trained, lines that need
    the same run share it; the record is written after each. Several processes may work at once.

    Args:
        out: folder of the run folders.
        only: names of lines; None for all.
        place: folder of the image files; None: the environment variable SYMGEN_DATA.
        spending: what the budget comes to, if not what its name stands for.

    Returns:
        The entries of the lines, why others are `missing` by run, and the criteria of ACE.
    """
    about = study(name)
    lines = _chosen(about, budget, seeds, only, spending)
    file_to_write(record)
    spent = spending or about.budgets[budget]
    workshop = Workshop(out, spent, train, place, device, show or Workshop.show)
    command = f"symgen reproduce {name} --seeds {seeds} --budget {budget}"
    header: dict[str, Any] = {
        "study": name,
        "command": " ".join([command, "--only", *only] if only else [command]),
        "commit": commit(),
        "hardware": hardware(device),
    }
    kept = StudyRecord(name, record)
    missing = _work(lines, budget, seeds, workshop, kept, header)
    known = read_entries(record)
    found = [entry_of(known, line, budget, seed) for line in lines for seed in range(seeds)]
    entries = [entry for entry in found if entry is not None]
    result = {**header, "entries": entries, "missing": missing}
    if "criteria" in about.shown:
        derived = {"criteria": judged(entries, seeds, smoke=budget == "smoke"), "seeds": seeds}
        result |= derived
        if entries:
            kept.note(derived)
    return result


def _chosen(
    about: Study, budget: str, seeds: int, only: Sequence[str] | None, spending: Budget | None
) -> list[Line]:
    if budget not in about.budgets:
        raise ValueError(f"no budget {budget!r} of {about.name}: {nearest(budget, about.budgets)}")
    if seeds < 1:
        raise ValueError(f"seeds={seeds}: give a positive number")
    if only is not None and not only:
        raise ValueError(f"only={only}: name a line, or leave it out for all")
    lines = about.lines(spending or about.budgets[budget])
    names = {line.name for line in lines}  # which several tests of a run share
    for name in only or ():
        if name not in names:
            raise ValueError(f"no line {name!r} in {about.name}: {nearest(name, names)}")
    return [line for line in lines if only is None or line.name in only]


def _work(
    lines: Sequence[Line],
    budget: str,
    seeds: int,
    workshop: Workshop,
    record: StudyRecord,
    header: dict[str, Any],
) -> dict[str, str]:
    """Make the entries that are not on record; return why some could not be made."""
    evaluated = {"items": workshop.budget.items, "samples": workshop.budget.samples, "seed": 0}
    jobs: list[tuple[Line, int]] = []
    for line, seed in _runs(lines, seeds):
        wanted = workshop.budget.experiment(line, seed, workshop.place)
        known = record.find(line, budget, seed, wanted, evaluated)
        if known is None or not _tells_of(known, workshop.folder(line, seed), wanted):
            jobs.append((line, seed))
        elif entry_of(read_entries(record.path), line, budget, seed) != known:
            record.put(known, header)  # found in another study's record
    missing: dict[str, str] = {}
    for number, (line, seed) in enumerate(jobs):
        later = _examples_left(workshop, jobs[number + 1 :]) if workshop.train else 0
        name = line.run_name(seed)
        shown = _training_shown(workshop, f"run {number + 1} of {len(jobs)}, {name}", later)
        try:
            run = workshop.finished(line, seed, shown) if line.trained else None
            record.put(_entry(line, seed, budget, workshop, run, evaluated), header)
        except Missing as reason:
            missing[name] = str(reason)
    return missing


def _runs(lines: Sequence[Line], seeds: int) -> Iterator[tuple[Line, int]]:
    """Iterate over lines and seeds; the first seed of every line comes first."""
    for seed in range(seeds):
        for line in lines:
            if line.seeds is None or seed < line.seeds:
                yield line, seed


def _entry(
    line: Line,
    seed: int,
    budget: str,
    workshop: Workshop,
    run: OpenRun | None,
    evaluated: dict[str, Any],
) -> Entry:
    experiment = workshop.budget.experiment(line, seed, workshop.place)
    settings = experiment.to_json()
    settings["data"] |= {key: None for key in _PLACES if key in settings["data"]}
    if line.test_mode is not None:
        experiment = experiment.changed(data={"test_mode": line.test_mode}, place=workshop.place)
    measured = StudyRun(line, seed, experiment, workshop, run)
    with torch.no_grad():
        found = {name: MEASURES[name](measured) for name in line.measures}
    return {
        "line": line.name,
        "preset": line.preset,
        "variant": line.variant,
        "test_mode": line.test_mode,
        "trained": line.trained,
        "budget": budget,
        "seed": seed,
        "settings": settings,
        "parameters": sum(parameter.numel() for parameter in measured.model.parameters()),
        **(_origin(run) if run is not None else {}),
        "evaluated": evaluated | {"commit": commit(), "hardware": hardware(workshop.device)},
        "measured": found,
    }


def _origin(run: OpenRun) -> dict[str, Any]:
    """Return how a run came about."""
    last = last_record(run.folder / METRICS)
    return {
        **{name: run.config[name] for name in ("command", "commit", "hardware", "precision")},
        **{name: last[name] for name in ("examples", "frames", "seconds")},
    }


def _tells_of(entry: Entry, folder: Path, wanted: Experiment) -> bool:
    """Return whether an entry is of the run in a folder, or there is no finished run there."""
    if saved_step(folder / CHECKPOINT) < wanted.training.steps:
        return True
    return _origin(open_run(folder)).items() <= entry.items()


def _require_same(found: Experiment, wanted: Experiment, folder: Path) -> None:
    there, here = shaping(found), shaping(wanted)
    if there != here:
        part = next(name for name in there if there[name] != here[name])
        raise Missing(
            f"{folder} was trained with other settings: its {part} is {there[part]}, wanted is "
            f"{here[part]}; move it away or choose another folder"
        )


def _examples_left(workshop: Workshop, jobs: Sequence[tuple[Line, int]]) -> int:
    """Count the examples that runs have still to see; lines share some of them."""
    left = {}
    for line, seed in jobs:
        if line.trained:
            folder = workshop.folder(line, seed)
            training = workshop.budget.experiment(line, seed).training
            steps = training.steps - saved_step(folder / CHECKPOINT)
            left[folder] = steps * training.batch_size
    return sum(left.values())


def _training_shown(workshop: Workshop, name: str, later: int) -> Observe:
    def observe(now: Any) -> None:
        everything = now.seconds_left + later / now.examples_per_second
        left, all_left = duration(now.seconds_left), duration(everything)
        text = f"{name}: loss {now.loss:.1f}, {left} left, {all_left} for all"
        workshop.show(now.step, now.steps, text)

    return observe
