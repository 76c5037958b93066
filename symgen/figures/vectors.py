"""Sequences of vectors as heat maps over time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from symgen.figures._canvas import check_titles, new_figure, write_figure

__all__ = ["vector_maps"]


def vector_maps(
    rows: dict[str, Float[Tensor, "n S features"]],
    seen: Bool[Tensor, " S"],
    path: Path | str | None = None,
    titles: Sequence[str] | None = None,
) -> Figure:
    """Draw sequences of vectors as heat maps, several versions of an example side by side.

    Time runs to the right, features downwards. All maps of an example share their colours, which
    reach from the least to the greatest value of the first version. Frames that t_0 does not
    depend on lie beyond dashed lines.

    Args:
        rows: versions to compare by name, such as given, reconstruction and rolled.
        seen: which frames t_0 was inferred from.
        path: PNG, PDF or SVG file to write as well.
        titles: a caption for every example.

    Raises:
        ValueError: if the shapes disagree.

    Example:
        >>> import torch
        >>> x = torch.randn(2, 16, 12)
        >>> figure = vector_maps({"given": x, "rolled": x}, torch.arange(16) < 11)
        >>> len(figure.axes)
        4
    """
    given = next(iter(rows.values()))
    count = len(given)
    titles = [""] * count if titles is None else titles
    shapes = {name: tuple(values.shape) for name, values in rows.items()}
    if given.ndim != 3 or set(shapes.values()) != {(count, len(seen), given.shape[2])}:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise ValueError(f"{found} with {len(seen)} frames seen or not: give all (n, S, features)")
    check_titles(titles, count)
    figure = new_figure(3.4 * len(rows), 1.9 * count + 0.5)
    edges = np.flatnonzero(np.diff(seen.int().numpy(force=True))) + 0.5
    for example in range(count):
        low, high = (float(bound) for bound in given[example].detach().aminmax())
        for column, (name, values) in enumerate(rows.items()):
            axes = figure.add_subplot(count, len(rows), example * len(rows) + column + 1)
            image = values[example].numpy(force=True).T
            axes.imshow(image, aspect="auto", vmin=low, vmax=high, interpolation="nearest")
            for edge in edges:
                axes.axvline(edge, color="white", linestyle="--", linewidth=1.0)
            caption = titles[example] if column == 0 else ""
            if example == 0:
                caption = f"{name}   {caption}".rstrip()
            axes.set_title(caption, loc="left", fontsize=9)
            axes.tick_params(labelsize=7)
            if example == count - 1:
                axes.set_xlabel("frame", fontsize=8)
            if column == 0:
                axes.set_ylabel("feature", fontsize=8)
    write_figure(figure, path)
    return figure
