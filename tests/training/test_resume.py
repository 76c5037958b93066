"""Runs that stop, crash or are killed, and go on as if nothing had happened."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from training_helpers import (
    Disturbed,
    LabelledNoise,
    Noise,
    assert_same_weights,
    make_data,
    make_labelled,
    make_model,
    make_prototypes,
    without_times,
)

import symgen
from symgen import ACE, TVAE
from symgen.data import Batches, DistortedImages, SequenceBatch, load
from symgen.training import (
    Run,
    TrainingStopped,
    fit,
    load_checkpoint,
    read_records,
)


def lose_power(batch: SequenceBatch) -> None:
    raise OSError("lost power")


def interrupt(batch: SequenceBatch) -> None:
    # Not os.kill, whose second signal is lost if another thread has not yet handed on the first.
    signal.raise_signal(signal.SIGINT)


def terminate(batch: SequenceBatch) -> None:
    signal.raise_signal(signal.SIGTERM)


# Resuming


@pytest.mark.parametrize(
    ("stop", "crash", "settings"),
    [
        (7, 13, {}),
        (3, 4, {"optimizer": "SGD", "optimizer_options": {"momentum": 0.9}, "clip_norm": 1.0}),
        (0, 15, {"optimizer": "AdamW", "schedule": "cosine", "warmup": 48}),
        (4, 9, {"optimizer": "NAdam", "kl_warmup": 120, "learning_rates": {"mu": 0.1}}),
        (10, 11, {"precision": "bfloat16"}),
        (5, 8, {"rolled": 0.5, "kl_warmup": 80, "kl_start": 0.05}),
    ],
)
def test_a_run_that_was_stopped_and_crashed_ends_as_one_that_was_not(
    tmp_path: Path, device: torch.device, stop: int, crash: int, settings: dict[str, Any]
) -> None:
    settings = {"examples": 128, "log_every": 4, **settings}
    measure: dict[str, Any] = {"evaluate": lambda model: {"mu": model.mu}, "evaluate_every": 5}
    given = settings | measure
    whole = fit(make_model().to(device), make_data(), folder=tmp_path / "whole", **given)

    folder = tmp_path / "broken"
    with pytest.raises(TrainingStopped) as stopped:
        fit(make_model().to(device), Disturbed(stop, interrupt), folder=folder, **given)
    assert stopped.value.run.step == stop + 1
    for _ in range(2):
        with pytest.raises(OSError, match="lost power"):
            fit(
                make_model(seed=8).to(device),
                Disturbed(crash, lose_power),
                folder=folder,
                resume=True,
                **given,
            )
    run = fit(make_model(seed=9).to(device), make_data(), folder=folder, resume=True, **given)

    assert_same_weights(run.model, whole.model)
    assert run.finished
    assert without_times(run.records) == without_times(whole.records)
    assert list(run.records) == read_records(folder / "metrics.jsonl")
    assert_same_weights(TVAE.from_pretrained(folder).to(device), whole.model)


@pytest.mark.parametrize(
    "settings",
    [
        {"schedule": "half-life", "half_life": 40, "decay": 0.1},
        {"learning_rates": {"pose": 0.1, "classifier": 0.2}, "kl_warmup": 80},
        {"decay": 0.05, "clip_norm": 1.0},
    ],
)
def test_a_run_on_labelled_images_goes_on_bit_for_bit(
    tmp_path: Path, device: torch.device, settings: dict[str, Any]
) -> None:
    settings = {"examples": 128, "optimizer": "AdamW", "learning_rate": 0.05, **settings}
    whole = fit(make_prototypes(20).to(device), make_labelled(20), **settings)
    with pytest.raises(TrainingStopped):
        data = Disturbed(5, interrupt, LabelledNoise(20))
        fit(make_prototypes(20).to(device), data, folder=tmp_path, **settings)
    other = make_prototypes(20, seed=8).to(device)
    run = fit(other, make_labelled(20), folder=tmp_path, resume=True, **settings)
    assert_same_weights(run.model, whole.model)
    assert without_times(run.records) == without_times(whole.records)


def test_a_killed_process_resumes_bit_for_bit(tmp_path: Path) -> None:
    script = (
        "import sys, torch\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "from training_helpers import make_data, make_model\n"
        "from symgen.training import fit\n"
        "fit(make_model(), make_data(), examples=10**7, log_every=1, checkpoint_every=0.03,\n"
        f"    folder={str(tmp_path / 'run')!r})\n"
    )
    state = tmp_path / "run" / "state" / "checkpoint.safetensors"
    with subprocess.Popen([sys.executable, "-c", script]) as process:
        try:
            patience = time.monotonic() + 60
            while not state.is_file() or load_checkpoint(state).step < 5:
                assert process.poll() is None and time.monotonic() < patience
                time.sleep(0.01)
            time.sleep(random.uniform(0, 0.1))
        finally:
            process.kill()
    step = load_checkpoint(state).step
    settings = {"examples": 8 * (step + 10), "log_every": 1}
    whole = fit(make_model(), make_data(), **settings)
    run = fit(make_model(seed=9), make_data(), folder=tmp_path / "run", resume=True, **settings)
    assert_same_weights(run.model, whole.model)
    assert without_times(run.records) == without_times(whole.records)


@pytest.mark.parametrize("settings", [{}, {"schedule": "half-life", "half_life": 40}])
def test_a_finished_run_is_returned_or_made_longer(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    short = fit(make_model(), make_data(), folder=tmp_path, examples=40, **settings)
    settings |= {"folder": tmp_path, "resume": True}
    again = fit(make_model(8), make_data(), examples=40, **settings)
    assert_same_weights(short.model, again.model)
    assert (again.step, again.finished, again.records) == (5, True, short.records)
    longer = fit(make_model(8), make_data(), examples=80, **settings)
    settings |= {"folder": None, "resume": False}
    assert_same_weights(
        longer.model, fit(make_model(), make_data(), examples=80, **settings).model
    )
    assert longer.seconds > short.seconds


# Signals


@pytest.mark.parametrize("happens", [interrupt, terminate])
def test_a_signal_finishes_the_step_saves_and_says_how_to_resume(
    tmp_path: Path, happens: Any
) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(TrainingStopped, match=rf"step 4 of 10; .*{tmp_path}.*resume") as stopped:
        fit(make_model(), Disturbed(3, happens), folder=tmp_path, examples=80)
    run = stopped.value.run
    assert isinstance(run, Run)
    assert (run.step, run.examples, run.finished) == (4, 32, False)
    assert load_checkpoint(tmp_path / "state" / "checkpoint.safetensors").step == 4
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    with pytest.raises(TrainingStopped, match="without a folder"):
        fit(make_model(), Disturbed(3, happens), examples=80)


def test_the_call_that_a_stopped_run_prints_goes_on_with_it(tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "examples": 80,
        "optimizer_options": {"betas": (0.8, 0.9)},
        "learning_rates": {"mu": 0.1},
        "kl_warmup": 40,
        "kl_start": {"kl_z": 2.0},
        "clip_norm": 1.0,
        "rolled": 0.5,
        "seed": 3,
    }
    folder = tmp_path / "it's a run"
    with pytest.raises(TrainingStopped, match=r"resume from Python") as stopped:
        fit(make_model(), Disturbed(3, interrupt), folder=folder, **settings)
    _, call = str(stopped.value).split("as before: ")
    run = eval(call, {"symgen": symgen, "model": make_model(9), "data": make_data()})
    assert run.finished
    assert_same_weights(run.model, fit(make_model(), make_data(), **settings).model)


def test_a_second_interrupt_does_not_wait() -> None:
    def insist(batch: SequenceBatch) -> None:
        interrupt(batch)
        interrupt(batch)

    with pytest.raises(KeyboardInterrupt):
        fit(make_model(), Disturbed(3, insist), examples=80)


def test_training_works_beside_the_main_thread() -> None:
    runs: list[Run] = []
    thread = threading.Thread(
        target=lambda: runs.append(fit(make_model(), make_data(), examples=16))
    )
    thread.start()
    thread.join()
    assert runs[0].finished


# The run in a folder


def test_a_folder_with_a_run_is_never_overwritten(tmp_path: Path) -> None:
    fit(make_model(), make_data(), folder=tmp_path, examples=8)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FileExistsError, match="holds a run already"):
        fit(make_model(), make_data(), folder=str(tmp_path), examples=8)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_run_that_died_before_its_first_checkpoint_can_be_started_again(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "metrics.jsonl").touch()
    assert fit(make_model(), make_data(), folder=tmp_path, examples=8).finished


def test_there_must_be_something_to_resume(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        fit(make_model(), make_data(), folder=tmp_path / "absent", resume=True)
    with pytest.raises(ValueError, match="without a folder"):
        fit(make_model(), make_data(), resume=True)
    assert not (tmp_path / "absent").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate": 0.5}, r"learning_rate was 0\.001 and is 0\.5"),
        ({"examples": 32}, "examples was 40 and is 32"),
        ({"data": Batches(Noise(), 8, seed=6)}, "data_seed was 5 and is 6"),
        (
            {"model": TVAE((1, 4, 4), capsules=3, units=6, frames=6, window=3)},
            "weight",
        ),
    ],
)
def test_resuming_under_other_settings_is_refused(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    given = {"model": make_model(), "data": make_data(), "examples": 40, "schedule": "cosine"}
    fit(folder=tmp_path, **given)
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(ValueError, match=message):
        fit(folder=tmp_path, resume=True, **given | change)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_data_that_differ_only_in_how_they_are_distorted_are_told_apart(tmp_path: Path) -> None:
    images = load("digits", split="test")

    def train(fixed: bool, resume: bool) -> Run:
        torch.manual_seed(0)
        model = ACE((1, 42, 42), hidden=(4,), decoder_hidden=(4,))
        data = Batches(DistortedImages(images, "rts", fixed=fixed), 8)
        return fit(model, data, folder=tmp_path, examples=16, resume=resume)

    train(fixed=True, resume=False)
    with pytest.raises(ValueError, match=r"data_source was .*fixed.* and is .*afresh"):
        train(fixed=False, resume=True)
    assert train(fixed=True, resume=True).finished
