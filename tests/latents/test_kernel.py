"""Kernels of neighbourhoods: what they pool, and at which speed they move."""

import itertools

import pytest
import torch

from symgen.latents import kernel_speed, moving_kernel, pool_kernel


@pytest.mark.parametrize("boundary", ["cyclic", "zero"])
@pytest.mark.parametrize("kernels", [1, 2])
def test_pooling_is_the_sum_over_the_kernel(kernels, boundary, dtype):
    energy = torch.rand(5, 2, 4, dtype=dtype)
    kernel = torch.rand(kernels, 3, 4, dtype=dtype)
    expected = torch.zeros_like(energy)
    for frame, c, j, at, o in itertools.product(*map(range, (5, 2, 4, 3, 4))):
        there = frame + at - 2  # offsets -2, -1, 0 in time
        inside = boundary == "cyclic" or there >= 0
        source = energy[there % 5, c, (j + o) % 4] if inside else 1.0
        expected[frame, c, j] += kernel[c % kernels, at, o] * source
    torch.testing.assert_close(pool_kernel(energy, kernel, -2, boundary), expected)


def test_the_speed_of_a_kernel_has_a_gradient():
    speed = torch.tensor([0.4, -1.3], dtype=torch.float64, requires_grad=True)
    weights = torch.ones(3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda s: moving_kernel(s, weights, weights, -1, 7), speed)


@pytest.mark.parametrize("speed", [-2.0, 0.0, 0.5, 3.0])
def test_the_speed_of_a_kernel_is_inferred(speed):
    kernel = moving_kernel(torch.tensor([speed]), torch.ones(5), torch.ones(3), -4, units=9)[0]
    assert kernel_speed(kernel + 0.05 * torch.rand_like(kernel), first=-4).item() == speed
