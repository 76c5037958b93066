"""How far two sets of images are from each other, in the features of a classifier."""

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.metrics.inputs import require_shapes, takes_arrays

__all__ = ["frechet_distance"]


@takes_arrays
def frechet_distance(
    first: Float[Tensor, "n features"], second: Float[Tensor, "m features"]
) -> Float[Tensor, ""]:
    """Return the squared Fréchet distance of two Gaussians fitted to two sets of features.

    `|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)`, in the features' units squared (Dowson & Landau,
    1982). With the last features of the Inception net it is the FID (Heusel et al., NeurIPS 2017,
    eq. 6); with those of another net it ranks models on one data set but is not comparable with
    FIDs elsewhere. Small sets bias it upwards: compare sets of one size.

    Example:
        >>> features = torch.randn(100, 3)
        >>> round(float(frechet_distance(features, features + 2)), 3)
        12.0
    """
    require_shapes(("first", first, "n features"), ("second", second, "m features"))
    if min(len(first), len(second)) < 2:
        sizes = f"sets of {len(first)} and {len(second)} images"
        raise ValueError(f"{sizes}: give at least two in each, for their covariance")
    first, second = first.double(), second.double()
    one, two = (torch.atleast_2d(part.T.cov()) for part in (first, second))
    values, vectors = torch.linalg.eigh(one)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    between = torch.linalg.eigvalsh(root @ two @ root).clamp(min=0).sqrt().sum()  # tr (Σ₁ Σ₂)^½
    spread = one.trace() + two.trace() - 2 * between
    return (first.mean(0) - second.mean(0)).square().sum() + spread.clamp(min=0)
