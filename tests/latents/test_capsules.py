"""Rolls of capsules as a group action, and the roll that is observed between two."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings

from symgen.latents import observed_roll, roll


def test_unit_j_moves_to_j_plus_shift(device, dtype):
    t = torch.arange(5, device=device, dtype=dtype)
    assert roll(t, 2).tolist() == [3, 4, 0, 1, 2]


@settings(deadline=None, max_examples=30)
@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 9))
def test_roll_is_an_action_of_the_cyclic_group(a, b, units):
    t = torch.randn(3, units)
    assert torch.equal(roll(roll(t, a), b), roll(t, a + b))
    assert torch.equal(roll(t, units), t)


def test_a_shift_for_each_capsule_equals_rolling_one_by_one(device, dtype):
    t = torch.randn(4, 3, 7, device=device, dtype=dtype)
    shift = torch.randint(-9, 9, (2, 4, 3), device=device)
    rolled = roll(t, shift)
    assert rolled.shape == (2, 4, 3, 7)
    for n in range(2):
        for b in range(4):
            for c in range(3):
                assert torch.equal(rolled[n, b, c], roll(t[b, c], int(shift[n, b, c])))


@pytest.mark.parametrize("shift", [True, torch.tensor(True)])
def test_a_shift_that_is_not_a_number_is_refused(shift):
    with pytest.raises(ValueError, match=r"number of units|shift=True: give"):
        roll(torch.zeros(3), shift)


@pytest.mark.parametrize("units", [2, 5, 18])
def test_observed_roll_recovers_the_shift_of_every_capsule(units, device, dtype):
    t = torch.randn(6, 4, units, device=device, dtype=dtype)
    shift = torch.randint(0, units, (6, 4), device=device)
    assert torch.equal(observed_roll(t, roll(t, shift)), shift)
    assert torch.equal(observed_roll(roll(t, shift), t), -shift % units)


def test_observed_roll_is_the_greatest_correlation_of_a_loop(device, dtype):
    a, b = torch.randn(2, 5, 3, 7, device=device, dtype=dtype)
    scores = torch.stack([(roll(a, k) * b).sum(-1) for k in range(7)], -1)
    assert torch.equal(observed_roll(a, b), scores.argmax(-1))


@pytest.mark.parametrize("boundary", ["cyclic", "zero"])
@pytest.mark.parametrize("shift", [0.5, -1.25, 3.0, 7.75])
def test_a_partial_roll_is_the_papers_interpolation(shift, boundary, device, dtype):
    """Eq. 20: (1 - part) t[j - floor] + part t[j - ceil], units beyond a zero boundary zero."""
    t = torch.randn(3, 5, device=device, dtype=dtype)

    def read(unit):
        inside = boundary == "cyclic" or 0 <= unit < 5
        return t[:, unit % 5] if inside else 0 * t[:, 0]

    part = shift - math.floor(shift)
    columns = [
        (1 - part) * read(j - math.floor(shift)) + part * read(j - math.ceil(shift))
        for j in range(5)
    ]
    expected = torch.stack(columns, -1)
    torch.testing.assert_close(roll(t, shift, boundary=boundary), expected)
    each = torch.full((3,), shift, device=device, dtype=dtype)
    torch.testing.assert_close(roll(t, each, boundary=boundary), expected)


@pytest.mark.parametrize("units", [5, 8])
def test_fourier_rolls_are_an_action_of_the_circle(units, device, dtype):
    t = torch.randn(4, units, device=device, dtype=dtype)
    if units % 2 == 0:  # take away what no half roll of an even circle can hold
        sign = (-1.0) ** torch.arange(units, device=device)
        t = t - sign * (t * sign).mean(-1, keepdim=True)

    def turn(x, shift):
        return roll(x, shift, method="fourier")

    torch.testing.assert_close(turn(turn(t, 0.3), 1.7), roll(t, 2))
    torch.testing.assert_close(turn(turn(t, 2.4), -2.4), t)
    angle = torch.tensor([0.5, 1.0, -2.5, 7.25], device=device, dtype=dtype)
    each = turn(t, angle)
    for row, shift in enumerate(angle.tolist()):
        torch.testing.assert_close(each[row], turn(t[row], shift))
    # A wave is moved as a wave, between the units too.
    place = torch.arange(units, device=device, dtype=dtype)
    wave = torch.cos(2 * torch.pi * place / units)
    expected = torch.cos(2 * torch.pi * (place - 0.5) / units)
    torch.testing.assert_close(turn(wave, 0.5), expected)


def test_with_a_zero_boundary_units_rolled_out_are_lost():
    t = torch.tensor([1.0, 2.0, 3.0])
    assert roll(t, 2, boundary="zero").tolist() == [0, 0, 1]
    assert roll(t, -5, boundary="zero").tolist() == [0, 0, 0]
    assert roll(roll(t, 1, boundary="zero"), -1, boundary="zero").tolist() == [1, 2, 0]


def test_the_shift_of_a_linear_roll_has_a_gradient():
    t = torch.randn(2, 6).double()
    shift = torch.tensor([0.3, -1.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: roll(t, s), shift)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(3), 0.5, "fourier", "zero"), "a Fourier roll is cyclic"),
        ((torch.zeros(3, dtype=torch.int64), 0.5), "cannot be rolled by a fraction"),
    ],
)
def test_rolls_that_make_no_sense_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        roll(*arguments)


@pytest.mark.parametrize("units", [5, 8])
def test_observed_roll_resolves_parts_of_a_unit(units, device, dtype):
    t = torch.randn(7, 3, units, device=device, dtype=dtype)
    if units % 2 == 0:
        sign = (-1.0) ** torch.arange(units, device=device)
        t = t - sign * (t * sign).mean(-1, keepdim=True)
    for quarters in (0, 3, 10, 4 * units - 1):
        moved = roll(t, quarters / 4, method="fourier")
        assert (observed_roll(t, moved, resolution=4) == quarters).all()


def test_observed_roll_with_a_zero_boundary_has_a_sign(device, dtype):
    t = torch.randn(6, 4, 9, device=device, dtype=dtype)
    t[..., [0, 1, 2, 6, 7, 8]] = 0  # so that nothing is lost
    for shift in (-3, 0, 2):
        moved = roll(t, shift, boundary="zero")
        assert (observed_roll(t, moved, boundary="zero") == shift).all()
