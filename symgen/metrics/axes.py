"""Which axis of the capsules has taken which factor of variation."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.latents import observed_rolls
from symgen.metrics.arrays import takes_arrays
from symgen.metrics.capcorr import correlation
from symgen.metrics.shapes import require_shapes

__all__ = ["axis_correlation"]


@takes_arrays
@torch.no_grad()
def axis_correlation(
    t: Float[Tensor, "B S C D"],
    factors: Int64[Tensor, "B S F"],
    shape: tuple[int, ...],
    period: int,
) -> Float[Tensor, "F C axes"]:
    """Correlate the rolls of every capsule along every axis with the steps of every factor.

    The circular correlation, over all sequences and frames l > 0, of the roll of t_l against t_0
    along an axis and of `factor_l - factor_0`, both as parts of a turn. The axis with the greatest
    value is the one that a capsule assigns to the factor; a capsule that assigns different axes to
    two factors keeps them apart. Chance is 0, as is a capsule that does not roll along the axis,
    or a factor that does not move.

    Args:
        t: latent variables.
        factors: indices of the factors of variation in every frame.
        shape: units along each axis of a capsule.
        period: steps of a factor in a full turn, of the capsule too.

    Raises:
        ValueError: if the shapes do not fit.

    Example:
        >>> from symgen.latents import AxesTopography
        >>> topography = AxesTopography(capsules=2, shape=(6, 6), frames=6, window=3)
        >>> t_0 = torch.randn(8, 2, 36, generator=torch.Generator().manual_seed(0))
        >>> t = torch.stack([topography.roll(t_0, l, axis=1) for l in range(6)], 1)
        >>> factors = torch.arange(6)[None, :, None].expand(8, 6, 1)
        >>> axis_correlation(t, factors, (6, 6), period=6)[0]
        tensor([[0., 1.],
                [0., 1.]])
    """
    require_shapes(("t", t, "B S C D"), ("factors", factors, "B S F"))
    if math.prod(shape) != t.shape[-1]:
        raise ValueError(f"shape={shape} does not have the {t.shape[-1]} units of t")
    rolls = observed_rolls(t[:, :1].expand_as(t)[:, 1:], t[:, 1:], shape).flatten(
        0, 1
    )  # (M, C, axes)
    steps = (factors[:, 1:] - factors[:, :1]).flatten(0, 1)  # (M, F)
    turns = rolls * period / torch.tensor(shape, device=t.device)
    table = t.new_zeros(steps.shape[1], t.shape[2], len(shape))
    for factor, capsule, axis in torch.cartesian_prod(*map(torch.arange, table.shape)).tolist():
        value = correlation(turns[:, capsule, axis], steps[:, factor], period)
        table[factor, capsule, axis] = 0 if math.isnan(value) else value
    return table
