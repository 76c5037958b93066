"""Levels of photographs: probabilities, in the tails too, and what they are cut from."""

import math

import pytest
import scipy.stats
import torch

from symgen.likelihoods import DiscretisedLogistic, LogisticLevels

LEVELS = torch.arange(256, dtype=torch.float64)[:, None] / 255
CASES = [
    (location, scale)
    for location in (-0.7, 0.0, 0.3, 100.5 / 255, 1.0, 1.6)
    for scale in (1e-3, 0.01, 0.1, 3.0)
]


def levels_of(location, scale, dtype=torch.float64, device=None):
    options = {"dtype": dtype, "device": device}
    return LogisticLevels(
        torch.full((1, 1), location, **options), torch.tensor(scale, **options), dims=1
    )


def by_differences(location, scale):
    """Log-probability of every level from scipy's distribution function, of the nearer tail."""
    logistic = scipy.stats.logistic(location, scale)
    edges = (LEVELS[1:, 0].numpy() + LEVELS[:-1, 0].numpy()) / 2
    below = [-math.inf, *logistic.logcdf(edges), 0.0]
    above = [0.0, *logistic.logsf(edges), -math.inf]
    found = []
    for left, right in zip(range(256), range(1, 257), strict=True):
        one, other = below[right], below[left]
        if below[left] > math.log(0.5):
            one, other = above[left], above[right]
        found.append(one + math.log1p(-math.exp(other - one)))
    return torch.tensor(found, dtype=torch.float64)[:, None]


@pytest.mark.parametrize(("location", "scale"), CASES)
def test_probabilities_of_all_levels_add_up_to_one(location, scale, device):
    log_prob = levels_of(location, scale, device=device).log_prob(LEVELS[:, None].to(device))
    total = log_prob.exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize(("location", "scale"), CASES)
def test_they_are_differences_of_the_distribution_function_in_the_far_tails_too(
    location, scale, device
):
    expected = by_differences(location, scale)
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-3)):
        p = levels_of(location, scale, dtype, device)
        log_prob = p.log_prob(LEVELS[:, None].to(device, dtype)).double().cpu()
        torch.testing.assert_close(log_prob, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("location", "scale"), CASES)
def test_the_mean_is_that_of_the_levels_to_half_a_step(location, scale, device):
    p = levels_of(location, scale, device=device)
    probability = p.log_prob(LEVELS[:, None].to(device)).exp()
    exact = (probability * LEVELS.to(device)).sum()
    assert abs(exact - p.mean.squeeze()) <= 0.5 / 255 + 1e-9


def test_a_mean_in_single_precision_is_data_again(device):
    location, log_scale = 3 * torch.randn(2, 1, 100_000, device=device)
    mean = LogisticLevels(location, (log_scale - 2).exp(), dims=1).mean
    DiscretisedLogistic().require_support("mean", mean)


@pytest.mark.parametrize(("location", "scale"), [(0.3, 0.02), (0.99, 0.01), (-0.01, 0.004)])
def test_samples_are_levels_with_their_probabilities(location, scale, device):
    p = levels_of(location, scale, device=device)
    draws = (p.sample((50_000,)).flatten() * 255).cpu()
    assert torch.equal(draws, draws.round()) and draws.min() >= 0 and draws.max() <= 255
    frequency = torch.bincount(draws.long(), minlength=256) / 50_000
    probability = p.log_prob(LEVELS[:, None].to(device)).exp()[:, 0].cpu()
    assert (frequency - probability).abs().max() < 5 * (0.25 / 50_000) ** 0.5


def test_between_two_levels_a_value_counts_as_the_nearest(device):
    p = levels_of(0.3, 0.1, device=device)
    near = (77 + torch.tensor([-0.49, 0.0, 0.49], dtype=torch.float64)) / 255
    log_prob = p.log_prob(near.to(device).view(3, 1, 1)).flatten()
    assert (log_prob == log_prob[1]).all()
    assert (p.log_prob((near + 1 / 255).to(device).view(3, 1, 1)).flatten() != log_prob).all()


@pytest.mark.parametrize("location", [-1e4, 0.5, 1e4])
@pytest.mark.parametrize("log_scale", [-1e3, 0.0, 20.0])
def test_extreme_outputs_stay_finite(location, log_scale, device):
    outputs = torch.tensor([[location, log_scale]], device=device).view(1, 2, 1).requires_grad_()
    p = DiscretisedLogistic("value")(outputs, dims=1)
    log_prob = p.log_prob(torch.tensor([[0.0]], device=device))
    log_prob.sum().backward()
    assert log_prob.isfinite().all() and p.mean.isfinite().all()
    assert outputs.grad is not None and outputs.grad.isfinite().all()


def test_a_baseline_has_the_deviation_of_the_error_of_each_item(device, dtype):
    mean, x = torch.rand(2, 4, 3, 5, device=device, dtype=dtype)
    for scale in ("value", "one", "channel"):
        around = DiscretisedLogistic(scale).baseline(mean, x, dims=2)
        error = (x - mean).square().mean((1, 2)).sqrt()
        deviation = around.scale * math.pi / math.sqrt(3)
        torch.testing.assert_close(deviation, error[:, None, None].expand_as(x))
    assert torch.equal(around.location, mean)
    fixed = DiscretisedLogistic(0.2).baseline(mean, x, dims=2)
    torch.testing.assert_close(fixed.scale, torch.full_like(x, 0.2))
    one = DiscretisedLogistic("one").baseline(mean, x, dims=2, log_scale=mean.new_tensor(-1.0))
    torch.testing.assert_close(one.scale, torch.full_like(x, math.exp(-1)), atol=1e-2, rtol=0)
