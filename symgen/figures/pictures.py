"""Data of any shape as pictures: channels as colours, volumes as projections, any range."""

import colorsys

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import require_finite

__all__ = ["as_pictures"]

_TWO = ((1.0, 0.0, 1.0), (0.0, 1.0, 0.0))  # magenta and green, distinct to the colour-blind


def as_pictures(
    *data: Float[Tensor, "..."], dims: int
) -> tuple[Float[Tensor, "*batch channels height width"], ...]:
    """Turn images and volumes into pictures of one or three channels in [0, 1].

    Volumes are projected: the greatest value along the depth. Two channels are magenta and green,
    four and more a hue each; their colours are added. Values that leave [0, 1] are brought there
    by the least and the greatest value of the first tensor, the same for all.

    Args:
        *data: what to compare, the given data first, each (*batch, channels, height, width) or
            (*batch, channels, depth, height, width).
        dims: dimensions of an item, 3 or 4; vectors, which are no pictures, raise a ValueError.

    Example:
        >>> as_pictures(torch.rand(5, 2, 9, 9), dims=3)[0].shape
        torch.Size([5, 3, 9, 9])
    """
    if dims not in (3, 4):
        raise ValueError(
            f"items of {dims} dimension{'s' if dims > 1 else ''} are no pictures: give images "
            "(channels, height, width) or volumes (channels, depth, height, width)"
        )
    if not data:
        raise ValueError("no data: give one tensor at least")
    for number, part in enumerate(data, 1):
        if part.dim() < dims or not part.numel() or part.shape[-dims] != data[0].shape[-dims]:
            given = (
                f"tensor {number} of shape {tuple(part.shape)}, the first {tuple(data[0].shape)}"
            )
            raise ValueError(f"{given}: give items of {dims} axes and of the same channels")
        require_finite(f"tensor {number}", part)
    flat = [part.detach().float().cpu() for part in data]
    if dims == 4:
        flat = [part.amax(-3) for part in flat]
    low, high = flat[0].aminmax()
    if low < 0 or high > 1:
        scale = float(high - low) or 1.0
        flat = [(part - low) / scale for part in flat]
    channels = flat[0].shape[-3]
    if channels not in (1, 3):
        hues = [colorsys.hsv_to_rgb(k / channels, 1.0, 1.0) for k in range(channels)]
        colours = torch.tensor(_TWO if channels == 2 else hues)  # (channels, 3)
        flat = [torch.einsum("...chw,cr->...rhw", part, colours) for part in flat]
    return tuple(part.clamp(0, 1) for part in flat)
