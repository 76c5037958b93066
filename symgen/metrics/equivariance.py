"""Equivariance error: how far a sequence of capsules is from rolling by one unit a frame."""

import math
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from symgen._inputs import Speed, checked
from symgen._typed import Count
from symgen.latents import Boundary, roll
from symgen.metrics.inputs import of_ordinary_size, takes_arrays

__all__ = ["equivariance_chance", "equivariance_error"]


@takes_arrays
def equivariance_error(
    t: Float[Tensor, "B S C D"],
    centred: bool = False,
    speed: Speed = 1,
    boundary: Boundary = "cyclic",
) -> Float[Tensor, " B"]:
    """Sum the distances between the frames of a sequence, each rolled to where the other is.

    `E_eq = sum_(l < l') sum_c sum_j | t̂_l[c, j - (l' - l)] - t̂_l'[c, j] |` with every capsule
    divided by its Euclidean norm, `t̂ = t / ‖t‖` (Topographic VAE, Keller & Welling 2021, eq. 13),
    without unit. It is 0 exactly when the capsules roll by one unit a frame, up to positive
    factors. Independent noise scores `equivariance_chance`; a constant offset of t by itself
    lowers the error. Capsules without a direction (of zeros; constant, if `centred`) stay zero.

    Args:
        t: latent variables.
        centred: subtract the mean over the units of each capsule before normalising.
        speed: units by which the capsules should roll per frame; a fraction shifts the phases,
            which loses nothing.
        boundary: "zero" for non-periodic capsules, which are compared over the units that both
            frames show; whole speeds only.

    Example:
        >>> t_0 = torch.randn(1, 1, 2, 6, generator=torch.Generator().manual_seed(0))
        >>> rolling = roll(t_0, torch.arange(6)[:, None])  # (1, 6, 2, 6)
        >>> equivariance_error(rolling), equivariance_error(rolling.flip(1)).round()
        (tensor([0.]), tensor([83.]))
    """
    t = of_ordinary_size(t)
    if boundary == "zero":
        return _non_periodic_error(_normalise(t, centred), speed)
    # Rolled back by l, frame l should be frame 0: a_l[j] = t_l[j + l]. Then eq. 13 compares a_l[j]
    # with a_l'[j] for every pair of frames, unit by unit. Frames come first from here on.
    frames = t.shape[1]
    steps = torch.arange(frames, device=t.device)[:, None, None]
    aligned = roll(t.transpose(0, 1), -steps * speed, method="fourier")  # (S, B, C, D)
    ordered = list(_normalise(aligned, centred))
    # A network of minima and maxima: for 64 sequences 7 to 10 times as fast as torch.sort, which
    # handles short columns one by one.
    for low, high in _comparators(frames):
        pair = ordered[low], ordered[high]
        ordered[low], ordered[high] = torch.minimum(*pair), torch.maximum(*pair)
    # Sum of |a_l - a_l'| over pairs, by rank: the value at rank r adds (2r - S + 1) times itself.
    error = torch.zeros_like(ordered[0])
    for rank in range(frames // 2):
        error += (frames - 1 - 2 * rank) * (ordered[frames - 1 - rank] - ordered[rank])
    return error.sum((-2, -1))


@checked
def equivariance_chance(
    frames: Count,
    capsules: Count,
    units: Count,
    centred: bool = False,
    boundary: Boundary = "cyclic",
    speed: Speed = 1,
) -> float:
    """Compute the equivariance error that independent Gaussian noise is expected to have.

    Normalised noise is uniform on the unit sphere of n dimensions, n = D (D - 1 if `centred`).
    The expected distance of two such points is `2^(n-1) Γ(n/2)² / (√π Γ(n - 1/2))`, its direction
    is uniform again, and the expected magnitude of one coordinate of a direction is
    `Γ(n/2) / (√π Γ((n+1)/2))`. Exact for every D; for large D a pair of capsules tends to
    `√(2D) √(2/π)`. The settings are S, C, D (at least two if `centred`) and those of
    `equivariance_error`.

    Args:
        frames, capsules, units: S, C and D.
        centred: whether the mean over the units of each capsule is subtracted.
        boundary: "zero" for non-periodic capsules.
        speed: units by which the capsules should roll per frame.

    Example:
        >>> round(equivariance_chance(18, 18, 18)), round(equivariance_chance(15, 15, 15))
        (13271, 6937)
    """
    dimensions = units - 1 if centred else units
    if dimensions < 1:
        raise ValueError(f"units={units}, centred={centred}: give at least two units if centred")
    half = math.lgamma(dimensions / 2)
    distance = math.exp((dimensions - 1) * math.log(2) + 2 * half - math.lgamma(dimensions - 0.5))
    coordinate = math.exp(half - math.lgamma((dimensions + 1) / 2))
    pair = distance * coordinate / math.pi * math.sqrt(units * dimensions)
    pairs = frames * (frames - 1) / 2
    if boundary == "zero":  # of each pair, the part of the units that both frames show
        shown = [max(units - int(abs(later * speed)), 0) / units for later in range(1, frames)]
        pairs = sum((frames - later) * part for later, part in enumerate(shown, 1))
    return pairs * capsules * pair


def _non_periodic_error(t: Tensor, speed: int | float) -> Tensor:
    """Compare normalised frames, pair by pair, over the units that both show."""
    if speed % 1:
        raise ValueError(f"speed={speed} with boundary='zero': give whole units per frame")
    error = t.new_zeros(len(t))
    for later in range(1, t.shape[1]):
        shift = int(later * speed)
        first, second = t[:, :-later], t[:, later:]
        if shift < 0:
            first, second, shift = second, first, -shift
        # What lies beyond the end of the one is not compared with anything.
        shown = max(t.shape[-1] - shift, 0)
        distance = first[..., :shown] - second[..., t.shape[-1] - shown :]
        error += distance.abs().sum((1, 2, 3))
    return error


def _normalise(t: Tensor, centred: bool) -> Tensor:
    """Divide every capsule by its norm; capsules without a direction become zero."""
    norm = torch.linalg.vector_norm(t, dim=-1, keepdim=True)
    # Scaled by the norm first, what is left of a constant capsule is rounding of known size.
    direction = t / norm.clamp_min(torch.finfo(t.dtype).tiny)
    if not centred:
        return direction
    direction = direction - direction.mean(-1, keepdim=True)
    norm = torch.linalg.vector_norm(direction, dim=-1, keepdim=True)
    rounding = t.shape[-1] * torch.finfo(t.dtype).eps
    return torch.where(norm > rounding, direction / norm.clamp_min(rounding), 0)


@lru_cache
def _comparators(length: int) -> list[tuple[int, int]]:
    """List the comparisons of Batcher's odd-even merge sort, O(S log² S) of them.

    K. E. Batcher, Sorting networks and their applications, 1968: blocks of `run` sorted values
    are merged two by two by comparing values `gap` apart, for gap = run, run/2, …, 1.
    """
    powers = [2**power for power in range((length - 1).bit_length())]
    return [
        (low, low + gap)
        for run in powers
        for gap in reversed(powers[: run.bit_length()])
        for low in range(gap % run, length - gap)
        if (low - gap % run) % (2 * gap) < gap and low // (2 * run) == (low + gap) // (2 * run)
    ]
