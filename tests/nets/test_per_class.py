"""Decoders of every class: the same net seen class by class and all at once."""

import pytest
import torch
from torch import nn

from symgen.nets import ClassConvDecoder, ClassDenseDecoder, ClassInputDecoder

DECODERS = {
    "dense": lambda: ClassDenseDecoder(3, latents=2, hidden=(6, 5), shape=(2, 8, 4)),
    "linear": lambda: ClassDenseDecoder(3, latents=2, hidden=(), shape=(2, 8, 4)),
    "conv": lambda: ClassConvDecoder(3, latents=2, hidden=(6,), shape=(2, 8, 4)),
    "input": lambda: ClassInputDecoder(
        3, latents=2, width=6, net=nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (2, 8, 4)))
    ),
}


@pytest.fixture(params=DECODERS.values(), ids=DECODERS.keys())
def decoder(request, device, dtype) -> nn.Module:
    made = request.param().to(device, dtype)
    for name, parameter in made.named_parameters():
        if name.endswith("bias") and parameter.requires_grad:
            nn.init.normal_(parameter)
    return made


def test_every_equals_forward_class_by_class(decoder, device, dtype):
    z = torch.randn(3, 4, 2, device=device, dtype=dtype)
    images = decoder.every(z)
    assert images.shape == (3, 4, 2, 8, 4)
    for group, (styles, expected) in enumerate(zip(z, images, strict=True)):
        labels = torch.full((4,), group, device=device)
        torch.testing.assert_close(decoder(styles, labels), expected)


def test_of_what_belongs_to_a_class_only_the_labelled_ones_learn(decoder, device, dtype):
    labels = torch.tensor([2, 0, 2, 2], device=device)
    decoder(torch.randn(4, 2, device=device, dtype=dtype), labels).square().sum().backward()
    trained = {name: p for name, p in decoder.named_parameters() if p.requires_grad}
    for name, parameter in trained.items():
        reached = parameter.grad != 0
        if name.startswith("net."):
            assert reached.any(), name  # shared by all classes
        else:
            assert reached.flatten(1).any(1).tolist() == [True, False, True], name


def test_every_latent_matters(decoder, device, dtype):
    z = torch.randn(3, 4, 2, device=device, dtype=dtype, requires_grad=True)
    decoder.every(z).square().sum().backward()
    assert (z.grad != 0).all()


def test_hyperbolic_tangents_are_between_the_dense_layers(device, dtype):
    decoder = DECODERS["dense"]().to(device, dtype)
    z = torch.randn(3, 4, 2, device=device, dtype=dtype)
    first, second, last = decoder.layers
    expected = last.every(second.every(first.every(z).tanh()).tanh()).unflatten(-1, (2, 8, 4))
    torch.testing.assert_close(decoder.every(z), expected)


@pytest.mark.parametrize("make", [ClassDenseDecoder, ClassConvDecoder])
def test_the_initial_output_is_near_the_given_one(make, device):
    sizes = {"latents": 1, "hidden": (6,), "shape": (2, 8, 4)}
    made = make(3, **sizes, initialisation="paper", bias=-9.0)
    images = made.to(device).every(torch.randn(3, 100, 1, device=device))
    assert abs(images.mean() + 9) < 0.2 and images.std() < 2


@pytest.mark.parametrize("shape", [(1, 10, 12), (1, 12, 13)])
def test_sides_that_cannot_be_doubled_twice_are_refused(shape):
    with pytest.raises(ValueError, match=f"cannot end at {shape[1]} × {shape[2]}"):
        ClassConvDecoder(3, latents=1, hidden=(4,), shape=shape)


def test_conv_decoder_works_under_autocast(device):
    decoder = DECODERS["conv"]().to(device)
    z, labels = torch.randn(3, 2, device=device), torch.tensor([0, 2, 1], device=device)
    expected = decoder(z, labels)
    with torch.autocast(device.type, torch.bfloat16):
        torch.testing.assert_close(decoder(z, labels).float(), expected, atol=0.05, rtol=0.05)
        every = decoder.every(z.expand(3, 3, 2)).float()
    picked = every[labels, torch.arange(3, device=device)]
    torch.testing.assert_close(picked, expected, atol=0.05, rtol=0.05)
