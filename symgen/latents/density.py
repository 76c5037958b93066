"""Diagonal densities that a posterior can have, each against the prior of its own kind."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Density"]

DensityT = TypeVar("DensityT", bound="Density")


@dataclass(frozen=True, eq=False)
class Density(ABC):
    """Independent variables of given mean and variance; the prior has mean 0 and variance 1.

    Attributes:
        mean: means, any shape.
        log_variance: logarithms of the variances, same shape.

    Example:
        >>> from symgen.latents import Gaussian
        >>> density = Gaussian(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> isinstance(density, Density), density.rsample().shape, density.kl().sum()
        (True, torch.Size([2, 3]), tensor(0.))
    """

    mean: Float[Tensor, "*shape"]
    log_variance: Float[Tensor, "*shape"]

    @classmethod
    def from_outputs(cls: type[DensityT], mean: Tensor, spread: Tensor) -> DensityT:
        """Build it from the outputs of a net: the variance is exp(s) for s ≤ 0, 1 + s beyond.

        Every variance can be had, and up to that of the prior this is the usual exponential. Above
        it the exponential would turn one unusual input into a divergence beyond all bounds.
        """
        return cls(mean, torch.minimum(spread, spread.clamp(min=0).log1p()))

    @classmethod
    def standard(cls, shape: tuple[int, ...], **options: Any) -> "Density":
        """Build the prior, mean 0 and variance 1, of a device and dtype as in `torch.zeros`."""
        zeros = torch.zeros(shape, **options)
        return cls(zeros, zeros)

    @property
    def std(self) -> Tensor:
        """Standard deviations."""
        return torch.exp(0.5 * self.log_variance)

    def second_moment(self) -> Tensor:
        """Return E[x²] = mean² + variance."""
        return self.mean.square() + self.log_variance.exp()

    @abstractmethod
    def square_variance(self) -> Tensor:
        """Return Var[x²]."""

    def rsample(self, count: int | None = None) -> Tensor:
        """Draw a reparametrised sample, or stack `count` of them, by the global generator."""
        shape = self.mean.shape if count is None else (count, *self.mean.shape)
        noise = self._noise(shape, dtype=self.mean.dtype, device=self.mean.device)
        return torch.addcmul(self.mean, self.std, noise)

    @staticmethod
    @abstractmethod
    def _noise(shape: tuple[int, ...], **options: Any) -> Tensor:
        """Draw from the prior."""

    @abstractmethod
    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate the log-density element by element, in nats; leading dimensions broadcast."""

    def log_ratio(self, sample: Tensor) -> Tensor:
        """Return log p(sample) - log q(sample) element by element, p the prior."""
        prior = self.standard(sample.shape, device=sample.device)
        return prior.log_prob(sample) - self.log_prob(sample)

    @abstractmethod
    def kl(self) -> Tensor:
        """Return the divergence from the prior element by element, in nats, in closed form."""
