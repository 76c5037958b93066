"""Bernoulli values: black or white ones, and gray levels in the papers' convention."""

import pytest
import torch
from torch.nn import functional

from symgen.likelihoods import Bernoulli, GrayBernoulli

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
