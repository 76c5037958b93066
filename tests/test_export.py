"""Exported programs equal the model, whatever the batch, and need torch alone."""

import importlib
import subprocess
import sys

import jaxtyping
import pytest
import torch

from symgen import ACE, TVAE, TopographicVAE
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
    "read twice": {"image_shape": (1, 16, 16), "pose_readings": 2, "charged": True},
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
        read = encode(x)
        if isinstance(read, torch.Tensor):
            code = [read[:, 0]]
        else:
            pose = [read[key] for key in ("affine", "colour") if key in read]
            code = [read["z"], torch.arange(len(x)) % 4, *pose]
        outputs.setdefault(name, []).append((read, decode(*code)))
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
            inputs[name] = [torch.rand(n, *frames, *model.image_shape) for n in (1, 2, 5)]
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
        expected = model.latents(model.encode(x), sampled=False)
        equal(t, expected)
        equal(image, model.decode(t[:, 0]).mean)


@pytest.mark.parametrize("name", ACES)
def test_ace_programs_equal_the_model_at_every_batch_size(computed, name):
    model, inputs, outputs = computed[name]
    for x, (read, image) in zip(inputs, outputs, strict=True):
        reading = model.encode(x)
        expected = {
            "probabilities": reading.log_omega.exp(),
            "z": reading.z.mean,
            "y": reading.y,
            "affine": reading.pose.affine,
            "colour": reading.pose.colour,
        }
        equal(read, {key: value for key, value in expected.items() if value is not None})
        pose = Pose(read["affine"], read.get("colour"))
        y = torch.arange(len(x)) % model.classes  # whatever class was read
        equal(image, model.decode(Code(read["z"], y, pose)).mean)


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
