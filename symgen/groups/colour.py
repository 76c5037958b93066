"""Hue as a vector of colour.

Turning the hue of a pure red image of brightness v gives v · c(h) in every pixel, linear in v. So
a coloured digit is the outer product of one gray image and one colour vector.
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["hue_vector"]


def hue_vector(degrees: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3"]:
    """Return the fully saturated colour that pure red becomes when its hue is turned.

    Channel values fall and rise linearly between 0 and 1 around the HSV hexagon: with n = 300,
    180, 60 for red, green, blue and k = (n + h) mod 360, the value is 1 - min(k, 240 - k) / 60
    clipped to [0, 1].

    Args:
        degrees: hue offset h in degrees, any real number; 0 is red, 120 green, 240 blue.

    Returns:
        Red, green and blue in [0, 1]; whole multiples of 20 degrees give correctly rounded thirds.

    Example:
        >>> hue_vector(torch.tensor([0.0, 60.0, -120.0]))
        tensor([[1., 0., 0.],
                [1., 1., 0.],
                [0., 0., 1.]])
    """
    phase = torch.remainder(degrees[..., None] + degrees.new_tensor([300, 180, 60]), 360)
    return (60 - torch.minimum(phase, 240 - phase)).clamp(0, 60) / 60
