"""Theorems about the equivariance error."""

import itertools

import pytest
import torch

from symgen.latents import roll
from symgen.metrics import equivariance_chance, equivariance_error
from symgen.metrics.equivariance import _comparators

SHAPES = [(3, 6, 2, 6), (2, 5, 3, 8), (2, 9, 2, 4), (4, 2, 1, 3), (2, 1, 2, 4), (2, 18, 1, 18)]


def error_by_the_equation(t):
    """Eq. 13, one pair of frames, one capsule, one unit after the other, for one sequence."""
    frames, capsules, units = t.shape
    unit = t / t.norm(dim=-1, keepdim=True)
    return sum(
        abs(float(unit[first, c, (j - (second - first)) % units] - unit[second, c, j]))
        for first, second in itertools.combinations(range(frames), 2)
        for c in range(capsules)
        for j in range(units)
    )


def rolling(batch, frames, capsules, units, **kind):
    first = torch.randn(batch, 1, capsules, units, **kind)
    return roll(first, torch.arange(frames, device=first.device)[:, None])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("centred", [False, True])
def test_equals_the_double_sum_of_the_equation(shape, centred, device, dtype):
    t = torch.randn(shape, device=device, dtype=dtype) + 0.5
    expected = [
        error_by_the_equation(one - one.mean(-1, keepdim=True) if centred else one) for one in t
    ]
    torch.testing.assert_close(equivariance_error(t, centred), t.new_tensor(expected))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("offset", [0.0, 30.0])
def test_is_zero_for_capsules_that_roll(shape, centred, offset, device):
    t = rolling(*shape, device=device) + offset
    assert torch.equal(equivariance_error(t, centred), t.new_zeros(len(t)))


def test_is_positive_for_capsules_that_roll_otherwise(device, dtype):
    t = rolling(4, 6, 2, 6, device=device, dtype=dtype)
    still = t[:, :1].expand_as(t)
    for other in (t.flip(1), still, t.roll(1, 1) + torch.eye(6, dtype=dtype)[0]):
        assert (equivariance_error(other) > 1).all()


def test_does_not_depend_on_the_scale_of_a_capsule(device, dtype):
    t = torch.randn(4, 6, 2, 8, device=device, dtype=dtype)
    scale = torch.rand(4, 6, 2, 1, device=device, dtype=dtype) + 0.1
    for centred in (False, True):
        torch.testing.assert_close(
            equivariance_error(t * scale, centred), equivariance_error(t, centred)
        )
    assert torch.equal(equivariance_error(t * 2.0**100), equivariance_error(t))


def test_centred_ignores_an_offset_which_otherwise_lowers_the_error(device, dtype):
    t = torch.randn(4, 6, 2, 8, device=device, dtype=dtype)
    offset = torch.tensor([3.0, 30.0], device=device, dtype=dtype)[:, None]
    torch.testing.assert_close(
        equivariance_error(t + offset, centred=True), equivariance_error(t, centred=True)
    )
    assert (equivariance_error(t + offset) < 0.5 * equivariance_error(t)).all()


def test_acting_on_the_whole_sequence_changes_nothing(device, dtype):
    t = torch.randn(4, 6, 2, 8, device=device, dtype=dtype)
    torch.testing.assert_close(equivariance_error(roll(t, 3)), equivariance_error(t))


@pytest.mark.parametrize("centred", [False, True])
def test_capsules_without_direction_count_as_zero(centred, device):
    t = torch.randn(2, 4, 2, 7, device=device)
    # Constants of which the mean of seven is rounded: what is left of them is no direction.
    constants = torch.rand(4, 2, 1, device=device) if centred else torch.zeros(4, 2, 1)
    t[0, 1, 0] = constants[1, 0]
    t[1] = constants
    error = equivariance_error(t, centred)
    directions = t[0] - t[0].mean(-1, keepdim=True) if centred else t[0]
    directions = torch.nn.functional.normalize(directions, dim=-1)
    directions[1, 0] = 0
    frames = torch.stack([directions[frame].roll(-frame, -1) for frame in range(4)])
    expected = torch.nn.functional.pdist(frames.flatten(1), p=1).sum()
    torch.testing.assert_close(error[0], expected)
    assert error[1] == 0


@pytest.mark.parametrize("scale", [1e-30, 1e20, 1e37])
@pytest.mark.parametrize("options", [{}, {"centred": True}, {"boundary": "zero"}])
def test_scale_changes_nothing_however_near_the_ends_of_the_type(scale, options):
    t = torch.randn(2, 4, 2, 5)
    expected = equivariance_error(t, **options)
    assert bool((expected > 1).all())
    torch.testing.assert_close(equivariance_error(scale * t, **options), expected)


@pytest.mark.parametrize("length", range(1, 12))
def test_sorting_network_sorts_all_zeros_and_ones_hence_everything(length):
    values = torch.tensor(list(itertools.product([0, 1], repeat=length))).T.clone()
    expected = values.sort(dim=0).values
    for low, high in _comparators(length):
        values[[low, high]] = torch.stack(
            [values[[low, high]].amin(0), values[[low, high]].amax(0)]
        )
    assert torch.equal(values, expected)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(18, 18, 18), (15, 15, 15), (9, 2, 5), (3, 1, 3), (4, 2, 2)])
def test_independent_noise_scores_chance(shape, centred, device):
    t = torch.randn(1 + 600_000 // (shape[0] * shape[1] * shape[2]), *shape, device=device)
    error = equivariance_error(t + (10 if centred else 0), centred).double()
    chance = equivariance_chance(*shape, centred=centred)
    assert abs(float(error.mean()) - chance) < 5 * float(error.std()) / len(error) ** 0.5 + 1e-9
    assert float(error.mean()) == pytest.approx(chance, rel=0.01)


def test_chance_tends_to_the_formula_for_many_units():
    pair = (2 * 4000) ** 0.5 * (2 / torch.pi) ** 0.5
    assert equivariance_chance(2, 1, 4000) == pytest.approx(pair, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "mean", "known"),
    [
        *[(18, 0.0, 13274), (18, 0.5, 11865), (18, 1.0, 9312), (18, 2.0, 5801), (18, 30.0, 427)],
        *[(15, 0.0, 6938), (15, 1.0, 4857), (15, 2.0, 3013), (15, 5.0, 1306), (15, 30.0, 222)],
    ],
)
def test_noise_with_an_offset_scores_the_known_values(size, mean, known, device):
    t = torch.randn(30, size, size, size, device=device) + mean
    assert float(equivariance_error(t).mean()) == pytest.approx(known, rel=0.005)


@pytest.mark.parametrize("sizes", [(0, 2, 3), (2, 0, 3), (2, 2, 0)])
def test_chance_names_numbers_that_make_no_sense(sizes):
    name = ("frames", "capsules", "units")[sizes.index(0)]
    with pytest.raises(ValueError, match=f"{name}=0: give a whole number"):
        equivariance_chance(*sizes)
    with pytest.raises(ValueError, match="two units if centred"):
        equivariance_chance(3, 3, 1, centred=True)


# --- other speeds, non-periodic capsules --------------------------------------------------------


def non_periodic(sequences=6, frames=6, units=16):
    """Capsules that move along their units and lose nothing."""
    shape = torch.zeros(sequences, 1, 2, units).double()
    shape[..., :5] = torch.randn(sequences, 1, 2, 5)
    return roll(shape, torch.arange(frames)[:, None], boundary="zero")


@pytest.mark.parametrize("centred", [False, True])
def test_is_zero_at_the_speed_of_the_capsules_only(centred):
    first = torch.randn(6, 1, 3, 9).double()
    t = roll(first, 0.5 * torch.arange(18)[:, None].double(), method="fourier")
    assert equivariance_error(t, centred, speed=0.5).max() < 1e-9
    assert equivariance_error(t, centred).min() > 10
    t = non_periodic()
    assert equivariance_error(t, centred, boundary="zero").max() < 1e-9
    assert equivariance_error(t.flip(1), centred, speed=-1, boundary="zero").max() < 1e-9
    assert equivariance_error(t, centred, speed=2, boundary="zero").min() > 1


def test_without_period_it_is_the_sum_over_pairs_of_what_both_frames_show(dtype):
    t = torch.randn(2, 4, 3, 5, dtype=dtype)
    unit = t / t.norm(dim=-1, keepdim=True)
    expected = torch.zeros(2, dtype=dtype)
    for first, second in itertools.combinations(range(4), 2):
        for j in range(second - first, 5):
            difference = unit[:, first, :, j - (second - first)] - unit[:, second, :, j]
            expected += difference.abs().sum(-1)
    torch.testing.assert_close(equivariance_error(t, boundary="zero"), expected)


def test_without_period_speeds_are_whole():
    with pytest.raises(ValueError, match=r"speed=0\.5 with boundary='zero': give whole units"):
        equivariance_error(torch.randn(2, 4, 3, 5), speed=0.5, boundary="zero")


@pytest.mark.parametrize("centred", [False, True])
def test_noise_without_period_scores_chance(centred):
    t = torch.randn(400, 6, 3, 4)
    chance = equivariance_chance(6, 3, 4, centred, boundary="zero")
    mean = equivariance_error(t, centred, boundary="zero").mean().item()
    assert mean == pytest.approx(chance, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_fractions_of_a_unit_are_measured_in_half_precision(dtype):
    t = torch.randn(2, 6, 2, 6, generator=torch.Generator().manual_seed(0))
    found = equivariance_error(t.to(dtype), speed=0.5)
    torch.testing.assert_close(found.float(), equivariance_error(t, speed=0.5), rtol=0.02, atol=1)
