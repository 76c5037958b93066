"""Whether symmetry statistics are poses: how well the true pose is linear in them."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.groups import affine
from symgen.metrics.inputs import one_hot, takes_arrays

__all__ = ["angle_errors", "pose_coordinates", "pose_recovery"]


@takes_arrays
def pose_coordinates(maps: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 6"]:
    """Return coordinates of affine maps in which those of similarities are linear.

    Six for each map, such as `affine` of the pose that `ACE.encode` infers: the four generators
    of the linear part (rotation in radians, logarithm of the scale, stretch, shear) and the shift
    in pixels. With the generators of the shift instead a perfect pose would not score 1:
    the shift of a map is theirs times a matrix that depends on the rotation. A linear part without
    principal logarithm counts as the identity.

    Args:
        maps: maps in pixels from the middle of the image.

    Example:
        >>> pose_coordinates(affine.exp(torch.tensor([[0.5, 0.1, 0, 0, 0, 0]])))
        tensor([[0.5000, 0.1000, 0.0000, 0.0000, 0.0000, 0.0000]])
    """
    known = affine.has_log(maps)[..., None, None]
    identity = torch.eye(3, dtype=maps.dtype, device=maps.device)
    linear = affine.log(torch.where(known, maps, identity))[..., :4]
    return torch.cat([linear, maps[..., :2, 2]], -1)


@takes_arrays
def pose_recovery(
    statistics: Float[Tensor, "n dimensions"],
    true: Float[Tensor, "n parameters"],
    labels: Int64[Tensor, " n"],
) -> Float[Tensor, " parameters"]:
    """Regress true pose parameters on symmetry statistics; return R² of each parameter.

    The model is free to choose the canonical pose of a class, so every class has an offset of its
    own; the slopes are common to all. There must be more images than statistics and classes.

    Args:
        statistics, labels: coordinates of the inferred poses, such as `pose_coordinates`; classes.
        true: parameters of the true poses, such as angle, log scale and shifts; a parameter that
            never changes gives nan.

    Example:
        >>> true, labels = torch.randn(50, 2), torch.arange(50) % 3
        >>> pose_recovery(true @ torch.tensor([[1.0, 2.0], [0.5, -1.0]]), true, labels)
        tensor([1., 1.])
    """
    offsets = one_hot(labels)[1]
    regressors = torch.cat([statistics.double(), offsets], 1).cpu()
    if len(labels) <= regressors.shape[1]:
        raise ValueError(
            f"{len(labels)} examples for a regression on {regressors.shape[1]} numbers: give more"
        )
    target = true.double().cpu()
    # gelsd, because a class that is absent or a constant statistic leaves the rank short.
    left = target - regressors @ torch.linalg.lstsq(regressors, target, driver="gelsd").solution
    unexplained, total = (a.square().sum(0) for a in (left, target - target.mean(0)))
    return torch.where(total > 0, 1 - unexplained / total, torch.nan).to(true)


@takes_arrays
def angle_errors(
    found: Float[Tensor, " n"],
    true: Float[Tensor, " n"],
    labels: Int64[Tensor, " n"],
    symmetry: Int64[Tensor, " n"],
) -> Float[Tensor, " n"]:
    """Return how far inferred angles are from the true ones, in degrees.

    The model is free to choose the canonical pose of a class, so every class has an offset of its
    own, the one that is best in the sense of the circle; and an object that looks the same after a
    turn by 360° / `symmetry` may be found in any of these poses.

    Args:
        found, true: angles in degrees.
        labels: classes that have an offset each, such as those that the model found.
        symmetry: order of each object's rotational symmetry, 1 for none.

    Example:
        >>> true = torch.tensor([0.0, 30.0, 90.0])
        >>> turned, same = true + 200.0, torch.zeros(3, dtype=torch.int64)
        >>> angle_errors(turned, true, same, same + 2).round().abs()
        tensor([0., 0., 0.])
    """
    if not bool((symmetry >= 1).all()):
        raise ValueError(f"symmetry as little as {int(symmetry.min())}: give 1 for none, or more")
    period = 360.0 / symmetry
    phase = torch.deg2rad((found - true) * symmetry).double()
    errors = torch.empty_like(phase)
    for label in labels.unique():
        for order in symmetry.unique():
            mine = (labels == label) & (symmetry == order)
            if mine.any():
                offset = torch.atan2(phase[mine].sin().mean(), phase[mine].cos().mean())
                left = torch.remainder(phase[mine] - offset + torch.pi, 2 * torch.pi) - torch.pi
                errors[mine] = left.abs()
    return (errors / (2 * torch.pi) * period).to(found)
