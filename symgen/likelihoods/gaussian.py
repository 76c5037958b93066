"""Gaussian values."""

from dataclasses import dataclass

from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from symgen.likelihoods.scales import Scale, ScaledLikelihood

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(ScaledLikelihood):
    """Independent Gaussian values of any range: features, recordings, micrographs.

    Its nats are those of a density: they shift with the units of the data and may be positive.

    Attributes:
        scale: standard deviation: a positive number, or learned as "one" for all values, one for
            each "channel" (each feature of a vector), or one for each "value", which the decoder
            outputs as well.

    Example:
        >>> import torch
        >>> p = Gaussian(scale=0.5)(torch.zeros(2, 1, 12), dims=1)
        >>> p.mean.shape, p.log_prob(torch.zeros(2, 12))
        (torch.Size([2, 12]), tensor([-2.7095, -2.7095]))
        >>> Gaussian("value").parameters, Gaussian("channel").learned((3, 8, 8))["log_scale"].shape
        (2, torch.Size([3]))
    """

    scale: Scale = "one"

    def around(self, location: Tensor, scale: Tensor, dims: int) -> Distribution:
        """Return Gaussian values of given means and standard deviations."""
        values = Normal(location, scale.expand_as(location), validate_args=False)
        return Independent(values, dims, validate_args=False)
