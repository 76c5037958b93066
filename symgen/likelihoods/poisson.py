"""Counts."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent
from torch.distributions import Poisson as TorchPoisson

from symgen.likelihoods.base import Likelihood, full_precision

__all__ = ["Poisson"]

_GREATEST_LOG = 88.0  # of a rate that single precision holds
_LEAST = 1e-3  # rate of a baseline that expects nothing


@dataclass(frozen=True)
class Poisson(Likelihood):
    """Independent Poisson counts, such as spikes or photons; the decoder outputs log rates.

    Example:
        >>> p = Poisson()(torch.zeros(2, 1, 5), dims=1)
        >>> p.mean[0, 0], p.log_prob(torch.zeros(2, 5))
        (tensor(1.), tensor([-5., -5.]))
    """

    background: ClassVar[float] = -4.0

    def __call__(self, outputs: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Take the outputs for logarithms of rates."""
        (log_rate,) = outputs.unbind(-1 - dims)
        return _poisson(full_precision(log_rate).clamp(max=_GREATEST_LOG).exp(), dims)

    def baseline(self, mean: Tensor, x: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Take predicted counts for rates of at least a thousandth."""
        return _poisson(mean.clamp_min(_LEAST), dims)

    def require_support(self, name: str, x: Tensor) -> None:
        """Require whole numbers from 0 on."""
        if not bool(((x >= 0) & (x == x.floor()) & x.isfinite()).all()):
            least, greatest = (float(bound) for bound in x.detach().aminmax())
            raise ValueError(
                f"{name} reaches from {least:g} to {greatest:g} and is not all counts: a Poisson "
                "likelihood takes whole numbers from 0 on, as floats"
            )

    def entropy_floor(self, x: Tensor, dims: int) -> Tensor:
        """Return what the counts themselves would lose as rates (the saturated model)."""
        loss = x - torch.special.xlogy(x, x) + torch.lgamma(x + 1)
        return loss.flatten(-dims).sum(-1)


def _poisson(rate: Tensor, dims: int) -> Distribution:
    return Independent(TorchPoisson(rate, validate_args=False), dims, validate_args=False)
