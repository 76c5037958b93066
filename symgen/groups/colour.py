"""The group SL(3, R) of colour matrices, its Lie algebra, and hue as a vector of colour.

An element is a matrix M of determinant 1 that mixes the channels of every pixel: c -> M c for
c = (red, green, blue). The same matrix acts everywhere, so it commutes with every warp, and the
inverse matrix undoes it.

The algebra has eight generators, the traceless matrices. In the frame of grey e0 = (1, 1, 1)/√3,
red against cyan e1 = (2, -1, -1)/√6 and green against blue e2 = (0, 1, -1)/√2 they are, in this
order: hue (rotation about e0, red towards green), rotation about e1, rotation about e2, saturation
(more colour, less grey; (e1e1ᵀ + e2e2ᵀ - 2 e0e0ᵀ)/√3), stretch (e1e1ᵀ - e2e2ᵀ), and the shears
e1e2ᵀ + e2e1ᵀ, e0e1ᵀ + e1e0ᵀ, e0e2ᵀ + e2e0ᵀ. They are orthogonal, each with sum of squares 2: that
makes the first three coefficients angles in radians.

Turning the hue of a pure red image of brightness v along the HSV hexagon gives v · c(h) in every
pixel, linear in v. So a coloured digit is the outer product of one gray image and one colour
vector.
"""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._compiled import constant_when_compiled
from symgen._inputs import checked
from symgen.groups._flow import precise

__all__ = ["act", "exp", "hue_degrees", "hue_rotation", "hue_vector", "inverse"]

# The frame e0, e1, e2 up to length, and the generators in it.
_FRAME = [[1, 1, 1], [2, -1, -1], [0, 1, -1]]
_GENERATORS = [
    [[0, 0, 0], [0, 0, -1], [0, 1, 0]],
    [[0, 0, 1], [0, 0, 0], [-1, 0, 0]],
    [[0, -1, 0], [1, 0, 0], [0, 0, 0]],
    [[-2 / math.sqrt(3), 0, 0], [0, 1 / math.sqrt(3), 0], [0, 0, 1 / math.sqrt(3)]],
    [[0, 0, 0], [0, 1, 0], [0, 0, -1]],
    [[0, 0, 0], [0, 0, 1], [0, 1, 0]],
    [[0, 1, 0], [1, 0, 0], [0, 0, 0]],
    [[0, 0, 1], [0, 0, 0], [1, 0, 0]],
]


def exp(generators: Float[Tensor, "*batch 8"]) -> Float[Tensor, "*batch 3 3"]:
    """Map the Lie algebra to the group by the matrix exponential.

    Every value has determinant 1, zero is the identity, and `exp(-g)` is the inverse of `exp(g)`.
    It looks at no value: coefficients whose exponential is beyond the range of numbers give NaN.

    Args:
        generators: coefficients of the eight generators, without unit.

    Raises:
        ValueError: if they are not eight floats.

    Example:
        >>> third = torch.tensor([2 * torch.pi / 3, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        >>> exp(third).round().abs() @ torch.tensor([1.0, 0.0, 0.0])  # red becomes green
        tensor([0., 1., 0.])
    """
    if generators.shape[-1:] != (8,) or not generators.is_floating_point():
        raise ValueError(
            f"exp takes (*batch, 8) coefficients, got shape {tuple(generators.shape)} and "
            f"{generators.dtype}: give floats, three rotations, saturation, stretch, three shears"
        )
    coefficients = precise(generators)
    basis = _basis(coefficients.dtype, coefficients.device)
    matrix = torch.einsum("...g,gij->...ij", coefficients, basis)
    return torch.linalg.matrix_exp(matrix).to(generators.dtype)


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Invert colour matrices: cross products of rows as columns, over the determinant.

    Where the determinant is beyond the range of numbers, far from its 1, entries are NaN.

    Args:
        matrix: colour matrices, of determinant 1.

    Example:
        >>> turn = hue_rotation(torch.tensor(40.0))
        >>> torch.allclose(inverse(turn), hue_rotation(torch.tensor(-40.0)), atol=1e-6)
        True
    """
    red, green, blue = _checked(matrix).unbind(-2)
    cross = torch.linalg.cross
    first = cross(green, blue)
    determinant = (red * first).sum(-1)[..., None, None]
    return torch.stack([first, cross(blue, red), cross(red, green)], -1) / determinant


def act(
    images: Float[Tensor, "*#batch 3 height width"], matrix: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*out 3 height width"]:
    """Mix the channels of images: every pixel's colour c becomes M c.

    Values may leave [0, 1]; they are not clipped, so that the inverse matrix undoes the action.

    Args:
        images: colour images; their batches broadcast against those of the matrices.
        matrix: colour matrices M.

    Raises:
        ValueError: if the images do not have three channels, or the batches do not broadcast.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> act(red, hue_rotation(torch.tensor(120.0))).round().abs().flatten()
        tensor([0., 1., 0.])
    """
    shapes = f"images {tuple(images.shape)} and matrices {tuple(matrix.shape)}"
    if images.ndim < 3 or images.shape[-3] != 3:
        raise ValueError(f"act got {shapes}: give images (*batch, 3, height, width)")
    try:
        torch.broadcast_shapes(images.shape[:-3], _checked(matrix).shape[:-2])
    except RuntimeError:
        raise ValueError(
            f"act got {shapes}: their batch dimensions do not broadcast, insert dimensions of 1"
        ) from None
    return (matrix @ images.flatten(-2)).unflatten(-1, images.shape[-2:])


@checked
def hue_rotation(degrees: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotate colours about the grey axis: `exp` of the first generator, in degrees.

    120 degrees permute the channels: red becomes green, green blue, blue red. Greys stay. Entries
    (1 + 2 cos(θ + 120° k)) / 3 depend on column - row = k only.

    Args:
        degrees: angles, red towards green.

    Example:
        >>> hue_rotation(torch.tensor(120.0)).round().abs()
        tensor([[0., 0., 1.],
                [1., 0., 0.],
                [0., 1., 0.]])
    """
    channel = torch.arange(3, device=degrees.device)
    turned = degrees[..., None, None] + 120 * (channel - channel[:, None])
    return (1 + 2 * torch.deg2rad(turned).cos()) / 3


@checked
def hue_degrees(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch"]:
    """Return the hue rotation that is nearest to colour matrices, in degrees.

    Nearest by the sum of squared differences of entries: tr(R(θ)ᵀ M) is greatest.

    Args:
        matrix: colour matrices.

    Example:
        >>> round(float(hue_degrees(hue_rotation(torch.tensor(40.0)))), 3)
        40.0
    """
    channel = torch.arange(3, dtype=matrix.dtype, device=matrix.device)
    apart = torch.deg2rad(120 * (channel - channel[:, None]))  # R = (1 + 2 cos(θ + apart)) / 3
    along = (matrix * apart.cos()).sum((-2, -1))
    across = -(matrix * apart.sin()).sum((-2, -1))
    return torch.rad2deg(torch.atan2(across, along))


@checked
def hue_vector(degrees: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch 3"]:
    """Return the fully saturated colour that pure red becomes when its hue is turned.

    Channel values fall and rise linearly between 0 and 1 around the HSV hexagon: with n = 300,
    180, 60 for red, green, blue and k = (n + h) mod 360, the value is 1 - min(k, 240 - k) / 60
    clipped to [0, 1]. Whole multiples of 20 degrees give correctly rounded thirds.

    Args:
        degrees: hue offset h in degrees, any real number; 0 is red, 120 green, 240 blue.

    Example:
        >>> hue_vector(torch.tensor([0.0, 60.0, -120.0]))
        tensor([[1., 0., 0.],
                [1., 1., 0.],
                [0., 0., 1.]])
    """
    phase = torch.remainder(degrees[..., None] + degrees.new_tensor([300, 180, 60]), 360)
    return (60 - torch.minimum(phase, 240 - phase)).clamp(0, 60) / 60


@constant_when_compiled
def _basis(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "8 3 3"]:
    """Return the generators as matrices that act on (red, green, blue)."""
    return _cached_basis(dtype, device)


@lru_cache(maxsize=8)
def _cached_basis(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "8 3 3"]:
    """Make the generators once for a device: a CUDA graph cannot take numbers from the host."""
    frame = torch.tensor(_FRAME, dtype=torch.float64)
    frame = frame / torch.linalg.vector_norm(frame, dim=1, keepdim=True)
    generators = torch.tensor(_GENERATORS, dtype=torch.float64)
    return (frame.mT @ generators @ frame).to(device, dtype)


def _checked(matrix: Tensor) -> Tensor:
    """Return the matrix if it can mix three channels."""
    if matrix.shape[-2:] != (3, 3) or not matrix.is_floating_point():
        raise ValueError(
            f"a colour matrix is a (*batch, 3, 3) matrix of floats, got shape "
            f"{tuple(matrix.shape)} and {matrix.dtype}: build one with exp or hue_rotation"
        )
    return matrix
