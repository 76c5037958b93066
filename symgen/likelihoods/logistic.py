"""Levels of 8-bit photographs under a logistic density cut into 256 steps."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional

from symgen.data.images import require_unit_range
from symgen.likelihoods.scales import Scale, ScaledLikelihood

__all__ = ["DiscretisedLogistic", "LogisticLevels"]

_HALF = 0.5 / 255  # half a step between two levels


class LogisticLevels(Distribution):
    """Independent levels k / 255 with the probability of a logistic variable between the steps.

    Level 0 has all that lies below it, level 1 all that lies above.

    Args:
        location: location of the density of every value.
        scale: its scale, which broadcasts.
        dims: number of last dimensions that make one item.

    Example:
        >>> p = LogisticLevels(torch.full((1, 1), 0.3), torch.tensor(0.1), dims=1)
        >>> levels = torch.arange(256.0)[:, None, None] / 255
        >>> round(float(p.log_prob(levels).exp().sum()), 4)
        1.0
    """

    has_rsample = False
    arg_constraints = {  # pyright: ignore[reportAssignmentType]
        "location": constraints.real,
        "scale": constraints.positive,
    }

    def __init__(
        self, location: Float[Tensor, "..."], scale: Float[Tensor, "..."], dims: int
    ) -> None:
        self.location, self.scale = location, scale.expand_as(location)
        super().__init__(location.shape[:-dims], location.shape[-dims:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Mean of the density cut off at 0 and 1: that of the levels to half a step."""
        above = functional.softplus(self.location / self.scale)
        beyond = functional.softplus((self.location - 1) / self.scale)
        return (self.scale * (above - beyond)).clamp(0, 1)  # against rounding

    def log_prob(self, value: Tensor) -> Tensor:
        """Evaluate the log-probability of the nearest levels, in nats per item."""
        value = (value * 255).round() / 255
        upper = (value - self.location + _HALF) / self.scale
        lower = (value - self.location - _HALF) / self.scale
        # σ(a) - σ(b) = σ(a) σ(-b) (1 - exp(b - a)), which keeps its digits in both tails.
        step = torch.log(-torch.expm1(-2 * _HALF / self.scale))
        above, below = functional.logsigmoid(-lower), functional.logsigmoid(upper)
        inner = below + above + step
        values = torch.where(value < _HALF, below, torch.where(value > 1 - _HALF, above, inner))
        return values.flatten(-len(self.event_shape)).sum(-1)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw levels."""
        with torch.no_grad():
            shape = (*sample_shape, *self.location.shape)
            uniform = torch.rand(shape, dtype=self.location.dtype, device=self.location.device)
            noise = uniform.clamp(1e-7, 1 - 1e-7).logit()
            drawn = self.location + self.scale * noise
            return (drawn.clamp(0, 1) * 255).round() / 255


@dataclass(frozen=True)
class DiscretisedLogistic(ScaledLikelihood):
    """Levels of 8 bits under a logistic density (Kingma et al. 2016; Salimans et al. 2017).

    A probability of levels, so that its bits per dimension are comparable with other models of
    the same photographs.

    Attributes:
        scale: scale of the density: a positive number, or learned as "one" for all values, one
            for each "channel", or one for each "value", which the decoder outputs as well.

    Example:
        >>> outputs = torch.full((2, 1, 3, 4, 4), 0.5)
        >>> p = DiscretisedLogistic("one")(outputs, dims=3, log_scale=torch.tensor(-2.0))
        >>> p.mean[0, 0, 0, 0], p.log_prob(torch.full((2, 3, 4, 4), 128 / 255)).shape
        (tensor(0.5000), torch.Size([2]))
    """

    scale: Scale = "value"
    bits_per_dimension: ClassVar[bool] = True
    deviation: ClassVar[float] = math.pi / math.sqrt(3)

    def around(self, location: Tensor, scale: Tensor, dims: int) -> LogisticLevels:
        """Return levels under logistic densities of given locations and scales."""
        return LogisticLevels(location, scale, dims)

    def require_support(self, name: str, x: Tensor) -> None:
        """Require values in [0, 1]; between two levels a value counts as the nearest."""
        require_unit_range(name, x)
