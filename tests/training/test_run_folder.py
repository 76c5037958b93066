"""The folder of a run: what it says, in which order it is written, and whom it belongs to."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from training_helpers import assert_same_weights, make_data, make_model

from symgen import TVAE
from symgen.training import (
    Checkpoint,
    Meter,
    RunBusy,
    RunFolder,
    fit,
    load_checkpoint,
    read_records,
    require_current_weights,
)
from symgen.training.run_folder import CHECKPOINT, CONFIG, METRICS


class Saved(nn.Linear):
    """A model that is written as a file with its name."""

    def save_pretrained(self, folder: Path) -> None:
        (folder / "model.safetensors").write_text("weights")


def state(step: int) -> tuple[Checkpoint, nn.Module]:
    model = Saved(2, 1)
    optimizer = torch.optim.SGD(model.parameters())
    return Checkpoint.capture(step, {"seed": 0}, model, optimizer, Meter(2)), model


def line(step: int) -> dict[str, Any]:
    return {"step": step, "loss": 1 / step}


def config(examples: int = 80) -> dict[str, Any]:
    return {"name": "mine", "training": {"examples": examples}}


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_without_a_path_nothing_is_written_and_lines_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = RunFolder(None, resume=False)
    assert folder.checkpoint is None
    assert folder.state is None
    with folder.open(config()):
        folder.write(line(1))
        folder.save(*state(1))
        folder.write(line(2))
    assert folder.lines == [line(1), line(2)]
    assert written(tmp_path) == set()


def test_a_folder_is_described_at_once_and_held_while_it_is_open(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "mine"
    folder = RunFolder(path, resume=False)
    assert not path.exists()
    with folder.open(config()):
        assert json.loads((path / CONFIG).read_text()) == config()
        with pytest.raises(RunBusy), RunFolder(path, resume=False).open(config()):
            pass
        folder.write(line(1))
        assert (path / METRICS).read_text() == json.dumps(line(1)) + "\n"
        folder.save(*state(1))
    events = {name for name in written(path) if name.startswith("tensorboard")}
    assert written(path) - events == {CONFIG, METRICS, CHECKPOINT, "model.safetensors"}
    assert load_checkpoint(path / CHECKPOINT).step == 1


def test_a_model_that_cannot_be_saved_is_resumed_all_the_same(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, resume=False)
    checkpoint, _ = state(1)
    with folder.open(config()):
        folder.save(checkpoint, nn.Linear(2, 1))  # it has no save_pretrained
    resumed = RunFolder(tmp_path, resume=True)
    assert resumed.checkpoint is not None
    assert not (tmp_path / "model.safetensors").exists()


def test_the_state_is_on_disk_before_the_model(tmp_path: Path) -> None:
    """So that a disk that is full in between leaves what can be resumed."""
    checkpoint, model = state(3)

    def full(folder: Path) -> None:
        raise OSError("no space left on device")

    model.save_pretrained = full
    folder = RunFolder(tmp_path, resume=False)
    with pytest.raises(OSError, match="no space"), folder.open(config()):
        folder.write(line(3))
        folder.save(checkpoint, model)
    resumed = RunFolder(tmp_path, resume=True)
    assert resumed.checkpoint is not None
    assert resumed.checkpoint.step == 3
    with resumed.open(config()):
        assert resumed.lines == [line(3)]


def test_a_resumed_run_loses_the_lines_after_its_checkpoint(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, resume=False)
    with folder.open(config()):
        for step in range(1, 6):
            folder.write(line(step))
            if step == 3:
                folder.save(*state(step))
    resumed = RunFolder(tmp_path, resume=True)
    with resumed.open(config()):
        resumed.write(line(4))
    assert resumed.lines == [line(step) for step in range(1, 5)]


def test_a_resumed_run_says_how_it_is_trained_now_and_else_what_it_said(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, resume=False)
    with folder.open(config(80)):
        folder.save(*state(1))
    with RunFolder(tmp_path, resume=True).open(config(160) | {"name": ""}):
        pass
    said = json.loads((tmp_path / CONFIG).read_text())
    (extended,) = said.pop("extended")
    assert extended | {"commit": None} == {"step": 1, "from": 80, "to": 160, "commit": None}
    assert said == config(160)


@pytest.mark.parametrize("name", [CHECKPOINT, METRICS, "model.safetensors"])
def test_whatever_a_run_left_is_not_overwritten_but_for_empty_files(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.touch()
    RunFolder(tmp_path, resume=False)
    path.write_text("{}")
    with pytest.raises(FileExistsError, match=f"{tmp_path} holds a run already: resume it"):
        RunFolder(tmp_path, resume=False)


def test_other_files_in_a_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    fit(make_model(), make_data(), examples=8, folder=tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_is_resumed_must_be_there_and_whole(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resume=True without a folder"):
        RunFolder(None, resume=True)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        RunFolder(tmp_path, resume=True)
    (tmp_path / "state").mkdir()
    (tmp_path / CHECKPOINT).write_text("half")
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        RunFolder(tmp_path, resume=True)


# Between looking into a folder and holding it


def test_a_run_that_went_on_before_it_was_held_is_not_cut_back(tmp_path: Path) -> None:
    """Or its log would end before what its checkpoint counted, and it could not be resumed."""
    with RunFolder(tmp_path, resume=False).open(config()) as first:
        first.write(line(1))
        first.save(*state(1))
    late, other = (RunFolder(tmp_path, resume=True) for _ in range(2))
    with other.open(config()):
        other.write(line(2))
        other.save(*state(2))
    before = {name: (tmp_path / name).read_bytes() for name in (CONFIG, METRICS, CHECKPOINT)}
    told = f"trained in {tmp_path} since it was read: it was at step 1 and is at step 2; resume it"
    with pytest.raises(RunBusy, match=told), late.open(config(160)):
        pytest.fail("it was opened")
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    with RunFolder(tmp_path, resume=True).open(config()) as again:
        assert again.lines == [line(1), line(2)]


def test_a_run_that_was_started_before_the_folder_was_held_is_not_overwritten(
    tmp_path: Path,
) -> None:
    late = RunFolder(tmp_path, resume=False)
    with RunFolder(tmp_path, resume=False).open(config()) as first:
        first.save(*state(1))
    with pytest.raises(FileExistsError, match="holds a run already"), late.open(config(160)):
        pytest.fail("it was opened")
    assert json.loads((tmp_path / CONFIG).read_text()) == config()


def test_a_run_that_is_gone_when_it_is_held_is_not_gone_on_with(tmp_path: Path) -> None:
    with RunFolder(tmp_path, resume=False).open(config()) as first:
        first.save(*state(1))
    late = RunFolder(tmp_path, resume=True)
    shutil.rmtree(tmp_path)
    with pytest.raises(FileNotFoundError, match="no checkpoint at"), late.open(config()):
        pytest.fail("it was opened")


# The model file


def finished(folder: Path, **given: Any) -> Any:
    return fit(make_model(), make_data(), examples=32, folder=folder, log_every=1, **given)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
@pytest.mark.parametrize("damage", ["missing", "damaged", "older"])
def test_a_finished_run_writes_its_model_again_when_resumed(
    tmp_path: Path, name: str, damage: str
) -> None:
    run = finished(tmp_path)
    path = tmp_path / name
    if damage == "older":  # as if killed between checkpoint and model
        make_model().save_pretrained(tmp_path, step=3)
    else:
        path.unlink() if damage == "missing" else path.write_bytes(path.read_bytes()[:-3])
    finished(tmp_path, resume=True)
    assert_same_weights(TVAE.from_pretrained(tmp_path), run.model)
    assert require_current_weights(tmp_path) == 4


def test_weights_of_another_step_than_the_checkpoint_are_refused_with_the_mend(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "my run"
    finished(folder)
    assert require_current_weights(folder) == 4
    mend = rf"the checkpoint is of step 4: symgen train --resume '{folder}' writes it anew"
    for step, held in ((3, "holds weights of step 3"), (None, "is damaged or of no training")):
        make_model().save_pretrained(folder, step=step)
        with pytest.raises(ValueError, match=rf"{held}, {mend}"):
            require_current_weights(folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=rf"model\.safetensors is missing, {mend}"):
        require_current_weights(folder)
    shutil.rmtree(folder / "state")  # a folder that was copied without it
    make_model().save_pretrained(folder, step=4)
    assert require_current_weights(folder) == 4


def test_a_model_of_ones_own_is_written_again_as_well(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, resume=False)
    with folder.open(config()):
        folder.save_model(Saved(2, 1), 3)
    assert (tmp_path / "model.safetensors").read_text() == "weights"


# The log


LOG_DAMAGES: dict[str, tuple[Any, str]] = {
    "lost": (lambda lines: lines[:1] + lines[2:], "ends at line 3, where the checkpoint counted"),
    "emptied": (lambda lines: [], "ends at line 0"),
    "last lost": (lambda lines: lines[:-1], "ends at line 3"),
    "shuffled": (lambda lines: lines[::-1], "has other lines"),
    "doubled": (lambda lines: [lines[0], *lines], "has other lines"),
    "changed": (lambda lines: [lines[0].replace(b'"loss": ', b'"loss": 1'), *lines[1:]], "other"),
    "foreign": (lambda lines: [*lines[:2], b"[]\n", lines[3]], "has other lines"),
    "junk": (lambda lines: [b"\xff\xfe" * 50], "ends at line 1"),
}


@pytest.mark.parametrize("damage", LOG_DAMAGES)
def test_a_log_that_is_not_what_the_checkpoint_counted_is_noticed(
    tmp_path: Path, damage: str
) -> None:
    finished(tmp_path)
    path = tmp_path / METRICS
    change, message = LOG_DAMAGES[damage]
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    with pytest.raises(ValueError, match=rf"metrics\.jsonl .*{message}"):
        read_records(path)
    with pytest.raises(ValueError, match=rf"metrics\.jsonl .*{message}"):
        finished(tmp_path, resume=True)
