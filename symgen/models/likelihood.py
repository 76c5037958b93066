"""Likelihoods of images."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn import functional

__all__ = ["PixelBernoulli"]

# The authors clamp probabilities to [ε, 1-ε] with the ε of float32, that is |logit| to this.
_REFERENCE_CLAMP = 15.942385


class PixelBernoulli(Distribution):
    """Independent Bernoulli pixels, evaluated at gray values in [0, 1] too.

    `log p(x) = sum_pixels x log p + (1 - x) log(1 - p)` with p = sigmoid(logit), computed from the
    logits so that it is finite for all of them. For gray values this is the papers' convention,
    without the normalising constant of the continuous Bernoulli.

    Args:
        logits: log-odds of every pixel, an image in the last three dimensions.
        clamped: hold the logits within ±15.94, outside of which the gradient vanishes: the
            float32 clamp of the authors' code.

    Example:
        >>> p = PixelBernoulli(torch.zeros(2, 1, 4, 4))
        >>> p.log_prob(torch.ones(2, 1, 4, 4))
        tensor([-11.0904, -11.0904])
    """

    has_rsample = False

    def __init__(
        self, logits: Float[Tensor, "*batch channels height width"], clamped: bool = False
    ) -> None:
        self.logits = (
            logits.clamp(-_REFERENCE_CLAMP, _REFERENCE_CLAMP) if clamped else logits
        ).float()
        super().__init__(logits.shape[:-3], logits.shape[-3:], validate_args=False)

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """What a logit may be: any number."""
        return {"logits": constraints.real}

    @property
    def mean(self) -> Tensor:
        """Probability of every pixel."""
        return self.logits.sigmoid()

    def log_prob(self, value: Tensor) -> Tensor:
        """Evaluate the log-likelihood of images with values in [0, 1], in nats per image."""
        pixels = value * self.logits - functional.softplus(self.logits)
        return pixels.flatten(-3).sum(-1)

    def sample(self, sample_shape: torch.Size | tuple[int, ...] = ()) -> Tensor:
        """Draw binary images."""
        mean = self.mean.detach()
        return torch.bernoulli(mean.expand(*sample_shape, *mean.shape))
