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
        model: a Topographic VAE.
        x: a few sequences.
        path: PNG file to write as well.
        gif: GIF file to write as well, not of vectors.
        titles: a caption for every example.

    Raises:
        ValueError: if the sequences do not fit the model, or vectors are to be a GIF.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 16, 16), capsules=2, frames=6, width=8)
        >>> traversal(model, torch.rand(2, 6, 1, 16, 16)).mode
        'RGB'
    """
    t = model.latents(x)
    reconstruction = model.decode(t).mean
    rolled = model.traverse(x, steps=x.shape[1])
    seen = model.topography.receptive_field()
    dims = len(model.data_shape)
    if dims == 1:
        if gif is not None:
            raise ValueError(f"gif={str(gif)!r} of vectors: they are drawn as heat maps only")
        maps = {"given": x, "reconstruction": reconstruction, "rolled capsules": rolled}
        return vector_maps(maps, seen, path, titles)
    given, again, turned = as_pictures(x, reconstruction, rolled, dims=dims)
    # Nothing is written before everything is checked.
    target = _canvas.check_path(path, ".png")
    strip = traversal_strip(given, again, turned, seen, titles=titles)
    if gif is not None:
        traversal_gif(given, again, turned, seen, gif)
    return _canvas.saved(strip, target)
