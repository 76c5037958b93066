"""Counts against scipy's, and the saturated model below which no rates go."""

import pytest
import scipy.stats
import torch

from symgen.likelihoods import Poisson


def test_log_prob_is_that_of_scipy_and_the_mean_is_the_rate(device, dtype):
    log_rate = torch.randn(6, 4, device=device, dtype=dtype)
    x = torch.poisson(3 * torch.ones_like(log_rate))
    p = Poisson()(log_rate[:, None], dims=1)
    expected = scipy.stats.poisson(log_rate.exp().cpu().numpy()).logpmf(x.cpu().numpy()).sum(1)
    torch.testing.assert_close(p.log_prob(x).cpu().double(), torch.from_numpy(expected).double())
    assert torch.equal(p.mean, log_rate.exp())


@pytest.mark.parametrize("log_rate", [-8.0, 0.0, 3.0])
def test_probabilities_of_all_counts_add_up_to_one(log_rate, device):
    counts = torch.arange(200.0, device=device)[:, None]
    p = Poisson()(torch.full((200, 1, 1), log_rate, device=device), dims=1)
    assert p.log_prob(counts).exp().sum().item() == pytest.approx(1, abs=1e-4)


def test_a_baseline_takes_its_mean_for_rates_of_at_least_a_thousandth(device):
    mean = torch.tensor([[0.0, 2.5, -1.0]], device=device)
    around = Poisson().baseline(mean, mean, dims=1)
    torch.testing.assert_close(around.mean, torch.tensor([[0.001, 2.5, 0.001]], device=device))


def test_the_floor_is_the_nats_of_counts_as_their_own_rates(device, dtype):
    x = torch.tensor([[0.0, 1.0, 7.0], [0.0, 0.0, 0.0]], device=device, dtype=dtype)
    expected = -scipy.stats.poisson(x.cpu().numpy()).logpmf(x.cpu().numpy()).sum(1)
    floor = Poisson().entropy_floor(x, dims=1).cpu().double()
    torch.testing.assert_close(floor, torch.from_numpy(expected).double(), rtol=1e-5, atol=1e-6)


def test_rates_beyond_every_number_are_as_good_as_impossible():
    p = Poisson()(torch.full((2, 1, 5), 1e20), dims=1)
    assert p.mean.isfinite().all() and p.log_prob(torch.ones(2, 5)).lt(-1e38).all()
