"""Scores of disentanglement: whether single codes stand for single factors."""

from typing import Annotated, NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from symgen._typed import Count, Range
from symgen.likelihoods.base import full_precision
from symgen.metrics.inputs import takes_arrays

__all__ = ["DCI", "dci", "mutual_information_gap"]

_TINY = 1e-12
Seed = Annotated[int, Range(0, 2**32 - 1)]  # of numpy's generators


@takes_arrays
def mutual_information_gap(
    codes: Float[Tensor, "n K"], factors: Int64[Tensor, "n F"], bins: Count = 20
) -> float:
    """Compute MIG (Chen et al. 2018, eq. 6): how far one code is ahead for each factor.

    The mean over factors of `(I(z₁; f) − I(z₂; f)) / H(f)`, where z₁ and z₂ are the two codes that
    share most information with f: 1 if a single code informs about each factor, 0 if two always
    inform equally. Few images bias it: compare with shuffled factors.

    Args:
        codes, factors: at least two codes, and the factors, a row per image. A factor with a
            single value is left out.
        bins: bins of equal width of each code.

    Example:
        >>> import torch
        >>> factors = torch.cartesian_prod(torch.arange(4), torch.arange(5))
        >>> round(mutual_information_gap(factors.float(), factors), 3)
        1.0
    """
    from sklearn.metrics import mutual_info_score  # here: it takes a second to import

    z = full_precision(codes).numpy(force=True)
    f = factors[:, _varying(codes, factors)].numpy(force=True)
    low, high = z.min(0), z.max(0)
    width = np.where(high > low, high - low, 1)
    binned = np.minimum((bins * (z - low) / width).astype(np.int64), bins - 1)
    gaps = []
    for values in f.T:
        *_, second, first = sorted(mutual_info_score(code, values) for code in binned.T)
        gaps.append((first - second) / mutual_info_score(values, values))
    return float(np.mean(gaps))


class DCI(NamedTuple):
    """The three scores of Eastwood & Williams (2018), each 1 at best.

    Returned by `dci`.

    Attributes:
        disentanglement: whether each code informs about one factor only, weighted by how much.
        completeness: whether each factor is captured by one code only.
        informativeness: share of the factors' values that are inferred correctly from the codes.
    """

    disentanglement: float
    completeness: float
    informativeness: float


@takes_arrays
def dci(
    codes: Float[Tensor, "n K"],
    factors: Int64[Tensor, "n F"],
    test_codes: Float[Tensor, "m K"],
    test_factors: Int64[Tensor, "m F"],
    trees: Count = 50,
    seed: Seed = 0,
) -> DCI:
    """Compute disentanglement, completeness and informativeness (Eastwood & Williams 2018).

    A random forest that infers a factor from all codes gives the importance of each. Codes that
    never change score 0 in the first two.

    Args:
        codes, factors: to which the forests are fitted, as in `mutual_information_gap`.
        test_codes, test_factors: on which informativeness is measured.
        trees, seed: trees of each forest, and the seed of all.

    Example:
        >>> import torch
        >>> factors = torch.cartesian_prod(torch.arange(4), torch.arange(5)).repeat(5, 1)
        >>> [round(score, 2) for score in dci(factors.float(), factors, factors.float(), factors)]
        [1.0, 1.0, 1.0]
    """
    from sklearn.ensemble import RandomForestClassifier

    varying = _varying(codes, factors)
    if not len(test_codes):
        raise ValueError(f"test_codes of shape {tuple(test_codes.shape)}: give a row at least")
    x, test_x = (full_precision(part).numpy(force=True) for part in (codes, test_codes))
    y, test_y = (part[:, varying].numpy(force=True) for part in (factors, test_factors))
    importances, scores = [], []
    for values, test_values in zip(y.T, test_y.T, strict=True):
        forest = RandomForestClassifier(trees, random_state=seed)
        forest.set_params(max_features=1.0).fit(x, values)  # every split looks at all codes
        importances.append(forest.feature_importances_)
        scores.append(forest.score(test_x, test_values))
    table = np.stack(importances, 1)  # (K, F)
    weight = table.sum(1) / max(table.sum(), _TINY)
    disentanglement = float(weight @ _one_sidedness(table))
    return DCI(disentanglement, float(_one_sidedness(table.T).mean()), float(np.mean(scores)))


def _one_sidedness(table: np.ndarray) -> np.ndarray:
    """Return 1 minus the entropy of each row, relative to the greatest; 0 for a row of zeros."""
    total = table.sum(1)
    share = table / np.maximum(total, _TINY)[:, None]
    entropy = -(share * np.log(np.maximum(share, _TINY))).sum(1)
    return np.where(total > 0, 1 - entropy / np.log(max(table.shape[1], 2)), 0.0)


def _varying(codes: Tensor, factors: Tensor) -> Tensor:
    """Return which factors vary, after a check that there are some and two codes."""
    if codes.shape[1] < 2 or not len(codes) or not factors.shape[1]:
        shapes = f"codes {tuple(codes.shape)} and factors {tuple(factors.shape)}"
        raise ValueError(f"{shapes}: give two codes at least, and a factor, for some images")
    varying = (factors.amin(0) < factors.amax(0)).cpu()
    if not varying.any():
        raise ValueError(f"factors of shape {tuple(factors.shape)}: none of them varies")
    return varying
