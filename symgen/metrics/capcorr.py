"""CapCorr: does the roll of the capsules tell the true pose of the sequence?"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from scipy.stats import poisson
from torch import Tensor

from symgen.latents import Boundary, observed_roll
from symgen.metrics.arrays import takes_arrays
from symgen.metrics.shapes import require_shapes

__all__ = [
    "ObservedRolls",
    "capcorr",
    "capcorr_chance",
    "correlation",
    "observed_and_true",
    "roll_resolution",
]

_FINEST = 8  # parts of a unit that a correlation of few units can tell apart


class ObservedRolls(NamedTuple):
    """Observed and true rolls of sequences, all (B,); those of batches can be concatenated.

    Attributes:
        observed: units by which frame 0 is rolled against the canonical frame, by the capsules;
            in the parts of a unit that `roll_resolution` says where their speed is a fraction.
        true: the same by the factors of variation, modulo D (not so between two ends).
        factor: index of the factor that moves. -1 marks a sequence without a roll to observe:
            several factors move, or no frame shows the canonical value. Its other entries are
            -1 too.
    """

    observed: Int64[Tensor, " B"]
    true: Int64[Tensor, " B"]
    factor: Int64[Tensor, " B"]


@takes_arrays
@torch.no_grad()
def observed_and_true(
    t: Float[Tensor, "B S C D"],
    factors: Int64[Tensor, "B S F"],
    moved: Int64[Tensor, " B"],
    canonical: int = 0,
    speed: int | float = 1,
    boundary: Boundary = "cyclic",
) -> ObservedRolls:
    """Infer, sequence by sequence, the roll of the capsules and the pose it should tell.

    A frame Ω in which the moving factor y has the `canonical` value serves as the reference.
    Every capsule votes for the roll of t_0 against t_Ω with the greatest periodic
    cross-correlation; the most frequent vote (the smallest of several) is the observed roll. The
    true one is `(y_0 - canonical) mod D`. A factor with a period shorter than the sequence offers
    several Ω, of which the one with the least |true - observed| counts, the first on ties
    (Topographic VAE, Keller & Welling 2021, section 5, and the authors' code). Capsules of another
    speed than a unit per step of the factor should roll by `speed (y_0 - canonical)`, and are
    measured in parts of a unit that make this a whole number.

    Args:
        t: latent variables.
        factors: indices of the factors of variation in every frame.
        moved: index of the factor that moves, -1 where several do.
        canonical: the factor's value in the reference frame.
        speed: units by which the capsules should roll when the factor advances by one.
        boundary: "zero" for capsules with two ends, which are measured from -D to D.

    Raises:
        ValueError: if `moved` names a factor that is not there, or shapes do not fit.

    Example:
        >>> t_0 = torch.randn(1, 1, 3, 6, generator=torch.Generator().manual_seed(0))
        >>> frame = torch.arange(6)
        >>> rolling = torch.cat([t_0.roll(l, -1) for l in range(6)], dim=1)
        >>> pose = ((2 + frame) % 6)[None, :, None]
        >>> observed_and_true(rolling, pose, torch.tensor([0]))
        ObservedRolls(observed=tensor([2]), true=tensor([2]), factor=tensor([0]))
    """
    require_shapes(("t", t, "B S C D"), ("factors", factors, "B S F"), ("moved", moved, "B"))
    sequences, frames, _, _ = t.shape
    resolution = roll_resolution(speed)
    bins = t.shape[-1] * resolution * (1 if boundary == "cyclic" else 2)
    if sequences and not -1 <= int(moved.min()) <= int(moved.max()) < factors.shape[2]:
        raise ValueError(
            f"moved holds {sorted(set(moved.tolist()))} but there are {factors.shape[2]} factors: "
            "give indices of factors, or -1 where several move"
        )
    index = moved.clamp_min(0)[:, None, None].expand(-1, frames, 1)
    pose = factors.gather(2, index)[..., 0]  # (B, S)
    candidate = (pose == canonical) & (moved >= 0)[:, None]
    true = (pose[:, 0] - canonical) * round(speed * resolution)
    if boundary == "cyclic":
        true = true % bins

    sequence, frame = candidate.nonzero(as_tuple=True)  # M pairs of t_0 and t_Ω
    if not len(sequence):  # the Fourier transform refuses to transform nothing
        nothing = torch.full_like(moved, -1)
        return ObservedRolls(nothing, nothing, nothing)
    # The mean of a capsule does not change where the correlation is greatest, but costs digits.
    first, reference = _centre(t[sequence, 0]), _centre(t[sequence, frame])
    vote = observed_roll(reference, first, resolution, boundary) % bins  # (M, C)
    votes = torch.zeros(len(vote), bins, device=t.device).scatter_add(
        1, vote, torch.ones(1, device=t.device).expand(vote.shape)
    )
    roll = votes.argmax(1)  # the first, thus the smallest, of equal counts

    # One number orders the candidates by distance, then by frame, and carries the roll along.
    distance = (_signed(roll, bins, boundary) - true[sequence]).abs()
    key = (distance * frames + frame) * bins + roll
    unread = int(key.max()) + bins
    least = torch.full_like(true, unread).scatter_reduce(0, sequence, key, "amin")
    excluded = least == unread
    return ObservedRolls(
        _signed(least % bins, bins, boundary).masked_fill(excluded, -1),
        true.masked_fill(excluded, -1),
        moved.masked_fill(excluded, -1),
    )


def roll_resolution(speed: int | float) -> int:
    """Return in how many parts of a unit rolls are measured, for capsules of a given speed.

    Example:
        >>> roll_resolution(1), roll_resolution(0.5)
        (1, 2)
    """
    return Fraction(speed).limit_denominator(_FINEST).denominator


@takes_arrays
def correlation(
    observed: Shaped[Tensor, " M"], true: Shaped[Tensor, " M"], period: int | None = None
) -> float:
    """Correlate observed and true rolls.

    Without a period, Pearson's coefficient, as in the paper. With one, the circular correlation
    of the angles 2πk/period (N. I. Fisher and A. J. Lee, A correlation coefficient for circular
    data, Biometrika 70, 1983), which knows that 0 follows the last unit and that, unlike others
    of its kind, needs no mean direction: uniform poses have none.

    Args:
        observed: rolls that were observed.
        true: rolls that should have been observed.
        period: number of units in a full turn, None for Pearson's coefficient.

    Returns:
        A number in -1 .. 1; nan where it is not defined, because there are no data or all
        observed or all true rolls are the same.

    Example:
        >>> true = torch.arange(8)
        >>> shifted = (true + 3) % 8
        >>> round(correlation(shifted, true), 3), round(correlation(shifted, true, period=8), 3)
        (-0.429, 1.0)
    """
    if not len(observed):
        return math.nan
    weight = torch.full((len(observed),), 1 / len(observed), dtype=torch.float64)
    return _weighted_correlation(observed.cpu(), true.cpu(), weight, period)


@takes_arrays
def capcorr(
    t: Float[Tensor, "B S C D"],
    factors: Mapping[str, Tensor] | Int64[Tensor, "B S F"],
    moved: Int64[Tensor, " B"] | None = None,
    names: Sequence[str] | None = None,
    canonical: int = 0,
    circular: bool = False,
    speed: int | float = 1,
    boundary: Boundary = "cyclic",
) -> dict[str, float]:
    """Compute CapCorr for every factor that moves: the correlation of observed and true roll.

    1 if the capsules roll with the data (Keller & Welling 2021, Table 2). Chance is not 0, see
    `capcorr_chance`. Sequences from which no roll can be inferred are left out, see
    `observed_and_true`, with which rolls of many batches are made: concatenate them, then
    `correlation`.

    Args:
        t: latent variables.
        factors: indices of the factors of variation in every frame, (B, S) by name or in one
            tensor.
        moved: index of the factor that moves, -1 where several do; None for the one that changes.
        names: names of the factors of one tensor; None names them "0", "1", ….
        canonical: the factor's value in the reference frame.
        circular: correlate angles, with a turn of D units, instead of numbers.
        speed: units by which the capsules should roll when the factor advances by one.
        boundary: "zero" for capsules with two ends.

    Returns:
        CapCorr by the name of the factor, for the factors that move; nan where all rolls of a
        factor are the same, as for an invariant code.

    Raises:
        ValueError: if the number of names is not the number of factors.

    Example:
        >>> t_0 = torch.randn(6, 1, 3, 6, generator=torch.Generator().manual_seed(0))
        >>> frame = torch.arange(6)
        >>> rolling = torch.cat([t_0.roll(l, -1) for l in range(6)], dim=1)
        >>> pose = (frame[:, None] + frame) % 6
        >>> capcorr(rolling, {"angle": pose, "scale": torch.zeros_like(pose)})
        {'angle': 1.0}
    """
    if isinstance(factors, Mapping):
        names = list(factors)
        factors = torch.stack([values.long() for values in factors.values()], -1)
    count = factors.shape[2]
    names = [str(index) for index in range(count)] if names is None else names
    if len(names) != count:
        raise ValueError(f"names={list(names)} for {count} factors: give one name per factor")
    if moved is None:
        changes = (factors != factors[:, :1]).any(1)  # (B, F)
        moved = torch.where(changes.sum(1) == 1, changes.int().argmax(1), -1)
    observed, true, factor = observed_and_true(t, factors, moved, canonical, speed, boundary)
    period = t.shape[-1] * roll_resolution(speed) if circular else None
    return {
        names[index]: correlation(observed[factor == index], true[factor == index], period)
        for index in range(count)
        if (factor == index).any()
    }


def capcorr_chance(
    units: int, capsules: int, period: int, frames: int | None = None, circular: bool = False
) -> float:
    """Compute the CapCorr of capsules that roll at random, independently of each other.

    It is not 0, for two reasons: a sequence that starts at the canonical value compares frame 0
    with itself and observes 0, which is right; and a factor whose period is shorter than the
    sequence has several reference frames, of which the best counts. Exact, from the distribution
    of the most frequent of C uniform votes, for start poses that are equally frequent.

    Args:
        units: units in a capsule, D, times the parts of a unit that are told apart.
        capsules: number of capsules, C.
        period: number of values of the factor, which advances by one a frame.
        frames: frames in a sequence, S; None stands for D.
        circular: correlate angles, as in `capcorr`.

    Returns:
        The correlation that an infinite number of sequences would have.

    Raises:
        ValueError: if a number is below one.

    Example:
        >>> round(capcorr_chance(15, 15, 15), 3), round(capcorr_chance(15, 15, 5), 2)
        (0.133, 0.53)
    """
    frames = units if frames is None else frames
    if min(units, capsules, period, frames) < 1:
        raise ValueError(
            f"units={units}, capsules={capsules}, period={period}, frames={frames}: "
            "all must be at least 1"
        )
    vote = _most_frequent_vote(units, capsules)
    rolls = torch.arange(units)
    joint = torch.zeros(units, units, dtype=torch.float64)  # (true, observed)
    for start in range(period):
        candidates = len(range(-start % period, frames, period))
        true = start % units
        if start == 0:
            joint[true, 0] += 1  # frame 0 against itself
        elif candidates:
            distance = (rolls - true).abs()
            at = torch.zeros(units, dtype=torch.float64).scatter_add(0, distance, vote)
            beyond = at.flip(0).cumsum(0).flip(0)  # P(one candidate's distance >= d)
            best = beyond**candidates - torch.cat([beyond[1:], beyond.new_zeros(1)]) ** candidates
            joint[true] += (best / at.clamp_min(torch.finfo(at.dtype).tiny))[distance] * vote
    weight = (joint / joint.sum()).flatten()
    true, observed = torch.cartesian_prod(rolls, rolls).T
    return _weighted_correlation(observed, true, weight, units if circular else None)


def _signed(roll: Tensor, bins: int, boundary: Boundary) -> Tensor:
    return roll if boundary == "cyclic" else (roll + bins // 2) % bins - bins // 2


def _centre(t: Tensor) -> Tensor:
    return t - t.mean(-1, keepdim=True)


def _weighted_correlation(x: Tensor, y: Tensor, weight: Tensor, period: int | None) -> float:
    """Correlate with weights that add up to one, in float64; nan without variation."""
    x, y = x.to(weight), y.to(weight)
    if period is None:
        x, y = x - weight @ x, y - weight @ y
        product, x_spread, y_spread = (weight @ (a * b) for a, b in ((x, y), (x, x), (y, y)))
    else:
        # Fisher & Lee's sum over pairs of sin(x_i - x_j) sin(y_i - y_j) in linear time (eq. 3).
        x, y = (2 * math.pi / period * angle for angle in (x, y))
        product = 4 * (
            (weight @ (x.cos() * y.cos())) * (weight @ (x.sin() * y.sin()))
            - (weight @ (x.cos() * y.sin())) * (weight @ (x.sin() * y.cos()))
        )
        x_spread, y_spread = (
            1 - (weight @ (2 * angle).cos()) ** 2 - (weight @ (2 * angle).sin()) ** 2
            for angle in (x, y)
        )
    # Both spreads are at least about 1/M for data that vary and only rounding otherwise.
    if min(x_spread, y_spread) < 1e-12:
        return math.nan
    return float((product / (x_spread * y_spread).sqrt()).clamp(-1, 1))


def _most_frequent_vote(units: int, votes: int) -> Tensor:
    """Distribution over D units of the most frequent of C uniform votes, smallest on ties.

    Unit k wins with m votes if units before it have at most m - 1 and units after it at most m.
    The counts are independent Poisson variables of mean C/D, given that they add up to C.
    """
    count = np.arange(votes + 1)
    probability = poisson.pmf(count, votes / units)
    winner = np.zeros(units)
    for most in range(1, votes + 1):
        before = _sums(np.where(count < most, probability, 0), units)
        after = _sums(np.where(count <= most, probability, 0), units)
        others = votes - most
        for unit in range(units):
            ways = before[unit][: others + 1] @ after[units - 1 - unit][others::-1]
            winner[unit] += probability[most] * ways
    return torch.from_numpy(winner / winner.sum())


def _sums(distribution: np.ndarray, most: int) -> list[np.ndarray]:
    """Distributions of the sum of 0, 1, …, most - 1 independent counts, up to the same limit."""
    sums = [np.eye(1, len(distribution))[0]]
    for _ in range(most - 1):
        sums.append(np.convolve(sums[-1], distribution)[: len(distribution)])
    return sums
