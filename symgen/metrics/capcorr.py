"""CapCorr: does the roll of the capsules match the true pose of the sequence?"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64, Real
from torch import Tensor

from symgen._inputs import Index, Speed, checked
from symgen._typed import Count
from symgen.latents import Boundary, observed_roll
from symgen.metrics.inputs import of_ordinary_size, require_shapes, takes_arrays

__all__ = [
    "ObservedRolls",
    "capcorr",
    "capcorr_chance",
    "correlation",
    "observed_and_true",
    "roll_resolution",
]

_GREATEST = 2**31 - 1  # index of a value of a factor
_MOST_UNITS = 4096  # of which the distribution of pairs of rolls is computed


class ObservedRolls(NamedTuple):
    """Observed and true rolls of sequences; those of batches can be concatenated.

    Returned by `observed_and_true`.

    Attributes:
        observed: roll of frame 0 against the canonical frame by the capsules, in parts of a unit,
            see `roll_resolution`.
        true: the same by the factors of variation, modulo D unless capsules are non-periodic.
        factor: index of the factor that moves. All three are -1 for a sequence without a roll to
            observe: several factors move, or no frame shows the canonical value.
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
    canonical: Index = 0,
    speed: Speed = 1,
    boundary: Boundary = "cyclic",
) -> ObservedRolls:
    """Infer, sequence by sequence, the roll of the capsules and the true one.

    The reference is a frame Ω in which the moving factor y has the `canonical` value. Every
    capsule votes for the roll of t_0 against t_Ω with the greatest periodic cross-correlation; the
    most frequent vote (the smallest of several) is the observed roll. The true one is
    `speed (y_0 - canonical) mod D`. A factor with a period shorter than the sequence offers
    several Ω, of which the one with the least |true - observed| counts, the first on ties
    (Topographic VAE, Keller & Welling 2021, section 5, and the authors' code).

    Args:
        t, factors: latent variables, and the factors of variation as indices, in every frame.
        moved, canonical: index of the factor that moves, -1 where several do; its value in Ω.
        speed: units by which the capsules should roll when the factor advances by one.
        boundary: "zero" for non-periodic capsules, whose rolls range from -D to D.

    Example:
        >>> rolling = torch.stack([torch.eye(3, 6).roll(l, -1) for l in range(6)])
        >>> pose = (2 + torch.arange(6)[:, None]) % 6
        >>> observed_and_true(rolling[None], pose[None], torch.tensor([0]))
        ObservedRolls(observed=tensor([2]), true=tensor([2]), factor=tensor([0]))
    """
    _require_values(t, factors)
    t = of_ordinary_size(t)
    frames, count = factors.shape[1:]
    if ((moved < -1) | (moved >= count)).any():
        raise ValueError(
            f"moved holds {moved.unique().tolist()} but there are {count} factors: "
            "give indices of factors, or -1 where several move"
        )
    resolution = roll_resolution(speed)
    parts = t.shape[-1] * resolution  # of a unit, in a capsule
    pose = factors.take_along_dim(moved.clamp_min(0)[:, None, None], 2)[..., 0]  # (B, S)
    true = (pose[:, 0] - canonical) * round(speed * resolution)
    if boundary == "cyclic":
        low, bins, true = 0, parts, true % parts
    else:
        low, bins = -parts, 2 * parts  # rolls are low .. low + bins - 1
    sequence, frame = ((pose == canonical) & (moved >= 0)[:, None]).nonzero().T  # M t_0 and t_Ω
    if not len(sequence):  # the Fourier transform refuses to transform nothing
        return ObservedRolls(*[torch.full_like(moved, -1)] * 3)

    # The mean of a capsule does not change where the correlation is greatest, but costs digits.
    first, reference = (a - a.mean(-1, keepdim=True) for a in (t[sequence, 0], t[sequence, frame]))
    vote = observed_roll(reference, first, resolution, boundary) % bins  # (M, C)
    votes = vote.new_zeros(len(vote), bins).scatter_add(1, vote, torch.ones_like(vote))
    roll = (votes.argmax(1) - low) % bins  # above low; the smallest vote of equal counts
    # One number orders the candidates by distance, then by frame, and carries the roll along.
    distance = (low + roll - true[sequence]).abs()
    key = (distance * frames + frame) * bins + roll
    none = int(key.max()) + 1
    least = torch.full_like(true, none).scatter_reduce(0, sequence, key, "amin")
    found = low + least % bins, true, moved
    return ObservedRolls(*(values.masked_fill(least == none, -1) for values in found))


def _require_values(t: Tensor, factors: Tensor) -> None:
    """Refuse capsules without units, and factors that are no indices."""
    if 0 in (*t.shape[1:], factors.shape[2]):
        shapes = f"t {tuple(t.shape)} and factors {tuple(factors.shape)}"
        raise ValueError(f"{shapes}: give at least one frame, capsule, unit and factor")
    low, high = factors.aminmax() if len(factors) else (0, 0)
    if low < -_GREATEST or high > _GREATEST:
        given = f"factors reach from {int(low)} to {int(high)}"
        raise ValueError(f"{given}: give indices of values, within ±{_GREATEST}")


@checked
def roll_resolution(speed: Speed) -> int:
    """Return in how many parts of a unit rolls are measured, for capsules of a given speed.

    Args:
        speed: units by which capsules roll per frame.

    Example:
        >>> roll_resolution(1), roll_resolution(0.5)
        (1, 2)
    """
    return Fraction(speed).limit_denominator(8).denominator  # few units tell no finer parts apart


@takes_arrays
def correlation(
    observed: Real[Tensor, " M"], true: Real[Tensor, " M"], period: Count | None = None
) -> float:
    """Correlate observed and true rolls; nan if there are none or one of the two never varies.

    Without a `period`, the units in a full turn, it is Pearson's coefficient, as in the paper;
    with one, the circular correlation of the angles 2πk/period (N. I. Fisher and A. J. Lee,
    Biometrika 70, 1983), for which 0 follows the last unit and which, unlike others, needs no mean
    direction: uniform poses have none.

    Args:
        observed, true: rolls of M sequences, in units.
        period: units in a full turn; None for Pearson's coefficient.

    Example:
        >>> observed, true = (torch.arange(8) + 3) % 8, torch.arange(8)
        >>> round(correlation(observed, true), 3), round(correlation(observed, true, period=8), 3)
        (-0.429, 1.0)
    """
    if not len(observed):
        return math.nan
    weight = torch.full((len(observed),), 1 / len(observed), dtype=torch.float64)
    rolls = torch.stack([observed.to(weight), true.to(weight)])
    observed, true = rolls if period else of_ordinary_size(rolls)
    return _weighted_correlation(observed, true, weight, period)


@takes_arrays
def capcorr(
    t: Float[Tensor, "B S C D"],
    factors: Mapping[str, Tensor] | Int64[Tensor, "B S F"],
    moved: Int64[Tensor, " B"] | None = None,
    names: Sequence[str] | None = None,
    canonical: Index = 0,
    circular: bool = False,
    speed: Speed = 1,
    boundary: Boundary = "cyclic",
) -> dict[str, float]:
    """Compute CapCorr for every factor that moves: the correlation of observed and true roll.

    It is 1 if the capsules roll with the data (Keller & Welling 2021, Table 2), `capcorr_chance`
    for noise, and nan where all rolls are the same, as for an invariant code. Sequences from which
    no roll can be inferred are left out. For data of many batches, concatenate what
    `observed_and_true` returns and take the `correlation`.

    Args:
        t, moved, canonical, speed, boundary: as in `observed_and_true`; the factor that moves is
            found if `moved` is None.
        factors: indices of the factors in every frame, (B, S) by name or in one tensor.
        names: one for each factor of a tensor; None names them "0", "1", ….
        circular: correlate angles, with a turn of D units, instead of numbers.

    Example:
        >>> rolling = torch.stack([torch.eye(3, 6).roll(l, -1) for l in range(6)])
        >>> pose = (torch.arange(6)[:, None] + torch.arange(6)) % 6
        >>> capcorr(rolling.expand(6, 6, 3, 6), {"angle": pose, "scale": torch.zeros_like(pose)})
        {'angle': 1.0}
    """
    if isinstance(factors, Mapping):
        names = list(factors)
        if not names:
            raise ValueError("factors={}: give the indices of one factor at least")
        require_shapes(*((f"factors[{name!r}]", each, "B S") for name, each in factors.items()))
        factors = torch.stack(list(factors.values()), -1)
    require_shapes(("t", t, "B S C D"), ("factors", factors, "B S F"))
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


@checked
def capcorr_chance(
    units: Count,
    capsules: Count,
    period: Count,
    frames: Count | None = None,
    circular: bool = False,
) -> float:
    """Compute the CapCorr of infinitely many sequences whose capsules roll at random.

    It is not 0, for two reasons: a sequence that starts at the canonical value compares frame 0
    with itself and observes 0, which is right; and a factor whose period is shorter than the
    sequence has several reference frames, of which the best counts. Exact for equally frequent
    start poses, from the distribution of the most frequent of C uniform independent votes.

    Args:
        units, capsules: D, times the parts of a unit that are told apart, and C.
        period: number of values of the factor, which advances by one a frame.
        frames: frames in a sequence, S; None stands for D.
        circular: correlate angles, as in `capcorr`.

    Example:
        >>> round(capcorr_chance(15, 15, 15), 3), round(capcorr_chance(15, 15, 5), 2)
        (0.133, 0.53)
    """
    frames = units if frames is None else frames
    if max(units, capsules) > _MOST_UNITS:
        raise ValueError(f"units={units}, capsules={capsules}: give {_MOST_UNITS} or less of each")
    vote = _most_frequent_vote(units, capsules)
    rolls = torch.arange(units)
    joint = torch.zeros(units, units, dtype=torch.float64)  # (true, observed)
    joint[0, 0] = 1  # frame 0 against itself
    for start in range(1, period):
        if candidates := len(range(-start % period, frames, period)):
            distance = (rolls - start % units).abs()
            at = torch.zeros_like(vote).scatter_add(0, distance, vote)
            beyond = at.flip(0).cumsum(0).flip(0)  # P(one candidate's distance >= d)
            best = -(beyond**candidates).diff(append=beyond.new_zeros(1))
            best = (best / at.clamp_min(torch.finfo(at.dtype).tiny))[distance] * vote
            joint[start % units] += best
    weight = (joint / joint.sum()).flatten()
    true, observed = torch.cartesian_prod(rolls, rolls).T
    return _weighted_correlation(observed, true, weight, units if circular else None)


def _weighted_correlation(x: Tensor, y: Tensor, weight: Tensor, period: int | None) -> float:
    """Correlate with weights that add up to one, in float64; nan without variation."""
    x, y = x.to(weight), y.to(weight)
    least = [1e-12 * min(1.0, float(a.abs().max())) ** (0 if period else 2) for a in (x, y)]
    if period is None:
        x, y = ((a - weight @ a)[None] for a in (x, y))
    else:  # Fisher & Lee's sum over pairs of sin(x_i - x_j) sin(y_i - y_j) is a determinant
        x, y = (2 * math.pi / period * a for a in (x, y))
        x, y = torch.stack([x.cos(), x.sin()]), torch.stack([y.cos(), y.sin()])
    moments = torch.stack([(weight * a) @ b.T for a, b in ((x, y), (x, x), (y, y))])
    covariance, x_spread, y_spread = torch.linalg.det(moments)
    # Both spreads are at least about 1/M for rolls that vary and only rounding otherwise.
    if x_spread < least[0] or y_spread < least[1]:
        return math.nan
    return float((covariance / (x_spread * y_spread).sqrt()).clamp(-1, 1))


def _most_frequent_vote(units: int, votes: int) -> Tensor:
    """Return the distribution over D units of the most frequent of C uniform votes.

    Unit k wins with m votes if units before it have fewer and units after it no more. Counts are
    independent Poisson variables of mean C/D, given that they add up to C.
    """
    from scipy.stats import poisson  # which takes most of a second to import

    count = np.arange(votes + 1)
    probability = poisson.pmf(count, votes / units)
    winner = np.zeros(units)
    for most in range(1, votes + 1):
        limited = (np.where(count < limit, probability, 0) for limit in (most, most + 1))
        before, after = (_sums(distribution, units) for distribution in limited)
        ways = before[:, : votes - most + 1] * after[::-1, votes - most :: -1]
        winner += probability[most] * ways.sum(1)
    return torch.from_numpy(winner / winner.sum())


def _sums(distribution: np.ndarray, most: int) -> np.ndarray:
    """Return the distributions of the sum of 0, 1, …, most - 1 counts, up to the same limit."""
    sums = [np.eye(1, len(distribution))[0]]
    for _ in range(most - 1):
        sums.append(np.convolve(sums[-1], distribution)[: len(distribution)])
    return np.stack(sums)
