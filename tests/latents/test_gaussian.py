"""Gaussian densities against torch's own and Monte Carlo."""

import torch
from torch.distributions import Normal, kl_divergence

from symgen.latents import Gaussian, standard_normal_log_prob


def make(device, dtype):
    mean, log_variance = torch.randn(2, 3, 4, device=device, dtype=dtype)
    return Gaussian(mean, log_variance), Normal(mean, (0.5 * log_variance).exp())


def test_density_and_divergence_agree_with_torch(device, dtype):
    q, normal = make(device, dtype)
    prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
    x = torch.randn(7, 3, 4, device=device, dtype=dtype)
    torch.testing.assert_close(q.log_prob(x), normal.log_prob(x))
    torch.testing.assert_close(q.kl(), kl_divergence(normal, prior))
    torch.testing.assert_close(standard_normal_log_prob(x), prior.log_prob(x))


def test_samples_have_the_moments(device, dtype):
    q, _ = make(device, dtype)
    x = q.rsample(200_000)
    torch.testing.assert_close(x.mean(0), q.mean, atol=0.03, rtol=0)
    torch.testing.assert_close(x.std(0), q.std, atol=0.03, rtol=0.01)
    torch.testing.assert_close(x.square().mean(0), q.second_moment(), atol=0.05, rtol=0.03)
    assert q.rsample().shape == q.mean.shape
    spread = x.double().square().var(0)
    torch.testing.assert_close(spread, q.square_variance().double(), atol=0.05, rtol=0.05)


def test_divergence_equals_its_monte_carlo_estimate(device, dtype):
    q, _ = make(device, dtype)
    x = q.rsample(400_000)
    estimate = (q.log_prob(x) - standard_normal_log_prob(x)).mean(0)
    torch.testing.assert_close(estimate, q.kl(), atol=0.02, rtol=0.01)


def test_gradients_flow_through_samples(device, dtype):
    mean = torch.zeros(3, device=device, dtype=dtype, requires_grad=True)
    log_variance = torch.zeros(3, device=device, dtype=dtype, requires_grad=True)
    Gaussian(mean, log_variance).rsample().square().sum().backward()
    assert mean.grad is not None and mean.grad.ne(0).all()
    assert log_variance.grad is not None and log_variance.grad.ne(0).all()


def test_standard_is_the_prior(device, dtype):
    prior = Gaussian.standard((2, 3), device=device, dtype=dtype)
    x = prior.rsample(5)
    assert x.shape == (5, 2, 3) and x.dtype == dtype and x.device.type == device.type
    torch.testing.assert_close(prior.log_prob(x), standard_normal_log_prob(x))
    assert prior.kl().eq(0).all()


def test_the_variance_of_outputs_is_exponential_up_to_one_and_linear_beyond(device, dtype):
    mean = torch.zeros(5, device=device, dtype=dtype)
    spread = torch.tensor([-30.0, -2.0, 0.0, 3.0, 1e6], device=device, dtype=dtype)
    spread.requires_grad_()
    q = Gaussian.from_outputs(mean, spread)
    wanted = torch.where(spread < 0, spread.exp(), 1 + spread)
    torch.testing.assert_close(q.log_variance.exp(), wanted, rtol=1e-5, atol=0)
    (slope,) = torch.autograd.grad(q.log_variance.exp().sum(), spread)
    torch.testing.assert_close(slope, wanted.clamp(max=1), rtol=1e-5, atol=0)


def test_an_absurd_output_costs_no_more_than_itself():
    spread = torch.tensor(1e4, requires_grad=True)
    kl = Gaussian.from_outputs(torch.tensor(0.0), spread).kl()
    (slope,) = torch.autograd.grad(kl, spread)
    assert kl < 1e4 and 0 < slope < 1


def test_a_very_narrow_density_has_finite_probabilities():
    q = Gaussian(torch.ones(3), torch.full((3,), -100.0))
    assert q.log_prob(q.mean).isfinite().all()
