"""Capsules of several axes: a topography along each, so that each can hold a transformation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from symgen._inputs import checked
from symgen._typed import Count, type_fields
from symgen.latents.capsules import Boundary, require_capsules
from symgen.latents.topographic import Energy, Topographic
from symgen.latents.topography import Topography

__all__ = ["AxesTopography", "observed_rolls"]


@dataclass(frozen=True)
class AxesTopography(Topographic):
    """Neighbourhoods along every axis of capsules that are grids of units (appendix C.3).

    The D units of a capsule form a grid of D_1 × D_2 × …, and the denominator of t is group-sparse
    (Keller & Welling 2021, eq. 21):

        t = (z - μ) / sum_d sqrt(W_d u² + eps)

    W_d is a `Topography` along axis d: energy moves along this axis from frame to frame and stays
    where it is on the others. All axes share u. A transformation that rolls the capsules along any
    one axis makes one of the roots coherent in time, so that different transformations can take
    different axes.

    Attributes:
        capsules: number of capsules, C.
        frames: frames in a sequence, S.
        window: frames whose energy is shared.
        neighbourhood: units along an axis whose energy is shared.
        shift: units by which the neighbourhood advances per frame.
        boundary: of time, "cyclic" or "zero".
        capsule_boundary: of every axis, "cyclic" or "zero".
        causal: share energy with past frames only.
        shape: units along each axis; D is their product. All others are as in `Topography`, those
            of a window or neighbourhood along every axis.

    Raises:
        ValueError: if an extent does not fit, or there are fewer than two axes.

    Example:
        >>> topography = AxesTopography(capsules=2, shape=(5, 4), frames=4, window=3)
        >>> topography.units, topography.inverse_scale(torch.ones(4, 2, 20), eps=0.0)[0, 0, 0]
        (20, tensor(0.2887))
        >>> topography.roll(torch.arange(20), 1, axis=1).unflatten(0, (5, 4))[0]
        tensor([3, 0, 1, 2])
    """

    capsules: Count
    shape: tuple[Count, ...]
    frames: Count
    window: Count
    neighbourhood: Count = 1
    shift: int | float = 1
    boundary: Boundary = "cyclic"
    capsule_boundary: Boundary = "cyclic"
    causal: bool = False

    def __post_init__(self) -> None:
        type_fields(self)
        if len(self.shape) < 2:
            raise ValueError(
                f"shape={self.shape}, window={self.window}: give the units along at least two "
                "axes and a window of at least 1"
            )
        _ = self.axes  # made once, which refuses what does not fit

    @cached_property
    def axes(self) -> tuple[Topography, ...]:
        """The topography along each axis, for which what lies on other axes are more capsules."""
        shared = {f.name: getattr(self, f.name) for f in fields(self)[2:]}  # not capsules, shape
        total = self.capsules * self.units
        return tuple(Topography(total // size, size, **shared) for size in self.shape)

    @property
    def units(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Units in a capsule, D."""
        return math.prod(self.shape)

    @property
    def axis_count(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Number of axes along which capsules roll."""
        return len(self.shape)

    @property
    def open_ended(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a sequence may have any number of frames: time has a zero boundary."""
        return self.boundary == "zero"

    @property
    def speed(self) -> int | float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Units by which capsules roll per step along an axis."""
        return self.axes[0].speed

    def receptive_field(self) -> Bool[Tensor, " S"]:
        """Tell which frames of a sequence t of frame 0 depends on."""
        return self.axes[0].receptive_field()

    def inverse_scale(self, energy: Energy, eps: float) -> Energy:
        """Return what multiplies z - μ in t, `1 / sum_d sqrt(W_d e + eps)`."""
        grid = energy.unflatten(-1, self.shape)
        total = torch.zeros_like(energy)
        for axis, topography in enumerate(self.axes):
            last = grid.movedim(axis - len(self.shape), -1)  # (*batch, S, C, others, D_d)
            lines = last.flatten(-1 - len(self.shape), -2)  # (*batch, S, C·others, D_d)
            root = (topography.pool(lines) + eps).sqrt().view(last.shape)
            total = total + root.movedim(-1, axis - len(self.shape)).flatten(-len(self.shape))
        return total.reciprocal()

    def roll(
        self,
        t: Shaped[Tensor, "*batch D"],
        steps: int | float | Tensor,
        axis: int | Sequence[int] = 0,
    ) -> Shaped[Tensor, "*out D"]:
        """Roll every capsule along an axis, one for all capsules or one for each."""
        if isinstance(axis, Sequence):
            chosen = torch.tensor(axis, device=t.device)[:, None]
            rolled = torch.zeros_like(t)
            for one in sorted(set(axis)):
                rolled = torch.where(chosen == one, self.roll(t, steps, one), rolled)
            return rolled
        if not 0 <= axis < len(self.shape):
            raise ValueError(f"axis={axis}: the capsules have axes 0 to {len(self.shape) - 1}")
        grid = t.unflatten(-1, self.shape).movedim(axis - len(self.shape), -1)
        if isinstance(steps, Tensor):
            steps = steps[(..., *[None] * (len(self.shape) - 1))]
        rolled = self.axes[axis].roll(grid, steps)
        return rolled.movedim(-1, axis - len(self.shape)).flatten(-len(self.shape))


@checked
def observed_rolls(
    t_ref: Float[Tensor, "*batch C D"], t: Float[Tensor, "*batch C D"], shape: tuple[Count, ...]
) -> Int64[Tensor, "*batch C axes"]:
    """Infer by how many units along each axis each capsule of `t` is rolled against `t_ref`.

    The shifts with the greatest periodic cross-correlation over the grid, cf. `observed_roll`.

    Args:
        t_ref, t: capsules that are grids, flat; the second is compared with the first.
        shape: units along each axis, whose product is D.

    Raises:
        ValueError: if the axes do not make D units.

    Example:
        >>> topography = AxesTopography(capsules=2, shape=(5, 4), frames=4, window=3)
        >>> t = torch.randn(2, 20, generator=torch.Generator().manual_seed(0))
        >>> moved = topography.roll(topography.roll(t, 4, axis=0), 3, axis=1)
        >>> observed_rolls(t, moved, topography.shape)
        tensor([[4, 3],
                [4, 3]])
    """
    t_ref, t = require_capsules(t_ref, t)
    if not shape or math.prod(shape) != t.shape[-1]:
        raise ValueError(f"shape={shape} does not have the {t.shape[-1]} units of t")
    dims = tuple(range(-len(shape), 0))
    reference, moved = (torch.fft.rfftn(a.unflatten(-1, shape), dim=dims) for a in (t_ref, t))
    scores = torch.fft.irfftn(reference.conj() * moved, s=shape, dim=dims)
    return torch.stack(torch.unravel_index(scores.flatten(-len(shape)).argmax(-1), shape), -1)
