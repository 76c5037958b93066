"""The affine group of the plane, Aff(2, R), and its Lie algebra.

An element is the matrix [[A, b], [0, 1]] of the map u -> A u + b on points u = (x, y): x to the
right, y down, in pixels, from the centre of `warp`. As the *pose* of an image it says that
canonical coordinate u reads the image at A u + b. Positive angles turn counter-clockwise as seen
on the screen.

The algebra has six generators, in this order: rotation, scale (equal in both directions), stretch
(x longer, y shorter), shear (x and y longer along one diagonal), shift along x, shift along y.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symgen._inputs import checked
from symgen.groups._flow import combine, deviator, flow, precise

__all__ = [
    "Parts",
    "Similarity",
    "check_pose",
    "compose",
    "compose_generators",
    "exp",
    "from_parameters",
    "from_raw",
    "has_log",
    "inverse",
    "log",
    "to_parameters",
    "to_parts",
]

_CONFORMAL_LEAST = 1e-3  # a conformal part shorter than this has no direction to speak of


class Parts(NamedTuple):
    """What a map is made of: scale · rotation · exp[[stretch, shear], [shear, -stretch]], a shift.

    Returned by `to_parts`.

    Attributes:
        angle: radians, counter-clockwise on the screen, in (-π, π].
        scale: enlargement, the root of the determinant.
        stretch: logarithm by which x is longer and y shorter.
        shear: the same along the diagonals.
        shift: pixels along x and y.
    """

    angle: Float[Tensor, "*batch"]
    scale: Float[Tensor, "*batch"]
    stretch: Float[Tensor, "*batch"]
    shear: Float[Tensor, "*batch"]
    shift: Float[Tensor, "*batch 2"]


class Similarity(NamedTuple):
    """The parameters of a similarity.

    Returned by `to_parameters`.

    Attributes:
        angle: radians, counter-clockwise on the screen.
        scale: enlargement, positive.
        shift: pixels along x and y.
    """

    angle: Float[Tensor, "*batch"]
    scale: Float[Tensor, "*batch"]
    shift: Float[Tensor, "*batch 2"]


@checked
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

    Example:
        >>> from_parameters(torch.zeros(2), torch.tensor([1.0, 2.0])).diagonal(dim1=1, dim2=2)
        tensor([[1., 1., 1.],
                [2., 2., 1.]])
    """
    a, b = torch.broadcast_tensors(scale * angle.cos(), scale * angle.sin())
    shift = a.new_zeros(2) if shift is None else shift
    a, b, x, y = torch.broadcast_tensors(a, b, *shift.unbind(-1))
    return _from_rows((a, b, x), (-b, a, y))


def from_raw(
    raw: Float[Tensor, "*batch 6"], least: float = 0.2, greatest: float = 5.0
) -> Float[Tensor, "*batch 3 3"]:
    """Add six numbers to the identity, and keep the determinant of the sum between two bounds.

    The map is [[1 + r0, r1, r4], [r2, 1 + r3, r5]], the six outputs of a spatial transformer
    (Jaderberg et al. 2015), as used for symmetry statistics (Georgiev 2016, arXiv 1511.02841),
    wherever its determinant is inside the bounds. Elsewhere A = P + Q is split into its conformal
    part P = [[p, -s], [s, p]], a rotation times a length, and its anti-conformal part Q, a
    reflection times a length: det A = |P|² - |Q|². Q is kept and P gets the length
    √(bound + |Q|²). This is continuous and has finite gradients, while that of a singular value
    decomposition divides by |Q|, which is 0 at the identity.

    The one jump is at pure reflections, which have no nearest rotation: P shorter than 1e-3 counts
    as pointing along the identity, so that gradients stay bounded. No guard can do without a jump,
    because the loop of the rotations contracts to a point among all matrices but not among those
    of positive determinant.

    Args:
        raw: six numbers, 0 for the identity.
        least: lower bound of det A, above 0 and at most 1.
        greatest: upper bound of det A, at least 1.

    Raises:
        ValueError: if the last dimension is not 6, or the bounds do not enclose 1.

    Example:
        >>> reflection = torch.tensor([-2.0, 0.0, 0.0, 0.0, 3.0, 0.0])
        >>> maps = from_raw(torch.stack([torch.zeros(6), reflection]))
        >>> maps[0].equal(torch.eye(3)), maps[:, :2, :2].det()
        (True, tensor([1.0000, 0.2000]))
    """
    if raw.shape[-1:] != (6,) or not raw.is_floating_point():
        raise ValueError(
            f"from_raw takes (*batch, 6) numbers, got shape {tuple(raw.shape)} and {raw.dtype}: "
            "give floats, those of A row by row, then shift x, shift y"
        )
    if not 0 < least <= 1 <= greatest:
        raise ValueError(
            f"from_raw got bounds {least} and {greatest}: choose 0 < least <= 1 <= greatest, "
            "so that the identity is inside"
        )
    a, b, c, d, x, y = (raw + raw.new_tensor([1, 0, 0, 1, 0, 0])).unbind(-1)
    determinant = a * d - b * c
    along, across = (a + d) / 2, (b - c) / 2  # P = [[along, across], [-across, along]]
    anti_conformal = ((a - d) / 2).square() + ((b + c) / 2).square()  # |Q|²
    flat = along.square() + across.square() < _CONFORMAL_LEAST**2
    safe_along = torch.where(flat, _CONFORMAL_LEAST, along)
    safe_across = torch.where(flat, 0.0, across)
    conformal = safe_along.square() + safe_across.square()  # |P|²
    factor = ((determinant.clamp(least, greatest) + anti_conformal) / conformal).sqrt()
    inside = (least <= determinant) & (determinant <= greatest)
    more_along = torch.where(inside, 0.0, factor * safe_along - along)
    more_across = torch.where(inside, 0.0, factor * safe_across - across)
    return _from_rows((a + more_along, b + more_across, x), (c - more_across, d + more_along, y))


def check_pose(pose: Float[Tensor, "*batch 3 3"]) -> None:
    """Refuse a `pose` from outside, such as one a user typed, that is no invertible affine map.

    Looks at the values, so it waits for the device: for the edges of a program, not its loops.

    Raises:
        ValueError: if the shape is wrong, a value is infinite or not a number, a last row is not
            (0, 0, 1), or |det A| < 1e-6; the message repeats the first such matrix.

    Example:
        >>> check_pose(torch.zeros(3, 3))
        Traceback (most recent call last):
        ValueError: pose [[0.0, 0.0, 0.0], ...]] does not have the last row 0, 0, 1: give ...
    """
    matrices = _checked(pose).detach().reshape(-1, 3, 3).double().cpu()
    for matrix in matrices:
        a, b, _, c, d, _ = _entries(matrix)
        if not matrix.isfinite().all():
            fault = "has values that are not finite"
        elif not torch.equal(matrix[2], matrix.new_tensor([0, 0, 1])):
            fault = "does not have the last row 0, 0, 1"
        elif (a * d - b * c).abs() < 1e-6:
            fault = "is singular, it flattens the plane"
        else:
            continue
        raise ValueError(
            f"pose {matrix.tolist()} {fault}: give [[a, b, x], [c, d, y], [0, 0, 1]] with finite "
            "numbers and a d - b c away from 0"
        )


def to_parameters(matrix: Float[Tensor, "*batch 3 3"]) -> Similarity:
    """Find the angle, in (-π, π], the scale and the shift of affine maps with det A > 0.

    Exact for similarities. For any other map the angle is that of the rotation in the polar
    decomposition of A and the scale is the square root of det A.

    Args:
        matrix: affine maps with det A > 0.

    Example:
        >>> matrix = from_parameters(torch.tensor(0.5), torch.tensor(2.0))
        >>> angle, scale, shift = to_parameters(matrix)
        >>> round(float(angle), 4), round(float(scale), 4)
        (0.5, 2.0)
    """
    a, b, x, c, d, y = _entries(matrix)
    return Similarity(torch.atan2(b - c, a + d), (a * d - b * c).sqrt(), torch.stack([x, y], -1))


def to_parts(matrix: Float[Tensor, "*batch 3 3"]) -> Parts:
    """Take a `matrix` with det A > 0 apart by the polar decomposition, which each of them has.

    Half turns included, which have no principal logarithm.

    Example:
        >>> parts = to_parts(exp(torch.tensor([0.0, 0.0, 0.3, -0.2, 0.0, 0.0])))
        >>> round(float(parts.stretch), 4), round(float(parts.shear), 4)
        (0.3, -0.2)
    """
    angle, scale, shift = to_parameters(matrix)
    turned = from_parameters(-angle, 1 / scale) @ matrix
    a, b, _, c, d, _ = _entries(turned)
    stretch, shear = (a - d) / 2, (b + c) / 2
    size = torch.hypot(stretch, shear)
    factor = torch.where(size > 1e-6, size.asinh() / size.clamp(min=1e-6), 1.0)
    return Parts(angle, scale, factor * stretch, factor * shear, shift)


@checked
def compose(
    left: Float[Tensor, "*#batch 3 3"], right: Float[Tensor, "*#batch 3 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Compose maps, affine or projective: `right` acts first, then `left`.

    Example:
        >>> quarter = from_parameters(torch.tensor(torch.pi / 2), torch.tensor(1.0))
        >>> compose(quarter, quarter).round().diagonal()
        tensor([-1., -1.,  1.])
    """
    return left @ right


def inverse(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Invert the `matrix` of affine maps: [A⁻¹ | -A⁻¹ b], exact up to rounding.

    Where det A = 0 entries become infinite: a check would make every call wait for the device.

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

    Every value is invertible, zero is the identity, and `exp(-g)` is the inverse of `exp(g)`. A
    closed form, in double precision inside: it looks at no value, so it compiles to one graph,
    and coefficients whose exponential is beyond the range of numbers give infinity or NaN. All but
    six floats raise ValueError.

    Args:
        generators: coefficients of rotation (radians), scale (logarithm), stretch, shear and the
            two shifts (pixels).

    Example:
        >>> exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 5.0, -1.0]))
        tensor([[ 1.,  0.,  5.],
                [ 0.,  1., -1.],
                [ 0.,  0.,  1.]])
    """
    if generators.shape[-1:] != (6,) or not generators.is_floating_point():
        raise ValueError(
            f"exp takes (*batch, 6) coefficients, got shape {tuple(generators.shape)} and "
            f"{generators.dtype}: give floats, rotation, scale, stretch, shear, shift x, shift y"
        )
    double = precise(generators)
    rotation, scale, stretch, shear = double[..., :4].unbind(-1)
    traceless, square = deviator(rotation, stretch, shear)
    end, phi = flow(scale, square)
    shift = (combine(*phi, traceless) * double[..., None, 4:]).sum(-1, keepdim=True)
    top = torch.cat([combine(*end, traceless), shift], -1)
    last = top.new_tensor([[0, 0, 1]]).expand(*top.shape[:-2], 1, 3)
    return torch.cat([top, last], -2).to(generators.dtype)


def log(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Map a `matrix` back to the Lie algebra by the principal logarithm, the inverse of `exp`.

    It exists where no eigenvalue of A is zero or negative: det A > 0 and tr A > -2 √det A. Among
    similarities that is everything but half turns. `log(exp(g)) = g` for rotations below π.

    With A = √det A · B, the deviator N = B - ½ tr B · 1 has sinh²δ = -det N, cosh δ = ½ tr B, and
    log A = ½ log det A · 1 + (δ / sinh δ) N. The shift v solves φ(log A) v = b, where
    φ(M) = ∫₀¹ exp(sM) ds.

    Raises:
        ValueError: if a map lies outside the domain.

    Example:
        >>> log(from_parameters(torch.tensor(0.5), torch.tensor(1.0))).round(decimals=4)
        tensor([0.5000, 0.0000, 0.0000, 0.0000, 0.0000, 0.0000])
    """
    inside = has_log(matrix)
    if not inside.all():
        raise ValueError(
            f"{int((~inside).sum())} of {inside.numel()} affine maps have no principal logarithm: "
            "keep det A > 0 and tr A > -2 √det A (no reflections, no half turns)"
        )
    return _log(matrix)


def has_log(matrix: Float[Tensor, "*batch 3 3"]) -> Bool[Tensor, "*batch"]:
    """Return whether `log` takes each `matrix`: det A > 0 and tr A > -2 √det A.

    Example:
        >>> has_log(torch.stack([torch.eye(3), torch.diag(torch.tensor([-2.0, -0.5, 1.0]))]))
        tensor([ True, False])
    """
    a, b, _, c, d, _ = _entries(matrix)
    determinant = a * d - b * c
    return (determinant > 0) & (a + d > -2 * determinant.clamp(min=0).sqrt())


def compose_generators(
    generators: Float[Tensor, "*batch 6"], further: Float[Tensor, "*batch 6"]
) -> Float[Tensor, "*batch 6"]:
    """Compose two maps in the Lie algebra: `log(exp(generators) @ exp(further))`.

    Where the product has no principal logarithm, such as half a turn with a stretch, `generators`
    stay as they are. No value is looked at, so this compiles to one graph.

    Example:
        >>> turn = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
        >>> round(float(compose_generators(turn, turn)[0]), 4)
        2.0
    """
    product = compose(exp(generators), exp(further))
    inside = has_log(product)[..., None]
    identity = torch.eye(3, dtype=product.dtype, device=product.device)
    log = _log(torch.where(inside[..., None], product, identity))
    return torch.where(inside, log, generators + 0 * further)  # what is no number stays none


def _log(matrix: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Return the principal logarithm of maps that have one."""
    a, b, _, c, d, _ = _entries(matrix)
    root = (a * d - b * c).sqrt()
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
    """Solve φ(L) v = b for the shift v of the algebra."""
    rotation, scale, stretch, shear = map(precise, linear)
    traceless, square = deviator(rotation, stretch, shear)
    _, (one, along) = flow(scale, square)
    determinant = one.square() - square * along.square()
    inverse_phi = combine(one / determinant, -along / determinant, traceless)
    return (inverse_phi * matrix[..., None, :2, 2]).sum(-1).to(matrix.dtype)


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
