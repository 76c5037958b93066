"""Theorems about CapCorr."""

import itertools
import math

import pytest
import torch
from scipy.stats import pearsonr

from symgen.latents import roll
from symgen.metrics import capcorr, capcorr_chance, correlation, observed_and_true

NAMES = ["shape", "scale", "angle"]
SIZES = (3, 5, 15)


def sequences(count, step=1, frames=15, capsules=4, units=15, offset=0.0, device=None):
    """Capsules that roll by `step` a frame while scale (5 values) or angle (15) moves."""
    frame = torch.arange(frames, device=device)
    first = torch.randn(count, 1, capsules, units, device=device) + offset
    moved = torch.randint(1, 3, (count,), device=device)
    sizes = torch.tensor(SIZES, device=device)
    start = torch.stack([torch.randint(0, n, (count,), device=device) for n in SIZES], -1)
    moves = torch.nn.functional.one_hot(moved, 3)
    factors = (start[:, None] + moves[:, None] * frame[:, None]) % sizes
    # A roll tells a pose only if it belongs to it: start every orbit at pose 0.
    at_start = start.gather(1, moved[:, None])[:, None]
    return roll(first, step * (at_start + frame[:, None])), factors, moved


def rolls_by_the_definition(t, factors, moved):
    """Observed and true roll of one sequence, with loops over frames, capsules and shifts."""
    frames, capsules, units = t.shape
    pose = factors[:, moved].tolist()
    rolls = []
    for reference in range(frames):
        if pose[reference] != 0:
            continue
        votes = []
        for c in range(capsules):
            scores = [
                sum(float(t[0, c, (n + k) % units] * t[reference, c, n]) for n in range(units))
                for k in range(units)
            ]
            votes.append(scores.index(max(scores)))
        rolls.append(max(range(units), key=lambda k, votes=votes: (votes.count(k), -k)))
    return min(rolls, key=lambda k: abs(k - pose[0])), pose[0]


@pytest.mark.parametrize("offset", [0.0, 3000.0])
@pytest.mark.parametrize("circular", [False, True])
def test_is_one_for_capsules_that_roll(offset, circular, device):
    t, factors, moved = sequences(300, offset=offset, device=device)
    scores = capcorr(t, factors, moved, names=NAMES, circular=circular)
    assert list(scores) == ["scale", "angle"]
    assert scores["scale"] == pytest.approx(1, abs=1e-12)
    assert scores["angle"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("canonical", [0, 2])
def test_rolls_of_rolling_capsules_are_exact(canonical, device):
    t, factors, moved = sequences(300, device=device)
    observed, true, factor = observed_and_true(t, factors, moved, canonical)
    start = factors[:, 0].gather(1, moved[:, None])[:, 0]
    assert torch.equal(observed, true) and torch.equal(factor, moved)
    assert torch.equal(true, (start - canonical) % 15)


def test_equals_the_definition_loop_by_loop(device, dtype):
    t, factors, moved = sequences(30, capsules=3, device=device)
    t = torch.randn_like(t, dtype=dtype)
    rolls = observed_and_true(t, factors, moved)
    expected = [
        rolls_by_the_definition(*one) for one in zip(t, factors, moved.tolist(), strict=True)
    ]
    assert torch.stack(rolls[:2], 1).tolist() == [list(one) for one in expected]


def test_reversed_roll_has_the_known_negative_correlation(device):
    scores = capcorr(*sequences(6000, step=-1, device=device), names=NAMES)
    # With angle y the observed roll is -y mod 15, so the correlation can be written down; with
    # scale y the nearest to y of -y, -y + 5, … within 0 .. 14.
    angle = torch.arange(15)
    assert scores["angle"] == pytest.approx(correlation(-angle % 15, angle), abs=0.03)
    assert scores["angle"] == pytest.approx(-0.6, abs=0.05)
    assert scores["scale"] == pytest.approx(0.7, abs=0.05)
    circular = capcorr(*sequences(2000, step=-1, device=device), names=NAMES, circular=True)
    assert circular["angle"] == pytest.approx(-1, abs=1e-12)


def test_noise_scores_chance(device):
    t, factors, moved = sequences(9_000, capsules=15, device=device)
    observed, true, factor = observed_and_true(torch.randn_like(t), factors, moved)
    for index, size in list(enumerate(SIZES))[1:]:
        pair = observed[factor == index], true[factor == index]
        for circular in (False, True):
            chance = capcorr_chance(15, 15, size, circular=circular)
            found = correlation(*pair, period=15 if circular else None)
            assert found == pytest.approx(chance, abs=0.05)


@pytest.mark.parametrize("period", [2, 3, 4, 7])
@pytest.mark.parametrize("capsules", [1, 2, 3])
@pytest.mark.parametrize("frames", [3, 4])
@pytest.mark.parametrize("circular", [False, True])
def test_chance_equals_the_enumeration_of_all_votes(period, capsules, frames, circular):
    units = 4
    rolls = [
        max(range(units), key=lambda k, votes=votes: (votes.count(k), -k))
        for votes in itertools.product(range(units), repeat=capsules)
    ]
    observed, true = [], []
    repeats = len(rolls) ** 2
    for start in range(period):
        references = [frame for frame in range(frames) if (start + frame) % period == 0]
        if not references:
            continue
        offers = list(itertools.product(*[[0] if f == 0 else rolls for f in references]))
        best = [min(offer, key=lambda k: abs(k - start % units)) for offer in offers]
        observed += best * (repeats // len(best))
        true += [start % units] * repeats
    expected = correlation(torch.tensor(observed), torch.tensor(true), units if circular else None)
    chance = capcorr_chance(units, capsules, period, frames, circular)
    assert chance == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_chance_matches_the_known_values():
    assert capcorr_chance(15, 15, 15) == pytest.approx(0.136, abs=0.005)
    assert capcorr_chance(15, 15, 5) == pytest.approx(0.53, abs=0.005)
    assert capcorr_chance(15, 15, 15, circular=True) == pytest.approx(0, abs=1e-9)


def test_invariant_code_has_no_correlation_not_zero(device):
    t, factors, moved = sequences(100, device=device)
    scores = capcorr(t[:, :1].expand_as(t), factors, moved, names=NAMES)
    assert math.isnan(scores["angle"]) and math.isnan(scores["scale"])


def test_rolls_of_batches_can_be_concatenated(device):
    t, factors, moved = sequences(60, device=device)
    whole = observed_and_true(t, factors, moved)
    batches = zip(t.split(7), factors.split(7), moved.split(7), strict=True)
    parts = [observed_and_true(*batch) for batch in batches]
    for name, values in whole._asdict().items():
        assert torch.equal(torch.cat([getattr(part, name) for part in parts]), values)


def test_sequences_without_a_roll_to_observe_are_marked_and_left_out(device):
    t, factors, moved = sequences(50, frames=10, device=device)
    several = torch.arange(50, device=device) < 10
    moved[several] = -1
    never_canonical = ~(
        factors.gather(2, moved.clamp_min(0)[:, None, None].expand(-1, 10, 1)) == 0
    )
    unread = several | never_canonical.all(1)[:, 0]
    assert unread[10:].any() and not unread.all()
    for values in observed_and_true(t, factors, moved):
        assert torch.equal(values == -1, unread)
    kept = ~unread
    assert capcorr(t, factors, moved) == capcorr(t[kept], factors[kept], moved[kept])
    nothing = observed_and_true(t[unread], factors[unread], moved[unread])
    assert (nothing.factor == -1).all() and capcorr(
        t[unread], factors[unread], moved[unread]
    ) == {}


def test_most_frequent_vote_wins_and_the_smallest_on_ties(device):
    first = torch.randn(6, 8, device=device)
    pose = ((torch.arange(8) + 7) % 8)[None, :, None].to(device)  # canonical in frame 1
    moved = torch.zeros(1, dtype=torch.int64, device=device)
    for votes, winner in [([5, 2, 5, 2, 7, 1], 2), ([6, 3, 6, 0, 6, 3], 6), ([7, 4] * 3, 4)]:
        second = roll(first, -torch.tensor(votes, device=device))
        t = torch.stack([first, second] + [first] * 6)[None]
        assert observed_and_true(t, pose, moved).observed.tolist() == [winner]


# --- factors by name, other speeds, non-periodic capsules ---------------------------------------


def test_factors_by_name_are_those_of_one_tensor_and_what_moves_is_found(device):
    t, factors, moved = sequences(60, device=device)
    still, several = factors[:1, :1].expand(1, 15, 3), factors[:1].clone()
    several[..., :2] = torch.arange(15, device=device)[:, None] % 3
    t, factors = torch.cat([t, t[:2]]), torch.cat([factors, still, several])
    by_name = dict(zip(NAMES, factors.int().unbind(-1), strict=True))
    expected = capcorr(t[:-2], factors[:-2], moved, names=NAMES)
    assert capcorr(t, by_name) == capcorr(t, factors, names=NAMES) == expected
    # Where two factors move together, neither is the one that moves.
    twice = {name: values[:60] for name, values in by_name.items()}
    assert list(capcorr(t[:60], twice | {"hue": twice["angle"]})) == ["scale"]


def half_speed(sequences=40, capsules=3):
    """Nine units that wrap around once in eighteen frames, from poses of their own."""
    start = torch.arange(sequences) % 18
    pose = (start[:, None] + torch.arange(18)) % 18
    canonical = torch.randn(sequences, 1, capsules, 9).double()
    t = roll(canonical, 0.5 * pose[:, :, None].double(), method="fourier")
    return t, pose[..., None]


@pytest.mark.parametrize("circular", [False, True])
def test_is_one_for_capsules_that_roll_by_half_units(circular):
    t, pose = half_speed()
    moved = torch.zeros(len(t), dtype=torch.int64)
    found = capcorr(t, pose, moved, ["angle"], circular=circular, speed=0.5)
    assert found["angle"] == pytest.approx(1.0)
    rolls = observed_and_true(t, pose, moved, speed=0.5)
    assert torch.equal(rolls.observed, pose[:, 0, 0]) and torch.equal(*rolls[:2])
    # At the speed of a unit a frame, poses beyond half a turn would be taken for others.
    assert not torch.equal(*observed_and_true(t, pose, moved)[:2])


def test_is_one_for_non_periodic_capsules_that_move():
    start = torch.arange(30) % 5
    pose = start[:, None] + torch.arange(6)
    shape = torch.zeros(30, 1, 2, 16).double()
    shape[..., :5] = torch.randn(30, 1, 2, 5)
    t = roll(shape, pose[:, :, None], boundary="zero")
    rolls = observed_and_true(
        t, pose[..., None], torch.zeros_like(start), canonical=4, boundary="zero"
    )
    assert torch.equal(rolls.observed, start - 4)
    assert torch.equal(rolls.true, rolls.observed)
    found = capcorr(t, {"scale": pose}, canonical=4, boundary="zero")
    assert found["scale"] == pytest.approx(1.0)


# --- correlation and errors ---------------------------------------------------------------------


def test_pearson_agrees_with_scipy():
    observed, true = torch.randint(0, 15, (2, 50))
    expected = pearsonr(observed.numpy(), true.numpy())[0]
    assert correlation(observed, true) == pytest.approx(expected, abs=1e-12)


def test_circular_correlation_is_the_sum_over_pairs():
    observed, true = torch.randint(0, 15, (2, 40))
    x, y = (2 * torch.pi / 15 * values.double() for values in (observed, true))
    x, y = (torch.sin(angle[:, None] - angle) for angle in (x, y))
    expected = float((x * y).sum() / (x.square().sum() * y.square().sum()).sqrt())
    assert correlation(observed, true, period=15) == pytest.approx(expected, abs=1e-12)


def test_circular_correlation_ignores_where_angles_start():
    observed, true = torch.randint(0, 15, (2, 40))
    expected = correlation(observed, true, period=15)
    for shift in (1, 7, 14):
        assert correlation((observed + shift) % 15, true, 15) == pytest.approx(expected, abs=1e-12)
    assert correlation(-observed % 15, true, 15) == pytest.approx(-expected, abs=1e-12)


@pytest.mark.parametrize("period", [None, 15])
def test_correlation_without_variation_is_nan(period):
    some, constant = torch.randint(0, 15, (100,)), torch.full((100,), 11)
    for pair in [(some, constant), (constant, some), (constant, constant)]:
        assert math.isnan(correlation(*pair, period))
    assert math.isnan(correlation(some[:0], some[:0], period))


def test_bad_input_is_named(device):
    t, factors, moved = sequences(4, device=device)
    with pytest.raises(ValueError, match=r"names=\['angle'\] for 3 factors"):
        capcorr(t, factors, moved, names=["angle"])
    with pytest.raises(ValueError, match=r"moved holds \[3\] but there are 3 factors"):
        observed_and_true(t, factors, torch.full_like(moved, 3))
    with pytest.raises(ValueError, match="period=0"):
        capcorr_chance(15, 15, 0)
