"""Checkpoints: whole or refused, and everything that the rest of a run depends on."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import symgen.training.checkpoint
from symgen._files import write_atomically
from symgen.training import Checkpoint, Meter, load_checkpoint, save_checkpoint, saved_step

SETTINGS = {"learning_rate": 1e-3, "optimizer_options": {"betas": (0.9, 0.99)}, "seed": 0}
RECENT = torch.arange(8, dtype=torch.float64).view(2, 4)


def trained(
    name: str = "Adam", dtype: torch.dtype = torch.float32, steps: int = 3
) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3)).to(dtype)
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1)
    advance(model, optimizer, steps)
    return model, optimizer


def advance(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    dtype = next(model.parameters()).dtype
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(6, 4, dtype=dtype)).square().sum().backward()
        optimizer.step()


def capture(model: nn.Module, optimizer: torch.optim.Optimizer, step: int = 3) -> Checkpoint:
    meter = Meter(length=2, seconds=1.5)
    meter.recent = RECENT
    return Checkpoint.capture(step, SETTINGS, model, optimizer, meter)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, capture(*trained()))
    return path


@pytest.mark.parametrize("name", ["Adam", "SGD", "NAdam", "ASGD", "Rprop", "Adagrad", "Adafactor"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_restored_run_goes_on_as_the_saved_one(
    tmp_path: Path, name: str, dtype: torch.dtype
) -> None:
    model, optimizer = trained(name, dtype)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, capture(model, optimizer))
    advance(model, optimizer, 4)

    torch.manual_seed(99)
    other, other_optimizer = trained(name, dtype, steps=0)
    meter = Meter(length=2)
    checkpoint = load_checkpoint(path)
    checkpoint.require_same(SETTINGS, other)
    checkpoint.restore(other, other_optimizer, meter)
    advance(other, other_optimizer, 4)

    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[key]), key
    assert (checkpoint.step, checkpoint.seconds) == (3, 1.5)
    assert torch.equal(meter.recent, RECENT)


def test_weights_that_are_tied_are_saved_and_restored(tmp_path: Path) -> None:
    def tied() -> tuple[nn.Module, torch.optim.Optimizer]:
        layer = nn.Linear(4, 4)
        model = nn.Sequential(layer, nn.Tanh(), layer)
        return model, torch.optim.Adam(model.parameters())

    (model, optimizer), (other, other_optimizer) = tied(), tied()
    advance(model, optimizer, 2)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, capture(model, optimizer))
    load_checkpoint(path).restore(other, other_optimizer, Meter(length=2))
    for a, b in ((model, optimizer), (other, other_optimizer)):
        torch.manual_seed(5)
        advance(a, b, 2)
    assert torch.equal(model[0].weight, other[0].weight)
    assert other[0].weight is other[2].weight


def test_the_file_is_plain_safetensors_with_a_readable_header(saved: Path) -> None:
    content = saved.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    described = json.loads(header["__metadata__"]["symgen"])
    assert described["step"] == 3
    assert described["settings"]["learning_rate"] == 1e-3
    assert "weights/0.weight" in header


def test_replacing_leaves_no_other_file(saved: Path) -> None:
    save_checkpoint(saved, capture(*trained(), step=9))
    assert load_checkpoint(saved).step == 9
    assert os.listdir(saved.parent) == [saved.name]


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(partial: Path) -> None:
        partial.write_text("half of the n")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    write_atomically(path, lambda partial: partial.write_text("new"))
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_truncated_checkpoint_is_named_with_its_mend(saved: Path, part: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is not a whole .* start again"):
        load_checkpoint(saved)


def test_the_step_is_read_without_the_rest(saved: Path, tmp_path: Path) -> None:
    assert saved_step(saved) == load_checkpoint(saved).step > 0
    assert saved_step(tmp_path / "none") == 0
    saved.write_bytes(saved.read_bytes()[:50])
    with pytest.raises(ValueError, match="is not a whole checkpoint"):
        saved_step(saved)


def test_any_flipped_bit_is_noticed(saved: Path) -> None:
    content = saved.read_bytes()
    for position in torch.randint(len(content), (100,)).tolist():
        damaged = bytearray(content)
        damaged[position] ^= 1 << position % 8
        saved.write_bytes(damaged)
        with pytest.raises(ValueError, match=re.escape(str(saved))):
            load_checkpoint(saved)


def test_other_files_are_not_taken_for_checkpoints(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "weights.safetensors"
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(ValueError, match="its header does not describe what symgen wrote"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match=r"no checkpoint at .*absent"):
        load_checkpoint(tmp_path / "absent")


def test_another_format_is_named(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symgen.training.checkpoint, "_FORMAT", 99)
    with pytest.raises(ValueError, match=r"has format \d+, this version reads 99: resume with"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was 0\.001 and is 0\.5"),
        ({"optimizer_options": {}}, "optimizer_options was"),
        ({"momentum": 0.9}, "momentum was 'absent' and is 0.9"),
    ],
)
def test_other_settings_are_refused_by_name(
    saved: Path, changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(saved).require_same(SETTINGS | changed, trained()[0])
    assert "seed" not in str(caught.value)


def test_another_model_is_refused_by_name(saved: Path) -> None:
    checkpoint = load_checkpoint(saved)
    wider = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match=r"0\.weight was '.*\(3, 4\)' and is '.*\(3, 5\)'"):
        checkpoint.require_same(SETTINGS, wider)
    with pytest.raises(ValueError, match=r"float32.* and is .*float64"):
        checkpoint.require_same(SETTINGS, trained(dtype=torch.float64)[0])
