import pytest
import torch
from torch.nn import functional

from symgen.models import PixelBernoulli


def test_log_prob_is_the_binary_cross_entropy_of_gray_images(device):
    logits = 4 * torch.randn(3, 5, 2, 4, 4, device=device)
    x = torch.rand(3, 5, 2, 4, 4, device=device)
    expected = functional.binary_cross_entropy_with_logits(logits, x, reduction="none")
    torch.testing.assert_close(PixelBernoulli(logits).log_prob(x), -expected.sum((-3, -2, -1)))


def test_gradient_is_the_target_less_the_probability(device):
    logits = torch.randn(2, 1, 4, 4, device=device, requires_grad=True)
    x = torch.rand(2, 1, 4, 4, device=device)
    PixelBernoulli(logits).log_prob(x).sum().backward()
    torch.testing.assert_close(logits.grad, x - logits.detach().sigmoid())


@pytest.mark.parametrize("size", [1e2, 1e4])
def test_extreme_logits_stay_finite(size, device):
    logits = torch.tensor([size, -size], device=device).view(2, 1, 1, 1).requires_grad_()
    x = torch.tensor([0.0, 1.0], device=device).view(2, 1, 1, 1)
    log_prob = PixelBernoulli(logits).log_prob(x)
    torch.testing.assert_close(log_prob, torch.full_like(log_prob, -size))
    log_prob.sum().backward()
    assert logits.grad is not None and logits.grad.isfinite().all()


def test_the_reference_clamp_is_that_of_float32_probabilities(device):
    logits = torch.tensor([30.0, -30.0, 3.0], device=device).view(3, 1, 1, 1).requires_grad_()
    x = torch.tensor([0.0, 1.0, 0.0], device=device).view(3, 1, 1, 1)
    log_prob = PixelBernoulli(logits, clamped=True).log_prob(x)
    smallest = torch.tensor(torch.finfo(torch.float32).eps).log()
    torch.testing.assert_close(log_prob[:2].cpu(), smallest.expand(2), atol=1e-4, rtol=0)
    log_prob.sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten()[:2].tolist() == [0.0, 0.0] and logits.grad.flatten()[2] != 0


def test_samples_are_binary_with_the_mean(device):
    p = PixelBernoulli(torch.randn(2, 1, 3, 3, device=device))
    draws = p.sample((20_000,))
    assert set(draws.unique().tolist()) <= {0.0, 1.0}
    torch.testing.assert_close(draws.mean(0), p.mean, atol=0.02, rtol=0)
