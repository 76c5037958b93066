"""What a model asks of a topography, whatever it is, and the variables that it makes."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from symgen.latents.capsules import Boundary, roll

__all__ = ["Topographic"]

Energy = Float[Tensor, "*batch S C D"]


class Topographic(ABC):
    """Which latents share energy, and what a roll of their capsules is.

    One of your own has the three sizes and `inverse_scale`; everything else has a default.

    Attributes:
        capsules: number of capsules, C.
        units: units in a capsule, D.
        frames: frames in a sequence, S.
        window: frames that t of a frame depends on, for streams.
        is_none: no energy is shared: a plain VAE, t = z.
        open_ended: whether a sequence may have any number of frames.
        causal: whether t of a frame depends on this frame and past ones only.
        speed: units by which capsules roll per step.
        capsule_boundary: what a roll meets at the ends of a capsule.
        axis_count: number of axes along which capsules roll.
        closes: whether a roll through all frames of cyclic time comes back to its start.

    Example:
        >>> class WholeCapsules(Topographic):
        ...     capsules, units, frames = 3, 6, 4
        ...     def inverse_scale(self, energy, eps):  # all units of a capsule share energy
        ...         return (energy.sum(-1, keepdim=True) + eps).rsqrt().expand_as(energy)
        >>> WholeCapsules().receptive_field()
        tensor([ True, False, False, False])
    """

    capsules: int
    units: int
    frames: int
    window: int
    is_none: bool = False
    open_ended: bool = False
    causal: bool = False
    speed: int | float = 1
    capsule_boundary: Boundary = "cyclic"
    axis_count: int = 1

    @abstractmethod
    def inverse_scale(self, energy: Energy, eps: float) -> Energy:
        """Return what multiplies z - μ in t, such as `1 / sqrt(W e + eps)`, e being u²."""

    def expected_inverse_scale(self, energy: Energy, variance: Energy, eps: float) -> Energy:
        """Return the expectation of `inverse_scale` over energies of this mean and variance.

        Here to first order, the inverse scale of the mean: an error of the order of the variance.
        """
        return self.inverse_scale(energy, eps)

    def roll(
        self,
        t: Shaped[Tensor, "*batch D"],
        steps: int | float | Tensor,
        axis: int | Sequence[int] = 0,
    ) -> Shaped[Tensor, "*out D"]:
        """Roll every capsule by a number of steps, each of `speed` units.

        Args:
            t: activations, the units of a capsule last.
            steps: how often; a tensor is broadcast against `t` without its last dimension.
            axis: along which axis of the capsules, 0 where there is one.
        """
        if axis != 0:
            raise ValueError(f"axis={axis}: the capsules have one axis, 0")
        return roll(t, steps * self.speed, boundary=self.capsule_boundary)

    @property
    def closes(self) -> bool:
        """Whether a roll through all frames of cyclic time comes back to its start."""
        cyclic = not self.open_ended and self.capsule_boundary == "cyclic"
        turns = [self.frames * self.speed / size for size in getattr(self, "shape", [self.units])]
        return cyclic and all(abs(turn - round(turn)) < 1e-6 for turn in turns)

    @torch.no_grad()
    def receptive_field(self) -> Bool[Tensor, " S"]:
        """Tell which frames of a sequence t of frame 0 depends on."""
        energy = torch.ones(self.frames, self.frames, self.capsules, self.units)
        changed = energy + torch.eye(self.frames)[..., None, None]
        before, after = (self.inverse_scale(e, 0.0)[:, 0] for e in (energy, changed))
        return (before != after).flatten(1).any(1) | (torch.arange(self.frames) == 0)
