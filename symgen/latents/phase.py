"""Where in its capsules an activation lies: the phase of their first Fourier component."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import checked
from symgen._typed import Count

__all__ = ["Phase", "capsule_phase"]


class Phase(NamedTuple):
    """The first Fourier component of capsules along each of their axes.

    Returned by `capsule_phase`.

    Attributes:
        phase: radians from -π to π; a roll by a unit adds 2π / D.
        amplitude: half the height of the wave, in the units of t.
    """

    phase: Float[Tensor, "*batch C axes"]
    amplitude: Float[Tensor, "*batch C axes"]


@checked
def capsule_phase(t: Float[Tensor, "*batch C D"], shape: tuple[Count, ...] | None = None) -> Phase:
    """Return the phase and the amplitude of the first Fourier component of capsules.

    With `(2 / D) sum_j t_j exp(2πi j / D) = a exp(iφ)` the capsule is, up to higher components,
    `mean + a cos(2π j / D - φ)`: its crest lies at the unit φ D / 2π. Rolling the capsule by k
    units adds 2π k / D to the phase and leaves the amplitude, so a transformation that rolls it at
    a steady speed lets the phase grow evenly.

    The phase means nothing where the amplitude is small against what differs from frame to frame:
    a flat capsule has none, and one with two equal crests has its second component only. Nor does
    it in capsules that do not close, or where nothing has taught the capsules to roll.

    Args:
        t: activations, the units of a capsule last.
        shape: units along each axis of capsules that are grids; the others are averaged. None:
            one axis.

    Raises:
        ValueError: for an axis of fewer than three units, which tell no direction.

    Example:
        >>> crest = torch.tensor([[1.0, 0.5, -0.5, -1.0, -0.5, 0.5]])  # at unit 0
        >>> capsule_phase(crest.roll(2, -1)).phase * 6 / (2 * math.pi)
        tensor([[2.]])
    """
    shape = (t.shape[-1],) if shape is None else shape
    if math.prod(shape) != t.shape[-1] or min(shape) < 3:
        raise ValueError(
            f"capsules of {t.shape[-1]} units, {' × '.join(map(str, shape))}: a phase needs three "
            "units or more along every axis"
        )
    grid = t.unflatten(-1, shape)
    components = []
    for axis, units in enumerate(shape):
        others = [d - len(shape) for d in range(len(shape)) if d != axis]
        line = grid.mean(others) if others else grid
        angle = 2 * math.pi / units * torch.arange(units, dtype=t.dtype, device=t.device)
        waves = torch.stack([angle.cos(), angle.sin()], -1) * (2 / units)
        components.append(line @ waves)  # (*batch, C, 2)
    real, imaginary = torch.stack(components, -2).unbind(-1)
    return Phase(torch.atan2(imaginary, real), torch.hypot(real, imaginary))
