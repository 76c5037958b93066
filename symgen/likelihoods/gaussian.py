"""Gaussian values."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from symgen.likelihoods.base import Likelihood
from symgen.likelihoods.scales import (
    Scale,
    check_scale,
    learned_scale,
    location_and_scale,
    root_mean_square,
    shared_scale,
)

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Independent Gaussian values of any range: features, recordings, micrographs.

    Its nats are those of a density: they shift with the units of the data and may be positive.

    Attributes:
        scale: standard deviation: a number, or learned as "one" for all values, one for each
            "channel" (each feature of a vector), or one for each "value", which the decoder gives
            as well.

    Raises:
        ValueError: for another scale.

    Example:
        >>> import torch
        >>> p = Gaussian(scale=0.5)(torch.zeros(2, 1, 12), dims=1)
        >>> p.mean.shape, p.log_prob(torch.zeros(2, 12))
        (torch.Size([2, 12]), tensor([-2.7095, -2.7095]))
        >>> Gaussian("value").parameters, Gaussian("channel").learned((3, 8, 8))["log_scale"].shape
        (2, torch.Size([3]))
    """

    scale: Scale = "one"

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", check_scale(self.scale))

    @property
    def parameters(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        """One mean for every value, and its scale if each has its own."""
        return 2 if self.scale == "value" else 1

    def learned(self, data_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Return the logarithms of scales that are shared."""
        return learned_scale(self.scale, data_shape)

    def __call__(
        self, outputs: Float[Tensor, "..."], dims: int, **learned: Tensor
    ) -> Distribution:
        """Take the outputs for means, and for scales if each value has its own."""
        mean, scale = location_and_scale(self.scale, outputs, dims, learned)
        return _normal(mean, scale, dims)

    def baseline(
        self, mean: Float[Tensor, "..."], x: Float[Tensor, "..."], dims: int, **learned: Tensor
    ) -> Distribution:
        """Take the model's scale where it has one for all items, else each item's best."""
        if isinstance(self.scale, float):
            scale = mean.new_tensor(self.scale)
        elif "log_scale" in learned:
            scale = shared_scale(learned["log_scale"], dims)
        else:
            scale = root_mean_square(x - mean, dims)
        return _normal(mean, scale, dims)


def _normal(mean: Tensor, scale: Tensor, dims: int) -> Distribution:
    values = Normal(mean, scale.expand_as(mean), validate_args=False)
    return Independent(values, dims, validate_args=False)
