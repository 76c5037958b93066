"""Linear layers: both products against torch's own, normalisations, initial weights."""

import sys

import pytest
import torch
from torch.nn import functional

from symgen.nets import Linear, linear
from symgen.nets.products import onednn_product

module = sys.modules["symgen.nets.linear"]  # whose name in the package is that of the function


@pytest.fixture(params=["torch", "onednn"], autouse=True)
def product(request, monkeypatch):
    """Whatever is faster on this machine, both products are tested, of small matrices too."""
    if request.param == "onednn" and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch has no oneDNN")
    monkeypatch.setattr("symgen.nets.products._chosen", [request.param])
    monkeypatch.setattr(module, "_SMALL", 0)
    return request.param


@pytest.fixture
def calls(monkeypatch):
    """Shapes of what is multiplied by oneDNN."""
    seen = []

    def counted(x, weight, bias):
        seen.append((*x.shape, len(weight)))
        return onednn_product(x, weight, bias)

    monkeypatch.setattr(module, "onednn_product", counted)
    return seen


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


def test_functions_of_torch_func_go_through_layers(device):
    x, weights = torch.randn(5, 3, 20, device=device), torch.randn(5, 4, 20, device=device)
    bias = torch.randn(4, device=device)

    def loss(weight, rows):
        return linear(rows, weight, bias).square().sum()

    found = torch.func.vmap(torch.func.grad(loss))(weights, x)
    outputs = x @ weights.mT + bias
    torch.testing.assert_close(found, 2 * outputs.mT @ x, atol=1e-3, rtol=1e-4)


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


def test_all_three_products_of_a_training_step_are_of_the_chosen_kind(product, calls):
    layer, x = Linear(6, 4), torch.randn(2, 5, 6, requires_grad=True)
    layer(x).sum().backward()
    forward, to_input, to_weight = (10, 6, 4), (10, 4, 6), (4, 10, 6)
    assert calls == ([forward, to_input, to_weight] if product == "onednn" else [])


@pytest.mark.parametrize("case", ["double", "autocast", "small", "compiled"])
def test_what_gains_nothing_from_the_choice_is_left_to_torch(case, calls, monkeypatch):
    layer, x = Linear(6, 4), torch.randn(5, 6)
    if case == "double":
        layer, x = layer.double(), x.double()
    if case == "small":
        monkeypatch.setattr(module, "_SMALL", 5 * 6 * 4 + 1)
    if case == "compiled":
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        y = layer(x)
    assert calls == [] and y.dtype == {"double": torch.float64, "autocast": torch.bfloat16}.get(
        case, torch.float32
    )


def test_an_unknown_normalisation_is_refused(monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    with pytest.raises(ValueError, match="normalisation='weights': choose none, weight or proj"):
        Linear(2, 3, normalisation="weights")
