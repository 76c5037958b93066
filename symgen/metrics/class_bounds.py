"""Bounds on the likelihood of a model that has a part for every class."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.metrics.inputs import require_shapes, takes_arrays

__all__ = ["MixtureBounds", "mixture_bounds"]


class MixtureBounds(NamedTuple):
    """Bounds on -log p(x), nats per image; p(x) = Σ_c p_c(x) / C.

    Attributes:
        paper: Σ ω_c U_c, what the paper reports. It bounds -log Σ ω_c(x) p_c(x), which is no
            density: it is too low by up to log C.
        valid: Σ ω_c (U_c + log(C ω_c)), a true bound with the classifier as q(c|x).
        tight: -log Σ exp(-U_c) / C, a true bound with the best q(c|x), without a classifier.
    """

    paper: Float[Tensor, " B"]
    valid: Float[Tensor, " B"]
    tight: Float[Tensor, " B"]


@takes_arrays
def mixture_bounds(
    bounds: Float[Tensor, "B classes"], log_omega: Float[Tensor, "B classes"]
) -> MixtureBounds:
    """Combine the bounds of all classes without a label (Georgiev 2016, eq. 4.1).

    `bounds` are U_c ≥ -log p_c(x) for every class, and `log_omega` log-probabilities of the
    classes by a classifier. Always tight ≤ valid and paper ≤ valid ≤ paper + log C. Where the
    classifier is certain, paper is the bound of its class.

    Example:
        >>> sure = torch.tensor([[0.0, -200.0]])
        >>> [round(float(u), 3) for u in mixture_bounds(torch.tensor([[100.0, 300.0]]), sure)]
        [100.0, 100.693, 100.693]
    """
    require_shapes(("bounds", bounds, "B classes"), ("log_omega", log_omega, "B classes"))
    count = math.log(bounds.shape[1])
    omega = log_omega.exp()
    # A class of probability 0 adds nothing, whatever its bound.
    paper = torch.where(omega > 0, omega * bounds, 0).sum(1)
    entropy = -torch.where(omega > 0, omega * log_omega, 0).sum(1)
    return MixtureBounds(paper, paper + count - entropy, count - (-bounds).logsumexp(1))
