"""Topographies against the loop of their equation, in the plain case and in all extensions."""

import math

import jaxtyping
import pytest
import torch
from topography_helpers import TOPOGRAPHIES, pool_by_loop

from symgen.latents import Topography, roll
from symgen.latents import topography as module

every = pytest.mark.parametrize("topography", TOPOGRAPHIES.values(), ids=TOPOGRAPHIES.keys())


def shape_of(topography):
    return topography.frames, topography.capsules, topography.units


@every
@pytest.mark.parametrize("limit", [None, 0], ids=["dense", "windowed"])
def test_energy_equals_the_loop_of_the_equation(topography, limit, device, dtype, monkeypatch):
    if limit is not None:
        monkeypatch.setattr(module, "_DENSE_LIMIT", limit)
    u = torch.randn(2, *shape_of(topography), device=device, dtype=dtype)
    expected = torch.stack([pool_by_loop(topography, one.square()) for one in u])
    torch.testing.assert_close(topography.energy(u), expected)


def test_windowed_sum_loses_no_digits_and_is_never_negative(monkeypatch):
    monkeypatch.setattr(module, "_DENSE_LIMIT", 0)
    topography = Topography.tvae(1, 4, 40, 3)
    u = torch.full((1, 40, 1, 4), 1e-4)
    u[0, 0] = 1e4  # a running sum from the first frame on would bury the rest
    energy = topography.energy(u)
    torch.testing.assert_close(energy[0, 2:-1], torch.full_like(energy[0, 2:-1], 3e-8))


@every
def test_matrix_is_what_pooling_applies_to_a_capsule(topography):
    """But for neighbours in other capsules, and for what padding adds, whatever the energy."""
    assert (topography.matrix() >= 0).all()
    energy = torch.rand(shape_of(topography), dtype=torch.float64)
    added = topography.pool(0 * energy)
    assert (added >= 0).all()
    if topography.capsule_neighbourhood == 1:
        pooled = (topography.pool(energy) - added)[:, 0].flatten()
        torch.testing.assert_close(topography.matrix() @ energy[:, 0].flatten(), pooled)


@every
def test_under_the_prior_every_unit_expects_the_same_energy(topography):
    """Padding counts with what it expects, so that t has one scale up to the boundaries."""
    ones = torch.ones(shape_of(topography), dtype=torch.float64)
    total = topography.window * topography.neighbourhood * topography.capsule_neighbourhood
    if topography.reference_window and topography.shift and topography.neighbourhood > 1:
        total = float(topography.weights().sum())  # less than the whole window: its corners
        assert total < topography.window * topography.neighbourhood
    torch.testing.assert_close(topography.pool(ones), total * ones)


@pytest.mark.parametrize(("window", "terms"), [(13, 37), (18, 52), (5, 13)], ids=str)
def test_reference_kernel_has_the_authors_number_of_terms(window, terms):
    kernel = Topography.tvae(1, 18, 18, window, neighbourhood=3, reference_window=True)
    assert kernel.matrix()[0].sum() == terms


@pytest.mark.parametrize("window", [13, 18])
def test_energy_of_a_rolled_sequence_rolls(window, device, dtype):
    topography = Topography.tvae(3, 18, 18, window, neighbourhood=3)
    u = torch.randn(2, 18, 3, 18, device=device, dtype=dtype)
    advanced = roll(u, 1).roll(1, dims=1)  # one frame later, one unit further
    torch.testing.assert_close(
        topography.energy(advanced), roll(topography.energy(u), 1).roll(1, dims=1)
    )


def test_with_a_full_window_every_energy_rolls(device, dtype):
    topography = Topography.tvae(3, 15, 15, 15)
    v = topography.energy(torch.randn(2, 15, 3, 15, device=device, dtype=dtype))
    torch.testing.assert_close(roll(v[:, :-1], 1), v[:, 1:])


def test_with_a_full_window_at_half_speed_every_energy_rolls_by_half_a_unit(device, dtype):
    """The point of C.1: nine units wrap around once in eighteen frames."""
    topography = Topography(2, 9, 18, 18, shift=0.5)
    v = topography.energy(torch.randn(3, 18, 2, 9, device=device, dtype=dtype))
    torch.testing.assert_close(topography.roll(v[:, :-2], 2), v[:, 2:])
    torch.testing.assert_close(topography.roll(v, 18), v)


def test_a_step_is_the_roll_of_a_frame():
    t = torch.randn(4, 6)
    assert torch.equal(Topography(4, 6, 6, 3, shift=2).roll(t, 2), roll(t, 4))
    assert torch.equal(Topography.bubble(4, 6, 6, 3).roll(t, 2), roll(t, 2))
    bounded = Topography(4, 6, 6, 3, shift=0.5, capsule_boundary="zero")
    torch.testing.assert_close(bounded.roll(t, 3), roll(t, 1.5, boundary="zero"))


def test_causal_windows_see_no_future_and_zero_boundaries_do_not_wrap_around():
    topography = TOPOGRAPHIES["causal, zero"]
    u = torch.rand(9, 3, 5, requires_grad=True)  # any number of frames
    topography.pool(u)[5].sum().backward()
    assert u.grad is not None
    assert (u.grad.flatten(1).sum(1) > 0).tolist() == [2 <= frame <= 5 for frame in range(9)]


def test_in_an_open_ended_sequence_frames_that_come_later_change_nothing_before_them():
    topography = TOPOGRAPHIES["causal, zero"]
    energy = torch.rand(11, 3, 5).double()
    torch.testing.assert_close(topography.pool(energy)[:6], topography.pool(energy[:6]))


SIZES = {"capsules": 2, "units": 5, "frames": 6, "window": 3}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 7}, "window=7 does not fit frames=6"),
        ({"window": -1}, "window=-1"),
        ({"window": 0}, "window=0"),
        ({"neighbourhood": 9}, "neighbourhood=9 does not fit units=5"),
        ({"capsule_neighbourhood": 3}, "capsule_neighbourhood=3 does not fit capsules=2"),
        ({"frames": 0}, "frames=0"),
        ({"neighbourhood": 2, "reference_window": True}, "odd neighbourhood"),
        ({"shift": math.inf}, "shift=inf: give"),
        ({"boundary": "open"}, "boundary='open': choose"),
        ({"capsule_boundary": "open"}, "capsule_boundary='open': choose"),
        ({"causal": True, "reference_window": True}, "authors' code"),
        ({"shift": 0.5, "reference_window": True}, "authors' code"),
        ({"boundary": "zero", "reference_window": True}, "authors' code"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        Topography(**SIZES | settings)


def test_what_does_not_fit_a_topography_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 5, 2, 6\)"):
        Topography.tvae(2, 6, 6, 3).energy(torch.zeros(2, 5, 2, 6))
    with pytest.raises(ValueError, match="window of at least 1"):
        Topography.none(2, 6, 6).energy(torch.zeros(2, 6, 2, 6))
    with pytest.raises(ValueError, match="one axis"):
        Topography(**SIZES).roll(torch.zeros(2, 5), 1, axis=1)
