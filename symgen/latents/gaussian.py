"""Diagonal Gaussian posteriors against the standard normal prior."""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import checked
from symgen.latents.density import Density

__all__ = ["Gaussian", "standard_normal_log_prob"]


@checked
def standard_normal_log_prob(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Evaluate the log-density of N(0, 1) element by element, in nats.

    Args:
        x: numbers of any shape.

    Example:
        >>> standard_normal_log_prob(torch.zeros(1))
        tensor([-0.9189])
    """
    return -0.5 * (x.square() + math.log(2 * math.pi))


class Gaussian(Density):
    """Independent Gaussians N(mean, exp(log_variance)).

    Example:
        >>> q = Gaussian(torch.zeros(2, 3), torch.zeros(2, 3))
        >>> float(q.kl().sum()), tuple(q.rsample(5).shape)
        (0.0, (5, 2, 3))
    """

    @staticmethod
    def _noise(shape: tuple[int, ...], **options: Any) -> Tensor:
        return torch.randn(shape, **options)

    def log_prob(self, x: Tensor) -> Tensor:
        """Evaluate the log-density element by element, in nats; leading dimensions broadcast."""
        scaled = ((x - self.mean) * torch.exp(-0.5 * self.log_variance)).square()
        return -0.5 * (scaled + self.log_variance + math.log(2 * math.pi))

    def square_variance(self) -> Tensor:
        """Return Var[x²] = 4 mean² variance + 2 variance²."""
        variance = self.log_variance.exp()
        return 4 * self.mean.square() * variance + 2 * variance.square()

    def kl(self) -> Tensor:
        """Return KL(self ‖ N(0, 1)) element by element, in nats, in closed form."""
        return 0.5 * (self.second_moment() - 1 - self.log_variance)
