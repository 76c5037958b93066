"""Learning curves from the records of one or more runs."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from symgen.figures._canvas import colour, new_figure, style_axes, write_figure

__all__ = ["learning_curves"]

_LOSS = "loss, nats per frame or image"
_KL = "KL divergence, nats per frame or image"
_TRAINING = {  # panel and label of what every record may hold
    "loss": (_LOSS, "loss"),
    "nll": (_LOSS, "negative log-likelihood"),
    "kl_z": (_KL, "z"),
    "kl_u": (_KL, "u"),
    "kl_pose": (_KL, "pose"),
    "cross_entropy": ("cross-entropy, nats per frame or image", "cross-entropy"),
    "mu": ("μ", "μ"),
    "learning_rate": ("learning rate", "learning rate"),
}
_STYLES = ("-", "--", ":", "-.")
_LOGARITHMIC = 4.0  # ratio of greatest to least loss from which its axis is logarithmic


class _Curve(NamedTuple):
    """One quantity of one run against the examples seen."""

    run: str
    panel: str
    label: str
    evaluated: bool
    examples: list[float]
    values: list[float]


def learning_curves(
    records: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path | str | None = None,
) -> Figure:
    """Draw what a run recorded against the number of examples that it had seen.

    The panels are loss and likelihood, KL terms, cross-entropy, μ, learning rate, and one for each
    further quantity of the evaluations; evaluations have markers. Records without `"examples"`,
    quantities that were not recorded and values that are not finite are not drawn.

    Args:
        records: lines of a run's `metrics.jsonl`, or such lists by name to compare several runs.
        path: PNG, PDF or SVG file to write as well.

    Raises:
        ValueError: if there is nothing to draw, or `path` ends in none of the three.

    Example:
        >>> records = [
        ...     {"step": 50, "examples": 400, "loss": 371.5, "nll": 370.2},
        ...     {"step": 100, "examples": 800, "loss": 345.0, "nll": 330.1},
        ...     {"step": 100, "examples": 800, "evaluation": {"nll": 335.7}},
        ... ]
        >>> [panel.get_title(loc="left") for panel in learning_curves(records).axes]
        ['loss, nats per frame or image']
    """
    runs = records if isinstance(records, Mapping) else {"": records}
    panels: dict[str, list[_Curve]] = {panel: [] for panel, _ in _TRAINING.values()}
    for run, lines in runs.items():
        for curve in _curves(run, lines):
            panels.setdefault(curve.panel, []).append(curve)
    panels = {panel: curves for panel, curves in panels.items() if curves}
    if not panels:
        lengths = {run or "records": len(lines) for run, lines in runs.items()}
        raise ValueError(
            f"no curve in records of lengths {lengths}: a record needs 'examples' and a number, "
            'such as {"examples": 400, "loss": 371.5}'
        )
    across = 1 if len(panels) == 1 else 2 if len(panels) <= 4 else 3
    down = math.ceil(len(panels) / across)
    figure = new_figure(4.6 * across, 2.9 * down + 0.3)
    for place, (title, curves) in enumerate(panels.items(), start=1):
        _draw_panel(figure.add_subplot(down, across, place), title, curves, list(runs))
    if len(runs) > 1:
        keys = [Line2D([], [], color=colour(index), label=run) for index, run in enumerate(runs)]
        figure.legend(handles=keys, loc="outside upper center", ncols=4, frameon=False)
    write_figure(figure, path)
    return figure


def _curves(run: str, records: Sequence[Mapping[str, Any]]) -> list[_Curve]:
    """Collect what one run recorded, in training and in evaluations."""
    curves: dict[tuple[str, bool], _Curve] = {}
    for record in records:
        evaluation = record.get("evaluation", {})
        quantities = [(name, False, record.get(name, math.nan)) for name in _TRAINING]
        quantities += [(name, True, value) for name, value in evaluation.items()]
        for name, evaluated, value in quantities:
            if not (_is_finite(record.get("examples")) and _is_finite(value)):
                continue
            panel, label = _TRAINING.get(name, (name.replace("_", " "),) * 2)
            label += ", evaluation" if evaluated else ""
            new = _Curve(run, panel, label, evaluated, [], [])
            curve = curves.setdefault((name, evaluated), new)
            curve.examples.append(record["examples"])
            curve.values.append(value)
    return list(curves.values())


def _is_finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _draw_panel(axes: Axes, title: str, curves: list[_Curve], runs: list[str]) -> None:
    """Draw the curves of one panel."""
    labels = list(dict.fromkeys(curve.label for curve in curves))
    handles: dict[str, Line2D] = {}
    for curve in curves:
        # One run: a colour for each quantity. Several: a colour for each run, a dash for each.
        which, run = labels.index(curve.label), runs.index(curve.run)
        (line,) = axes.plot(
            curve.examples,
            curve.values,
            color=colour(which if len(runs) == 1 else run),
            linestyle=_STYLES[which % len(_STYLES)],
            linewidth=1.4,
            marker="o" if curve.evaluated or len(curve.values) == 1 else "",
            markersize=4,
        )
        handles.setdefault(curve.label, line)
    style_axes(axes, title, "examples seen")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    values = [value for curve in curves for value in curve.values]
    if title == _LOSS and 0 < _LOGARITHMIC * min(values) < max(values):
        axes.set_yscale("log")  # or the beginning of training squeezes its end
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:g}")
    if title in (_KL, _TRAINING["learning_rate"][0]):
        axes.set_ylim(bottom=0)
    if len(handles) > 1:
        axes.legend(handles.values(), handles.keys(), loc="best", fontsize=8, frameon=False)
