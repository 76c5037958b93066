"""Strided convolutions: any side, any number of channels, images and volumes."""

import math

import pytest
import torch
from torch import nn

from symgen.nets import ConvDecoder, ConvEncoder

# Data, and sides of the last stage: halved, rounded up, until none is longer than 4.
SHAPES = {
    (1, 28, 28): (4, 4),
    (3, 61, 83): (4, 3),
    (5, 5, 40): (3, 3),
    (2, 1, 17): (1, 3),
    (1, 3, 2): (3, 2),
    (1, 4, 4): (4, 4),
    (2, 9, 5, 13): (3, 3, 4),
    (4, 1, 4, 6): (1, 4, 3),
}


@pytest.mark.parametrize(("shape", "smallest"), SHAPES.items(), ids=str)
@pytest.mark.parametrize("depth", [0, 1])
def test_any_size_goes_down_to_the_last_stage_and_up_again(shape, smallest, depth, device):
    encoder = ConvEncoder(shape, 6, width=2, depth=depth).to(device)
    decoder = ConvDecoder(6, (2, *shape), width=2, depth=depth).to(device)
    h = encoder.layers(torch.rand(3, *shape, device=device))
    assert h.shape[2:] == smallest
    assert encoder.last.weight.shape == (6, math.prod(h.shape[1:]))
    outputs = decoder(encoder(torch.rand(3, *shape, device=device)))
    assert outputs.shape == (3, 2, *shape) and outputs.is_contiguous()


@pytest.mark.parametrize(
    ("side", "channels"), [(4, [2]), (8, [2]), (9, [2, 4]), (128, [2, 4, 8, 8, 8])]
)
def test_channels_double_as_the_size_halves_up_to_fourfold(side, channels):
    net = ConvEncoder((3, side, side), 6, width=2, depth=0)
    convolutions = [layer for layer in net.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in convolutions] == channels
    strides = [layer.stride for layer in convolutions]
    assert strides == ([(1, 1)] if side == 4 else [(2, 2)] * len(channels))


@pytest.mark.parametrize("shape", [(1, 1, 16, 24), (1, 1, 8, 4), (1, 1, 8, 8, 8)], ids=str)
def test_a_decoder_paints_every_place_equally_often(shape):
    """Transposed convolutions leave a chequerboard unless kernels are multiples of the stride."""
    net = ConvDecoder(2, shape, width=1, depth=0)
    for up in net.ups:
        nn.init.ones_(up.weight)
        nn.init.zeros_(up.bias)
        ones = torch.ones(1, up.in_channels, *[9] * (len(shape) - 2))
        inside = up(ones)[(..., *[slice(4, -4)] * (len(shape) - 2))]
        assert inside.unique().numel() == 1


@pytest.mark.parametrize("shape", [(7,), (3, 7), (1, 2, 3, 4, 5)], ids=str)
def test_data_that_are_neither_images_nor_volumes_are_refused(shape):
    for make in (
        lambda: ConvEncoder(shape, 6, width=2, depth=1),
        lambda: ConvDecoder(6, (1, *shape), width=2, depth=1),
    ):
        with pytest.raises(ValueError, match=r"net='conv' with data_shape=.*'residual' for vec"):
            make()
