"""Likelihoods of values in [0, 1]: the papers' Bernoulli, and the continuous one."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import ContinuousBernoulli as TorchContinuousBernoulli
from torch.distributions import Distribution, Independent, constraints
from torch.nn import functional

from symgen.data.images import require_unit_range
from symgen.likelihoods.base import Likelihood, full_precision

__all__ = ["Bernoulli", "ContinuousBernoulli", "GrayBernoulli"]

# The authors clamp probabilities to [ε, 1-ε] with the ε of float32, that is |logit| to this.
_REFERENCE_CLAMP = 15.942385
# Baselines are sure of no value: probabilities stay in this range, at most 6.9 nats a value.
_LEAST, _MOST = 1e-3, 1 - 1e-3
_BACKGROUND = -4.454  # logit of 0.0115, about the mean of a digit's surroundings
_GREATEST_LOGIT = 15.9  # of a continuous Bernoulli variable: torch clamps beyond it


class GrayBernoulli(Distribution):
    """Independent Bernoulli values, evaluated at gray levels in [0, 1] too.

    `log p(x) = sum x log p + (1 - x) log(1 - p)` with p = sigmoid(logit), computed from the logits
    so that it is finite for all of them. For gray levels this is the papers' convention, without
    the normalising constant of the continuous Bernoulli.

    Args:
        logits: log-odds of every value.
        dims: number of last dimensions that make one item.

    Example:
        >>> p = GrayBernoulli(torch.zeros(2, 1, 4, 4), dims=3)
        >>> p.log_prob(torch.ones(2, 1, 4, 4))
        tensor([-11.0904, -11.0904])
    """

    has_rsample = False
    arg_constraints = {"logits": constraints.real}  # pyright: ignore[reportAssignmentType]

    def __init__(self, logits: Float[Tensor, "..."], dims: int) -> None:
        self.logits = logits
        super().__init__(logits.shape[:-dims], logits.shape[-dims:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """Probability of every value."""
        return self.logits.sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """Evaluate the log-likelihood of data with values in [0, 1], in nats per item."""
        values = value * self.logits - functional.softplus(self.logits)
        return values.flatten(-len(self.event_shape)).sum(-1)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw binary data."""
        mean = self.mean.detach()
        return torch.bernoulli(mean.expand(*sample_shape, *mean.shape))


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Independent Bernoulli values: black or white, or gray levels in the papers' convention.

    Attributes:
        clamped: hold the logits within ±15.94, outside of which the gradient vanishes: the
            float32 clamp of the authors' code of the Topographic VAE.

    Example:
        >>> Bernoulli()(torch.zeros(2, 1, 1, 4, 4), dims=3).mean.shape
        torch.Size([2, 1, 4, 4])
    """

    clamped: bool = False
    background: ClassVar[float] = _BACKGROUND

    def __call__(self, outputs: Tensor, dims: int, **learned: Tensor) -> GrayBernoulli:
        """Take the outputs for logits."""
        (logits,) = outputs.unbind(-1 - dims)
        if self.clamped:
            logits = logits.clamp(-_REFERENCE_CLAMP, _REFERENCE_CLAMP)
        return GrayBernoulli(full_precision(logits), dims)

    def baseline(self, mean: Tensor, x: Tensor, dims: int, **learned: Tensor) -> GrayBernoulli:
        """Take predicted values for probabilities, held within [0.001, 0.999]."""
        return GrayBernoulli(mean.clamp(_LEAST, _MOST).logit(), dims)

    def require_support(self, name: str, x: Tensor) -> None:
        """Require values in [0, 1]."""
        require_unit_range(name, x)

    def entropy_floor(self, x: Tensor, dims: int) -> Tensor:
        """Return the entropy of gray levels taken for probabilities, in nats per item."""
        entropy = torch.special.entr(x) + torch.special.entr(1 - x)
        return entropy.flatten(-dims).sum(-1)


@dataclass(frozen=True)
class ContinuousBernoulli(Likelihood):
    """Independent continuous Bernoulli values in [0, 1]: a density of gray levels.

    It has the normalising constant that the Bernoulli convention leaves out (Loaiza-Ganem &
    Cunningham, NeurIPS 2019). Its nats are those of a density and may be positive.

    Example:
        >>> p = ContinuousBernoulli()(torch.zeros(2, 1, 1, 4, 4), dims=3)
        >>> p.mean[0, 0, 0, 0], p.log_prob(torch.rand(2, 1, 4, 4))
        (tensor(0.5000), tensor([0., 0.]))
    """

    background: ClassVar[float] = _BACKGROUND

    def __call__(self, outputs: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Take the outputs for logits."""
        (logits,) = outputs.unbind(-1 - dims)
        return _continuous(full_precision(logits), dims)

    def baseline(self, mean: Tensor, x: Tensor, dims: int, **learned: Tensor) -> Distribution:
        """Choose the logits whose mean is the predicted one, as far as torch's range goes."""
        low = torch.full_like(mean, -_GREATEST_LOGIT)
        high = -low
        for _ in range(24):  # halves: the mean grows with the logit
            middle = (low + high) / 2
            below = _continuous(middle, dims).mean < mean
            low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return _continuous((low + high) / 2, dims)

    def require_support(self, name: str, x: Tensor) -> None:
        """Require values in [0, 1]."""
        require_unit_range(name, x)


def _continuous(logits: Tensor, dims: int) -> Distribution:
    values = TorchContinuousBernoulli(logits=logits, validate_args=False)
    return Independent(values, dims, validate_args=False)
