"""Theorems about importance-sampled likelihoods and the entropy floor."""

import math

import pytest
import torch
from torch.distributions import Independent, Normal

from symgen import TVAE, VAE, likelihoods
from symgen.latents import Gaussian
from symgen.likelihoods import GrayBernoulli, Poisson
from symgen.metrics import entropy_floor, log_likelihood, paper_estimate, sequence_bound
from symgen.models.topographic import Posterior

NOISE = 0.7


class Linear(VAE):
    """Data that are their latents plus Gaussian noise, so that p(x) is Gaussian too."""

    def __init__(self, width=1.0, data_shape=(1, 2, 3)):
        likelihood = likelihoods.Gaussian(NOISE)
        super().__init__(data_shape, capsules=2, units=3, frames=4, likelihood=likelihood, width=4)
        self.spread = width

    def encode(self, x):
        """Return the exact posterior N(x / (1 + σ²), σ² / (1 + σ²)), made wider by a factor."""
        mean = x.flatten(2).unflatten(2, (2, 3)) / (1 + NOISE**2)
        variance = torch.full_like(mean, self.spread * NOISE**2 / (1 + NOISE**2))
        return Posterior(Gaussian(mean, variance.log()), None)

    def decode(self, t):
        dims = len(self.data_shape)
        return Independent(Normal(t.flatten(-2).unflatten(-1, self.data_shape), NOISE), dims)


def exact(x):
    """log p(x) of every sequence, nats per frame."""
    return Normal(0, math.sqrt(1 + NOISE**2)).log_prob(x).flatten(2).sum(-1).mean(-1)


@pytest.mark.parametrize("data_shape", [(1, 2, 3), (6,), (1, 1, 2, 3)])
@pytest.mark.parametrize("samples", [1, 10])
def test_bound_is_exact_under_the_exact_posterior(samples, data_shape):
    x = torch.randn(5, 4, *data_shape)
    model = Linear(data_shape=data_shape)
    torch.testing.assert_close(log_likelihood(model, x, samples), exact(x))


def test_bound_grows_with_samples_towards_the_likelihood():
    x = torch.randn(500, 4, 1, 2, 3)
    gaps = [
        float((exact(x) - log_likelihood(Linear(width=1.5), x, samples)).mean())
        for samples in (1, 4, 16, 64)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 0.1 and -0.01 < gaps[-1] < 0.1 * gaps[0]


@pytest.mark.parametrize("kind", ["tvae", "vae"])
def test_one_sample_estimates_the_evidence_lower_bound(kind):
    sizes = {"data_shape": (1, 4, 4), "capsules": 2, "units": 6, "frames": 6, "width": 16}
    model = TVAE(**sizes, window=3) if kind == "tvae" else VAE(**sizes)
    x = torch.rand(1, 6, 1, 4, 4).expand(2000, -1, -1, -1, -1)
    with torch.no_grad():
        elbo = model(x)
    expected = -(elbo.nll + elbo.kl).mean(1)
    estimate = log_likelihood(model, x, samples=1)
    error = (estimate.var() + expected.var()).sqrt() / len(x) ** 0.5
    assert abs(estimate.mean() - expected.mean()) < 4 * error


def test_conventions_are_the_formulas_of_their_definitions():
    weights = torch.randn(7, 3, 5, dtype=torch.float64)
    bound = weights.exp().prod(2).mean(0).log() / 5
    torch.testing.assert_close(sequence_bound(weights), bound)
    torch.testing.assert_close(paper_estimate(weights), weights.exp().sum(0).log().mean(1))


def test_conventions_differ_by_log_k_for_single_frames():
    weights = torch.randn(10, 3, 1, dtype=torch.float64) - 200
    torch.testing.assert_close(paper_estimate(weights) - math.log(10), sequence_bound(weights))


def test_weights_far_from_zero_lose_nothing():
    weights = torch.randn(10, 3, 4, dtype=torch.float64)
    for estimate in (sequence_bound, paper_estimate):
        torch.testing.assert_close(estimate(weights - 5000), estimate(weights) - 5000)


def test_convention_is_chosen_by_name():
    x = torch.randn(3, 4, 1, 2, 3)
    bound = log_likelihood(Linear(), x, 10)
    paper = log_likelihood(Linear(), x, 10, convention="paper")
    torch.testing.assert_close(paper, bound + math.log(10))  # weights of a frame are all the same


def test_likelihood_leaves_no_gradient():
    model = TVAE((1, 4, 4), capsules=1, units=4, frames=4, window=3)
    assert not log_likelihood(model, torch.rand(2, 4, 1, 4, 4)).requires_grad


def test_large_batches_are_taken_in_parts():
    class Recording(Linear):
        def log_weights(self, x, samples):
            images.append(x.shape[0] * x.shape[1])
            return super().log_weights(x, samples)

    images = []
    x = torch.randn(300, 4, 1, 2, 3)
    torch.testing.assert_close(log_likelihood(Recording(), x, 3), exact(x))
    assert sum(images) == 1200 and max(images) <= 512


def test_bad_arguments_are_named():
    x = torch.randn(3, 4, 1, 2, 3)
    with pytest.raises(ValueError, match=r"convention='papers': choose one of \['bound', 'paper"):
        log_likelihood(Linear(), x, convention="papers")
    with pytest.raises(ValueError, match="samples=0"):
        log_likelihood(Linear(), x, samples=0)


@pytest.mark.parametrize("data_shape", [(2, 5, 5), (9,), (1, 2, 3, 4)])
def test_no_probabilities_are_better_than_the_floor(data_shape):
    x = torch.rand(4, 3, *data_shape, dtype=torch.float64)
    floor = entropy_floor(x)
    best = GrayBernoulli(x.logit(), len(data_shape))
    torch.testing.assert_close(-best.log_prob(x).mean(1), floor)
    for _ in range(20):
        other = GrayBernoulli(x.logit() + 0.1 * torch.randn_like(x), len(data_shape))
        assert (-other.log_prob(x).mean(1) > floor).all()


def test_no_rates_are_better_than_the_floor_of_counts():
    x = torch.poisson(torch.full((4, 3, 9), 2.0))
    floor = entropy_floor(x, "poisson")
    torch.testing.assert_close(entropy_floor(x, Poisson()), floor)
    log_rate = x.clamp_min(1e-6).log()
    for noise, is_best in ((0.0, True), (0.1, False)):
        outputs = (log_rate + noise * torch.randn_like(x)).unsqueeze(-2)
        loss = -Poisson()(outputs, 1).log_prob(x).mean(1)
        assert torch.allclose(loss, floor, atol=1e-3) == is_best and (loss > floor - 1e-3).all()


@pytest.mark.parametrize("likelihood", ["gaussian", "continuous-bernoulli"])
def test_densities_have_no_floor(likelihood):
    assert entropy_floor(torch.rand(2, 3, 5), likelihood).isnan().tolist() == [True, True]


def test_floor_of_binary_images_is_zero():
    x = torch.randint(0, 2, (3, 2, 1, 5, 5)).float()
    assert torch.equal(entropy_floor(x), torch.zeros(3))
