"""A traversal from a model and a batch: what rolling its capsules does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas
from symgen.figures.pictures import as_pictures
from symgen.figures.traversal import traversal_gif, traversal_strip
from symgen.figures.vectors import vector_maps

__all__ = ["traversal"]

_ROOM = 2**24  # numbers of sequences that are decoded at once


@torch.no_grad()
def traversal(
    model: Any,
    x: Float[Tensor, "n S *data"],
    path: Path | str | None = None,
    *,
    gif: Path | str | None = None,
    titles: Sequence[str] | None = None,
) -> Image.Image | Figure:
    """Draw what rolling the capsules of a model does to sequences.

    For every example the given frames, their reconstruction, and the first frame's capsules rolled
    step by step and decoded (Keller & Welling 2021, fig. 4). Images and volumes are pictures, see
    `as_pictures`; vectors are heat maps over time, a figure of matplotlib.

    Args:
        model, x: a Topographic VAE, and a few sequences.
        path, gif: PNG and GIF files to write as well; of vectors PNG, PDF or SVG, but no GIF.
        titles: a caption for every example.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 16, 16), capsules=2, frames=6, width=8)
        >>> traversal(model, torch.rand(2, 6, 1, 16, 16)).mode
        'RGB'
    """
    dims = len(model.data_shape)
    if dims == 1 and gif is not None:
        raise ValueError(f"gif={str(gif)!r} of vectors: they are drawn as heat maps only")
    # Everything is checked before anything is inferred, drawn or written.
    target = _canvas.check_path(path, *([".png"] if dims > 1 else _canvas.FIGURES))
    _canvas.check_path(gif, ".gif")
    if titles is not None:
        _canvas.check_titles(titles, len(x))
    if dims > 1:
        _canvas.check_room(3 * x.numel() // x.shape[2])
    parts = x.split(max(1, _ROOM // x[0].numel()))
    reconstruction = torch.cat([model.decode(model.latents(part)).mean for part in parts])
    rolled = torch.cat([model.traverse(part, x.shape[1]) for part in parts])
    seen = model.topography.receptive_field()
    if dims == 1:
        maps = {"given": x, "reconstruction": reconstruction, "rolled capsules": rolled}
        return vector_maps(maps, seen, target, titles)
    given, again, turned = as_pictures(x, reconstruction, rolled, dims=dims)
    strip = traversal_strip(given, again, turned, seen, titles=titles)
    if gif is not None:
        traversal_gif(given, again, turned, seen, gif)
    return _canvas.saved(strip, target)
