"""Convolutions with pooling and their readout: shapes, initial weights, what they compose."""

import pytest
import torch
from torch.nn import functional

from symgen.nets import Convolutions, ConvReadout


@pytest.mark.parametrize("pool", [1, 2])
@pytest.mark.parametrize("pool_last", [False, True])
def test_shapes_are_those_of_the_results(pool, pool_last, device):
    net = Convolutions(
        (2, 21, 18), channels=(3, 4, 5), kernel=5, pool=pool, pool_last=pool_last
    ).to(device)
    results = net.layers(torch.rand(2, 2, 21, 18, device=device))
    assert [tuple(h.shape[1:]) for h in results] == net.shapes
    assert net.shape == net.shapes[-1]
    assert net.size == (21 // pool, 18 // pool)


def test_layers_are_convolution_pooling_rectifier(device, dtype):
    net = Convolutions((2, 8, 12), channels=(3, 4), kernel=3, pool=2).to(device, dtype)
    x = torch.randn(2, 2, 8, 12, device=device, dtype=dtype)
    h = x.unflatten(3, (6, 2)).unflatten(2, (4, 2)).mean((3, 5))
    first, second = net.convolutions
    one = functional.max_pool2d(functional.conv2d(h, first.weight, padding=1).relu(), 2)
    two = functional.conv2d(one, second.weight, padding=1).relu()
    layers = net.layers(x)
    torch.testing.assert_close(layers[0], one)
    torch.testing.assert_close(layers[1], two)
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
    features = readout.convolutions(torch.rand(3, 1, 8, 8, device=device))
    hidden, outputs = readout.readout(features)
    again, other = readout.readout(features)
    assert torch.equal(hidden, again) and not torch.equal(outputs, other)
    assert (hidden >= 0).all()
    readout.eval()
    _, outputs = readout.readout(features)
    torch.testing.assert_close(outputs, readout.head(hidden))


def test_a_readout_sees_the_features_of_its_convolutions(device, dtype):
    net = Convolutions((1, 8, 8), channels=(4, 4), kernel=3)
    readout = ConvReadout(net, hidden=6, outputs=5).to(device, dtype)
    x = torch.rand(3, 1, 8, 8, device=device, dtype=dtype)
    assert torch.equal(readout(x), readout.readout(net(x))[1])
    assert readout(x).shape == (3, 5)
