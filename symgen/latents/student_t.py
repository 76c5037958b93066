"""Topographic Student-t variables."""

from jaxtyping import Float
from torch import Tensor

from symgen.latents.topographic import Topographic

__all__ = ["student_t"]


def student_t(
    z: Float[Tensor, "*batch S C D"],
    u: Float[Tensor, "*batch S C D"],
    topography: Topographic,
    mu: float | Tensor,
    eps: float = 1e-6,
) -> Float[Tensor, "*batch S C D"]:
    """Construct topographic Student-t variables `t = (z - μ) / sqrt(W u² + eps)`.

    With z and u standard normal, t is marginally a (shifted) Student-t variable up to scale, and
    units that share energy are large together (Keller & Welling 2021, eq. 2 and 9).

    Args:
        z: numerators.
        u: what the energy is made of.
        topography: the neighbourhoods W.
        mu: offset μ, shared by all units.
        eps: keeps the root away from zero.

    Returns:
        Variables t, in the shape of z.

    Example:
        >>> import torch
        >>> from symgen.latents import Topography
        >>> topography = Topography.tvae(capsules=1, units=4, frames=4, window=4)
        >>> z, u = torch.zeros(1, 4, 1, 4), torch.ones(1, 4, 1, 4)
        >>> student_t(z, u, topography, mu=-30.0)[0, 0, 0]
        tensor([15.0000, 15.0000, 15.0000, 15.0000])
    """
    return (z - mu) * topography.inverse_scale(u.square(), eps)
