"""Training on a device without double precision, as on one of Apple: a CPU stands for it here."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from training_helpers import make_data, make_model

from symgen import ACE, TVAE
from symgen.groups import _flow
from symgen.training import fit, load_checkpoint, save_checkpoint, step
from symgen.training.meter import Meter, on_device


class SinglePrecision(TorchDispatchMode):
    """Refuses every operation that takes or makes a tensor of doubles."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, made)):
            if isinstance(value, torch.Tensor) and value.dtype == torch.float64:
                raise TypeError(f"{func} on doubles")
        return made


def take_step(model: Any, inputs: list[torch.Tensor]) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    step(model, optimizer, inputs, lambda name: 1.0)  # makes the matrices that are kept
    with SinglePrecision():
        step(model, optimizer, inputs, lambda name: 1.0, clip_norm=1.0)
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def make_ace() -> ACE:
    return ACE((1, 16, 16), classes=4, hidden=(9,), decoder_hidden=(8,))


@pytest.mark.parametrize("net", ["dense", "conv"])
def test_a_topographic_step_needs_no_doubles(net: Any) -> None:
    model = TVAE((1, 6, 6), capsules=2, units=6, frames=6, window=3, net=net, width=8)
    take_step(model, [torch.rand(4, 6, 1, 6, 6)])


def test_a_step_with_a_pose_needs_doubles_only_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = [torch.rand(4, 1, 16, 16), torch.tensor([0, 1, 2, 3])]
    with pytest.raises(TypeError, match="on doubles"):
        take_step(make_ace(), inputs)
    monkeypatch.setattr(_flow, "_SINGLE", ("mps", "cpu"))
    take_step(make_ace(), inputs)


def test_the_meter_keeps_values_in_the_precision_of_the_device() -> None:
    values = torch.zeros(2, 3, dtype=torch.float64)
    assert on_device(values, torch.device("cpu")).dtype == torch.float64
    moved: list[Any] = []

    class Apple(torch.Tensor):
        def to(self, *given: Any) -> Any:  # pyright: ignore
            moved.append(given)
            return self

    on_device(values.as_subclass(Apple), torch.device("mps"))
    assert moved == [(torch.device("mps"), torch.float32)]
    meter = Meter(2)
    meter.add(0, {"loss": torch.tensor(1.0)})
    assert meter.means(0) == {"loss": 1.0}


def test_a_checkpoint_of_another_device_is_read_on_the_cpu_and_resumed_only_there(
    tmp_path: Any,
) -> None:
    run = fit(make_model(), make_data(), examples=16, folder=tmp_path)
    path = tmp_path / "state/checkpoint.safetensors"
    now = load_checkpoint(path)
    drawn = now.generators | {"cuda": torch.zeros(16, dtype=torch.uint8)}
    settings = now.settings | {"device": "cuda"}
    save_checkpoint(path, replace(now, settings=settings, generators=drawn))
    found = load_checkpoint(path)
    assert all(weight.device.type == "cpu" for weight in found.weights.values())
    loaded = TVAE.from_pretrained(tmp_path)
    x = torch.rand(2, 6, 1, 4, 4)
    assert torch.equal(loaded.latents(x), run.model.eval().latents(x))
    with pytest.raises(ValueError, match="device was 'cuda' and is 'cpu'"):
        fit(make_model(), make_data(), examples=32, folder=tmp_path, resume=True)
