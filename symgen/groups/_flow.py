"""The exponential of 2 × 2 matrices and its integral, in closed form and smooth everywhere."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["combine", "deviator", "flow", "precise"]

# Gauss-Legendre quadrature of ∫₀¹ t f(t) dt.
_LEGENDRE_NODES, _LEGENDRE_WEIGHTS = np.polynomial.legendre.leggauss(4)  # over [-1, 1]
_NODES = ((_LEGENDRE_NODES + 1) / 2).tolist()
_WEIGHTS = ((_LEGENDRE_NODES + 1) * _LEGENDRE_WEIGHTS / 4).tolist()

_SERIES_RADIUS = 1e-3  # within it four terms of a power series give every digit


_SINGLE = ("mps",)  # devices without double precision


def precise(values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return numbers in double precision, in single precision on devices that have no other."""
    return values.float() if values.device.type in _SINGLE else values.double()


def deviator(rotation: Tensor, stretch: Tensor, shear: Tensor) -> tuple[Tensor, Tensor]:
    """Return the traceless matrix N of three generators, and the number q of N² = q·1."""
    entries = torch.stack([stretch, shear + rotation, shear - rotation, -stretch], -1)
    square = stretch.square() + shear.square() - rotation.square()
    return entries.unflatten(-1, (2, 2)), square


def combine(
    one: Float[Tensor, "*batch"], along: Float[Tensor, "*batch"], deviator: Tensor
) -> Float[Tensor, "*batch 2 2"]:
    """Return one·1 + along·N."""
    identity = torch.eye(2, dtype=one.dtype, device=one.device)
    return torch.addcmul(one[..., None, None] * identity, along[..., None, None], deviator)


def flow(s: Tensor, q: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return exp L and φ(L) = ∫₀¹ exp(tL) dt for L = s·1 + N, N traceless with N² = q·1.

    Each is a pair (α, β) that stands for α·1 + β·N. With C(z) = cosh √z and S(z) = sinh √z / √z,

        exp L = exp(s) (C(q) + S(q) N),    φ(L) = exp(s) S(q) - s r + r N,

    where r, smooth everywhere, follows from L φ(L) = exp L - 1, from the eigenvalues λ± = s ± √q,
    or from ∫₀¹ t exp(ts) S(t²q) dt: whichever does not divide by a small number.
    """
    near = s.square() + q.abs() < 0.01  # so small that four nodes give every digit of the integral
    split = ~near & (q > s.square() / 2)  # real eigenvalues, far from one another
    root = torch.where(split, q, 1.0).sqrt()
    eigenvalues = torch.stack([s + root, s - root])
    times = s.new_tensor([0.5, 1.0, *_NODES]).reshape(-1, *[1] * s.ndim)
    sinh = _sinhc(torch.cat([eigenvalues.square() / 4, times.square() * q]))
    at_eigenvalues, half, full, at_nodes = sinh.split([2, 1, 1, len(_NODES)])
    growth = s.exp()
    one = growth * (1 + q / 2 * half[0].square())  # C(q) = 1 + ½ q S(q/4)²
    along = growth * full[0]
    upper, lower = ((eigenvalues / 2).exp() * at_eigenvalues).unbind()  # φ(λ) = exp(λ/2) S(λ²/4)
    numerator = torch.where(split, upper - lower, s * along - one + 1)
    denominator = torch.where(split, 2 * root, torch.where(near, 1.0, s.square() - q))
    weights = s.new_tensor(_WEIGHTS).reshape(-1, *[1] * s.ndim)
    integral = (weights * (times[2:] * s).exp() * at_nodes).sum(0)
    r = torch.where(near, integral, numerator / denominator)
    return (one, along), (along - s * r, r)


def _sinhc(z: Tensor) -> Tensor:
    """Return S(z) = sinh √z / √z, which is sin √-z / √-z for negative z."""
    size = z.abs()
    root = size.clamp(min=_SERIES_RADIUS).sqrt()
    quotient = torch.where(z > 0, root.sinh(), root.sin()) / root
    series = 1 + z * (1 / 6 + z * (1 / 120 + z / 5040))
    return torch.where(size < _SERIES_RADIUS, series, quotient)
