"""Probes: what simple regressions find in the codes of any encoder."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor

from symgen._typed import Count
from symgen.likelihoods.base import full_precision
from symgen.metrics.disentanglement import Seed
from symgen.metrics.inputs import takes_arrays

__all__ = ["Accuracy", "linear_probe", "phase_r2", "phases", "pooled_capsules"]

_ROUNDING = 1e-12  # of angles that are the same


class Accuracy(NamedTuple):
    """Share of test items that a probe classifies correctly after training on some labels.

    Mean and standard deviation over several draws of that many labels; std is nan for one draw.

    Returned by `linear_probe`.

    Attributes:
        labels: labels that were given.
        mean, std: of the share, 0 to 1.
    """

    labels: int
    mean: float
    std: float


@takes_arrays
def linear_probe(
    codes: Float[Tensor, "n features"],
    labels: Int64[Tensor, " n"],
    test_codes: Float[Tensor, "m features"],
    test_labels: Int64[Tensor, " m"],
    sizes: Sequence[Count | None] = (10, 100, 1000, None),
    draws: Count = 5,
    seed: Seed = 0,
) -> list[Accuracy]:
    """Measure how well a linear classifier of the codes does with few labels and with many.

    Logistic regression on standardised codes. A draw of labels holds equally many of each class,
    up to one; all draws of a size are different, and the same for every encoder.

    Args:
        codes, labels: what may be trained on.
        test_codes, test_labels: what is measured on.
        sizes: numbers of labels, at least one for each class; None is one draw of all of them.
        draws, seed: how many draws of each size, and their seed.

    Example:
        >>> labels = torch.arange(200) % 2
        >>> codes = 10.0 * labels[:, None] + torch.rand(200, 3)
        >>> [round(a.mean, 2) for a in linear_probe(codes, labels, codes, labels, (10, None))]
        [1.0, 1.0]
    """
    from sklearn.linear_model import LogisticRegression  # here: it takes a second to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if 0 in codes.shape or not len(test_codes):
        shapes = f"codes {tuple(codes.shape)} and test_codes {tuple(test_codes.shape)}"
        raise ValueError(f"{shapes}: give a feature and an item of each at least")
    classes = labels.unique().numel()
    if classes < 2:
        raise ValueError(f"labels hold {classes} class: a classifier needs two at least")
    for size in sizes:
        if size is not None and not classes <= size <= len(labels):
            counts = f"there are {len(labels)} labels of {classes} classes"
            raise ValueError(f"size {size}: {counts}; choose a number between these two")
    x, test_x = (full_precision(part).numpy(force=True) for part in (codes, test_codes))
    y, test_y = (part.numpy(force=True) for part in (labels, test_labels))
    result = []
    for size in sizes:
        scores = []
        for draw in range(1 if size is None else draws):
            order = np.random.default_rng((seed, draw)).permutation(len(y))
            chosen = order if size is None else _balanced(y, order)[:size]
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
            scores.append(probe.fit(x[chosen], y[chosen]).score(test_x, test_y))
        spread = float(np.std(scores, ddof=1)) if len(scores) > 1 else float("nan")
        result.append(Accuracy(size or len(y), float(np.mean(scores)), spread))
    return result


def _balanced(y: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Sort an order such that up to any place every class is chosen equally often, up to one."""
    rank = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        members = order[y[order] == label]
        rank[members] = np.arange(len(members))
    return order[np.argsort(rank[order], kind="stable")]


@takes_arrays
def pooled_capsules(t: Float[Tensor, "*batch C D"]) -> Float[Tensor, "*batch C"]:
    """Return the length of every capsule, which no roll changes.

    Args:
        t: capsules.

    Example:
        >>> t = torch.tensor([[3.0, 4.0, 0.0]])
        >>> pooled_capsules(t), pooled_capsules(t.roll(1, -1))
        (tensor([5.]), tensor([5.]))
    """
    return t.norm(dim=-1)


@takes_arrays
def phases(t: Float[Tensor, "*batch C D"]) -> Float[Tensor, "*batch two_C"]:
    """Return cosine and sine of the phase of every capsule's first Fourier component.

    A roll by k units of D turns the phase by 2πk/D and does nothing else to it.

    Args:
        t: capsules.

    Example:
        >>> t = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> phases(t)[0].item(), phases(t.roll(2, -1))[0].item()
        (1.0, -1.0)
    """
    if t.shape[-1] < 2:
        raise ValueError(f"t of shape {tuple(t.shape)}: a phase takes two units at least")
    if not t.numel():  # the Fourier transform refuses to transform nothing
        return torch.cat([t[..., 0], t[..., 0]], -1)
    first = torch.fft.rfft(full_precision(t))[..., 1]
    unit = first / first.abs().clamp_min(torch.finfo(t.dtype).tiny)
    return torch.cat([unit.real, -unit.imag], -1).to(t.dtype)


@takes_arrays
def phase_r2(
    t: Float[Tensor, "n C D"],
    factor: Real[Tensor, " n"],
    period: Count,
    test_t: Float[Tensor, "m C D"],
    test_factor: Real[Tensor, " m"],
) -> float:
    """Measure how much of a cyclic factor is linear in the capsules' phases.

    R² of the ridge regression of cosine and sine of 2πf/period together on the `phases`, fitted to
    `t, factor` and measured on the test data: 1 for a perfect fit, 0 for the mean, nan for a test
    factor that never changes. A factor wraps around after `period` values.

    Args:
        t: capsules to fit to.
        factor: their values of the factor, from 0.
        period: number of values after which it wraps around.
        test_t, test_factor: capsules and values to measure on.

    Example:
        >>> factor, base = torch.arange(60) % 6, torch.eye(2, 6)[None]
        >>> t = torch.cat([base.roll(int(k), -1) for k in factor])
        >>> round(phase_r2(t, factor, 6, t, factor), 3)
        1.0
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if min(len(t), len(test_t)) < 2 or not t.shape[1]:
        shapes = f"t {tuple(t.shape)} and test_t {tuple(test_t.shape)}"
        raise ValueError(f"{shapes}: give a capsule and two items of each at least")
    x, test_x = (phases(part).numpy(force=True) for part in (t, test_t))
    angles = (2 * np.pi * part.numpy(force=True) / period for part in (factor, test_factor))
    y, test_y = (np.stack([np.cos(angle), np.sin(angle)], 1) for angle in angles)
    reader = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 15)))
    error = np.square(reader.fit(x, y).predict(test_x) - test_y).sum()
    spread = np.square(test_y - test_y.mean(0)).sum()
    return float(1 - error / spread) if spread > _ROUNDING else float("nan")
