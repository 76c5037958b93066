"""Which axis of the capsules follows which factor of variation."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from symgen._typed import Count
from symgen.latents import observed_rolls
from symgen.metrics.capcorr import correlation
from symgen.metrics.inputs import takes_arrays

__all__ = ["AxisAssignment", "axis_correlation"]


@takes_arrays
@torch.no_grad()
def axis_correlation(
    t: Float[Tensor, "B S C D"],
    factors: Int64[Tensor, "B S F"],
    shape: tuple[Count, ...],
    period: Count,
) -> Float[Tensor, "F C axes"]:
    """Correlate the rolls of every capsule along every axis with the steps of every factor.

    The circular correlation, over all sequences and frames l > 0, of the roll of t_l against t_0
    along an axis and of `factor_l - factor_0`, both as fractions of a turn. A capsule assigns to a
    factor the axis of greatest correlation, and keeps factors of different axes apart. Expect 0 by
    chance, without a roll along the axis, and for a factor that does not move.

    Args:
        t, factors: latent variables, and the factors of variation as indices, in every frame.
        shape, period: units along each axis of a capsule, and steps in a full turn of a factor.

    Example:
        >>> t_0 = torch.randn(8, 2, 6, 6, generator=torch.Generator().manual_seed(0))
        >>> t = torch.stack([t_0.roll(l, -1) for l in range(6)], 1).flatten(-2)
        >>> axis_correlation(t, torch.arange(6).expand(8, 6)[..., None], (6, 6), period=6)[0, 0]
        tensor([0., 1.])
    """
    if math.prod(shape) != t.shape[-1]:
        raise ValueError(f"shape={shape} does not have the {t.shape[-1]} units of t")
    if 0 in t.shape or 0 in factors.shape:
        shapes = f"t {tuple(t.shape)} and factors {tuple(factors.shape)}"
        raise ValueError(f"{shapes}: give at least one of everything")
    first = t[:, :1].expand_as(t)[:, 1:]
    rolls = observed_rolls(first, t[:, 1:], shape).flatten(0, 1)  # (M, C, axes)
    turns = rolls * period / torch.tensor(shape, device=t.device)
    steps = (factors[:, 1:] - factors[:, :1]).flatten(0, 1)  # (M, F)
    table = [[correlation(turn, step, period) for turn in turns.flatten(1).T] for step in steps.T]
    return t.new_tensor(table).unflatten(1, turns.shape[1:]).nan_to_num(0)


class AxisAssignment(NamedTuple):
    """Which axis every capsule has assigned to every factor, from an `axis_correlation`.

    Attributes:
        correlation: of each of F factors with each axis of each capsule, from -1 to 1.

    Example:
        >>> AxisAssignment(torch.tensor([[[0.9, 0.1]], [[0.2, 0.7]]])).axes(factor=1)
        [1]
    """

    correlation: Float[Tensor, "F C axes"]

    def axes(self, factor: int) -> list[int]:
        """Return the axis of every capsule that follows a factor best."""
        return self.correlation[factor].argmax(-1).tolist()

    def parts(self, moved: Int64[Tensor, " B"]) -> list[tuple[Bool[Tensor, " B"], list[int]]]:
        """Group sequences by the one factor that moves, with the axis of every capsule for it."""
        if (moved == -1).any():
            raise ValueError(
                "capsules of several axes are evaluated on sequences in which one factor moves, "
                "but in some several do: choose another test_mode"
            )
        return [(moved == factor, self.axes(factor)) for factor in moved.unique().tolist()]

    def unrolled(self, model: Any, t: Tensor, moved: Int64[Tensor, " B"]) -> Tensor:
        """Roll every frame back to frame 0, each capsule along the axis of the moving factor."""
        still, back = torch.empty_like(t), -torch.arange(t.shape[1], device=t.device)
        for chosen, axes in self.parts(moved):
            still[chosen] = model.act(t[chosen], back, axes)
        return still

    def described(self, names: Sequence[str]) -> dict[str, Any]:
        """Return correlations and axes for every factor that moved; without names it is time."""
        described = {}
        for name, table in zip(names or ["time"], self.correlation, strict=True):
            if table.any():
                best, axes = table.max(-1)
                best, axes = float(best.mean()), axes.tolist()
                described[name] = {"correlation": table.tolist(), "assigned": axes, "mean": best}
        return described
