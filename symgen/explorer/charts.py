"""Curves of errors as SVG, whose colours are those of the page around it, with their numbers."""

import math
from collections.abc import Mapping, Sequence
from itertools import groupby

from symgen.explorer.pictures import text

__all__ = ["error_chart"]

_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 34
_TICKS = 4  # on the upright axis, at most


def error_chart(
    curves: Mapping[str, Sequence[float]], seen: Sequence[bool], title: str, above: str
) -> str:
    """Draw errors by frame, the frames that were seen shaded, and put their numbers in a table.

    Args:
        curves: by name, one number a frame; nan where there is none.
        seen: which frames are shaded.
        title: what is drawn, for who cannot see it.
        above: name of the upright axis, with the unit.

    Example:
        >>> error_chart({"roll": [1.0, 2.0]}, [True, False], "Errors", "error").count("curve-0")
        2
    """
    known = [value for curve in curves.values() for value in curve if math.isfinite(value)]
    step = _tick(max(known, default=1.0))
    top = step * math.ceil(max([*known, step]) / step)
    parts = [_shaded(seen), _grid(top, step, len(seen))]
    for number, curve in enumerate(curves.values()):
        parts.append(f'<path class="curve curve-{number}" d="{_path(curve, top)}"/>')
    keys = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true"><path class="curve curve-{number}" '
        f'd="M0 4H24"/></svg>{text(name)}</li>'
        for number, name in enumerate(curves)
    )
    return (
        f'<section class="chart"><ul class="keys">{keys}<li><i class="shade"></i>frames that '
        f"frame 0 sees</li></ul>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(title)}">'
        f"{''.join(parts)}</svg>"
        f"<p>{text(above)}</p>{_table(curves, title)}</section>"
    )


def _tick(top: float) -> float:
    """Return the distance of the lines of the grid: 1, 2 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(top / _TICKS)) if top > 0 else 1.0
    return next(float(step * power) for step in (1, 2, 5, 10) if step * power * _TICKS >= top)


def _x(frame: int | float, frames: int) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (frame + 0.5) / frames


def _y(share: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * share


def _shaded(seen: Sequence[bool]) -> str:
    rects, frame, frames = [], 0, len(seen)
    for flag, run in groupby(seen):
        length = len([*run])
        if flag:
            left, right = _x(frame - 0.5, frames), _x(frame + length - 0.5, frames)
            rects.append(
                f'<rect class="shade" x="{left:.1f}" y="{_TOP}" width="{right - left:.1f}" '
                f'height="{_HEIGHT - _TOP - _BOTTOM}"/>'
            )
        frame += length
    return "".join(rects)


def _grid(top: float, step: float, frames: int) -> str:
    lines = []
    for number in range(round(top / step) + 1):
        y = _y(number * step / top)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4}" class="end">{number * step:g}</text>')
    lines += [
        f'<text x="{_x(frame, frames):.1f}" y="{_HEIGHT - 16}">{frame}</text>'
        for frame in range(0, frames, math.ceil(frames / 18))
    ]
    lines.append(f'<text x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 2}">frame</text>')
    return "".join(lines)


def _path(curve: Sequence[float], top: float) -> str:
    """Join the points; a gap where there is no number."""
    words, draws = [], False
    for frame, value in enumerate(curve):
        if math.isfinite(value):
            words.append(
                f"{'L' if draws else 'M'}{_x(frame, len(curve)):.1f} {_y(value / top):.1f}"
            )
        draws = math.isfinite(value)
    return "".join(words)


def _table(curves: Mapping[str, Sequence[float]], title: str) -> str:
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in curves)
    rows = "".join(
        f'<tr><th scope="row">{frame}</th>'
        + "".join(f"<td>{_said(value)}</td>" for value in values)
        + "</tr>"
        for frame, values in enumerate(zip(*curves.values(), strict=True))
    )
    return (
        f"<details><summary>The numbers</summary><table><caption>{text(title)}</caption>"
        f'<thead><tr><th scope="col">frame</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
        "</details>"
    )


def _said(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) else "none"
