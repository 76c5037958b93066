"""Scores of disentanglement: whether single codes stand for single factors."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.metrics.arrays import takes_arrays

__all__ = ["DCI", "dci", "mutual_information_gap"]

_TINY = 1e-12


@takes_arrays
def mutual_information_gap(
    codes: Float[Tensor, "n K"], factors: Int64[Tensor, "n F"], bins: int = 20
) -> float:
    """Compute MIG (Chen et al. 2018, eq. 6): how far one code is ahead for each factor.

    `mean over factors of (I(z₁; f) − I(z₂; f)) / H(f)`, where z₁ and z₂ are the two codes that
    tell most of f, with codes divided into bins of equal width.

    Args:
        codes: one row per image.
        factors: the values that made it; a factor with a single value is left out.
        bins: bins of each code.

    Returns:
        1 if every factor is told by one code alone, 0 if always two or more tell it alike. With
        few images noise tells something too: compare with shuffled factors.

    Raises:
        ValueError: if there are fewer than two codes, or no factor varies.

    Example:
        >>> import torch
        >>> factors = torch.cartesian_prod(torch.arange(4), torch.arange(5))
        >>> round(mutual_information_gap(factors.float(), factors), 3)
        1.0
    """
    from sklearn.metrics import mutual_info_score  # here: it takes a second to import

    if codes.shape[1] < 2:
        raise ValueError(f"codes of shape {tuple(codes.shape)}: a gap needs two codes at least")
    z, f = codes.numpy(force=True), _varying(factors)
    low, high = z.min(0), z.max(0)
    width = np.where(high > low, high - low, 1)
    binned = np.minimum((bins * (z - low) / width).astype(np.int64), bins - 1)
    gaps = []
    for values in f.T:
        told = np.sort([mutual_info_score(code, values) for code in binned.T])
        gaps.append((told[-1] - told[-2]) / mutual_info_score(values, values))
    return float(np.mean(gaps))


class DCI(NamedTuple):
    """The three scores of Eastwood & Williams (2018), each 1 at best.

    Attributes:
        disentanglement: whether a code tells of one factor only, weighted by how much it tells.
        completeness: whether a factor is told by one code only.
        informativeness: share of the factors' values that are read rightly from the codes.
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
    trees: int = 50,
    seed: int = 0,
) -> DCI:
    """Compute disentanglement, completeness and informativeness (Eastwood & Williams 2018).

    The importance of each code for each factor is that of a random forest which reads the factor
    off all codes. Codes that never change tell nothing, which is 0 of the first two scores.

    Args:
        codes: codes that are fitted to, one row per image.
        factors: the values that made it; a factor with a single value is left out.
        test_codes: codes that informativeness is measured on.
        test_factors: their values.
        trees: trees of each forest.
        seed: seed of the forests.

    Raises:
        ValueError: if there are fewer than two codes or no factor varies.

    Example:
        >>> import torch
        >>> factors = torch.cartesian_prod(torch.arange(4), torch.arange(5)).repeat(5, 1)
        >>> codes = factors.float()
        >>> [round(score, 2) for score in dci(codes, factors, codes, factors)]
        [1.0, 1.0, 1.0]
    """
    from sklearn.ensemble import RandomForestClassifier

    if codes.shape[1] < 2:
        raise ValueError(f"codes of shape {tuple(codes.shape)}: DCI needs two codes at least")
    varying = _which_vary(factors)
    x, test_x = codes.numpy(force=True), test_codes.numpy(force=True)
    y, test_y = _varying(factors), test_factors.numpy(force=True)[:, varying]
    importances, scores = [], []
    for values, test_values in zip(y.T, test_y.T, strict=True):
        forest = RandomForestClassifier(trees, random_state=seed)
        forest.set_params(max_features=1.0)  # every split looks at all codes
        forest.fit(x, values)
        importances.append(forest.feature_importances_)
        scores.append(forest.score(test_x, test_values))
    table = np.stack(importances, 1)  # (K, F)
    weight = table.sum(1) / max(table.sum(), _TINY)
    return DCI(
        disentanglement=float(weight @ _one_sidedness(table)),
        completeness=float(_one_sidedness(table.T).mean()),
        informativeness=float(np.mean(scores)),
    )


def _one_sidedness(table: np.ndarray) -> np.ndarray:
    """Return 1 minus the entropy of each row as a distribution, in units of the greatest.

    A row of zeros, which is no distribution, has 0.
    """
    total = table.sum(1)
    share = table / np.maximum(total, _TINY)[:, None]
    entropy = -(share * np.log(np.maximum(share, _TINY))).sum(1)
    return np.where(total > 0, 1 - entropy / np.log(max(table.shape[1], 2)), 0.0)


def _which_vary(factors: Tensor) -> np.ndarray:
    values = factors.numpy(force=True)
    varying = values.min(0) < values.max(0)
    if not varying.any():
        raise ValueError(f"factors of shape {tuple(factors.shape)}: none of them varies")
    return varying


def _varying(factors: Tensor) -> np.ndarray:
    return factors.numpy(force=True)[:, _which_vary(factors)]
