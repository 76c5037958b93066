"""Log-likelihood of sequences by importance sampling, and what no model can do better than."""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import checked
from symgen._typed import Count
from symgen.likelihoods import Likelihood, LikelihoodName, make_likelihood
from symgen.metrics.inputs import takes_arrays

__all__ = [
    "MixtureBounds",
    "entropy_floor",
    "log_likelihood",
    "mixture_bounds",
    "paper_estimate",
    "sequence_bound",
]


@takes_arrays
def sequence_bound(weights: Float[Tensor, "K B S"]) -> Float[Tensor, " B"]:
    """Bound the log-likelihood of sequences from below, in nats per frame.

    `(1/S) [log sum_k exp sum_l w_k(l) - log K]` for the log `weights` of K samples, from
    `model.log_weights`: a sample is weighted as a whole sequence, since the latents of a frame
    depend on those of its neighbours. In expectation it grows with K towards
    `log p(x_1, …, x_S) / S` (Burda, Grosse & Salakhutdinov 2016, eq. 8).

    Args:
        weights: log importance weights of K samples, in nats.

    Example:
        >>> weights = torch.tensor([[[-2.0, -4.0]], [[-4.0, -2.0]]])  # (K, B, S) = (2, 1, 2)
        >>> sequence_bound(weights), paper_estimate(weights)
        (tensor([-3.]), tensor([-1.8731]))
    """
    samples, _, frames = _require_some(weights)
    return (weights.sum(-1).logsumexp(0) - math.log(samples)) / frames


@takes_arrays
def paper_estimate(weights: Float[Tensor, "K B S"]) -> Float[Tensor, " B"]:
    """Estimate the log-likelihood as the authors of the Topographic VAE do, in nats per frame.

    `(1/S) sum_l log sum_k exp w_k(l)`, without `- log K`, so that it is log K too high (2.303
    nats for 10 samples); and frame by frame, although the latents of a frame depend on samples
    that its weight leaves out, so that it is no bound even then. For comparison with the published
    tables only (Keller & Welling 2021, Table 1); `weights` as in `sequence_bound`.

    Args:
        weights: log importance weights of K samples, in nats.

    Example:
        >>> paper_estimate(torch.zeros(10, 3, 5))  # log 10
        tensor([2.3026, 2.3026, 2.3026])
    """
    _require_some(weights)
    return weights.logsumexp(0).mean(-1)


def _require_some(weights: Tensor) -> torch.Size:
    """Return the shape of weights of at least one sample and one frame."""
    if 0 in (weights.shape[0], weights.shape[2]):
        raise ValueError(f"weights of shape {tuple(weights.shape)}: give a sample and a frame")
    return weights.shape


_CONVENTIONS = {"bound": sequence_bound, "paper": paper_estimate}
_IMAGES = 512  # decoded at once: enough for full speed, few enough to stay in the cache


@checked
@torch.no_grad()
def log_likelihood(
    model: Any, x: Float[Tensor, "B S *data"], samples: Count = 10, convention: str = "bound"
) -> Float[Tensor, " B"]:
    """Estimate log p(x) by importance sampling, in nats per frame.

    Large batches are taken in parts. To have both conventions from the same samples, call
    `model.log_weights` and then `sequence_bound` and `paper_estimate`.

    Args:
        model, x: a model, and sequences of data. `model.log_weights(x, samples)` is
            log p(x, z) - log q(z|x) of every frame for K samples of z, (K, B, S).
        samples: number of importance samples, K.
        convention: "bound" for `sequence_bound`, "paper" for `paper_estimate`.

    Example:
        >>> from symgen.models.tvae import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, units=6, frames=6, window=3)
        >>> log_likelihood(model, torch.rand(5, 6, 1, 8, 8)).shape
        torch.Size([5])
    """
    if convention not in _CONVENTIONS:
        raise ValueError(f"convention={convention!r}: choose one of {sorted(_CONVENTIONS)}")
    estimate = _CONVENTIONS[convention]
    parts = x.split(max(1, _IMAGES // x.shape[1]))
    return torch.cat([estimate(model.log_weights(part, samples)) for part in parts])


@takes_arrays
def entropy_floor(
    x: Float[Tensor, "B S *data"], likelihood: LikelihoodName | Likelihood = "bernoulli"
) -> Float[Tensor, " B"]:
    """Compute the least negative log-likelihood that data can have, in nats per frame.

    Of gray levels under Bernoulli values it is `sum -x log x - (1 - x) log(1 - x)`, 0 for binary
    images: the best probability of a pixel is its own value. No model has a log-likelihood above
    minus this floor, so only the distance from it tells models apart. Likelihoods, by name or as
    values, other than "bernoulli" and "poisson" have no floor: nan.

    Args:
        x: sequences of data.
        likelihood: by name or as a value.

    Example:
        >>> entropy_floor(torch.full((1, 2, 1, 4, 4), 0.5)) / math.log(2)
        tensor([16.])
    """
    floor = make_likelihood(likelihood).entropy_floor(x, x.dim() - 2)
    return x.new_full(x.shape[:1], math.nan) if floor is None else floor.mean(-1)


class MixtureBounds(NamedTuple):
    """Bounds on -log p(x), nats per image; p(x) = Σ_c p_c(x) / C.

    Returned by `mixture_bounds`.

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
    bounds: Float[Tensor, "B classes"], class_log_probs: Float[Tensor, "B classes"]
) -> MixtureBounds:
    """Combine the bounds of all classes without a label (Georgiev 2016, eq. 4.1).

    `bounds` are U_c ≥ -log p_c(x) for every class, and `class_log_probs` log-probabilities of the
    classes by a classifier. Always tight ≤ valid and paper ≤ valid ≤ paper + log C. Where the
    classifier is certain, paper is the bound of its class.

    Args:
        bounds: U_c, in nats.
        class_log_probs: logarithms of probabilities.

    Example:
        >>> sure = torch.tensor([[0.0, -200.0]])
        >>> [round(float(u), 3) for u in mixture_bounds(torch.tensor([[100.0, 300.0]]), sure)]
        [100.0, 100.693, 100.693]
    """
    if not bounds.shape[1]:
        raise ValueError(f"bounds of shape {tuple(bounds.shape)}: give one class at least")
    count = math.log(bounds.shape[1])
    omega = class_log_probs.exp()
    # A class of probability 0 adds nothing, whatever its bound.
    paper = torch.where(omega > 0, omega * bounds, 0).sum(1)
    entropy = -torch.where(omega > 0, omega * class_log_probs, 0).sum(1)
    return MixtureBounds(paper, paper + count - entropy, count - (-bounds).logsumexp(1))
