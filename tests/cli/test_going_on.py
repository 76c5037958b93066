"""Runs that go on: made longer, started from weights, with the best weights beside the last."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from symgen import TVAE
from symgen.cli import main
from symgen.experiments.runs import open_run

SIZES = ["--capsules", "2", "--units", "6", "--width", "8", "--window", "3"]
CUT = ["--axes", "NTYX", "--length", "6", "--batch-size", "8"]
SMALL = [*SIZES, *CUT]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on recordings of its own, with validation, and other recordings of both sizes."""
    folder = tmp_path_factory.mktemp("going-on")
    random = np.random.default_rng(0)
    for name, side in (("one", 8), ("two", 8), ("wide", 9)):
        array = random.integers(0, 256, (20, 12, 8, side), dtype=np.uint8)
        np.save(folder / f"{name}.npy", array)
    words = ["--data", f"{folder / 'one.npy'}", *SMALL, "--examples", "80", "--out"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        assert main(["train", "tvae", *words, f"{folder / 'run'}", "--validate-every", "4"]) == 0
    return folder


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_a_run_is_made_longer_and_says_what_its_schedule_does(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = f"{trained / 'run'}"
    assert "is one of 80 already" in refused(
        ["train", "--resume", run, "--examples", "80"], capsys
    )
    assert main(["train", "--resume", run, "--examples", "160"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("from 80 to 160 examples: the learning rate goes on from ")
    opened = open_run(run)
    assert (opened.training.examples, opened.progress) == (160, "")
    (extended,) = opened.summary({})["extended"]
    assert (extended["step"], extended["from"], extended["to"]) == (10, 80, 160)
    assert main(["train", "--resume", run]) == 0  # as it is now


def test_the_best_weights_can_be_measured_and_exported(
    trained: Path, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    run = f"{trained / 'run'}"
    assert main(["evaluate", run, "--best", "--examples", "2"]) == 0
    assert "the best in validation" in capsys.readouterr().out
    summary = json.loads((trained / "run/best/summary.json").read_text())
    assert summary["step"] == json.loads((trained / "run/best/summary-2.json").read_text())["step"]
    best = TVAE.from_pretrained(trained / "run/best").state_dict()
    assert all(
        torch.equal(w, best[n]) for n, w in open_run(run, best=True).model().state_dict().items()
    )
    assert not (trained / "run/summary.json").exists()


def test_training_starts_from_weights_and_keeps_what_is_frozen(
    trained: Path, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    start, data = f"{trained / 'run'}", f"{trained / 'two.npy'}"
    words = ["train", "tvae", "--data", data, "--from", start, "--freeze", "encoder", "mu"]
    words += [*CUT, "--examples", "16", "--out", "new"]
    assert main(words) == 0  # with the sizes of the start
    before, after = (TVAE.from_pretrained(folder).state_dict() for folder in (start, "new"))
    same = {name.split(".")[0] for name in before if torch.equal(before[name], after[name])}
    assert same == {"data_mean", "encoder", "mu"}
    config = json.loads(Path("new/config.json").read_text())
    assert config["start"]["from"] == start and config["training"]["freeze"] == ["encoder", "mu"]
    assert open_run("new").summary({})["start"] == config["start"]
    assert main(["train", "--resume", "new", "--examples", "24"]) == 0
    again = TVAE.from_pretrained("new").state_dict()
    assert torch.equal(again["mu"], before["mu"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["tvae", "--freeze", "pose"], "trains no 'pose': choose among decoder, encoder, mu"),
        (["tvae", "--width", "16"], "do not fit the model: decoder.layers.0.bias was"),
        (
            ["tvae", "--data", "wide.npy"],
            "was trained on frames of shape (1, 8, 8), the data have",
        ),
        (["vae"], "holds a TVAE, which the preset does not train"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    words: list[str],
    message: str,
    trained: Path,
    capsys: pytest.CaptureFixture[str],
    empty_folder: Path,
) -> None:
    preset, *options = words
    data = trained / (options[1] if "--data" in options else "two.npy")
    options = [] if "--data" in options else options
    given: list[Any] = ["train", preset, "--data", f"{data}", "--from", f"{trained / 'run'}"]
    given += [*CUT, "--out", "new", *options]
    assert message in refused(given, capsys)
    assert not Path("new").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "tvae", "--from", "nowhere"], "no folder 'nowhere'"),
        (["train", "tvae", "--from"], "--from"),
        (["train", "demo", *SIZES, "--patience", "2"], "there are no validation data"),
        (["train", "--resume", "nowhere", "--examples", "9"], "nowhere is not a run folder"),
    ],
)
def test_what_is_not_there_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    assert message in refused(words, capsys)


def test_a_run_that_ended_early_says_so_and_needs_more_patience(
    trained: Path, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    words = ["--data", f"{trained / 'two.npy'}", *SMALL, "--examples", "800", "--out", "run"]
    words += ["--optimizer", "SGD", "--learning-rate", "3", "--validate-every", "1"]
    assert main(["train", "tvae", *words, "--patience", "2", "--warmup", "0"]) == 0
    assert "the validation loss was least at step" in capsys.readouterr().out
    run = open_run("run")
    assert "ended early, best at step" in run.progress
    more = ["train", "--resume", "run", "--examples", "1600"]
    assert "give --patience, more than that" in refused(more, capsys)
    assert main(["train", "--resume", "run", "--patience", "3"]) == 0


def test_without_validation_there_are_no_best_weights(
    trained: Path, capsys: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    words = ["--data", f"{trained / 'two.npy'}", *SMALL, "--examples", "8", "--out", "run"]
    assert main(["train", "tvae", *words, "--validation", "0"]) == 0
    capsys.readouterr()
    assert "run has no best weights" in refused(["evaluate", "run", "--best"], capsys)
