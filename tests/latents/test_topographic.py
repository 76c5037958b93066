"""What holds for every topography, one of the user's own included, and for t made with it."""

import pytest
import scipy.stats
import torch
from topography_helpers import AXES, TOPOGRAPHIES

from symgen.latents import Topographic, Topography, roll


class WholeCapsules(Topographic):
    """All units of a capsule share energy, in this frame and in the one before it."""

    capsules, units, frames = 3, 6, 4
    window, causal = 2, True

    def inverse_scale(self, energy, eps):
        capsule = energy.sum(-1, keepdim=True)
        return (capsule + capsule.roll(1, -3) + eps).rsqrt().expand_as(energy)


EVERY = {**TOPOGRAPHIES, **AXES, "own": WholeCapsules()}


@pytest.fixture(params=EVERY.values(), ids=EVERY.keys())
def topography(request):
    return request.param


@pytest.fixture
def shape(topography):
    return topography.frames, topography.capsules, topography.units


def test_the_receptive_field_is_the_frames_that_the_first_one_depends_on(topography, shape):
    energy = torch.rand(shape, requires_grad=True)
    topography.inverse_scale(energy, 1e-6)[0].sum().backward()
    assert energy.grad is not None
    reached = energy.grad.flatten(1).abs().sum(1) > 0
    assert torch.equal(topography.receptive_field(), reached)
    assert torch.equal(Topographic.receptive_field(topography), reached)  # the default


def test_sequences_are_independent_and_energy_only_scales_down(topography, shape):
    energy = torch.rand(2, *shape).double()
    scale = topography.inverse_scale(energy, 1e-6)
    assert scale.shape == energy.shape and (scale > 0).all()
    torch.testing.assert_close(scale[1], topography.inverse_scale(energy[1], 1e-6))
    assert (topography.inverse_scale(energy + torch.rand(shape), 1e-6) <= scale).all()


@pytest.mark.parametrize("topography", [*TOPOGRAPHIES.values(), *AXES.values()])
def test_only_a_zero_boundary_of_time_lets_sequences_be_longer(topography):
    longer = torch.rand(topography.frames + 3, topography.capsules, topography.units)
    assert topography.open_ended == (topography.boundary == "zero")
    if topography.open_ended:
        assert (topography.inverse_scale(longer, 1e-6) > 0).all()
    else:
        with pytest.raises(ValueError, match="energy of shape"):
            topography.inverse_scale(longer, 1e-6)


def test_rolls_follow_one_another(topography, shape):
    """Along the first axis; partial rolls that blur or lose units are no group action."""
    t = torch.randn(3, *shape[1:])
    once = topography.roll(t, 1)
    assert once.shape == t.shape and torch.equal(topography.roll(t, 0), t)
    if topography.speed == int(topography.speed) and topography.capsule_boundary == "cyclic":
        assert torch.equal(topography.roll(once, 1), topography.roll(t, 2))
        assert torch.equal(topography.roll(once, -1), t)
        each = topography.roll(t, torch.tensor([0, 1, 2])[:, None])
        assert torch.equal(each[2], topography.roll(t, 2)[2])


def test_a_topography_of_ones_own_has_the_defaults():
    own, t = WholeCapsules(), torch.randn(3, 6)
    assert torch.equal(own.roll(t, 4), roll(t, 4))
    assert (own.is_none, own.open_ended, own.speed) == (False, False, 1)
    with pytest.raises(ValueError, match="axis=1: the capsules have one axis"):
        own.roll(t, 1, axis=1)


def test_scale_is_the_root_of_the_energy_and_stays_finite(device, dtype):
    topography = Topography.tvae(2, 6, 6, 5)
    u = torch.randn(3, 6, 2, 6, device=device, dtype=dtype)
    scale = topography.inverse_scale(u.square(), 1e-6)
    torch.testing.assert_close(scale, (topography.energy(u) + 1e-6).rsqrt())
    assert topography.inverse_scale(0 * u, 1e-6).isfinite().all()


@pytest.mark.parametrize("window", [1, 3])
def test_under_the_prior_t_is_a_student_t_variable(window):
    """Of as many degrees of freedom as units share energy, scaled by their root."""
    topography = Topography.tvae(1, 4, 4, window)
    z, u = torch.randn(2, 20_000, 4, 1, 4).double()
    t = (z * topography.inverse_scale(u.square(), 0.0))[:, 0, 0, 0]  # one of each sequence
    assert scipy.stats.kstest(window**0.5 * t, scipy.stats.t(window).cdf).pvalue > 0.01
    assert scipy.stats.kstest(window**0.5 * t, "norm").pvalue < 1e-9
