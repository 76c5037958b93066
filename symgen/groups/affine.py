"""The affine group of the plane, Aff(2, R), and its Lie algebra.

An element is the matrix [[A, b], [0, 1]] of the map u -> A u + b on points u = (x, y): x to the
right, y down, in pixels, from a centre that `warp` is told. As the *pose* of an image it says that
canonical coordinate u reads the image at A u + b. Positive angles turn counter-clockwise as seen
on the screen.

The algebra has six generators, in this order: rotation, scale (equal in both directions), stretch
(x longer, y shorter), shear (x and y longer along one diagonal), shift along x, shift along y.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Similarity", "compose", "exp", "from_parameters", "inverse", "log", "to_parameters"]


class Similarity(NamedTuple):
    """The parameters of a similarity.

    Attributes:
        angle: radians, counter-clockwise on the screen.
        scale: enlargement, positive.
        shift: pixels along x and y.
    """

    angle: Float[Tensor, "*batch"]
    scale: Float[Tensor, "*batch"]
    shift: Float[Tensor, "*batch 2"]


def from_parameters(
    angle: Float[Tensor, "*#batch"],
    scale: Float[Tensor, "*#batch"],
    shift: Float[Tensor, "*#batch 2"] | None = None,
) -> Float[Tensor, "*batch 3 3"]:
    """Build similarities: turn and enlarge about the centre, then shift.

    With a = s cos θ and b = s sin θ the matrix is [[a, b, x], [-b, a, y], [0, 0, 1]].

    Args:
        angle: θ in radians, counter-clockwise on the screen.
        scale: enlargement s.
        shift: (x, y) in pixels; None for no shift.

    Returns:
        One matrix for each member of the broadcast parameters.

    Example:
        >>> from_parameters(torch.zeros(2), torch.tensor([1.0, 2.0])).diagonal(dim1=1, dim2=2)
        tensor([[1., 1., 1.],
                [2., 2., 1.]])
    """
    a, b = torch.broadcast_tensors(scale * angle.cos(), scale * angle.sin())
    shift = a.new_zeros(2) if shift is None else shift
    a, b, x, y = torch.broadcast_tensors(a, b, *shift.unbind(-1))
    return _from_rows((a, b, x), (-b, a, y))


def to_parameters(matrix: Float[Tensor, "*batch 3 3"]) -> Similarity:
    """Read angle, scale and shift off affine maps.

    Exact for similarities. For any other map with det A > 0, the angle is that of the rotation in
    the polar decomposition of A and the scale is the square root of det A.

    Args:
        matrix: affine maps that keep orientation.

    Returns:
        The parameters, angles in (-π, π].

    Example:
        >>> matrix = from_parameters(torch.tensor(0.5), torch.tensor(2.0))
        >>> angle, scale, shift = to_parameters(matrix)
        >>> round(float(angle), 4), round(float(scale), 4)
        (0.5, 2.0)
    """
    a, b, x, c, d, y = _entries(matrix)
    return Similarity(torch.atan2(b - c, a + d), (a * d - b * c).sqrt(), torch.stack([x, y], -1))


def compose(
    left: Float[Tensor, "*#batch 3 3"], right: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Compose maps: `right` acts first, then `left`.

    Args:
        left: maps, projective ones too.
        right: maps, projective ones too.

    Returns:
        The products, batches broadcast.

    Example:
        >>> quarter = from_parameters(torch.tensor(torch.pi / 2), torch.tensor(1.0))
        >>> compose(quarter, quarter).round().diagonal()
        tensor([-1., -1.,  1.])
    """
    return _checked(left) @ _checked(right)


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Invert affine maps: [A⁻¹ | -A⁻¹ b], exact up to rounding.

    A map with det A = 0 has no inverse and gives infinite entries; it is not searched for, because
    that would make every call wait for the device.

    Args:
        matrix: affine maps.

    Returns:
        Their inverses.

    Example:
        >>> shift = from_parameters(*torch.tensor([0.0, 1.0]), torch.tensor([3.0, -2.0]))
        >>> inverse(shift)[:2, 2]
        tensor([-3.,  2.])
    """
    a, b, x, c, d, y = _entries(matrix)
    determinant = a * d - b * c
    a, b, c, d = d / determinant, -b / determinant, -c / determinant, a / determinant
    return _from_rows((a, b, -(a * x + b * y)), (c, d, -(c * x + d * y)))


def exp(generators: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Map the Lie algebra to the group by the matrix exponential.

    Every value is invertible, zero is the identity, and `exp(-g)` is the inverse of `exp(g)`.

    Args:
        generators: coefficients of rotation (radians), scale (logarithm), stretch, shear and the
            two shifts (pixels).

    Returns:
        Affine maps.

    Raises:
        ValueError: if the last dimension is not 6.

    Example:
        >>> exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0, -1.0]))
        tensor([[ 1.,  0.,  5.],
                [ 0.,  1., -1.],
                [ 0.,  0.,  1.]])
    """
    if generators.shape[-1] != 6:
        raise ValueError(
            f"exp takes (*batch, 6) coefficients, got shape {tuple(generators.shape)}: give "
            "rotation, scale, stretch, shear, shift x, shift y"
        )
    rotation, scale, stretch, shear, x, y = generators.unbind(-1)
    top = torch.stack([scale + stretch, shear + rotation, x], -1)
    middle = torch.stack([shear - rotation, scale - stretch, y], -1)
    return _exponential(torch.stack([top, middle, torch.zeros_like(top)], -2))


def log(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Map the group back to its Lie algebra by the principal logarithm, the inverse of `exp`.

    It exists where no eigenvalue of A is zero or negative: det A > 0 and tr A > -2 √det A. Among
    similarities that is everything but half turns. `log(exp(g)) = g` for rotations below π.

    With A = √det A · B, the deviator N = B - ½ tr B · 1 has sinh²δ = -det N, cosh δ = ½ tr B, and
    log A = ½ log det A · 1 + (δ / sinh δ) N. The shift v solves φ(log A) v = b, where
    φ(M) = ∫₀¹ exp(sM) ds.

    Args:
        matrix: affine maps inside the domain.

    Returns:
        Coefficients of the six generators.

    Raises:
        ValueError: if a map lies outside the domain.

    Example:
        >>> log(from_parameters(torch.tensor(0.5), torch.tensor(1.0))).round(decimals=4)
        tensor([0.5000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000])
    """
    a, b, _, c, d, _ = _entries(matrix)
    determinant = a * d - b * c
    root = determinant.clamp(min=0).sqrt()
    outside = (determinant <= 0) | (a + d <= -2 * root)
    if outside.any():
        raise ValueError(
            f"{int(outside.sum())} of {outside.numel()} affine maps have no principal logarithm: "
            "keep det A > 0 and tr A > -2 √det A (no reflections, no half turns)"
        )
    a, b, c, d = a / root, b / root, c / root, d / root
    factor = _angle_over_sine((a - d) / 2, b, c, (a + d) / 2)
    linear = [factor * (b - c) / 2, root.log(), factor * (a - d) / 2, factor * (b + c) / 2]
    return torch.cat([torch.stack(linear, -1), _shift_logarithm(linear, matrix)], -1)


def _angle_over_sine(half: Tensor, b: Tensor, c: Tensor, cosine: Tensor) -> Tensor:
    """Return δ / sinh δ for the deviator [[half, b], [c, -half]], smooth through δ = 0."""
    square = -(half * half + b * c)  # sin² of the angle; negative where the map is hyperbolic
    small = (square.abs() < 1e-3) & (cosine > 0)
    series = 1 + square * (1 / 6 + square * (3 / 40 + square * (5 / 112)))
    sine = torch.where(small, 1.0, square.abs()).sqrt()
    arc = torch.where(square > 0, torch.atan2(sine, cosine), torch.asinh(sine))
    return torch.where(small, series, arc / sine)


def _shift_logarithm(linear: list[Tensor], matrix: Tensor) -> Tensor:
    """Solve φ(M) v = b, reading φ(M) off the exponential of [[M, 1], [0, 0]]."""
    rotation, scale, stretch, shear = linear
    block = matrix.new_zeros(*matrix.shape[:-2], 4, 4)
    block[..., 0, 0], block[..., 0, 1] = scale + stretch, shear + rotation
    block[..., 1, 0], block[..., 1, 1] = shear - rotation, scale - stretch
    block[..., 0, 2] = block[..., 1, 3] = 1
    phi = _exponential(block)[..., :2, 2:]
    return torch.linalg.solve(phi, matrix[..., :2, 2])


def _exponential(matrix: Tensor) -> Tensor:
    """Exponentiate in double precision: torch's float32 result is off by up to 3e-5."""
    return torch.linalg.matrix_exp(matrix.double()).to(matrix.dtype)


def _checked(matrix: Tensor) -> Tensor:
    """Return the matrix if it can be a map of the plane."""
    if matrix.shape[-2:] != (3, 3) or not matrix.is_floating_point():
        raise ValueError(
            f"an affine map is a (*batch, 3, 3) matrix of floats, got shape {tuple(matrix.shape)} "
            f"and {matrix.dtype}: build one with from_parameters or exp"
        )
    return matrix


def _entries(matrix: Tensor) -> tuple[Tensor, ...]:
    """Return a, b, x, c, d, y of [[a, b, x], [c, d, y], [0, 0, 1]]."""
    return _checked(matrix)[..., :2, :].flatten(-2).unbind(-1)


def _from_rows(top: tuple[Tensor, ...], middle: tuple[Tensor, ...]) -> Tensor:
    """Stack two rows of entries over (0, 0, 1)."""
    zero = torch.zeros_like(top[0])
    rows = [torch.stack(row, -1) for row in (top, middle, (zero, zero, zero + 1))]
    return torch.stack(rows, -2)
