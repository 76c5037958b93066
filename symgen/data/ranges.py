"""Which values data may have."""

from jaxtyping import Shaped
from torch import Tensor

__all__ = ["require_unit_range"]


def require_unit_range(name: str, x: Shaped[Tensor, "..."]) -> None:
    """Raise a ValueError with the name of data that are not floats in [0, 1].

    Example:
        >>> import torch
        >>> require_unit_range("x", torch.tensor([0.0, 255.0]))
        Traceback (most recent call last):
        ValueError: x reaches from 0 to 255: scale or clamp it to [0, 1], or take a likelihood ...
    """
    if not x.is_floating_point():
        raise ValueError(f"{name} is {x.dtype}: divide by 255 to get floats in [0, 1]")
    if not x.numel():
        return
    least, greatest = (bound.item() for bound in x.detach().aminmax())
    if not (least >= 0 and greatest <= 1):  # written so that NaN fails
        raise ValueError(
            f"{name} reaches from {least:g} to {greatest:g}: scale or clamp it to [0, 1], or take "
            "a likelihood for such values, such as 'gaussian'"
        )
