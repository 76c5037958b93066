"""The centroid of an image's brightness."""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["centroid"]

_LEAST = 1e-6  # total brightness of an empty image, whose centroid is the middle


def centroid(images: Float[Tensor, "*batch channels height width"]) -> Float[Tensor, "*batch 2"]:
    """Return the centre of mass (x, y) of the brightness, in pixels from the middle of the image.

    Example:
        >>> image = torch.zeros(1, 3, 5)
        >>> image[0, 2, 3] = 1.0
        >>> centroid(image)
        tensor([1., 1.])
    """
    brightness = images.sum(-3)
    total = brightness.sum((-2, -1)).clamp(min=_LEAST)
    means = []
    for size, across in ((images.shape[-1], -2), (images.shape[-2], -1)):
        place = torch.arange(size, dtype=images.dtype, device=images.device) - (size - 1) / 2
        means.append((brightness.sum(across) * place).sum(-1) / total)
    return torch.stack(means, -1)
