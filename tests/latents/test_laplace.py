"""Laplace densities against quadrature, Monte Carlo and torch's own."""

import math

import pytest
import torch
from torch import distributions

from symgen.latents import Gaussian, Laplace

CASES = [(0.0, 0.5), (0.3, 1.0), (-1.5, 0.2), (2.0, 2.0), (-0.1, 3.0)]  # mean, std


def make(device, dtype):
    mean, log_variance = torch.randn(2, 3, 4, device=device, dtype=dtype)
    return Laplace(mean, log_variance)


def of(mean: float, std: float, shape=(), **options) -> Laplace:
    return Laplace(
        torch.full(shape, mean, **options), torch.full(shape, 2 * math.log(std), **options)
    )


def test_the_interface_is_that_of_the_gaussian():
    def public(density: type) -> set[str]:
        return {name for name in dir(density) if not name.startswith("_")}

    assert public(Laplace) - {"momentum"} == public(Gaussian)


def test_density_agrees_with_torch(device, dtype):
    q = make(device, dtype)
    x = torch.randn(7, 3, 4, device=device, dtype=dtype)
    reference = distributions.Laplace(q.mean, 1 / q.momentum)
    torch.testing.assert_close(q.log_prob(x), reference.log_prob(x))
    torch.testing.assert_close(q.std, reference.stddev)


@pytest.mark.parametrize(("mean", "std"), CASES)
def test_the_density_integrates_to_its_moments(mean, std, device):
    options = {"dtype": torch.float64, "device": device}
    q = of(mean, std, **options)
    # An even number of cells puts the kink on a node, so that the trapezoidal rule is accurate.
    x = torch.linspace(mean - 40 * std, mean + 40 * std, 200_001, **options)
    density = q.log_prob(x).exp()
    square = q.second_moment()
    moments = {0: torch.ones_like(q.mean), 1: q.mean, 2: square}
    moments[4] = square.square() + q.square_variance()
    for power, moment in moments.items():
        integral = torch.trapezoid(density * x**power, x)
        torch.testing.assert_close(integral, moment, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("mean", "std"), CASES)
def test_samples_have_the_moments_and_both_signs(mean, std, device, dtype):
    q = of(mean, std, dtype=dtype, device=device)
    count = 400_000
    noise = (q.rsample(count) - mean) / std
    for statistic, expected, variance in [
        (noise, 0.0, 1.0),
        (noise.sign(), 0.0, 1.0),
        (noise.square(), 1.0, 5.0),  # E x⁴ = 6 σ⁴
        (noise.abs(), math.sqrt(0.5), 0.5),  # |x| is exponential
    ]:
        within = 5 * math.sqrt(variance / count)
        assert abs(float(statistic.mean()) - expected) < within
    assert q.rsample().shape == q.mean.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("uniform", ["least", "greatest"])
def test_extreme_uniform_numbers_give_finite_samples_in_both_tails(
    uniform, dtype, device, monkeypatch
):
    value = 0.0 if uniform == "least" else 1.0  # greater than any number drawn
    monkeypatch.setattr(
        torch, "rand", lambda shape, **options: torch.full(shape, value, **options)
    )
    log_variance = torch.zeros((), dtype=dtype, device=device, requires_grad=True)
    sample = Laplace(torch.zeros((), dtype=dtype, device=device), log_variance).rsample()
    sample.backward()
    assert sample.isfinite() and log_variance.grad is not None and log_variance.grad.isfinite()
    assert sample.sign() == (-1 if uniform == "least" else 1)
    assert sample.abs() > 10  # a tail it stands for, not the middle


@pytest.mark.parametrize(("mean", "std"), CASES)
def test_divergence_equals_its_monte_carlo_estimate(mean, std, device):
    q = of(mean, std, dtype=torch.float64, device=device)
    prior = Laplace.standard((), dtype=torch.float64, device=device)
    x = q.rsample(2_000_000)
    estimate = (q.log_prob(x) - prior.log_prob(x)).mean()
    torch.testing.assert_close(estimate, q.kl(), rtol=0.01, atol=0)


def test_divergence_agrees_with_torch_and_the_momentum_form(device, dtype):
    q = make(device, dtype)
    p, least = q.momentum, math.sqrt(2)
    form = (p / least).log() + least * q.mean.abs() + least / p * (-p * q.mean.abs()).exp() - 1
    torch.testing.assert_close(q.kl(), form)
    prior = distributions.Laplace(torch.zeros_like(q.mean), torch.full_like(q.mean, 1 / least))
    reference = distributions.kl_divergence(distributions.Laplace(q.mean, 1 / p), prior)
    torch.testing.assert_close(q.kl(), reference)


def test_standard_is_the_prior(device, dtype):
    prior = Laplace.standard((2, 3), device=device, dtype=dtype)
    x = prior.rsample(5)
    assert x.shape == (5, 2, 3) and x.dtype == dtype and x.device.type == device.type
    assert prior.std.eq(1).all() and prior.kl().eq(0).all()


def test_divergence_is_positive_away_from_the_prior(device, dtype):
    mean = torch.randn(10_000, device=device, dtype=dtype) * torch.logspace(-3, 2, 10_000).to(
        device, dtype
    )
    log_variance = 3 * torch.randn(10_000, device=device, dtype=dtype)
    assert Laplace(mean, log_variance).kl().gt(0).all()


@pytest.mark.parametrize("log_variance", [-60.0, -20.0, 0.0, 20.0])
@pytest.mark.parametrize("mean", [0.0, 1e-6, 1.0, 300.0, 1e6])
def test_single_precision_keeps_the_divergence_and_its_gradient(mean, log_variance, device):
    results = []
    for dtype in (torch.float32, torch.float64):
        parameters = torch.tensor([mean, log_variance], dtype=dtype, device=device)
        parameters.requires_grad_()
        divergence = Laplace(*parameters).kl()
        (gradient,) = torch.autograd.grad(divergence, parameters)
        results.append((divergence.detach().double(), gradient.double()))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


def test_gradients_flow_through_samples_and_divergence(device):
    mean, log_variance = torch.randn(2, 6, dtype=torch.float64, device=device)
    leaves = mean.requires_grad_(), log_variance.requires_grad_()
    for value in (Laplace(*leaves).rsample(), Laplace(*leaves).kl()):
        for gradient in torch.autograd.grad(value.sum(), leaves):
            assert gradient.ne(0).all()

    def fixed_noise(mean, log_variance):
        torch.manual_seed(0)
        return Laplace(mean, log_variance).rsample(3)

    assert torch.autograd.gradcheck(fixed_noise, leaves)
    assert torch.autograd.gradcheck(lambda m, v: Laplace(m, v).kl(), leaves)
