"""Diagonal Gaussian posteriors against the standard normal prior."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Gaussian", "standard_normal_log_prob"]


def standard_normal_log_prob(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Evaluate the log-density of N(0, 1) element by element, in nats.

    Example:
        >>> standard_normal_log_prob(torch.zeros(1))
        tensor([-0.9189])
    """
    return -0.5 * (x.square() + math.log(2 * math.pi))


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Independent Gaussians N(mean, exp(log_variance)).

    Attributes:
        mean: means, any shape.
        log_variance: logarithms of the variances, same shape.

    Example:
        >>> q = Gaussian(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> float(q.kl().sum()), tuple(q.rsample(5).shape)
        (0.0, (5, 2, 3))
    """

    mean: Float[Tensor, "*shape"]
    log_variance: Float[Tensor, "*shape"]

    @classmethod
    def standard(
        cls,
        shape: tuple[int, ...],
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> "Gaussian":
        """Build the prior: mean 0 and variance 1."""
        zeros = torch.zeros(shape, device=device, dtype=dtype)
        return cls(zeros, zeros)

    @property
    def std(self) -> Tensor:
        """Standard deviations."""
        return torch.exp(0.5 * self.log_variance)

    def second_moment(self) -> Tensor:
        """Return E[x²] = mean² + variance."""
        return self.mean.square() + self.log_variance.exp()

    def rsample(self, count: int | None = None) -> Tensor:
        """Draw reparametrised samples from the global random generator.

        Args:
            count: number of samples, stacked in a new first dimension; None draws one sample
                without that dimension.
        """
        shape = self.mean.shape if count is None else (count, *self.mean.shape)
        noise = torch.randn(shape, dtype=self.mean.dtype, device=self.mean.device)
        return torch.addcmul(self.mean, self.std, noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate the log-density element by element, in nats; leading dimensions broadcast."""
        scaled = (x - self.mean).square() * torch.exp(-self.log_variance)
        return -0.5 * (scaled + self.log_variance + math.log(2 * math.pi))

    def kl(self) -> Tensor:
        """Return KL(self ‖ N(0, 1)) element by element, in nats, in closed form."""
        return 0.5 * (self.second_moment() - 1 - self.log_variance)
