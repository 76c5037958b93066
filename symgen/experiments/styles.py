"""Where the styles of images lie, and axes through them to draw."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._devices import seeded
from symgen.models import ACE

__all__ = ["LOOKED_AT", "Reach", "axes_of_styles", "reach_of_styles", "styles"]

LOOKED_AT = 1000
"""Held-out images whose styles are looked at."""

_DRAWS, _FEWEST = 5, 5  # styles of each image, images of a class
_TAIL = 0.01  # of the styles on either side
Reach = tuple[float, float]


def reach_of_styles(
    model: ACE, x: Float[Tensor, "n channels height width"] | None
) -> list[tuple[Reach, ...] | None]:
    """Return for every class between which values 98 % of its styles lie, latent by latent.

    Styles of held-out images, drawn from their posteriors: quantiles of the aggregate posterior.
    None for a class of hardly any images.
    """
    if x is None:
        return [None] * model.classes
    with seeded(0, next(model.parameters()).device):
        posterior = model.encode(x)
        drawn = posterior.z.rsample(_DRAWS)  # (draws, n, latents)
    found: list[tuple[Reach, ...] | None] = []
    for label in range(model.classes):
        own = drawn[:, posterior.y == label].flatten(0, 1)
        if len(own) < _DRAWS * _FEWEST:
            found.append(None)
            continue
        ends = own.quantile(torch.tensor([_TAIL, 1 - _TAIL]), 0)
        found.append(tuple((low, high) for low, high in ends.T.tolist()))
    return found


def axes_of_styles(
    reach: Sequence[tuple[Reach, ...] | None],
    points: int | None = None,
    greatest: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the values of the first latent in rows, and of two latents in grids.

    Args:
        reach: what `reach_of_styles` returned.
        points: values of a latent; by default 20 in rows, and 7 in grids.
        greatest: greatest value, whose least is minus that; by default both as in the reach.
    """
    known = [each for each in reach if each is not None]
    if greatest is not None or not known:
        end = greatest or 4.0
        ends = [(-end, end)]
    else:
        of_latents = [*zip(*known, strict=True)][:2]
        ends = [(min(e[0] for e in each), max(e[1] for e in each)) for each in of_latents]
    down, across = (torch.linspace(*each, points or 7) for each in (ends[0], ends[-1]))
    return torch.linspace(*ends[0], points or 20), down, across


def styles(values: Float[Tensor, "n latents"], model: ACE) -> Float[Tensor, "n all"]:
    """Return styles whose first latents have these values and whose others are 0."""
    return torch.nn.functional.pad(values, (0, model.latent_count - values.shape[1]))
