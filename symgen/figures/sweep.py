"""What was measured over the values of an option."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symgen.figures import _canvas

__all__ = ["SweepPoint", "sweep_curves"]

_COLUMNS = 3
_WIDE = 30  # largest over least value, from which on their logarithms are drawn


class SweepPoint(NamedTuple):
    """One measured value.

    Taken by `sweep_curves`.

    Attributes:
        measure, series: what was measured, a panel each; and with which other settings, a line
            each.
        setting: value of the option, as a word.
        value, deviation: mean, and standard deviation over seeds, if there is one.
    """

    measure: str
    series: str
    setting: str
    value: float
    deviation: float | None = None


def sweep_curves(
    points: Sequence[SweepPoint], option: str, path: Path | str | None = None
) -> Figure:
    """Draw measures over the values of an option, a panel for each.

    Values that are numbers lie where they belong, others side by side.

    Args:
        points: at least one, in any order.
        option: name of the option, below every panel.
        path: PNG, PDF or SVG file to write as well.

    Example:
        >>> points = [SweepPoint("E_eq", "", "5", 3.0), SweepPoint("E_eq", "", "9", 2.0, 0.1)]
        >>> [panel.get_title(loc="left") for panel in sweep_curves(points, "window").axes]
        ['E_eq']
    """
    if not points:
        raise ValueError("no points to draw: give at least one SweepPoint")
    measures = list(dict.fromkeys(point.measure for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    settings = list(dict.fromkeys(point.setting for point in points))
    rows, columns = -(-len(measures) // _COLUMNS), min(len(measures), _COLUMNS)
    figure = _canvas.new_figure(3.0 * columns + 0.4, 2.4 * rows + 0.6)
    panels = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, measure in zip(panels, measures, strict=False):
        _draw(axes, [point for point in points if point.measure == measure], series, settings)
        _canvas.style_axes(axes, measure, option)
    for axes in panels[len(measures) :]:
        axes.remove()
    if len(series) > 1:
        handles, labels = panels[0].get_legend_handles_labels()
        place = "outside upper center"
        figure.legend(handles, labels, loc=place, ncols=4, frameon=False, fontsize=9)
    _canvas.write_figure(figure, path)
    return figure


def _draw(axes: Axes, points: list[SweepPoint], series: list[str], settings: list[str]) -> None:
    numbers = _numbers(settings)
    for index, name in enumerate(series):
        line = sorted(
            (numbers[p.setting], p.value, p.deviation or 0.0) for p in points if p.series == name
        )
        if line:
            x, y, spread = zip(*line, strict=True)
            style = {"color": _canvas.colour(index), "marker": "o", "markersize": 5}
            axes.errorbar(x, y, spread, label=name, capsize=2, linewidth=1.4, **style)
    places = [numbers[setting] for setting in settings]
    if min(places) > 0 and max(places) > _WIDE * min(places):
        axes.set_xscale("log")
        axes.minorticks_off()
    axes.set_xticks(places, settings)


def _numbers(settings: list[str]) -> dict[str, float]:
    """Place settings on an axis."""
    try:
        return {setting: float(setting) for setting in settings}
    except ValueError:
        return {setting: float(place) for place, setting in enumerate(settings)}
