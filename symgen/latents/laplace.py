"""Diagonal Laplace posteriors against the Laplace prior of unit variance."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Laplace"]


@dataclass(frozen=True, eq=False)
class Laplace:
    """Independent Laplace variables of given mean and variance.

    The density is ½ p exp(-p |x - mean|) (Georgiev 2016, arXiv 1511.02841, eq. 3.1, where p is
    called the momentum). The variance 2 / p² is the parameter, as in `Gaussian`: the two densities
    are exchangeable, and both priors have mean 0 and variance 1.

    Attributes:
        mean: means, any shape.
        log_variance: logarithms of the variances, same shape.

    Example:
        >>> q = Laplace(torch.zeros(2, 3), torch.zeros(2, 3))
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
    ) -> "Laplace":
        """Build the prior: mean 0 and variance 1, scale 1/√2."""
        zeros = torch.zeros(shape, device=device, dtype=dtype)
        return cls(zeros, zeros)

    @property
    def std(self) -> Tensor:
        """Standard deviations."""
        return torch.exp(0.5 * self.log_variance)

    @property
    def momentum(self) -> Tensor:
        """Inverse scales p = √2 / std."""
        return math.sqrt(2) * torch.exp(-0.5 * self.log_variance)

    def second_moment(self) -> Tensor:
        """Return E[x²] = mean² + variance."""
        return self.mean.square() + self.log_variance.exp()

    def rsample(self, count: int | None = None) -> Tensor:
        """Draw reparametrised samples from the global random generator.

        Inverts the distribution function: x = mean - sgn(u) log(1 - 2 |u|) / p with u uniform
        over [-½, ½).

        Args:
            count: number of samples, stacked in a new first dimension; None draws one sample
                without that dimension.
        """
        shape = self.mean.shape if count is None else (count, *self.mean.shape)
        u = torch.rand(shape, dtype=self.mean.dtype, device=self.mean.device) - 0.5
        # u = ±½ is drawn once in 2²⁴ and would be infinite: it stands for its whole rounding cell.
        survival = (1 - 2 * u.abs()).clamp(min=torch.finfo(u.dtype).eps / 2)
        noise = -math.sqrt(0.5) * u.sign() * survival.log()
        return torch.addcmul(self.mean, self.std, noise)

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate the log-density element by element, in nats; leading dimensions broadcast."""
        scaled = self.momentum * (x - self.mean).abs()
        return -(scaled + 0.5 * (self.log_variance + math.log(2)))

    def kl(self) -> Tensor:
        """Return KL(self ‖ Laplace of variance 1) element by element, in nats, in closed form.

        With p₀ = √2 it is log(p / p₀) + p₀ |mean| + (p₀ / p) exp(-p |mean|) - 1, summed here as
        two parts that are never negative, so that neither small nor large means lose digits: the
        price of the variance at mean 0, and what the mean adds.
        """
        distance = self.mean.abs()
        half = 0.5 * self.log_variance
        variance_part = torch.expm1(half) - half
        mean_part = math.sqrt(2) * distance + self.std * torch.expm1(-self.momentum * distance)
        return variance_part + mean_part
