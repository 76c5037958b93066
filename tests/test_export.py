"""Exported programs equal the model, whatever the batch, and need torch alone."""

import subprocess
import sys

import pytest
import torch

from symgen import ACE, TVAE, VAE, TopographicVAE
from symgen.latents import AxesTopography
from symgen.models import Code, Pose, Pretrained, export_model

SIZE = {"image_shape": (2, 6, 5), "capsules": 3, "units": 6, "frames": 4}
AXES = AxesTopography(shape=(2, 3), capsules=3, frames=4, window=3, neighbourhood=1)
TOPOGRAPHIC = {
    "tvae": lambda: TVAE(**SIZE, window=3, neighbourhood=3, standardise=True),
    "causal": lambda: TVAE(
        **SIZE, window=2, shift=1.5, causal=True, boundary="zero", capsule_boundary="zero"
    ),
    "axes": lambda: TopographicVAE(image_shape=(2, 6, 5), topography=AXES),
    "kernel": lambda: TVAE(**SIZE, window=3, learn="kernel", normalisation="weight"),
    "vae": lambda: VAE(**SIZE, output_bias="channel", clamp_logits=True),
}
NETS = {
    "classes": 4,
    "hidden": (9,),
    "decoder_hidden": (8,),
    "classifier_channels": (3, 4),
    "classifier_hidden": 7,
    "pose_channels": (3, 3),
    "pose_hidden": 5,
}
ACES = {
    "groups": {"image_shape": (1, 16, 16), "pose_groups": 2, "latents": 2},
    "colour, shared": {
        "image_shape": (3, 16, 16),
        "pose": "raw",
        "colour_pose": True,
        "outside": "border",
        "encoder": "shared",
        "latents": 3,
        "shallow_latents": 1,
    },
    "conv, no pose": {
        "image_shape": (1, 16, 16),
        "pose": None,
        "encoder": "conv",
        "decoder": "conv",
        "latent": "laplace",
    },
}


def ace(name):
    """A small ACE that has moved away from the identity at which every pose starts."""
    model = ACE(**NETS, **ACES[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


def load(path):
    return torch.export.load(path).module()


@pytest.mark.parametrize("name", TOPOGRAPHIC)
def test_topographic_programs_equal_the_model_at_every_batch_size(tmp_path, name):
    model = TOPOGRAPHIC[name]()
    encode, decode = map(load, export_model(model, tmp_path))
    for count in (1, 2, 5):
        x = torch.rand(count, model.frames, *model.image_shape)
        t = model.latents(model.encode(x), sampled=False)
        torch.testing.assert_close(encode(x), t, rtol=1e-6, atol=1e-6)
        mean = model.decode(t[:, 0]).mean
        torch.testing.assert_close(decode(t[:, 0]), mean, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ACES)
def test_ace_programs_equal_the_model_at_every_batch_size(tmp_path, name):
    model = ace(name)
    encode, decode = map(load, export_model(model, tmp_path))
    assert model.training
    model.eval()
    for count in (1, 2, 5):
        x = torch.rand(count, *model.image_shape)
        reading = model.encode(x)
        read = encode(x)
        expected = {
            "probabilities": reading.log_omega.exp(),
            "z": reading.z.mean,
            "y": reading.y,
            "affine": reading.pose.affine,
            "colour": reading.pose.colour,
        }
        expected = {key: value for key, value in expected.items() if value is not None}
        torch.testing.assert_close(read, expected, rtol=1e-6, atol=1e-6)
        y = torch.arange(count) % model.classes
        pose = Pose(read["affine"], read.get("colour"))
        mean = model.decode(Code(read["z"], y, pose)).mean
        torch.testing.assert_close(decode(read["z"], y, *[part for part in pose if part is not None]), mean, rtol=1e-6, atol=1e-6)
