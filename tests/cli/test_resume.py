"""Training that is interrupted, refused or resumed from the command line."""

import shlex
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_helpers import assert_same_weights

import symgen
from symgen import TVAE
from symgen.cli import main
from symgen.data import MovingSprites
from symgen.experiments.runs import open_run
from symgen.training import TrainingStopped, hold

SMALL = ["--capsules", "2", "--width", "8", "--length", "4", "--examples", "48"]
SMALL += ["--batch-size", "8", "--window", "3"]
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def interrupt(_: Any) -> None:
    signal.raise_signal(signal.SIGINT)


def command_in(text: str) -> list[str]:
    """Find the command that a stopped run prints, as a shell would take it."""
    _, _, command = text.strip().partition("resume with: ")
    program, *words = shlex.split(command)
    assert program == "symgen"
    return words


def train(folder: Path | None, **given: Any) -> Any:
    torch.manual_seed(0)
    model = TVAE((1, 64, 64), capsules=2, frames=4, width=8)
    source = MovingSprites("train", frames=4)
    return symgen.fit(model, source, examples=48, batch_size=8, folder=folder, **given)


def test_an_interrupted_command_prints_one_that_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "demo", *SMALL, "--out", "whole"]) == 0
    with monkeypatch.context() as patched:
        module = import_module("symgen.cli.train")
        patched.setattr(module, "training_shown", lambda show: interrupt)
        assert main(["train", "demo", *SMALL, "--out", "my run"]) == 130
    said = capsys.readouterr().err
    assert "stopped at step" in said
    assert main(command_in(said)) == 0
    whole, part = (open_run(tmp_path / name).model() for name in ("whole", "my run"))
    assert_same_weights(part, whole)


def test_an_interrupted_fit_prints_a_command_that_goes_on_bit_for_bit(tmp_path: Path) -> None:
    folder = tmp_path / "it's a $run"
    with pytest.raises(TrainingStopped) as stopped:
        train(folder, observe=interrupt, rolled=0.5, learning_rates={"mu": 0.1})
    assert main(command_in(str(stopped.value))) == 0
    whole = train(None, rolled=0.5, learning_rates={"mu": 0.1})
    assert_same_weights(open_run(folder).model(), whole.model)


def test_a_run_on_a_tensor_goes_on_with_a_file_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = torch.rand(16, 4, 5)

    def fit(folder: Path | None, **given: Any) -> Any:
        torch.manual_seed(0)
        model = TVAE((5,), capsules=2, frames=4, width=8)
        return symgen.fit(model, x, examples=64, batch_size=8, folder=folder, **given)

    with pytest.raises(TrainingStopped, match="resume from Python"):
        fit(tmp_path / "run", observe=interrupt)
    assert main(["train", "--resume", "run"]) == 2
    assert "with --data PATH" in capsys.readouterr().err
    np.save("x.npy", x.numpy())
    assert main(["train", "--resume", "run", "--data", "x.npy"]) == 0
    assert_same_weights(open_run(tmp_path / "run").model(), fit(None).model)


def test_a_folder_in_which_another_process_trains_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold(tmp_path / "run"):
        assert main(["train", "demo", *SMALL, "--out", "run"]) == 2
        assert "is training in run: wait for it" in capsys.readouterr().err
        assert [path.name for path in Path("run").iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("device", "message"),
    [
        pytest.param("cuda", "device='cuda' does not compute here", marks=without_cuda),
        pytest.param("cuda:1", "device='cuda:1' does not compute here", marks=without_cuda),
        ("gpu", "device='gpu' does not compute here"),
        ("meta", "device='meta' holds no"),
    ],
)
def test_a_device_that_is_not_here_is_one_clear_line(
    device: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    train(Path("run"))
    capsys.readouterr()
    before = sorted(Path("run").rglob("*"))
    for words in (["demo", *SMALL, "--out", "other"], ["--resume", "run"]):
        assert main(["train", *words, "--device", device]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "take cpu" in said
        assert len(said.splitlines()) == 1
    assert sorted(Path("run").rglob("*")) == before
    assert not Path("other").exists()
