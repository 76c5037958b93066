"""Whether symmetry statistics are poses: what of the true pose can be read off them linearly."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.metrics.shapes import require_shapes

__all__ = ["pose_recovery"]


def pose_recovery(
    statistics: Float[Tensor, "n dimensions"],
    true: Float[Tensor, "n parameters"],
    labels: Int64[Tensor, " n"],
) -> Float[Tensor, " parameters"]:
    """Regress true pose parameters on symmetry statistics; return R² of each parameter.

    Which pose of a class is its canonical one is for the model to choose, so every class has an
    offset of its own; the slopes are common to all. Parameters that never change give NaN.

    Args:
        statistics: coordinates that the pose net reads, such as h of `ACE.encode`.
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
