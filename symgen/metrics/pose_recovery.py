"""Whether symmetry statistics are poses: what of the true pose can be read off them linearly."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.groups import affine
from symgen.metrics.arrays import takes_arrays
from symgen.metrics.shapes import require_shapes

__all__ = ["pose_coordinates", "pose_recovery"]


@takes_arrays
def pose_coordinates(
    maps: Float[Tensor, "*batch groups 3 3"],
) -> Float[Tensor, "*batch dimensions"]:
    """Return coordinates of affine maps in which those of similarities are linear.

    Six for each group of feature maps: the four generators of the linear part (rotation in
    radians, logarithm of the scale, stretch, shear) and the shift in pixels. On all six generators
    a perfect pose would not score 1, since the shift of a map is that of the generators times a
    matrix that depends on the rotation.

    Args:
        maps: poses, such as `affine` of the pose that `ACE.encode` reads. A linear part without
            principal logarithm counts as the identity.

    Returns:
        The coordinates of all groups, one after the other.

    Example:
        >>> pose_coordinates(affine.exp(torch.tensor([[[0.5, 0.1, 0, 0, 0, 0]]])))
        tensor([[0.5000, 0.1000, 0.0000, 0.0000, 0.0000, 0.0000]])
    """
    known = affine.has_log(maps)[..., None, None]
    identity = torch.eye(3, dtype=maps.dtype, device=maps.device)
    linear = affine.log(torch.where(known, maps, identity))[..., :4]
    return torch.cat([linear, maps[..., :2, 2]], -1).flatten(-2)


@takes_arrays
def pose_recovery(
    statistics: Float[Tensor, "n dimensions"],
    true: Float[Tensor, "n parameters"],
    labels: Int64[Tensor, " n"],
) -> Float[Tensor, " parameters"]:
    """Regress true pose parameters on symmetry statistics; return R² of each parameter.

    Which pose of a class is its canonical one is for the model to choose, so every class has an
    offset of its own; the slopes are common to all. Parameters that never change give NaN.

    Args:
        statistics: coordinates of the poses that are read, such as `pose_coordinates`.
        true: parameters of the true poses, such as angle, log scale and shifts.
        labels: class of every image.

    Raises:
        ValueError: if the lengths differ or there are too few images for the regression.

    Example:
        >>> true, labels = torch.randn(50, 2), torch.arange(50) % 3
        >>> pose_recovery(true @ torch.tensor([[1.0, 2.0], [0.5, -1.0]]), true, labels)
        tensor([1., 1.])
    """
    require_shapes(
        ("statistics", statistics, "n dimensions"),
        ("true", true, "n parameters"),
        ("labels", labels, "n"),
    )
    offsets = torch.nn.functional.one_hot(labels).double()
    regressors = torch.cat([statistics.double(), offsets], 1)
    if len(labels) <= regressors.shape[1]:
        raise ValueError(
            f"{len(labels)} images for a regression on {regressors.shape[1]} numbers: give more"
        )
    target = true.double()
    # gelsd, because a class that is absent or a constant statistic leaves the rank short.
    solution = torch.linalg.lstsq(regressors.cpu(), target.cpu(), driver="gelsd").solution
    left = target.cpu() - regressors.cpu() @ solution
    spread = target.cpu() - target.cpu().mean(0)
    unexplained, total = left.square().sum(0), spread.square().sum(0)
    return torch.where(total > 0, 1 - unexplained / total, torch.nan).to(true)
