"""Sequences of vectors as heat maps over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from symgen._inputs import require_finite
from symgen.figures._canvas import check_titles, new_figure, write_figure

__all__ = ["vector_maps"]


def vector_maps(
    rows: dict[str, Float[Tensor, "n S features"]],
    seen: Bool[Tensor, " S"],
    path: Path | str | None = None,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw sequences of vectors as heat maps, several versions of an example side by side.

    Time runs to the right, features downwards. The colours of an example range from the least to
    the greatest value of its first version. Frames that t_0 does not depend on lie beyond dashed
    lines. A line below says so.

    Args:
        rows: versions to compare by name, such as given, reconstruction and rolled.
        seen: which frames t_0 was inferred from.
        path, titles: PNG, PDF or SVG file to write as well, and a caption for every example.

    Example:
        >>> import torch
        >>> x = torch.randn(2, 16, 12)
        >>> len(vector_maps({"given": x, "rolled": x}, torch.arange(16) < 11).axes)
        4
    """
    if not rows:
        raise ValueError("rows={}: give one version at least")
    for name, values in rows.items():
        require_finite(f"rows[{name!r}]", values)
    given = next(iter(rows.values()))
    count = len(given)
    titles = [""] * count if titles is None else titles
    shapes = {name: tuple(values.shape) for name, values in rows.items()}
    if (
        given.ndim != 3
        or not given.numel()
        or set(shapes.values()) != {(count, len(seen), given.shape[2])}
    ):
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{found} with {len(seen)} frames seen or not: give all (n, S, features)")
    check_titles(titles, count)
    figure = new_figure(3.4 * len(rows), 1.9 * count + 0.5)
    panels: Any = figure.subplots(count, len(rows), squeeze=False)
    edges = np.flatnonzero(np.diff(seen.int().numpy(force=True))) + 0.5
    for example, column in np.ndindex(panels.shape):
        low, high = (float(bound) for bound in given[example].detach().aminmax())
        name, values = list(rows.items())[column]
        axes, image = panels[example, column], values[example].numpy(force=True).T
        axes.imshow(image, aspect="auto", vmin=low, vmax=high, interpolation="nearest")
        for edge in edges:
            axes.axvline(edge, color="white", linestyle="--", linewidth=1.0)
        caption = titles[example] if column == 0 else ""
        caption = f"{name}   {caption}".rstrip() if example == 0 else caption
        axes.set_title(caption, loc="left", fontsize=9)
        axes.tick_params(labelsize=7)
        axes.set_xlabel("frame" if example == count - 1 else "", fontsize=8)
        axes.set_ylabel("feature" if column == 0 else "", fontsize=8)
    told = f"violet to yellow: least to greatest value of “{next(iter(rows))}”"
    if len(edges):
        where = "between the dashed lines" if len(edges) == 2 else "beyond the dashed line"
        told += f"\nt₀ has not seen the frames {where}"
    figure.supxlabel(told, x=0.01, ha="left", fontsize=8)
    write_figure(figure, path)
    return figure
