"""Bernoulli values, gray levels in the papers' convention, and their density."""

import pytest
import torch
from torch import distributions
from torch.nn import functional

from symgen.likelihoods import Bernoulli, ContinuousBernoulli, GrayBernoulli

SHAPES = [(2, 4, 4), (7,), (1, 2, 3, 4)]


def gray(logits, clamped=False):
    """The distribution that a decoder's outputs (n, 1, height, width) stand for."""
    return Bernoulli(clamped)(logits[:, None], dims=logits.ndim - 1)


@pytest.mark.parametrize("data_shape", SHAPES)
def test_log_prob_is_the_binary_cross_entropy_of_gray_levels(data_shape, device):
    logits = 4 * torch.randn(3, 5, *data_shape, device=device)
    x = torch.rand(3, 5, *data_shape, device=device)
    found = Bernoulli()(logits.unsqueeze(2), dims=len(data_shape))
    expected = functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(found.log_prob(x), -expected.flatten(2).sum(-1))
    assert found.batch_shape == (3, 5) and found.event_shape == data_shape


def test_gradient_is_the_target_less_the_probability(device):
    logits = torch.randn(2, 1, 4, 4, device=device, requires_grad=True)
    x = torch.rand(2, 1, 4, 4, device=device)
    gray(logits).log_prob(x).sum().backward()
    torch.testing.assert_close(logits.grad, x - logits.detach().sigmoid())


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_logits_stay_finite(size, device):
    logits = torch.tensor([size, -size], device=device).view(2, 1, 1, 1).requires_grad_()
    x = torch.tensor([0.0, 1.0], device=device).view(2, 1, 1, 1)
    log_prob = gray(logits).log_prob(x)
    torch.testing.assert_close(log_prob, torch.full_like(log_prob, -size))
    log_prob.sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_the_reference_clamp_is_that_of_float32_probabilities(device):
    logits = torch.tensor([30.0, -30.0, 3.0], device=device).view(3, 1, 1, 1).requires_grad_()
    x = torch.tensor([0.0, 1.0, 0.0], device=device).view(3, 1, 1, 1)
    log_prob = gray(logits, clamped=True).log_prob(x)
    smallest = torch.tensor(torch.finfo(torch.float32).eps).log()
    torch.testing.assert_close(log_prob[:2].cpu(), smallest.expand(2), atol=1e-4, rtol=0)
    log_prob.sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten()[:2].tolist() == [0.0, 0.0] and logits.grad.flatten()[2] != 0


@pytest.mark.parametrize("data_shape", SHAPES)
def test_samples_are_binary_with_the_mean(data_shape, device):
    p = GrayBernoulli(torch.randn(2, *data_shape, device=device), dims=len(data_shape))
    draws = p.sample((10_000,))
    assert set(draws.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(draws.mean(0), p.mean, atol=0.025, rtol=0)
    assert p.sample().shape == (2, *data_shape)


def continuous(logits):
    return ContinuousBernoulli()(logits[:, None], dims=1)


@pytest.mark.parametrize("logit", [-15.0, -4.0, -0.1, -1e-3, 0.0, 2e-3, 0.3, 7.0, 15.0])
def test_the_continuous_density_integrates_to_one_and_to_its_mean(logit, device):
    x = torch.linspace(0, 1, 100_001, dtype=torch.float64, device=device)[:, None]
    density = continuous(torch.full_like(x, logit)).log_prob(x).exp()
    one = torch.trapezoid(density, x[:, 0])
    mean = torch.trapezoid(density * x[:, 0], x[:, 0])
    torch.testing.assert_close(one, torch.ones_like(one), atol=1e-4, rtol=0)
    expected = continuous(torch.full_like(x[:1], logit)).mean[0, 0]
    torch.testing.assert_close(mean, expected, atol=1e-4, rtol=0)


def test_the_density_is_the_papers_convention_with_a_normalising_constant(device, dtype):
    """log C(λ) = log(2 artanh(1 - 2λ) / (1 - 2λ)), with λ the probability."""
    logits = 4 * torch.randn(100, 1, device=device, dtype=dtype)
    x = torch.rand(100, 1, device=device, dtype=dtype)
    probability = logits.sigmoid()[:, 0]
    constant = (2 * torch.atanh(1 - 2 * probability) / (1 - 2 * probability)).log()
    convention = Bernoulli()(logits[:, None], dims=1).log_prob(x)
    torch.testing.assert_close(continuous(logits).log_prob(x), convention + constant)


def test_a_continuous_baseline_has_the_predicted_mean_within_torchs_range(device, dtype):
    mean = torch.linspace(0.07, 0.93, 50, device=device, dtype=dtype)[:, None]
    around = ContinuousBernoulli().baseline(mean, mean, dims=1)
    torch.testing.assert_close(around.mean, mean, atol=2e-3, rtol=0)
    ends = torch.tensor([[0.0], [1.0]], device=device, dtype=dtype)
    least, greatest = ContinuousBernoulli().baseline(ends, ends, dims=1).mean.flatten().tolist()
    assert 0 < least < 0.07 and 0.93 < greatest < 1


def test_a_baseline_takes_its_mean_for_probabilities_and_is_never_certain(device):
    mean = torch.tensor([[0.0, 0.3, 1.0]], device=device)
    around = Bernoulli(clamped=True).baseline(mean, mean, dims=1)
    torch.testing.assert_close(around.mean, torch.tensor([[0.001, 0.3, 0.999]], device=device))
    wrong = around.log_prob(torch.tensor([[1.0, 0.3, 0.0]], device=device))
    assert wrong.item() == pytest.approx(2 * -6.9078 + around.log_prob(mean).item(), abs=0.01)


def test_the_entropy_floor_is_that_of_coins(device, dtype):
    x = torch.tensor([[0.0, 1.0], [0.5, 0.25]], device=device, dtype=dtype)
    expected = distributions.Bernoulli(x).entropy().sum(1)
    torch.testing.assert_close(Bernoulli().entropy_floor(x, dims=1), expected)
    assert Bernoulli().entropy_floor(x, dims=1)[0] == 0  # black or white
