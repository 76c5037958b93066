"""Projective maps: a picture tilted in space and seen through a pinhole."""

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import checked

__all__ = ["tilt"]


@checked
def tilt(angle: Float[Tensor, "*batch"], diagonal: float) -> Float[Tensor, "*batch 3 3"]:
    """Tilt the picture about its vertical axis and turn it in its plane, both by one angle.

    The plane z = 1 of pixel coordinates is turned by R = R_y(α) R_z(α), moved away by the focal
    length f = diagonal / (2 sin α) and projected (the perspective sequences of the Topographic
    VAE, Keller & Welling 2021): H ∝ diag(f, f, 1) (R + f E₃₃). Divided by f, which a projective
    map may be, its last row is R₃ / f + (0, 0, 1): nothing is singular at α = 0, the identity.
    Around 90° part of the plane lies behind the pinhole and is seen through it all the same;
    where tan α = -diagonal / 2 the plane is seen edge-on, and H has no inverse. Coordinates are
    pixels from the centre. The brightness of a point appears where H takes it, so the pose to give
    `warp` is the inverse of H.

    Args:
        angle: α in radians.
        diagonal: diagonal of the image in pixels.

    Raises:
        ValueError: if the diagonal is not positive.

    Example:
        >>> tilt(torch.tensor(0.0), 40.0)
        tensor([[1., 0., 0.],
                [0., 1., 0.],
                [0., 0., 1.]])
    """
    if diagonal <= 0:
        raise ValueError(f"diagonal={diagonal}: give a positive number of pixels")
    cosine, sine = angle.cos(), angle.sin()
    zero = torch.zeros_like(sine)
    top = torch.stack([cosine.square(), -cosine * sine, -sine], -1)
    middle = torch.stack([sine, cosine, zero], -1)
    last = torch.stack([sine * cosine, -sine.square(), cosine], -1)
    over_focal = (2 / diagonal) * sine[..., None]
    last = last * over_focal + last.new_tensor([0, 0, 1])
    return torch.stack([top, middle, last], -2) + 0.0  # + 0.0 turns -0 into 0
