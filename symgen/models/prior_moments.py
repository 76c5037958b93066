"""Mean and standard deviation of topographic Student-t variables under the prior."""

import math
from functools import lru_cache

import torch

from symgen.latents import AxesTopography, Topographic, Topography

__all__ = ["prior_moments"]

_DRAWS = 1_000_000  # variables u, about: errors below a percent of the standard deviation


def prior_moments(topography: Topographic, mu: float, eps: float) -> tuple[float, float]:
    """Compute mean and standard deviation of t = (z - μ)/√v under the prior.

    Where all boundaries are cyclic all units are alike, and v is matched to a multiple of a χ²
    variable. Capsules of several axes have a sum of roots, and near a zero boundary v is partly
    padding: there, and for a topography of your own, the moments, averaged over all frames and
    units, come from samples with a seed of their own.
    """
    if not isinstance(topography, Topography | AxesTopography):
        return _sampled(topography, mu, eps)
    line = topography.axes[0] if isinstance(topography, AxesTopography) else topography
    # v is a weighted sum of χ²₁: match mean and variance by a·χ²_n.
    weights = line.weights()
    if line.capsule_neighbourhood > 1:
        weights = weights.repeat(line.capsule_neighbourhood)
    total, squares = float(weights.sum()), float(weights.square().sum())
    a, n = squares / total, total**2 / squares
    if n <= 2:
        raise ValueError(
            f"standardise needs a variance of t under the prior, which a neighbourhood of {n:.3g} "
            "units does not have: widen the window or the neighbourhood beyond 2, or take "
            "standardise=False"
        )
    if line is not topography or "zero" in line.boundaries:
        return _sampled_once(topography, mu, eps)
    mean = -mu * math.exp(math.lgamma((n - 1) / 2) - math.lgamma(n / 2)) / math.sqrt(2 * a)
    return mean, math.sqrt((1 + mu**2) / (a * (n - 2)) - mean**2)


def _sampled(topography: Topographic, mu: float, eps: float) -> tuple[float, float]:
    frames, capsules, units = topography.frames, topography.capsules, topography.units
    generator = torch.Generator().manual_seed(0)
    count = -(-_DRAWS // (frames * capsules * units))
    u = torch.randn(count, frames, capsules, units, generator=generator)
    scale = topography.inverse_scale(u.square(), eps).double()
    mean, square = float(scale.mean()), float(scale.square().mean())
    return -mu * mean, math.sqrt((1 + mu**2) * square - (mu * mean) ** 2)


_sampled_once = lru_cache(maxsize=64)(_sampled)  # of values, which are hashable
