"""Learning curves from the records of one or more runs."""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from symgen.figures._canvas import colour, new_figure, style_axes, write_figure

__all__ = ["learning_curves"]

_LOSS = "loss, nats"
_KL = "KL divergence, nats"
_VALIDATION = "validation"  # a loss, of a name of its own
_TRAINING = {  # panel and label of what every record may hold
    "loss": (_LOSS, "loss"),
    "nll": (_LOSS, "negative log-likelihood"),
    "kl_z": (_KL, "z"),
    "kl_u": (_KL, "u"),
    "kl_pose": (_KL, "pose"),
    "kl_class": (_KL, "class"),
    "cross_entropy": ("cross-entropy, nats", "cross-entropy"),
    "mu": ("μ", "μ"),
    "learning_rate": ("learning rate", "learning rate"),
}
_STYLES = ("-", "--", ":", "-.")
_LOGARITHMIC = 4.0  # ratio of greatest to least loss from which its axis is logarithmic

_Point = tuple[Any, Any]  # examples seen, value
_Curves = dict[tuple[str, str, bool], list[_Point]]  # by run, label, and whether of an evaluation


def learning_curves(
    records: Sequence[Mapping[str, Any]] | Mapping[str, Sequence[Mapping[str, Any]]],
    path: Path | str | None = None,
) -> Figure:
    """Draw what a run recorded against the number of examples that it had seen.

    The panels are loss and likelihood, KL terms, cross-entropy (in nats per frame or image), μ,
    learning rate, and one for each further quantity of the evaluations. Evaluations and losses on
    validation data have markers. Records without `"examples"` and values that are not finite are
    not drawn; nothing to draw is a ValueError.

    Args:
        records: lines of a run's `metrics.jsonl`, or such lists by name to compare several runs.
        path: PNG, PDF or SVG file to write as well.

    Example:
        >>> records = [{"examples": 400, "loss": 371.5}, {"examples": 800, "loss": 345.0}]
        >>> [panel.get_title(loc="left") for panel in learning_curves(records).axes]
        ['loss, nats']
    """
    runs = records if isinstance(records, Mapping) else {"": records}
    panels: dict[str, _Curves] = {panel: {} for panel, _ in _TRAINING.values()}
    for run, lines in runs.items():
        for name, evaluated, point in _points(lines):
            panel, label = _TRAINING.get(name, (name.replace("_", " "),) * 2)
            label = f"{label}, evaluation" if evaluated else label
            if name == _VALIDATION:
                panel, label = _LOSS, "loss, validation"
            key = run, label, evaluated
            panels.setdefault(panel, {}).setdefault(key, []).append(point)
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


def _points(records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bool, _Point]]:
    """Yield every quantity: its name, whether an evaluation found it, its point."""
    for record in records:
        measured = record.get("evaluation", {}) if isinstance(record, Mapping) else None
        if not isinstance(measured, Mapping):
            raise ValueError(f"record {record!r}: give numbers by name, evaluations too")
        quantities = [(name, False, record.get(name)) for name in _TRAINING]
        quantities += [(name, True, value) for name, value in measured.items()]
        if isinstance(validated := record.get(_VALIDATION), Mapping):
            quantities.append((_VALIDATION, True, validated.get("loss")))
        for name, evaluated, value in quantities:
            point = record.get("examples"), value
            if all(isinstance(number, int | float) and math.isfinite(number) for number in point):
                yield name, evaluated, point


def _draw_panel(axes: Axes, title: str, curves: _Curves, runs: list[str]) -> None:
    """Draw the curves of one panel."""
    labels = list(dict.fromkeys(label for _, label, _ in curves))
    handles: dict[str, Line2D] = {}
    for (run, label, evaluated), points in curves.items():
        # One run: a colour for each quantity. Several: a colour for each run, a dash for each.
        which = labels.index(label)
        marker = "o" if evaluated or len(points) == 1 else ""
        shade = colour(which if len(runs) == 1 else runs.index(run))
        dash = _STYLES[which % len(_STYLES)]
        style: dict[str, Any] = {"linestyle": dash, "color": shade, "marker": marker}
        (line,) = axes.plot(*zip(*points, strict=True), **style, linewidth=1.4, markersize=4)
        handles.setdefault(label, line)
    style_axes(axes, title, "examples seen")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    values = [value for points in curves.values() for _, value in points]
    if title == _LOSS and 0 < _LOGARITHMIC * min(values) < max(values):
        axes.set_yscale("log")  # or the beginning of training squeezes its end
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter("{x:g}")
    if title in (_KL, _TRAINING["learning_rate"][0]):
        axes.set_ylim(bottom=0)
    if len(handles) > 1:
        axes.legend(handles.values(), handles.keys(), loc="best", fontsize=8, frameon=False)
