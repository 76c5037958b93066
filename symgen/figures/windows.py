"""CapCorr over the length of the window, ours and the paper's (Keller & Welling, fig. 5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symgen.figures import _canvas

__all__ = ["WindowPoint", "window_curves"]


class WindowPoint(NamedTuple):
    """One measured value.

    Attributes:
        factor: what moves; each has a panel.
        series: who measured; each has a line.
        window: L / S, the part of a sequence by which coherence reaches to either side.
        value: CapCorr.
        deviation: its standard deviation over seeds; None where there is none.
    """

    factor: str
    series: str
    window: float
    value: float
    deviation: float | None = None


def window_curves(
    points: Sequence[WindowPoint],
    chance: Mapping[str, float] | None = None,
    path: Path | str | None = None,
) -> Figure:
    """Draw CapCorr over the window, a panel for every factor and a line for every series.

    Args:
        points: what to draw, in any order; the first series is drawn solid, the others dashed.
        chance: level of chance of a factor, a dotted line.
        path: PNG, PDF or SVG file to write as well.

    Raises:
        ValueError: if there is nothing to draw, or `path` ends in none of the three.

    Example:
        >>> points = [WindowPoint("angle", "ours", 0.0, 0.2), WindowPoint("angle", "ours", 0.5, 1)]
        >>> [panel.get_title(loc="left") for panel in window_curves(points).axes]
        ['angle']
    """
    if not points:
        raise ValueError("no points to draw: give at least one WindowPoint")
    factors = list(dict.fromkeys(point.factor for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    figure = _canvas.new_figure(2.7 * len(factors) + 0.4, 3.0)
    for place, factor in enumerate(factors):
        axes = figure.add_subplot(1, len(factors), place + 1)
        _draw(axes, [point for point in points if point.factor == factor], series)
        level = (chance or {}).get(factor)
        if level is not None:
            axes.axhline(level, color=_canvas.GRAY, linestyle=":", linewidth=1.2, label="chance")
        axes.set_ylabel("" if place else "CapCorr", fontsize=9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    _canvas.write_figure(figure, path)
    return figure


def _draw(axes: Axes, points: list[WindowPoint], series: list[str]) -> None:
    """Draw the panel of a factor."""
    for number, name in enumerate(series):
        line = sorted(point for point in points if point.series == name)
        axes.errorbar(
            [point.window for point in line],
            [point.value for point in line],
            [point.deviation or 0.0 for point in line],
            label=name,
            color=_canvas.colour(number),
            linestyle="--" if number else "-",
            marker="s" if number else "o",
            markerfacecolor="white" if number else None,
            markersize=5,
            linewidth=1.4,
            capsize=2,
        )
    _canvas.style_axes(axes, points[0].factor, "L / S")
    axes.set_xlim(-0.03, 0.53)
    axes.set_ylim(min(0.0, *(p.value - (p.deviation or 0.0) for p in points)) - 0.05, 1.07)
