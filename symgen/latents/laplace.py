"""Diagonal Laplace posteriors against the Laplace prior of unit variance."""

import math
from typing import Any

import torch
from torch import Tensor

from symgen.latents.density import Density

__all__ = ["Laplace"]


class Laplace(Density):
    """Independent Laplace variables, of density ½ p exp(-p |x - mean|) and variance 2 / p².

    p is the momentum of Georgiev (2016, arXiv 1511.02841, eq. 3.1). As the parameter is the
    variance, `Laplace` and `Gaussian` are exchangeable.

    Example:
        >>> q = Laplace(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> float(q.kl().sum()), tuple(q.rsample(5).shape)
        (0.0, (5, 2, 3))
    """

    @property
    def momentum(self) -> Tensor:
        """Inverse scales p = √2 / std."""
        return math.sqrt(2) * torch.exp(-0.5 * self.log_variance)

    @staticmethod
    def _noise(shape: tuple[int, ...], **options: Any) -> Tensor:
        """Invert the distribution function: -sgn(u) log(1 - 2 |u|) / √2, u uniform in [-½, ½)."""
        u = torch.rand(shape, **options) - 0.5
        # u = ±½ is drawn once in 2²⁴ and would be infinite: it stands for its whole rounding cell.
        survival = (1 - 2 * u.abs()).clamp(min=torch.finfo(u.dtype).eps / 2)
        return -math.sqrt(0.5) * u.sign() * survival.log()

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate the log-density element by element, in nats; leading dimensions broadcast."""
        scaled = self.momentum * (x - self.mean).abs()
        return -(scaled + 0.5 * (self.log_variance + math.log(2)))

    def square_variance(self) -> Tensor:
        """Return Var[x²] = 4 mean² variance + 5 variance²."""
        variance = self.log_variance.exp()
        return 4 * self.mean.square() * variance + 5 * variance.square()

    def kl(self) -> Tensor:
        """Return KL(self ‖ Laplace of variance 1) element by element, in nats, in closed form.

        With p₀ = √2 it is log(p / p₀) + p₀ |mean| + (p₀ / p) exp(-p |mean|) - 1: what the variance
        costs at mean 0 and what the mean adds, neither ever negative, so that no digits are lost.
        """
        distance = self.mean.abs()
        half = 0.5 * self.log_variance
        variance_part = torch.expm1(half) - half
        scale = self.std.clamp(max=torch.finfo(half.dtype).max)  # infinity times 0 is no number
        mean_part = math.sqrt(2) * distance + scale * torch.expm1(-self.momentum * distance)
        return variance_part + mean_part
