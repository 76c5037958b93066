"""The engine of all studies: train or resume a run, measure it, say where it comes from."""

import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from symgen._tensors import differences
from symgen.experiments.experiment import Experiment
from symgen.experiments.runs import OpenRun, open_run
from symgen.experiments.starting import resume_run, start_run
from symgen.experiments.studies.measures import MEASURES
from symgen.experiments.studies.record import Entry, shaping
from symgen.experiments.studies.study import Budget, Line
from symgen.models import Pretrained
from symgen.models.pretrained import WEIGHTS
from symgen.training import (
    RunBusy,
    TrainingDiverged,
    commit,
    hardware,
    hold,
    last_record,
    saved_step,
)
from symgen.training.progress import Observe
from symgen.training.run_folder import CHECKPOINT, CONFIG, METRICS

Show = Callable[[int, int, str], object]
_PLACES = ("root", "cache")  # of files on the machine of the training
_NO_RUN = (FileNotFoundError, FileExistsError, RunBusy)
_TOLD = 3  # differences that a reason lists


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
            if done >= wanted.training.steps and (folder / WEIGHTS).is_file():
                with hold(folder):  # its last save may still be going on
                    pass
            elif not self.train:
                how_to = f"symgen train --resume {shlex.quote(str(folder))}" if done else command
                steps = f"{done} of {wanted.training.steps}"
                raise Missing(f"{folder} is at step {steps}: train it with `{how_to}`")
            elif (folder / CHECKPOINT).is_file():
                resume_run(open_run(folder, place), **how)
            else:
                start_run(line.preset, wanted, folder, command=command, **how)
            return open_run(folder, place)
        except (*_NO_RUN, TrainingDiverged, ValueError) as error:
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


def entry_made(
    line: Line,
    seed: int,
    budget: str,
    workshop: Workshop,
    run: OpenRun | None,
    evaluated: dict[str, Any],
) -> Entry:
    """Measure a run of a line and seed, and return what joins the record."""
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


def tells_of(entry: Entry, folder: Path, wanted: Experiment) -> bool:
    """Return whether an entry is of the run in a folder, or there is no finished run there.

    A folder that is damaged tells nothing.
    """
    with suppress(OSError, ValueError):
        if saved_step(folder / CHECKPOINT) >= wanted.training.steps:
            return _origin(open_run(folder)).items() <= entry.items()
    return True


def _require_same(found: Experiment, wanted: Experiment, folder: Path) -> None:
    there, here = shaping(found), shaping(wanted)
    if told := differences(_flat(there), _flat(here)):
        more = f"; and {len(told) - _TOLD} more" if len(told) > _TOLD else ""
        raise Missing(
            f"{folder} was trained with other settings ({'; '.join(told[:_TOLD])}{more}): move it "
            "away or choose another folder"
        )


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings of settings by both names."""
    flat = {}
    for part, values in settings.items():
        several = isinstance(values, dict)
        flat |= {f"{part} {n}": v for n, v in values.items()} if several else {part: values}
    return flat
