"""The scale of noisy values: fixed, learned (one, or one per channel), or of the decoder."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.distributions import Distribution
from torch.nn import functional

from symgen.likelihoods.base import Likelihood, full_precision

__all__ = ["Scale"]

Scale = float | Literal["one", "channel", "value"]
_LEAST_LOG = -7.0  # a scale of a thousandth: narrower ones only memorise
_START_LOG = math.log(0.3)
_LEAST, _MOST = 1e-6, 1e6  # of a fixed scale: squares of what is far beyond it are still finite


@dataclass(frozen=True)
class ScaledLikelihood(Likelihood):
    """Values that scatter around a location; a learned scale stays above a thousandth, smoothly.

    Attributes:
        deviation: standard deviation of a value of scale 1.
    """

    scale: Scale
    deviation: ClassVar[float] = 1.0

    def __post_init__(self) -> None:
        scale, names = self.scale, get_args(get_args(Scale)[1])
        number = isinstance(scale, Real) and not isinstance(scale, bool)
        if not (scale in names if isinstance(scale, str) else number and _LEAST <= scale <= _MOST):
            ways, bounds = ", ".join(map(repr, names)), f"from {_LEAST:g} to {_MOST:,.0f}"
            raise ValueError(
                f"scale={scale!r}: give a positive number {bounds}, or learn it as {ways}"
            )
        if not isinstance(scale, str):
            object.__setattr__(self, "scale", float(scale))

    @abstractmethod
    def around(self, location: Tensor, scale: Tensor, dims: int) -> Distribution:
        """Return the distribution of values by location and scale, which broadcasts."""

    @property
    def parameters(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One location for every value, and its scale if each has its own."""
        return 2 if self.scale == "value" else 1

    def learned(self, data_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Return the logarithms of scales that are shared."""
        shapes = {"one": (), "channel": data_shape[:1]}
        if self.scale not in shapes:
            return {}
        return {"log_scale": torch.full(shapes[self.scale], _START_LOG)}

    def __call__(self, outputs: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Take the outputs for locations, and for scales if each value has its own."""
        location, *own = (full_precision(part) for part in outputs.unbind(-1 - dims))
        if self.scale == "value":
            return self.around(location, _positive(own[0] + _START_LOG), dims)
        return self.around(location, self._shared(location, dims, learned), dims)

    def baseline(self, mean: Tensor, x: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Take the model's scale if all items share it, else the best one for each item."""
        if isinstance(self.scale, float) or "log_scale" in learned:
            return self.around(mean, self._shared(mean, dims, learned), dims)
        error = (x - mean).square().mean(tuple(range(-dims, 0)), keepdim=True).sqrt()
        return self.around(mean, error.clamp_min(math.exp(_LEAST_LOG)) / self.deviation, dims)

    def _shared(self, location: Tensor, dims: int, learned: dict[str, Tensor]) -> Tensor:
        """Return one scale, or one for each channel, shaped to broadcast against the data."""
        if isinstance(self.scale, float):
            return location.new_tensor(self.scale)
        return _positive(learned["log_scale"].reshape(-1, *[1] * (dims - 1)))


def _positive(log_scale: Tensor) -> Tensor:
    return (_LEAST_LOG + functional.softplus(log_scale - _LEAST_LOG)).exp()
