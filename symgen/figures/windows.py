"""CapCorr over the length of the window, beside what a paper prints (Keller & Welling, Fig. 5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from symgen.figures._canvas import COLOURS, new_figure, style_axes, write_figure

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
        points: what to draw, in any order; the first series is drawn full, the others dashed.
        chance: level of chance of a factor, a dotted line.
        path: PNG, PDF or SVG file to write as well.

    Returns:
        The figure, tied to no display.

    Raises:
        ValueError: if there is nothing to draw, or `path` ends in none of the three.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> points = [WindowPoint("angle", "ours", 0.0, 0.2), WindowPoint("angle", "ours", 0.5, 1)]
        >>> [panel.get_title(loc="left") for panel in window_curves(points).axes]
        ['angle']
    """
    if not points:
        raise ValueError("no points to draw: give at least one WindowPoint")
    factors = list(dict.fromkeys(point.factor for point in points))
    series = list(dict.fromkeys(point.series for point in points))
    figure = new_figure(2.7 * len(factors) + 0.4, 3.0)
    for place, factor in enumerate(factors, start=1):
        axes = figure.add_subplot(1, len(factors), place)
        own = [point for point in points if point.factor == factor]
        _draw(axes, factor, own, series, (chance or {}).get(factor))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    write_figure(figure, path)
    return figure


def _draw(
    axes: Axes, factor: str, points: list[WindowPoint], series: list[str], chance: float | None
) -> None:
    """Draw the panel of a factor."""
    for number, name in enumerate(series):
        line = sorted(point for point in points if point.series == name)
        axes.errorbar(
            [point.window for point in line],
            [point.value for point in line],
            [point.deviation or 0.0 for point in line],
            label=name,
            color=COLOURS[number % len(COLOURS)],
            linestyle="--" if number else "-",
            marker="s" if number else "o",
            markerfacecolor="white" if number else None,
            markersize=5,
            linewidth=1.4,
            capsize=2,
        )
    if chance is not None:
        axes.axhline(chance, color="#888888", linestyle=":", linewidth=1.2, label="chance")
    style_axes(axes, factor, "L / S")
    axes.set_ylabel("CapCorr" if axes.get_subplotspec().is_first_col() else "", fontsize=9)  # pyright: ignore[reportOptionalMemberAccess]
    axes.set_xlim(-0.03, 0.53)
    axes.set_ylim(min(0.0, *(p.value - (p.deviation or 0.0) for p in points)) - 0.05, 1.07)
