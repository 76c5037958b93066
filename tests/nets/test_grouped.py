"""Grouped layers against plain loops over their rows."""

import pytest
import torch
from torch.nn import functional

from symgen.nets import GroupedConvTranspose, GroupedLinear, grouped_linear

# Whole lines of 16 bytes, fewer, and one of each: outputs, inputs.
SIZES = [(8, 4), (1, 1), (3, 700), (700, 1), (75, 32), (4, 5), (6, 10)]
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4}


def rows_of(outputs, inputs, device, dtype, groups=(3, 0, 3, 3, 1, 0, 3)):
    """Unsorted rows for five groups, of which two are absent."""
    made = {"device": device, "dtype": dtype, "requires_grad": True}
    x = torch.randn(len(groups), inputs, **made)
    weight, bias = torch.randn(5, outputs, inputs, **made), torch.randn(5, outputs, **made)
    return x, weight, bias, torch.tensor(groups, dtype=torch.int64, device=device)


@pytest.mark.parametrize("precision", TOLERANCE, ids=str)
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_values_and_gradients_are_those_of_a_loop_over_rows(outputs, inputs, precision, device):
    *leaves, groups = rows_of(outputs, inputs, device, precision)
    x, weight, bias = leaves
    ours = grouped_linear(*leaves, groups)
    loop = torch.stack([weight[g] @ row + bias[g] for row, g in zip(x, groups, strict=True)])
    tolerance = {"atol": TOLERANCE[precision], "rtol": TOLERANCE[precision]}
    torch.testing.assert_close(ours, loop, **tolerance)
    gradient = torch.randn_like(ours)
    for mine, expected in zip(
        torch.autograd.grad(ours, leaves, gradient),
        torch.autograd.grad(loop, leaves, gradient),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected, **tolerance)


@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_absent_groups_get_no_gradient(outputs, inputs, device):
    x, weight, bias, groups = rows_of(outputs, inputs, device, torch.float32)
    grouped_linear(x, weight, bias, groups).square().sum().backward()
    present = torch.zeros(5, dtype=torch.bool, device=device).index_fill(0, groups, True)
    for gradient in (weight.grad, bias.grad):
        assert torch.equal(gradient.flatten(1).abs().sum(1) > 0, present)


@pytest.mark.parametrize("precision", TOLERANCE, ids=str)
@pytest.mark.parametrize(("outputs", "inputs"), SIZES)
def test_a_batch_may_be_empty(outputs, inputs, precision, device):
    *leaves, groups = rows_of(outputs, inputs, device, precision, groups=())
    result = grouped_linear(*leaves, groups)
    assert result.shape == (0, outputs)
    result.sum().backward()
    assert all((leaf.grad == 0).all() and leaf.grad.shape == leaf.shape for leaf in leaves)


def test_the_order_of_rows_does_not_matter(device):
    x, weight, bias, groups = rows_of(8, 4, device, torch.float32)
    order = torch.randperm(len(x), device=device)
    shuffled = grouped_linear(x[order], weight, bias, groups[order])
    torch.testing.assert_close(shuffled, grouped_linear(x, weight, bias, groups)[order])


def test_strided_rows_and_gradients_are_read(device):
    _, weight, bias, groups = rows_of(8, 4, device, torch.float32)
    x = torch.randn(4, len(groups), device=device).t().requires_grad_()
    result = grouped_linear(x, weight, bias, groups)
    torch.testing.assert_close(result, grouped_linear(x.contiguous(), weight, bias, groups))
    (to_x,) = torch.autograd.grad(result.t().sum(0).sum(), x)
    torch.testing.assert_close(to_x, weight[groups].sum(1))


def test_every_equals_forward_class_by_class(device, dtype):
    layer = GroupedLinear(groups=3, inputs=6, outputs=5).to(device, dtype)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 4, 6, device=device, dtype=dtype)
    for group, (rows, result) in enumerate(zip(x, layer.every(x), strict=True)):
        labels = torch.full((4,), group, device=device)
        torch.testing.assert_close(result, layer(rows, labels))
    shared = layer.every(x[0].expand(3, -1, -1))
    torch.testing.assert_close(shared[2], layer(x[0], torch.full((4,), 2, device=device)))


def test_a_layer_of_doubles_takes_singles(device):
    layer = GroupedLinear(groups=3, inputs=6, outputs=5).double().to(device)
    x = torch.randn(3, 2, 6, device=device)
    assert layer.every(x).dtype == torch.float64
    assert layer(x[0], torch.tensor([2, 0], device=device)).dtype == torch.float64


def test_autocast_leaves_the_layer_in_the_precision_of_its_weights(device):
    x, weight, bias, groups = rows_of(8, 4, device, torch.float32)
    expected = grouped_linear(x, weight, bias, groups)
    with torch.autocast(device.type, torch.bfloat16):
        assert torch.equal(grouped_linear(x, weight, bias, groups), expected)
        coarse = grouped_linear(x.bfloat16(), weight, bias, groups)
    assert coarse.dtype == torch.float32
    coarse.sum().backward()
    assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize(("outputs", "inputs"), [(8, 4), (5, 3)])
def test_the_operator_is_what_it_promises_the_compiler(outputs, inputs, device):
    x, weight, _, groups = rows_of(outputs, inputs, device, torch.float32)
    arguments = (x, weight, groups)
    torch.library.opcheck(torch.ops.symgen.grouped_linear.default, arguments)


def test_initial_weights_are_as_described():
    paper = GroupedLinear(groups=4, inputs=100, outputs=400, initialisation="paper")
    assert abs(paper.weight.std() * (10 + 20) - 1) < 0.01
    assert (paper.bias == 0).all()
    layer = GroupedLinear(groups=4, inputs=100, outputs=400)
    assert abs(layer.weight.std() * 10 - 1) < 0.01
    assert 0.99 / 10 < layer.bias.abs().max() <= 1 / 10
    assert "4 × (100 -> 400)" in repr(layer)


@pytest.mark.parametrize("kernel", [3, 5])
def test_transposed_convolution_is_that_of_torch(kernel, device, dtype):
    layer = GroupedConvTranspose(1, inputs=4, outputs=3, kernel=kernel).to(device, dtype)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(2, 4, 5, 6, device=device, dtype=dtype, requires_grad=True)
    ours = layer(x, torch.zeros(2, dtype=torch.int64, device=device))
    weight = layer.patches.weight[0].t().unflatten(1, (3, kernel, kernel))
    theirs = functional.conv_transpose2d(
        x, weight, layer.bias[0], stride=2, padding=kernel // 2, output_padding=1
    )
    torch.testing.assert_close(ours, theirs)
    leaves = (x, layer.patches.weight, layer.bias)
    gradient = torch.randn_like(ours)
    for mine, expected in zip(
        torch.autograd.grad(ours, leaves, gradient),
        torch.autograd.grad(theirs, leaves, gradient),
        strict=True,
    ):
        torch.testing.assert_close(mine, expected)


def test_every_transposed_convolution_equals_forward_class_by_class(device, dtype):
    layer = GroupedConvTranspose(3, inputs=4, outputs=2, kernel=5).to(device, dtype)
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 2, 4, 3, 5, device=device, dtype=dtype)
    for group, (images, result) in enumerate(zip(x, layer.every(x), strict=True)):
        torch.testing.assert_close(result, layer(images, torch.full((2,), group, device=device)))
