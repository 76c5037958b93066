"""Nothing wrong without a word: what is measured, shown and shared is what it is said to be."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from recording_helpers import films, write_frames

import symgen
from symgen import TVAE, evaluate
from symgen.cli import main
from symgen.experiments.card import write_card
from symgen.experiments.runs import open_run
from symgen.models.pretrained import weights_step

SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "80"]
SMALL += ["--batch-size", "8", "--warmup", "0", "--log-every", "4"]


@pytest.fixture
def run(empty_folder: Path) -> Path:
    """A run on a folder of recordings, which lie next to it."""
    write_frames(empty_folder / "films", films())
    assert main(["train", "tvae", "--data", "films", *SMALL]) == 0
    return Path("runs/tvae")


def held_out(run: Path) -> tuple[int, ...]:
    source = open_run(run).require_data().source(train=False)
    return tuple(source.part.length.tolist())


def test_recordings_that_came_later_are_neither_trained_on_nor_tested(run, capsys):
    assert main(["evaluate", str(run)]) == 0
    before = json.loads((run / "summary.json").read_text())["evaluation"]
    for number in range(20):
        shutil.copytree("films/film 1", f"films/new {number}")
    assert main(["evaluate", str(run)]) == 0
    assert json.loads((run / "summary.json").read_text())["evaluation"] == before
    assert main(["train", "--resume", str(run)]) == 0
    split = json.loads((run / "config.json").read_text())["split"]
    assert {*split} == {"train", "validation", "test"} and "new 0" not in str(split)


def test_recordings_that_are_gone_are_named(run, capsys):
    split = json.loads((run / "config.json").read_text())["split"]
    (gone, *_) = split["test"]
    shutil.rmtree(Path("films") / gone)
    assert main(["evaluate", str(run)]) == 2
    error = capsys.readouterr().err
    assert "missing" in error and gone in error and error.count("\n") == 1
    assert not (run / "summary.json").exists()


def test_weights_of_another_step_than_the_checkpoint_are_not_measured(run, capsys):
    step = weights_step(run)
    assert step == 10
    model = TVAE.from_pretrained(run)
    model.save_pretrained(run, step=5)
    for words in (
        ["evaluate", str(run)],
        ["traverse", str(run)],
        ["export", str(run), "--out", "o"],
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert "holds weights of step 5" in error and f"symgen train --resume {run}" in error
    assert main(["train", "--resume", str(run)]) == 0
    assert main(["evaluate", str(run)]) == 0
    assert json.loads((run / "summary.json").read_text())["step"] == 10


def test_a_run_that_is_not_finished_says_so(run, capsys):
    config = json.loads((run / "config.json").read_text())
    config["training"]["examples"] = 800  # of which 80 are done
    (run / "config.json").write_text(json.dumps(config))
    assert main(["evaluate", str(run)]) == 0
    assert "held out, step 10 of 100, not finished" in capsys.readouterr().out
    card = write_card(open_run(run), Path()).read_text()
    assert "| weights | step 10 of 100, not finished |" in card


def test_a_bound_that_is_not_a_number_is_no_result():
    model = TVAE((5,), capsules=2, frames=4, likelihood="gaussian", width=8)
    run = symgen.fit(model, torch.randn(16, 4, 5), examples=32)
    with torch.no_grad():
        next(run.model.decoder.parameters()).fill_(torch.nan)
    with pytest.raises(ValueError, match="8 of 8 sequences is not finite: the training diverged"):
        evaluate(run, torch.randn(8, 4, 5))


def test_a_card_shows_names_as_they_are_and_no_path(run, empty_folder):
    named = run.rename("runs/a|b <i> [red]")
    config = json.loads((named / "config.json").read_text())
    secret = str(empty_folder / "films")
    config |= {"name": "", "command": f"symgen train tvae --data '{secret}' --out={secret}"}
    (named / "config.json").write_text(json.dumps(config))
    card = write_card(open_run(named), Path()).read_text()
    assert "# a\\|b \\<i\\> \\[red\\]\n" in card and secret not in card
    assert "`symgen train tvae --data PATH --out=PATH`" in card


def test_names_are_no_markup(run, capsys):
    named = run.rename("runs/[red]bold")
    config = json.loads((named / "config.json").read_text())
    (named / "config.json").write_text(json.dumps({**config, "name": ""}))
    assert main(["evaluate", str(named)]) == 0
    assert "[red]bold, held out" in capsys.readouterr().out


def test_an_export_that_failed_leaves_nothing_in_the_way(run, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device", "encoder.pt2")

    with monkeypatch.context() as patch:
        patch.setattr("symgen.cli.export.export_model", full)
        assert main(["export", str(run), "--out", "shared"]) == 2
    assert "encoder.pt2" in capsys.readouterr().err
    assert not Path("shared").exists() and not list(Path().glob(".partial*"))
    assert main(["export", str(run), "--out", "shared"]) == 0
    assert {path.name for path in Path("shared").iterdir()} >= {"model.safetensors", "README.md"}


def test_a_damaged_summary_is_named(run, capsys):
    for content in ("", "{}", "[1]"):
        (run / "summary.json").write_text(content)
        assert main(["export", str(run), "--out", "shared"]) == 2
        error = capsys.readouterr().err
        assert "summary.json" in error and error.count("\n") == 1
