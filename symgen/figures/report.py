"""Pictures of a report: losses of a training, and errors of rolled frames beside baselines."""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from symgen.figures._canvas import colour, new_figure, style_axes, write_figure

__all__ = ["errors_by_frame", "losses"]

_LOGARITHMIC = 4.0  # ratio of greatest to least loss from which the axis is logarithmic


def losses(records: Sequence[Mapping[str, Any]], path: Path | str | None = None) -> Figure:
    """Draw the loss of a training and that on validation data, whose least is marked.

    Args:
        records: lines of a run's `metrics.jsonl`.
        path: PNG, PDF or SVG file to write as well.

    Raises:
        ValueError: if there is no loss in the records.

    Example:
        >>> records = [{"examples": 400, "loss": 371.5}, {"examples": 800, "loss": 345.0}]
        >>> [line.get_label() for line in losses(records).axes[0].lines]
        ['training']
    """
    training = [(line["examples"], line["loss"]) for line in records if "loss" in line]
    measured = [line for line in records if "validation" in line and "examples" in line]
    validation = [(line["examples"], line["validation"]["loss"]) for line in measured]
    known = {"training": _finite(training), "validation": _finite(validation)}
    if not (known["training"] or known["validation"]):
        raise ValueError(f"no loss in {len(records)} records: give lines of a metrics.jsonl")
    figure = new_figure(7.2, 3.2)
    axes = figure.add_subplot()
    for index, (name, points) in enumerate(known.items()):
        if points:
            marker = "o" if index or len(points) == 1 else ""
            dash = "--" if index else "-"
            style: dict[str, Any] = {"marker": marker, "linestyle": dash, "markersize": 3.5}
            axes.plot(*zip(*points, strict=True), color=colour(index), label=name, **style)
    if known["validation"]:
        least = min(known["validation"], key=lambda point: point[1])
        axes.plot(*least, "*", color=colour(1), markersize=12, label="least in validation")
    style_axes(axes, "loss, nats for a frame or an image", "examples seen")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    values = [value for points in known.values() for _, value in points]
    if 0 < _LOGARITHMIC * min(values) < max(values):
        axes.set_yscale("log")
    axes.legend(fontsize=8, frameon=False)
    write_figure(figure, path)
    return figure


def _finite(points: Sequence[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    return [point for point in points if all(map(isfinite, point))]


def errors_by_frame(
    errors: Mapping[str, Sequence[float | None]],
    seen: Sequence[bool],
    path: Path | str | None = None,
) -> Figure:
    """Draw the squared error of rolled frames beside those of baselines, frame by frame.

    Args:
        errors: mean squared error of every frame, by the name of what predicts it; None where it
            predicts nothing.
        seen: which frames t_0 was inferred from; the others have a white ground.
        path: PNG, PDF or SVG file to write as well.

    Raises:
        ValueError: if the lengths differ.

    Example:
        >>> errors = {"roll": [1.0, 2.0, 3.0], "mean image": [4.0, 4.0, 4.0]}
        >>> len(errors_by_frame(errors, [True, True, False]).axes[0].lines)
        2
    """
    lengths = {name: len(values) for name, values in errors.items()}
    if not errors or {*lengths.values()} != {len(seen)}:
        raise ValueError(f"errors of {lengths} frames with {len(seen)} seen or not: give as many")
    figure = new_figure(7.2, 3.2)
    axes = figure.add_subplot()
    for frame, known in enumerate(seen):
        if known:
            axes.axvspan(frame - 0.5, frame + 0.5, color="#ececec", linewidth=0, zorder=0)
    marks = "os^Dv"
    for index, (name, values) in enumerate(errors.items()):
        points = [(frame, value) for frame, value in enumerate(values) if value is not None]
        if points:
            mark, width = marks[index % len(marks)], 1.2 if index else 2.2
            style: dict[str, Any] = {"marker": mark, "linewidth": width, "markersize": 4}
            axes.plot(*zip(*points, strict=True), color=colour(index), label=name, **style)
    ground = ", on gray ground where frames were seen" if any(seen) else ""
    style_axes(axes, f"squared error of a frame{ground}", "frame, rolled by so many steps")
    axes.set_xlim(-0.5, len(seen) - 0.5)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x", visible=False)
    axes.legend(
        fontsize=8,
        frameon=False,
        loc="upper center",
        ncols=len(errors),
        bbox_to_anchor=(0.5, -0.2),
    )
    write_figure(figure, path)
    return figure
