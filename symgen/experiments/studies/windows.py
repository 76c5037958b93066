"""Figure 5 of the Topographic VAE's paper from the record of its runs."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

from symgen.experiments.presets import EDITIONS, Edition, preset
from symgen.experiments.studies.record import Entry, entry_of
from symgen.experiments.studies.study import Line, study
from symgen.figures import WindowPoint, window_curves

_SERIES: dict[Edition, str] = {"paper": "paper, camera-ready", "submission": "paper, submission"}


def draw_windows(entries: Sequence[Entry], budget: str, path: Path) -> None:
    """Draw CapCorr over the window, ours next to the paper's, from the entries of `figure5`.

    Values that are not defined, because all rolls of a run are the same, are left out. Of several
    lines without a window, which differ in their neighbourhoods, the first one is drawn that was
    run or printed.
    """
    if not any(entry["budget"] == budget for entry in entries):
        raise ValueError(f"no runs of figure5 within the budget {budget!r}: nothing to draw")
    about = study("figure5")
    seeds = sorted({entry["seed"] for entry in entries})
    found: dict[tuple[str, str, float], WindowPoint] = {}
    chance: dict[str, float] = {}
    for line in about.lines(about.budgets[budget]):
        runs = [e for seed in seeds if (e := entry_of(entries, line, budget, seed)) is not None]
        for factor in about.factors:
            points = [
                WindowPoint(factor, _SERIES[edition], _window(line), *numbers[factor])
                for edition in EDITIONS
                if factor in (numbers := line.printed.get(edition, {}))
            ]
            measured = [run["measured"]["evaluation"]["capcorr"][factor] for run in runs]
            values = [each["value"] for each in measured if each["value"] is not None]
            if values:
                spread = stdev(values) if len(values) > 1 else None
                points.append(WindowPoint(factor, "ours", _window(line), mean(values), spread))
                chance.setdefault(factor, measured[0]["chance"])
            for point in points:
                found.setdefault(point[:3], point)
    window_curves(sorted(found.values(), key=lambda p: p.series != "ours"), chance, path)


def _window(line: Line) -> float:
    """Return the reach of the coherence as a part of the sequence, L / S."""
    model = preset(line.preset).experiment.model
    return 0.0 if model["window"] == 1 else model["window"] / (2 * model["units"])
