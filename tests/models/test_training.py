"""Models in training: compiled as one graph, and resumed bit for bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from model_helpers import COVERING, MODELS, inputs

import symgen
from symgen import ACE

COMPILED = (
    "tvae, conv, gaussian of a fixed scale, volume",
    "tvae, ahead",
    "vae, own, gaussian of values, image",
    "axes, dense, discretised-logistic, vector",
    "odd speed, residual, gaussian of one scale, vector",
    "torus, dense, continuous-bernoulli, image",
    "ace, conv",
    "ace, everything",
)
_COMPILE = """
import sys
import torch
from model_helpers import MODELS, inputs
for number, name in enumerate(sys.argv[1:]):
    model = MODELS[name]()
    given = inputs(model)
    compiled = torch.compile(model, fullgraph=True, backend="eager" if number else "aot_eager")
    torch.manual_seed(0)
    terms = compiled(*given)
    terms.loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    torch.manual_seed(0)
    expected = model(*given)
    expected.loss.backward()
    expected_gradients = [parameter.grad for parameter in model.parameters()]
    for one, other in ((tuple(terms), tuple(expected)), (gradients, expected_gradients)):
        torch.testing.assert_close(one, other, msg=lambda text: f"{name}: {text}")
    torch._dynamo.reset()
"""


def test_models_compile_as_one_graph():
    """In a process of its own: run-time checks of annotations do not pass the compiler.

    Traced by the compiler, the first one differentiated as well, but without its C++ code, which
    takes minutes.
    """
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    command = [sys.executable, "-c", _COMPILE, *COMPILED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("tvae, projected", {"rolled": 0.5, "kl_warmup": 40, "clip_norm": 1.0}),
        ("odd speed, conv, bernoulli, image", {"learning_rates": {"mu": 0.1, "decoder": 0.01}}),
        ("vae, own, gaussian of values, image", {"beta": 2.0, "warmup": 20}),
        ("ace, everything", {"kl_warmup": 40, "optimizer": "AdamW"}),
        ("ace, conv, gaussian of one scale, image", {"optimizer": "SGD"}),
    ],
)
def test_six_steps_equal_three_and_three_more(name, settings, tmp_path, device):
    def trained(examples, folder, seed=0, resume=False):
        torch.manual_seed(seed)
        model = MODELS[name]().to(device)
        torch.manual_seed(7)
        given = [part.cpu() for part in inputs(model, 16)]
        data = list(zip(*given, strict=True)) if isinstance(model, ACE) else given[0]
        return symgen.fit(
            model, data, examples=examples, batch_size=8, folder=folder, resume=resume, **settings
        )

    whole = trained(48, tmp_path / "whole")
    trained(24, tmp_path / "halves")
    # What a new process builds has other weights; those of the run are read.
    resumed = trained(48, tmp_path / "halves", seed=1, resume=True)
    assert (whole.step, resumed.step) == (6, 6)
    weights = resumed.model.state_dict()
    for key, tensor in whole.model.state_dict().items():
        assert torch.equal(weights[key], tensor), key
    torch.manual_seed(0)
    fresh = MODELS[name]().to(device).named_parameters()
    assert not any(torch.equal(weights[key], p) for key, p in fresh if p.requires_grad)
    own = COVERING[name].own() if name in COVERING else {}
    folder = tmp_path / "halves"
    kept = type(whole.model).from_pretrained(folder, **own)
    assert all(torch.equal(weights[key].cpu(), v) for key, v in kept.state_dict().items())
