"""Exported programs equal the model, whatever the batch, and need torch alone."""

import importlib
import subprocess
import sys

import jaxtyping
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
    "kernel": lambda: TVAE(
        **SIZE, window=3, learn="kernel", normalisation="weight", clamp_logits=True
    ),
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
    "groups": {
        "image_shape": (1, 16, 16),
        "pose_groups": 2,
        "latents": 2,
        "encoder": "conv",
        "decoder": "conv",
        "latent": "laplace",
    },
    "colour": {
        "image_shape": (3, 16, 16),
        "pose": "raw",
        "colour_pose": True,
        "outside": "border",
        "encoder": "shared",
        "latents": 3,
        "shallow_latents": 1,
    },
}


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """The check of annotations asks for the size of the batch, which would fix it."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


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
        torch.testing.assert_close(
            decode(read["z"], y, *[part for part in pose if part is not None]),
            mean,
            rtol=1e-6,
            atol=1e-6,
        )


def test_programs_need_torch_alone(tmp_path):
    """Every operation in them is torch's own, so they load where symgen is not installed."""
    x = {"vae": torch.rand(3, 4, 2, 6, 5), "ace": torch.rand(3, 1, 16, 16)}
    export_model(VAE(**SIZE), tmp_path / "vae")
    export_model(ace("groups"), tmp_path / "ace")
    torch.save(x, tmp_path / "x.pt")
    script = """
import sys
sys.modules["symgen"] = None  # importing it is an error
import torch
x = torch.load("x.pt")
load = lambda name: torch.export.load(name).module()
t = load("vae/encoder.pt2")(x["vae"])
read = load("ace/encoder.pt2")(x["ace"])
torch.save({"t": t, "image": load("vae/decoder.pt2")(t[:, 0]), "read": read,
            "shown": load("ace/decoder.pt2")(read["z"], read["y"], read["affine"])}, "y.pt")
"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path)
    y = torch.load(tmp_path / "y.pt")
    encode, decode = (load(tmp_path / "vae" / f"{part}.pt2") for part in ("encoder", "decoder"))
    torch.testing.assert_close(y["t"], encode(x["vae"]))
    torch.testing.assert_close(y["image"], decode(y["t"][:, 0]))
    encode, decode = (load(tmp_path / "ace" / f"{part}.pt2") for part in ("encoder", "decoder"))
    torch.testing.assert_close(y["read"], encode(x["ace"]))
    torch.testing.assert_close(y["shown"], decode(*(y["read"][k] for k in ("z", "y", "affine"))))


@pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN"
)
def test_programs_are_portable_and_carry_their_own_weights_only(tmp_path, monkeypatch):
    layers = importlib.import_module("symgen.nets.linear")
    monkeypatch.setattr(layers, "_PREFERS_ONEDNN", True)  # as on AMD's processors
    model = TVAE(**SIZE, window=3)
    programs = [torch.export.load(path) for path in export_model(model, tmp_path)]
    for program, own, other in zip(
        programs, ("encoder", "decoder"), ("decoder", "encoder"), strict=True
    ):
        assert "mkldnn" not in str(program.graph)
        names = list(program.state_dict)
        assert any(f".{own}." in name for name in names)
        assert not any(f".{other}." in name for name in names)


def test_other_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Pretrained cannot be exported"):
        export_model(Pretrained(), tmp_path)
