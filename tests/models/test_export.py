"""Exported programs equal the model, whatever the batch, and need torch alone."""

import importlib
import subprocess
import sys

import jaxtyping
import pytest
import torch

from symgen import ACE, TVAE, VAE
from symgen.models import ACELatents, Pose, Pretrained, export_model
from symgen.nets import products

SIZE = {"data_shape": (2, 6, 5), "capsules": 3, "units": 6, "frames": 4}
TOPOGRAPHIC = {
    "causal": lambda: TVAE(
        **SIZE, window=2, shift=1.5, causal=True, boundary="zero", capsule_boundary="zero"
    ),
    "axes": lambda: TVAE(
        **SIZE,
        window=3,
        capsule_axes=(2, 3),
        net="conv",
        width=4,
        likelihood="discretised-logistic",
    ),
    "weight normalisation": lambda: TVAE(
        **SIZE,
        window=3,
        neighbourhood=3,
        normalisation="weight",
        clamp_logits=True,
    ),
    "vectors": lambda: VAE(
        (7,), capsules=2, units=3, frames=4, net="residual", width=8, likelihood="gaussian"
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
    "colour": {
        "data_shape": (3, 16, 16),
        "colour_pose": True,
        "latents": 2,
        "encoder": "conv-pooling",
        "decoder": "conv-transposed",
        "latent": "laplace",
    },
    "twice": {"data_shape": (1, 16, 16), "pose_iterations": 2, "variational_pose": True},
    "any angle": {"data_shape": (1, 16, 16), "pose": "rigid", "pose_starts": 3},
    "matrix": {
        "data_shape": (1, 16, 16),
        "pose": "matrix",
        "padding_mode": "border",
        "classifier": "dense",
        "latents": 3,
    },
    "no image": {"data_shape": (7,), "pose": None, "encoder": "residual", "decoder": "residual"},
}


# The check of annotations asks for the size of the batch, which would fix it.
UNCHECKED = (jaxtyping.config, "jaxtyping_disable", True)


def ace(name):
    """A small ACE that has moved away from the identity at which every pose starts."""
    model = ACE(**NETS, **ACES[name])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    return model


SCRIPT = """
import sys
sys.modules["symgen"] = None  # importing it is an error
import torch
outputs = {}
for name, batches in torch.load("inputs.pt").items():
    encode, decode = (torch.export.load(f"{name}/{part}.pt2").module()
                      for part in ("encoder", "decoder"))
    for x in batches:
        found = encode(x)
        if isinstance(found, torch.Tensor):
            latents = [found[:, 0]]
        else:
            pose = [found[key] for key in ("affine", "colour") if key in found]
            latents = [found["z"], torch.arange(len(x)) % 4, *pose]
        outputs.setdefault(name, []).append((found, decode(*latents)))
torch.save(outputs, "outputs.pt")
"""


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """Models, batches of 1, 2 and 5, and what the programs make of them without symgen."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("programs")
    models = {name: make() for name, make in TOPOGRAPHIC.items()} | {k: ace(k) for k in ACES}
    inputs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*UNCHECKED)
        for name, model in models.items():
            export_model(model, folder / name)
            assert model.training
            frames = (model.frames,) if name in TOPOGRAPHIC else ()
            inputs[name] = [torch.rand(n, *frames, *model.data_shape) for n in (1, 2, 5)]
    torch.save(inputs, folder / "inputs.pt")
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, cwd=folder)
    outputs = torch.load(folder / "outputs.pt")
    return {name: (models[name].eval(), inputs[name], outputs[name]) for name in models}


def equal(given, expected):
    torch.testing.assert_close(given, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", TOPOGRAPHIC)
def test_topographic_programs_equal_the_model_at_every_batch_size(computed, name):
    model, inputs, outputs = computed[name]
    for x, (t, image) in zip(inputs, outputs, strict=True):
        expected = model.latents(x)
        equal(t, expected)
        equal(image, model.decode(t[:, 0]).mean)


@pytest.mark.parametrize("name", ACES)
def test_ace_programs_equal_the_model_at_every_batch_size(computed, name):
    model, inputs, outputs = computed[name]
    for x, (found, image) in zip(inputs, outputs, strict=True):
        posterior = model.encode(x)
        expected = {
            "probabilities": posterior.class_log_probs.exp(),
            "z": posterior.z.mean,
            "y": posterior.y,
            "affine": posterior.pose.affine,
            "colour": posterior.pose.colour,
        }
        equal(found, {key: value for key, value in expected.items() if value is not None})
        pose = Pose(found["affine"], found.get("colour"))
        y = torch.arange(len(x)) % model.classes  # whatever class was inferred
        equal(image, model.decode(ACELatents(found["z"], y, pose)).mean)


@pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this torch has no oneDNN"
)
def test_programs_are_portable_and_carry_their_own_weights_only(tmp_path, monkeypatch):
    # As on a machine where oneDNN is the faster, for products of any size.
    monkeypatch.setattr(products, "_chosen", ["onednn"])
    monkeypatch.setattr(importlib.import_module("symgen.nets.linear"), "_SMALL", 0)
    model = TVAE(**SIZE, window=3, centre=True)
    programs = [torch.export.load(path) for path in export_model(model, tmp_path)]
    for program, own, other in zip(
        programs, ("encoder", "decoder"), ("decoder", "encoder"), strict=True
    ):
        assert "mkldnn" not in str(program.graph)
        names = list(program.state_dict)
        assert any(f".{own}." in name for name in names)
        assert not any(f".{other}." in name for name in names)
        assert any("data_mean" in name for name in names) == (own == "encoder")


def test_other_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Pretrained cannot be exported"):
        export_model(Pretrained(), tmp_path)
