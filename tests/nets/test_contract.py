"""What holds for every encoder and decoder that knows no classes."""

import math
from typing import get_args

import jaxtyping
import pytest
import torch
from torch import nn

from symgen import nets

SIZES = {"width": 8, "depth": 2}
ENCODERS = {
    "dense": lambda shape: nets.DenseEncoder(shape, 6, widths=(8, 5), branches=2),
    "residual": lambda shape: nets.ResidualEncoder(shape, 6, **SIZES),
    "conv": lambda shape: nets.ConvEncoder(shape, 6, **SIZES),
}
DECODERS = {
    "dense": lambda shape: nets.DenseDecoder(4, shape, widths=(5, 8)),
    "residual": lambda shape: nets.ResidualDecoder(4, shape, **SIZES),
    "conv": lambda shape: nets.ConvDecoder(4, shape, **SIZES),
}
SHAPES = {
    "vector": (7,),
    "gray": (1, 9, 6),
    "five channels": (5, 7, 11),
    "volume": (2, 3, 6, 5),
}
CASES = [
    (net, shape) for net in ENCODERS for shape in SHAPES if (net, shape) != ("conv", "vector")
]
PARAMETERS = 2  # of the likelihood


@pytest.fixture(params=CASES, ids=lambda case: ", ".join(case))
def case(request):
    return request.param


@pytest.fixture(params=["encoder", "decoder"])
def net_and_input(request, case, device, dtype):
    """A net, what it is given for five items, and the shape of what it should make of one."""
    net, shape = case[0], SHAPES[case[1]]
    if request.param == "encoder":
        made, given, gives = ENCODERS[net](shape), shape, (6,)
    else:
        made, given, gives = DECODERS[net]((PARAMETERS, *shape)), (4,), (PARAMETERS, *shape)
    x = torch.randn(5, *given, device=device, dtype=dtype)
    return made.to(device, dtype), x, gives


def test_shapes(net_and_input):
    net, x, gives = net_and_input
    assert net(x).shape == (5, *gives)
    assert net(x[:1]).shape == (1, *gives)


def test_the_output_of_an_item_does_not_depend_on_the_others(net_and_input):
    """No statistics of a batch, so nothing differs between training and evaluation either."""
    net, x, _ = net_and_input
    others = 100 * torch.randn_like(x)
    others[2] = x[2]
    torch.testing.assert_close(net(others)[2], net(x)[2])
    torch.testing.assert_close(net(x[2:3])[0], net(x)[2])
    trained = net(x)
    assert torch.equal(net.eval()(x), trained)


def test_every_input_matters_and_every_parameter_learns(net_and_input):
    net, x, gives = net_and_input
    x.requires_grad_()
    (net(x) * torch.randn(gives).to(x)).sum().backward()
    assert x.grad is not None and (x.grad.abs().sum(0) > 0).all()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and (parameter.grad != 0).any(), name


def test_fresh_weights_give_outputs_of_moderate_size(net_and_input):
    """Neither nothing nor an explosion comes out of fresh weights."""
    net, x, _ = net_and_input
    outputs = net(x)
    assert 0.01 < outputs.std() < 3 and outputs.abs().max() < 10


@pytest.mark.parametrize("name", get_args(nets.Activation))
def test_the_activation_is_the_one_of_the_name(name, case, device, dtype):
    """What a net computes changes if its activation does, and is that of `nn` by this name."""
    kind = {"relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU, "tanh": nn.Tanh}[name]
    made = nets.Perceptron((4, 6, 5, 2), activation=name).to(device, dtype)
    x = torch.randn(3, 4, device=device, dtype=dtype)
    layers = [kind(), *made.layers][1:]
    expected = nn.Sequential(layers[0], kind(), layers[1], kind(), layers[2])(x)
    torch.testing.assert_close(made(x), expected)


@pytest.mark.parametrize("make", [nets.DenseEncoder, nets.ResidualEncoder, nets.ConvEncoder])
def test_an_unknown_activation_is_refused(make, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    sizes = {"widths": (4,)} if make is nets.DenseEncoder else SIZES
    with pytest.raises(ValueError, match="activation='relu6': choose relu, silu, gelu or tanh"):
        make((1, 4, 4), 2, activation="relu6", **sizes)


def test_a_dense_encoder_is_perceptrons_side_by_side_on_the_same_data(device, dtype):
    joint = nets.DenseEncoder((5, 2), 6, widths=(4, 3), branches=3).to(device, dtype)
    x = torch.randn(7, 5, 2, device=device, dtype=dtype)
    outputs = joint(x)
    for index, out in enumerate(outputs.chunk(3, -1)):
        alone = nets.Perceptron((10, 4, 3, 2)).to(device, dtype)
        rows = slice(4 * index, 4 * index + 4)
        alone.layers[0].weight.data = joint.first.weight.data[rows]
        alone.layers[0].bias.data = joint.first.bias.data[rows]
        for own, other in zip(alone.layers[1:], joint.branches[index].layers, strict=True):
            own.load_state_dict(other.state_dict())
        torch.testing.assert_close(alone(x.flatten(1)), out)


def test_a_dense_decoder_is_a_perceptron_whose_last_layer_may_be_another(device, dtype):
    made = []

    def make_last(inputs, outputs):
        made.append((inputs, outputs))
        return nets.Linear(inputs, outputs, shared_bias=2)

    decoder = nets.DenseDecoder(3, (1, 2, 4), widths=(5, 6), make_last=make_last)
    assert made == [(6, 8)] and decoder.layers[-1].bias.shape == (2,)
    z = torch.randn(7, 3, device=device, dtype=dtype)
    plain = nets.Perceptron((3, 5, 6, math.prod((1, 2, 4))), make=nets.Linear)
    plain.layers = decoder.layers
    decoder, plain = decoder.to(device, dtype), plain.to(device, dtype)
    torch.testing.assert_close(decoder(z), plain(z).view(7, 1, 2, 4))
