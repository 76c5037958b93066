"""CapCorr over the length of the window, ours and the paper's (Keller & Welling, fig. 5)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symgen.figures import _canvas

__all__ = ["WindowPoint", "window_curves"]

_FIRST = {"linestyle": "-", "marker": "o"}
_OTHERS = {"linestyle": "--", "marker": "s", "markerfacecolor": "white"}


class WindowPoint(NamedTuple):
    """One measured value.

    Taken by `window_curves`.

    Attributes:
        factor, series: what moves, a panel each; and who measured, a line each.
        window: L / S, the part of a sequence by which coherence reaches to either side.
        value, deviation: CapCorr, and its standard deviation over seeds, if there is one.
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
        points: at least one, in any order; the first series is drawn solid, the others dashed.
            Those that are not finite are left out.
        chance, path: level of chance of a factor, dotted; PNG, PDF or SVG file to write as well.

    Example:
        >>> points = [WindowPoint("angle", "ours", 0.0, 0.2), WindowPoint("angle", "ours", 0.5, 1)]
        >>> [panel.get_title(loc="left") for panel in window_curves(points).axes]
        ['angle']
    """
    given, points = points, [point for point in points if _is_finite(point)]
    if not points:
        raise ValueError(f"no points to draw among {len(given)}: give at least one WindowPoint")
    factors = list(dict.fromkeys(point.factor for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    figure = _canvas.new_figure(2.7 * len(factors) + 0.4, 3.0)
    panels = figure.subplots(1, len(factors), squeeze=False)[0]
    for axes, factor in zip(panels, factors, strict=True):
        _draw(axes, [point for point in points if point.factor == factor], series)
        level = (chance or {}).get(factor)
        if level is not None:
            axes.axhline(level, color=_canvas.GRAY, linestyle=":", linewidth=1.2, label="chance")
    panels[0].set_ylabel("CapCorr", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    _canvas.write_figure(figure, path)
    return figure


def _is_finite(point: WindowPoint) -> bool:
    return all(map(math.isfinite, (point.window, point.value, point.deviation or 0.0)))


def _draw(axes: Axes, points: list[WindowPoint], series: list[str]) -> None:
    """Draw the panel of a factor."""
    for number, name in enumerate(series):
        line = sorted(point for point in points if point.series == name)
        windows, values = [point.window for point in line], [point.value for point in line]
        deviations = [point.deviation or 0.0 for point in line]
        style: dict[str, Any] = _OTHERS if number else _FIRST
        style = {"color": _canvas.colour(number), "markersize": 5, "linewidth": 1.4, **style}
        axes.errorbar(windows, values, deviations, label=name, capsize=2, **style)
    _canvas.style_axes(axes, points[0].factor, "L / S")
    axes.set_xlim(-0.03, 0.53)
    axes.set_ylim(min(0.0, *(p.value - (p.deviation or 0.0) for p in points)) - 0.05, 1.07)
