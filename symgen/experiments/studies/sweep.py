"""Sweeps: a preset trained with every combination of some values, as a study of its own."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from matplotlib.figure import Figure

from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import preset
from symgen.experiments.starting import examples_per_second
from symgen.experiments.studies.plan import Plan, examples_left
from symgen.experiments.studies.study import Budget, Study, described
from symgen.experiments.studies.values import at
from symgen.figures import SweepPoint, sweep_curves
from symgen.training import TrainingDiverged

_PARTS = ("model", "data", "training")
_STEPS = (2, 6)  # of a measurement of speed


def sweep_study(
    name: str, runs: Mapping[str, Experiment], items: int | None, samples: int
) -> tuple[Study, Budget]:
    """Make a study of a preset from experiments by what sets them apart, such as "window=5".

    Args:
        name: the preset.
        runs: experiments by name, but for their seed.
        items: held-out items of an evaluation; None for all.
        samples: samples of the posteriors.
    """
    start = preset(name).experiment.to_json()
    lines = [
        {
            "name": about,
            "preset": name,
            "measures": ["evaluation"],
            **_changed(start, experiment.to_json()),
        }
        for about, experiment in runs.items()
    ]
    budget = Budget("sweep", items=items, samples=samples, spread=True)
    told = {"lines": lines}
    title = f"{name}, swept"
    return Study(f"sweep-{name}", title, {"sweep": budget}, ("sweep",), told=told), budget


def _changed(start: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of an experiment that are not those of its preset."""
    found = {
        part: {n: v for n, v in now[part].items() if start[part].get(n) != v and n != "seed"}
        for part in _PARTS
    }
    return {part: values for part, values in found.items() if values}


def seconds_of(plan: Plan) -> float:
    """Estimate the seconds of what is left of the trainings, by a few steps of every line."""
    rates: dict[str, float] = {}
    seconds, folders = 0.0, set()
    for line, seed in plan.pending():
        folder = plan.workshop.folder(line, seed)
        if not line.trained or folder in folders:
            continue
        folders.add(folder)
        if line.name not in rates:
            experiment = plan.workshop.budget.experiment(line, seed, plan.workshop.place)
            with suppress(TrainingDiverged):  # it will not take long
                rates[line.name] = examples_per_second(experiment, plan.workshop.device, _STEPS)
        if line.name in rates:
            seconds += examples_left(plan.workshop, line, seed) / rates[line.name]
    return seconds


def draw_sweep(plan: Plan, option: str, found: Mapping[str, Any], path: Path) -> Figure:
    """Draw what was measured over the values of an option, a line for each other setting.

    Args:
        plan: what was asked for.
        option: name of the option, as in the names of the lines.
        found: what the plan resulted in.
        path: figure to write.
    """
    points = []
    for line in plan.lines:
        words = dict(word.split("=", 1) for word in line.name.split(",") if "=" in word)
        setting = words.pop(option, line.preset)
        others = ", ".join(f"{name}={value}" for name, value in words.items())
        entries = [entry for entry in found["entries"] if entry["line"] == line.name]
        for title, told, *_ in described()["tables"]["sweep"]["columns"]:
            if not isinstance(told, str):
                continue  # what it took, rather than what came of it
            values = [v for entry in entries if (v := at(entry["measured"], told)) is not None]
            if values:
                spread = stdev(values) if len(values) > 1 else None
                points.append(SweepPoint(title, others, setting, fmean(values), spread))
    return sweep_curves(points, option, path)
