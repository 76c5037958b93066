"""Whether clusters are the classes that people see."""

from typing import NamedTuple

import torch
from jaxtyping import Int64
from torch import Tensor

from symgen.metrics.inputs import takes_arrays

__all__ = ["ClusterScores", "cluster_scores"]


class ClusterScores(NamedTuple):
    """How far clusters agree with classes, in percent of the images.

    Returned by `cluster_scores`.

    Attributes:
        matched: whose cluster is that of their class when each class has one cluster and each
            cluster one class at most, in the way that makes this most.
        majority: whose class is the most frequent one of their cluster; several clusters may
            stand for a class, so that it grows with their number.
        used: clusters with images, a number.
    """

    matched: float
    majority: float
    used: int


@takes_arrays
def cluster_scores(found: Int64[Tensor, " n"], true: Int64[Tensor, " n"]) -> ClusterScores:
    """Compare clusters with classes, whatever their numbers.

    Args:
        found: cluster of every item, from 0.
        true: class of every item, from 0.

    Example:
        >>> cluster_scores(torch.tensor([2, 2, 0, 0, 1]), torch.tensor([0, 0, 1, 1, 1]))
        ClusterScores(matched=80.0, majority=100.0, used=3)
    """
    from scipy.optimize import linear_sum_assignment  # a third of a second to import

    if not len(found):
        raise ValueError("no images to score: give one at least")
    counts = torch.zeros(int(found.max()) + 1, int(true.max()) + 1, dtype=torch.int64)
    counts.index_put_((found.cpu(), true.cpu()), torch.ones(len(found)).long(), accumulate=True)
    pairs = linear_sum_assignment(counts.numpy(), maximize=True)
    matched = int(counts[pairs].sum())
    majority, used = int(counts.amax(1).sum()), int((counts.sum(1) > 0).sum())
    return ClusterScores(100 * matched / len(found), 100 * majority / len(found), used)
