"""The interface of every likelihood."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

__all__ = ["Likelihood"]


class Likelihood(ABC):
    """Turns the outputs of a decoder into a distribution of data.

    A likelihood is a value and holds no weights. Parameters that are trained with the model but
    are not outputs of its decoder, such as one scale for all pixels, are named by `learned`; the
    model keeps them and passes them back by name. A subclass must define `__call__` only.

    Attributes:
        parameters: outputs of the decoder for each value of the data.
        bits_per_dimension: whether -log₂ p(x) per value is a usual measure: the data are levels,
            and the likelihood is a probability of each.
        background: first parameter where there is nothing; decoders of images on a dark ground
            start from it.

    Example:
        >>> from torch.distributions import Independent, Laplace
        >>> class LaplaceNoise(Likelihood):
        ...     def __call__(self, outputs, dims, **learned):
        ...         (location,) = outputs.unbind(-1 - dims)
        ...         return Independent(Laplace(location, 0.1), dims)
        >>> p = LaplaceNoise()(torch.zeros(5, 1, 12), dims=1)  # 5 vectors of 12 values
        >>> p.mean.shape, p.log_prob(torch.zeros(5, 12)).shape
        (torch.Size([5, 12]), torch.Size([5]))
    """

    parameters: int = 1
    bits_per_dimension: bool = False
    background: float = 0.0

    @abstractmethod
    def __call__(
        self, outputs: Float[Tensor, "..."], dims: int, **learned: Tensor
    ) -> Distribution:
        """Return the distribution of the data for outputs of the decoder.

        Args:
            outputs: (*batch, parameters, *data_shape).
            dims: number of dimensions of the data, `len(data_shape)`.
            **learned: the parameters that `learned` names, as they are trained.

        Returns:
            A distribution with `mean`, `log_prob` and `sample`, whose event is one item of the
            data: `log_prob` of (*batch, *data_shape) is (*batch,), in nats per item.
        """

    def learned(self, data_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Return the initial values of what is trained in addition to the nets, by name."""
        return {}

    def baseline(
        self, mean: Float[Tensor, "..."], x: Float[Tensor, "..."], dims: int, **learned: Tensor
    ) -> Distribution | None:
        """Return the distribution around a mean that was predicted without a model.

        It scores baselines such as the mean image in the same nats as the model; where it is
        None, their nats are not defined.

        Args:
            mean: predicted data (*batch, *data_shape).
            x: the true data. What the likelihood needs beyond a mean, such as a scale, is taken
                from `learned` or else chosen best for each item, which flatters the baseline.
            dims, **learned: as in a call.
        """
        return None

    def require_support(self, name: str, x: Float[Tensor, "..."]) -> None:
        """Raise a ValueError that names data to which the likelihood gives no probability."""
        if not bool(x.isfinite().all()):
            bad = int((~x.isfinite()).sum())
            raise ValueError(f"{name} holds {bad} values that are not finite: give finite data")

    def entropy_floor(self, x: Float[Tensor, "..."], dims: int) -> Float[Tensor, "..."] | None:
        """Return the least -log p(x) that any outputs give, in nats per item, where there is one.

        Args:
            x: data (*batch, *data_shape).
            dims: number of dimensions of the data.
        """
        return None


def full_precision(outputs: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return outputs that autocast made coarse in single precision, and doubles as they are."""
    return outputs.to(torch.promote_types(outputs.dtype, torch.float32))
