import sys

import pytest
import torch
from torch.nn import functional

from symgen.nets import Linear, Perceptron, TwinPerceptron, linear


@pytest.fixture(params=[False, True], ids=["torch", "oneDNN"], autouse=True)
def products(request, monkeypatch):
    """Whoever runs the suite, both ways to multiply are tested."""
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr(sys.modules["symgen.nets.linear"], "_PREFERS_ONEDNN", request.param)


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 7)], ids=str)
def test_linear_and_its_gradients_are_those_of_torch(shape, device):
    x = torch.randn(*shape[:-1], 33, device=device, requires_grad=True)
    weight = torch.randn(21, 33, device=device, requires_grad=True)
    bias = torch.randn(21, device=device, requires_grad=True)
    leaves = (x, weight, bias)
    ours, theirs = linear(x, weight, bias), functional.linear(x, weight, bias)
    torch.testing.assert_close(ours, theirs)
    gradient = torch.randn_like(ours)
    for mine, reference in zip(
        torch.autograd.grad(ours, leaves, gradient),
        torch.autograd.grad(theirs, leaves, gradient),
        strict=True,
    ):
        torch.testing.assert_close(mine, reference, atol=1e-4, rtol=1e-4)


def test_linear_reads_strided_rows(device):
    x = torch.randn(5, 40, device=device)[:, 10:30]
    weight, bias = torch.randn(4, 20, device=device), torch.randn(4, device=device)
    torch.testing.assert_close(linear(x, weight, bias), functional.linear(x, weight, bias))


def test_weight_normalisation_starts_at_the_plain_layer_and_ignores_length():
    layer = Linear(6, 3, normalisation="weight")
    torch.testing.assert_close(layer.effective_weight(), layer.weight)
    before = layer.effective_weight().detach().clone()
    with torch.no_grad():
        layer.weight *= 3
    torch.testing.assert_close(layer.effective_weight(), before)


@pytest.mark.parametrize("dimension", [0, 1])
def test_projection_gives_weights_of_unit_length(dimension):
    layer = Linear(6, 3, normalisation="projected", projected_dimension=dimension)
    with torch.no_grad():
        layer.weight += 1
    layer.project_()
    lengths = layer.weight.norm(dim=dimension)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_initial_weights_lie_within_the_fan():
    layer = Linear(50, 400, fan=400)
    assert 0.9 / 20 < layer.weight.abs().max() <= 1 / 20
    assert 0.9 / 50**0.5 < Linear(50, 400).weight.abs().max() <= 1 / 50**0.5


def test_a_shared_bias_is_one_number_for_each_channel():
    layer = Linear(4, 6, shared_bias=2)
    out = layer(torch.zeros(1, 4))[0]
    assert torch.equal(out, layer.bias.repeat_interleave(3))


def test_twins_are_independent_perceptrons_on_the_same_input():
    twins = TwinPerceptron((5, 4, 3, 2), count=2)
    x = torch.randn(7, 5)
    for index, out in enumerate(twins(x)):
        alone = Perceptron((5, 4, 3, 2))
        rows = slice(4 * index, 4 * index + 4)
        alone.layers[0].weight.data = twins.first.weight.data[rows]
        alone.layers[0].bias.data = twins.first.bias.data[rows]
        for own, other in zip(alone.layers[1:], twins.branches[index].layers, strict=True):
            own.load_state_dict(other.state_dict())
        torch.testing.assert_close(alone(x), out)
