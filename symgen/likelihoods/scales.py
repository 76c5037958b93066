"""The scale of noisy values: fixed, or learned as one number, one per channel or per value."""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from symgen.likelihoods.base import full_precision

__all__ = ["Scale", "check_scale", "learned_scale", "location_and_scale", "root_mean_square"]

Scale = float | Literal["one", "channel", "value"]
_LEAST_LOG = -7.0  # a scale of a thousandth: narrower ones only memorise
_START_LOG = math.log(0.3)


def check_scale(scale: Scale) -> Scale:
    """Refuse a scale that is neither a positive number nor the name of a way to learn it.

    Example:
        >>> check_scale("pixel")
        Traceback (most recent call last):
        ValueError: scale='pixel': give a positive number, or learn it as 'one', 'channel', ...
    """
    names = get_args(get_args(Scale)[1])
    if isinstance(scale, str):
        if scale in names:
            return scale
    elif 0 < scale < math.inf:
        return float(scale)
    raise ValueError(
        f"scale={scale!r}: give a positive number, or learn it as {', '.join(map(repr, names))}"
    )


def learned_scale(scale: Scale, data_shape: tuple[int, ...]) -> dict[str, Tensor]:
    """Return what is trained beside the nets: one number, or one for each channel."""
    if scale == "one":
        return {"log_scale": torch.tensor(_START_LOG)}
    if scale == "channel":
        return {"log_scale": torch.full(data_shape[:1], _START_LOG)}
    return {}


def location_and_scale(
    scale: Scale, outputs: Float[Tensor, "..."], dims: int, learned: dict[str, Tensor]
) -> tuple[Float[Tensor, "..."], Float[Tensor, "..."]]:
    """Return location and scale of every value, which broadcast against each other.

    A scale that is learned stays above a thousandth, smoothly.
    """
    parts = [full_precision(part) for part in outputs.unbind(-1 - dims)]
    if scale == "value":
        return parts[0], _positive(parts[1] + _START_LOG)
    if isinstance(scale, float):
        return parts[0], parts[0].new_tensor(scale)
    return parts[0], shared_scale(learned["log_scale"], dims)


def shared_scale(log_scale: Float[Tensor, "..."], dims: int) -> Float[Tensor, "..."]:
    """Return one scale, or one for each channel, shaped to broadcast against the data."""
    return _positive(log_scale.reshape(-1, *[1] * (dims - 1)))


def root_mean_square(error: Float[Tensor, "..."], dims: int) -> Float[Tensor, "..."]:
    """Return the root of the mean square error of every item, at least a thousandth."""
    within = tuple(range(-dims, 0))
    return error.square().mean(within, keepdim=True).sqrt().clamp_min(math.exp(_LEAST_LOG))


def _positive(log_scale: Tensor) -> Tensor:
    return (_LEAST_LOG + functional.softplus(log_scale - _LEAST_LOG)).exp()
