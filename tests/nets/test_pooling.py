"""Convolutions with pooling and their readout: shapes, initial weights, what they compose."""

import pytest
import torch
from torch.nn import functional

from symgen.nets import Convolutions, ConvReadout


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("pool_last", [False, True])
def test_the_shape_is_that_of_the_result(pool, pool_last, device):
    net = Convolutions(
        (2, 21, 18), channels=(3, 4, 5), kernel=5, pool=pool, pool_last=pool_last
    ).to(device)
    assert tuple(net(torch.rand(2, 2, 21, 18, device=device)).shape[1:]) == net.shape
    assert net.size == (21 // pool, 18 // pool)


def test_layers_are_convolution_pooling_rectifier(device, dtype):
    net = Convolutions((2, 8, 12), channels=(3, 4), kernel=3, pool=2).to(device, dtype)
    x = torch.randn(2, 2, 8, 12, device=device, dtype=dtype)
    h = x.unflatten(3, (6, 2)).unflatten(2, (4, 2)).mean((3, 5))
    first, second = net.convolutions
    one = functional.max_pool2d(functional.conv2d(h, first.weight, padding=1).relu(), 2)
    two = functional.conv2d(one, second.weight, padding=1).relu()
    torch.testing.assert_close(net(x), two)


def test_initial_weights_are_as_described():
    size = {"data_shape": (3, 16, 16), "channels": (64, 128), "kernel": 5}
    for layer in Convolutions(**size).convolutions:
        fan_in = layer.weight[0].numel()
        assert abs(layer.weight.std() * (fan_in / 2) ** 0.5 - 1) < 0.05
        assert (layer.bias == 0).all()
    for layer in Convolutions(**size, initialisation="paper").convolutions:
        bound = layer.weight.numel() ** -0.5
        assert 0.95 * bound < layer.weight.abs().max() <= bound
        assert (layer.bias == 0).all()


@pytest.mark.parametrize("arguments", [{"channels": (2,) * 5}, {"channels": (2,), "pool": 16}])
def test_images_that_vanish_are_refused(arguments):
    with pytest.raises(ValueError, match=r"\(1, 12, 12\) are too small"):
        Convolutions((1, 12, 12), kernel=3, **arguments)


def test_dropout_is_between_the_hidden_layer_and_the_outputs(device):
    net = Convolutions((1, 8, 8), channels=(4,), kernel=3)
    readout = ConvReadout(net, hidden=30, outputs=5, dropout=0.5).to(device)
    x = torch.rand(3, 1, 8, 8, device=device)
    hidden = readout.hidden(net(x).flatten(1)).relu()
    torch.manual_seed(3)
    outputs = readout(x)
    torch.manual_seed(3)
    torch.testing.assert_close(outputs, readout.head(readout.dropout(hidden)))
    assert not torch.equal(outputs, readout(x))
    readout.eval()
    torch.testing.assert_close(readout(x), readout.head(hidden))
