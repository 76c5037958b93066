"""Gaussian values against torch's own, and the scale of baselines."""

import math

import pytest
import torch
from torch.distributions import Normal

from symgen.likelihoods import Gaussian

SHAPES = [(5,), (3, 2, 4), (2, 3, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_log_prob_is_that_of_torch(shape, device, dtype):
    mean, x = torch.randn(2, 4, *shape, device=device, dtype=dtype)
    p = Gaussian(0.7)(mean[:, None], dims=len(shape))
    expected = Normal(mean, 0.7).log_prob(x).flatten(1).sum(-1)
    torch.testing.assert_close(p.log_prob(x), expected)
    assert torch.equal(p.mean, mean)
    torch.testing.assert_close(p.stddev, torch.full_like(mean, 0.7))


def rms(x):
    return x.square().flatten(1).mean(1).sqrt()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", ["one", "channel", "value"])
def test_without_a_scale_a_baseline_takes_the_best_one_for_each_item(scale, shape, device, dtype):
    mean, x = torch.randn(2, 4, *shape, device=device, dtype=dtype)
    around = Gaussian(scale).baseline(mean, x, dims=len(shape))
    found = around.stddev.flatten(1)
    torch.testing.assert_close(found, rms(x - mean)[:, None].expand_as(found))
    for factor in (0.9, 1.1):
        other = Normal(mean, factor * around.stddev).log_prob(x).flatten(1).sum(-1)
        assert (other < around.log_prob(x)).all()


def test_a_perfect_prediction_is_scored_with_a_scale_of_a_thousandth(device):
    x = torch.rand(4, 5, device=device)
    around = Gaussian().baseline(x, x, dims=1)
    assert around.stddev.flatten().tolist() == pytest.approx([math.exp(-7)] * 20)
    assert math.exp(-7) == pytest.approx(0.001, rel=0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_baseline_has_the_scale_of_the_model_where_that_is_known(shape, device, dtype):
    mean, x = torch.randn(2, 4, *shape, device=device, dtype=dtype)
    dims = len(shape)
    fixed = Gaussian(0.7).baseline(mean, x, dims)
    torch.testing.assert_close(fixed.stddev, torch.full_like(x, 0.7))
    for likelihood in (Gaussian("one"), Gaussian("channel")):
        learned = {k: torch.randn_like(v) for k, v in likelihood.learned(shape).items()}
        learned = {k: v.to(device, dtype) for k, v in learned.items()}
        around = likelihood.baseline(mean, x, dims, **learned)
        model = likelihood(mean[:, None], dims, **learned)
        torch.testing.assert_close(around.log_prob(x), model.log_prob(x))
