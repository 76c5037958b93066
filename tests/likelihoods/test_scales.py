"""Scales: fixed, or learned as one, one for each channel or one for each value."""

import math
import re

import jaxtyping
import pytest
import torch

from symgen.likelihoods import DiscretisedLogistic, Gaussian

BOTH = pytest.mark.parametrize("kind", [Gaussian, DiscretisedLogistic])
SHAPES = [(5,), (3, 2, 4), (2, 3, 1, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def scale_of(p):
    return p.scale if hasattr(p, "scale") else p.stddev


def made(kind, scale, outputs, **learned):
    return scale_of(kind(scale)(outputs, dims=outputs.dim() - 2, **learned))


@BOTH
def test_who_trains_a_scale_is_either_the_model_or_the_decoder(kind):
    shape = (3, 2, 4)
    assert [kind(scale).parameters for scale in (0.1, "one", "channel", "value")] == [1, 1, 1, 2]
    assert kind(0.1).learned(shape) == kind("value").learned(shape) == {}
    assert kind("one").learned(shape)["log_scale"].shape == ()
    assert kind("channel").learned(shape)["log_scale"].shape == (3,)


@BOTH
@every_shape
def test_every_learned_scale_starts_at_the_same_moderate_value(kind, shape, device):
    starts = []
    for scale in ("one", "channel", "value"):
        likelihood = kind(scale)
        outputs = torch.zeros(2, likelihood.parameters, *shape, device=device)
        learned = {name: v.to(device) for name, v in likelihood.learned(shape).items()}
        starts.append(made(kind, scale, outputs, **learned))
    assert torch.stack(starts).unique().numel() == 1
    assert starts[0].unique().item() == pytest.approx(0.3, abs=0.01)


@BOTH
@every_shape
def test_a_scale_for_each_channel_is_that_of_its_channel(kind, shape, device):
    log_scale = torch.linspace(-2, 1, shape[0], device=device)
    outputs = torch.randn(4, 1, *shape, device=device)
    found = made(kind, "channel", outputs, log_scale=log_scale)
    for channel, expected in enumerate(log_scale.exp().tolist()):
        values = found[:, channel]
        torch.testing.assert_close(values, torch.full_like(values, expected), rtol=0.01, atol=0)
    alike = made(kind, "one", outputs, log_scale=log_scale[0])
    torch.testing.assert_close(alike[:, 0], found[:, 0])
    assert alike.unique().numel() == 1


@BOTH
@every_shape
def test_a_scale_for_each_value_is_the_second_output_of_the_decoder(kind, shape, device):
    outputs = torch.randn(4, 2, *shape, device=device)
    found = made(kind, "value", outputs)
    torch.testing.assert_close(found, 0.3 * outputs[:, 1].exp(), rtol=0.01, atol=0.002)
    other = outputs.clone()
    other[:, 0] = 0
    assert torch.equal(made(kind, "value", other), found)


@BOTH
def test_a_learned_scale_stays_above_a_thousandth_smoothly(kind, device):
    log_scale = torch.linspace(-40, 3, 1000, dtype=torch.float64, device=device).requires_grad_()
    found = made(kind, "channel", torch.zeros(1, 1, 1000, 1, device=device), log_scale=log_scale)
    (slope,) = torch.autograd.grad(found.sum(), log_scale)
    assert found.min() >= math.exp(-7) and (slope > 0).all() and (found.diff(dim=1) >= 0).all()
    above = log_scale.flatten() > -2
    torch.testing.assert_close(found[0, above, 0], log_scale[above].exp(), rtol=0.01, atol=0)


@BOTH
@pytest.mark.parametrize("scale", [0, -0.5, 1e-30, 1e30, math.inf, math.nan, "pixel", "Channel"])
def test_other_scales_are_refused(kind, scale, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(
        ValueError,
        match=rf"scale={re.escape(repr(scale))}: give a positive number .*, or learn it",
    ):
        kind(scale)


@BOTH
def test_a_whole_number_is_a_scale(kind, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which wants a float
    assert kind(2) == kind(2.0) and isinstance(kind(2).scale, float)
