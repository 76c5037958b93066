"""Neighbourhoods that are learned with the model."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from symgen._errors import require_choice
from symgen.latents import (
    AxesTopography,
    Topographic,
    Topography,
    kernel_speed,
    moving_kernel,
    pool_kernel,
    roll,
)
from symgen.latents.topography import second_order

__all__ = ["LearnedNeighbourhood"]

_SHARPNESS = 10  # of the softplus: weights move by about what their parameters do
_SPREAD = 0.1  # part of the initial kernel that lies evenly on all offsets: all have a gradient


class LearnedNeighbourhood(nn.Module, Topographic):
    """A W that starts as that of a topography and is trained, never negative.

    * "kernel": the weights A of all offsets in time and units, the same for all capsules,
      `A = n softplus(a) / sum softplus(a)` with a sharp softplus. Their sum n stays that of the
      topography, since a factor of W only scales t. At the start a tenth of it is spread evenly
      over the offsets.
    * "speed": the roll speed alone, each capsule's own: a trained number of turns per frame, D
      times as many units.

    The paper names learned neighbourhoods as future work (Keller & Welling 2021, section 8).

    Args:
        topography: where to start, with cyclic capsules, or ValueError.
        learn: what to train.

    Example:
        >>> topography = Topography.tvae(capsules=2, units=6, frames=6, window=3)
        >>> learned = LearnedNeighbourhood(topography, "speed")
        >>> e = torch.rand(6, 2, 6)
        >>> torch.allclose(learned.pool(e), topography.pool(e))
        True
    """

    def __init__(
        self, topography: Topography | AxesTopography, learn: Literal["kernel", "speed"]
    ) -> None:
        super().__init__()
        require_choice("learn", learn, ("kernel", "speed"))
        given = f"learn={learn!r} with {topography}"
        if isinstance(topography, AxesTopography):
            raise ValueError(f"{given}: give capsules of one axis")
        plain = topography.capsule_boundary == "cyclic" and topography.capsule_neighbourhood == 1
        odd = topography.neighbourhood % 2 and not topography.reference_window
        if topography.is_none or not plain or not odd:
            wanted = "a window, an odd neighbourhood, cyclic capsules and no reference_window"
            raise ValueError(f"{given}: needs {wanted}")
        self.start = topography
        for name in ("capsules", "units", "frames", "window", "open_ended", "causal"):
            setattr(self, name, getattr(topography, name))
        weights = topography.window_weights
        self._first = min(weights)
        self.register_buffer("in_time", torch.tensor(list(weights.values())), persistent=False)
        self.register_buffer("in_units", torch.ones(topography.neighbourhood), persistent=False)
        shift = torch.full((topography.capsules,), float(topography.shift))
        self.kernel_parameter: nn.Parameter | None = None
        self.turns: nn.Parameter | None = None
        if learn == "speed":
            self.turns = nn.Parameter(shift / topography.units)
        else:
            start = self._moving(shift[:1])[0]
            sharp = _SHARPNESS * ((1 - _SPREAD) * start + _SPREAD * start.mean())
            inverse = (sharp + (-torch.expm1(-sharp)).log()) / _SHARPNESS  # of the softplus
            self.kernel_parameter = nn.Parameter(inverse)

    @property
    def kernel(self) -> Float[Tensor, "kernels offsets D"]:
        """Weights A of the offsets: one kernel for all capsules, or one for each."""
        if self.turns is not None:
            return self._moving(self.speeds)
        positive = functional.softplus(self.kernel_parameter, _SHARPNESS)  # pyright: ignore
        total = self.start.window * self.start.neighbourhood
        return (total * positive / positive.sum())[None]

    def receptive_field(self) -> Bool[Tensor, " S"]:
        """Tell which frames of a sequence t of frame 0 depends on."""
        return self.start.receptive_field()

    @property
    def speed(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Units by which capsules roll per step, on average."""
        return self.speeds.mean().item()

    @property
    def speeds(self) -> Float[Tensor, " kernels"]:
        """Units by which capsules roll per step: learned, or inferred from the kernel."""
        if self.turns is not None:
            return self.turns * self.start.units
        return kernel_speed(self.kernel[0], self._first)[None]

    def pool(self, energy: Float[Tensor, "*batch S C D"]) -> Float[Tensor, "*batch S C D"]:
        """Return W e."""
        return pool_kernel(energy, self.kernel.to(energy.dtype), self._first, self.start.boundary)

    def inverse_scale(
        self, energy: Float[Tensor, "*batch S C D"], eps: float
    ) -> Float[Tensor, "*batch S C D"]:
        """Return what multiplies z - μ in t, `1 / sqrt(W e + eps)`."""
        return torch.rsqrt(self.pool(energy) + eps)

    def expected_inverse_scale(
        self,
        energy: Float[Tensor, "*batch S C D"],
        variance: Float[Tensor, "*batch S C D"],
        eps: float,
    ) -> Float[Tensor, "*batch S C D"]:
        """Return the expectation of `inverse_scale`, to second order in the energies' spread."""
        around = self.kernel.to(energy.dtype).square(), self._first, self.start.boundary
        pooled = pool_kernel(variance, *around)
        if self.start.boundary == "zero":  # the energy of padding does not vary
            pooled = pooled - pool_kernel(torch.zeros_like(variance), *around)
        return second_order(self.inverse_scale(energy, eps), pooled)

    def roll(
        self,
        t: Shaped[Tensor, "*batch C D"],
        steps: int | float | Tensor,
        axis: int | Sequence[int] = 0,
    ) -> Shaped[Tensor, "*out C D"]:
        """Roll every capsule by a number of steps, each of its own `speeds`."""
        if axis != 0:
            raise ValueError(f"axis={axis}: the capsules have one axis, 0")
        return roll(t, steps * self.speeds)

    def extra_repr(self) -> str:
        """Describe what is learned in the printed model."""
        return "learn='speed'" if self.kernel_parameter is None else "learn='kernel'"

    def _moving(self, speed: Tensor) -> Tensor:
        in_time, in_units = self.get_buffer("in_time"), self.get_buffer("in_units")
        return moving_kernel(speed, in_time, in_units, self._first, self.start.units)
