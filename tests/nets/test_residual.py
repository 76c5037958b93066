"""Residual layers against their equation, and what they start as."""

import pytest
import torch
from torch.nn import functional

from symgen.nets import ResidualDecoder, ResidualEncoder, ResidualStack


def test_a_stack_is_its_equation(device, dtype):
    stack = ResidualStack(5, 3, width=8, depth=2, activation="gelu").to(device, dtype)
    x = torch.randn(4, 5, device=device, dtype=dtype)
    h = functional.linear(x, stack.first.weight, stack.first.bias)
    for layer in stack.layers:
        inner = functional.layer_norm(h, (8,), layer.norm.weight, layer.norm.bias)
        inner = functional.gelu(functional.linear(inner, layer.first.weight, layer.first.bias))
        h = h + functional.linear(inner, layer.second.weight, layer.second.bias)
    h = functional.layer_norm(h, (8,), stack.norm.weight, stack.norm.bias)
    expected = functional.linear(h, stack.last.weight, stack.last.bias)
    torch.testing.assert_close(stack(x), expected)


@pytest.mark.parametrize("depth", [1, 4, 50])
def test_a_deep_stack_does_not_grow_what_runs_through_it(depth):
    """The second weight of each of n layers is divided by √(2n), so that their sum stays."""
    stack = ResidualStack(5, 3, width=32, depth=depth)
    h = torch.randn(100, 32)
    assert 0.1 < (stack.layers(h) - h).std() < 1
    bound = max(layer.second.weight.abs().max().item() for layer in stack.layers)
    assert bound == pytest.approx((32 * 2 * depth) ** -0.5, rel=0.05)


def test_an_encoder_and_a_decoder_are_a_stack_on_flat_data(device, dtype):
    x, z = torch.randn(4, 2, 3, device=device, dtype=dtype), torch.randn(4, 5).to(device, dtype)
    encoder = ResidualEncoder((2, 3), 5, width=8, depth=1).to(device, dtype)
    torch.testing.assert_close(encoder(x), encoder.stack(x.view(4, 6)))
    decoder = ResidualDecoder(5, (1, 2, 3), width=8, depth=1).to(device, dtype)
    torch.testing.assert_close(decoder(z), decoder.stack(z).view(4, 1, 2, 3))
