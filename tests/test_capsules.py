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
def test_a_shift_that_is_no_number_is_refused(shift):
    with pytest.raises(ValueError, match="takes a number of units"):
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
