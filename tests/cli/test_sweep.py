"""Sweeps: planned, shared by processes or queued, resumed, and never run twice."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import symgen
from symgen.cli import main
from symgen.experiments.runs import open_run
from symgen.experiments.studies import draw_sweep
from symgen.training import hold, saved_step

pytest.importorskip("submitit")
# Its executor for debugging leaves the files of its logs open.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SMALL = ["--capsules", "2", "--width", "8", "--length", "4", "--batch-size", "8"]
MEASURED = ["--items", "8", "--samples", "1"]
GRID = ["sweep", "demo", "--window", "3", "4", "--seed", "0", "2", *SMALL, *MEASURED]
BRIEF = [*GRID, "--examples", "32"]


def entries(out: str = "runs/sweeps/demo") -> list[dict[str, Any]]:
    return json.loads(Path(out, "sweep.json").read_text())["entries"]


def test_a_sweep_trains_every_combination_once_and_compares_them(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Figure] = []
    module = import_module("symgen.cli.sweep")
    monkeypatch.setattr(module, "draw_sweep", lambda *a: drawn.append(draw_sweep(*a)))
    assert main([*BRIEF, "--on", "debug"]) == 0
    for axes in drawn[0].axes:
        assert axes.get_xlabel() == "window"
        assert [label.get_text() for label in axes.get_xticklabels()] == ["3", "4"]
    text = capsys.readouterr().out
    assert "4 runs of demo, swept, 0 of them on record" in text and "4 to do: about " in text
    for word in ("`window=3`", "`window=4`", "log p(x),", "±", "runs/sweeps/demo/sweep.png"):
        assert word in text
    found = {(entry["line"], entry["seed"]) for entry in entries()}
    assert found == {(f"window={window}", seed) for window in (3, 4) for seed in (0, 2)}
    for entry in entries():
        assert entry["settings"]["model"]["window"] == int(entry["line"][-1])
        assert entry["settings"]["training"]["seed"] == entry["seed"]
    out = empty_folder / "runs/sweeps/demo"
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    states = {path: path.stat().st_mtime for path in out.glob("*/state/*")}
    assert len(states) == 4
    assert main([*BRIEF, "--on", "debug"]) == 0
    assert "4 of them on record" in capsys.readouterr().out
    assert states == {path: path.stat().st_mtime for path in out.glob("*/state/*")}


def began(name: str) -> Counter[str]:
    """Count how often the workers of a sweep began to make each run, by what they printed."""
    logs = Path("runs/sweeps", name, "jobs").glob("*_log.out")
    words = [line.split(": from step ") for log in logs for line in log.read_text().splitlines()]
    return Counter(run for run, *step in words if step)


def test_of_twelve_runs_a_killed_a_failed_and_a_finished_one_are_neither_lost_nor_made_twice(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = ["1e-3", "1e30", *(f"{n}e-4" for n in range(1, 10)), "1e-5"]
    small = [*SMALL, *MEASURED, "--window", "3", "--examples", "160", "--checkpoint-every", "0.1"]
    # Two rates, so that runs have their names.
    assert main(["sweep", "demo", "--learning-rate", "1e-4", "1e-5", *small, "--on", "debug"]) == 0
    finished, runs = {"1e-4", "1e-5"}, empty_folder / "runs/sweeps/demo"
    assert {entry["line"] for entry in entries()} == {f"learning-rate={r}" for r in finished}
    states = {path: path.stat().st_mtime for path in runs.glob("*/state/*")}
    before, logs = began("demo"), len([*runs.glob("jobs/*_log.out")])
    lock = runs / "learning-rate=1e-3-0" / "lock"
    killed: list[int] = []

    def kill() -> None:
        while not (lock.is_file() and lock.read_text() and [*lock.parent.glob("state/*.saf*")]):
            time.sleep(0.005)
        killed.append(int(lock.read_text()))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    capsys.readouterr()
    words = ["sweep", "demo", "--learning-rate", *rates, *small]
    assert main([*words, "--on", "local", "--jobs", "2"]) == 1
    thread.join()
    text, told = capsys.readouterr()
    assert told.endswith("symgen: not done: 1 of 12 runs, see above\n")
    assert "12 runs of demo, swept, 2 of them on record" in text
    assert killed and "not run: learning-rate=1e30-0: " in text and "diverged" in text
    assert text.count("log p(x),") == 1
    found = [entry["line"] for entry in entries()]
    assert sorted(found) == sorted(f"learning-rate={rate}" for rate in rates if rate != "1e30")
    assert text.count("`") == 2 * len(rates)  # around every name, which narrow columns fold
    once = {f"learning-rate={rate}-0": 1 for rate in rates if rate not in finished}
    assert began("demo") - before == Counter(once | {lock.parent.name: 2})
    assert len([*runs.glob("jobs/*_log.out")]) - logs == 3  # two processes, and one in place
    assert states == {path: path.stat().st_mtime for path in states}
    assert main([*words, "--status"]) == 0
    status = capsys.readouterr().out
    assert "11 done, 1 failed" in status and "learning-rate=1e30-0  failed" in status
    alone = ["train", "demo", *SMALL, "--window", "3", "--examples", "160"]
    torch.set_num_threads(1)
    assert main([*alone, "--learning-rate", "1e-3", "--out", "alone"]) == 0
    models = (open_run(folder).model() for folder in (lock.parent, Path("alone")))
    one, other = (model.state_dict() for model in models)
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name


def test_what_no_process_survives_has_failed_and_runs_with_the_same_command(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["sweep", "demo", "--window", "3", *SMALL, *MEASURED, "--examples", "32"]
    broken = empty_folder / "broken"
    broken.mkdir()
    (broken / "matplotlib.py").write_text("raise SystemError('no memory')")
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(broken))
        assert main([*words, "--on", "local", "--jobs", "1"]) == 1
    text = capsys.readouterr()
    assert "not run: demo-0: its process ended (SystemError: no memory): give the" in text.out
    assert "Traceback" not in text.err
    assert main([*words, "--on", "debug"]) == 0
    assert len(entries()) == 1 and "not run" not in capsys.readouterr().out


def test_a_study_is_reproduced_by_jobs_as_by_this_process(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["reproduce", "table1", "--only", "vae-mnist", "--budget", "smoke", "--seeds", "1"]
    assert main([*words, "--on", "debug"]) == 0
    assert "1 to do: about " in capsys.readouterr().out
    record = empty_folder / "runs/studies/smoke/table1.json"
    (entry,) = json.loads(record.read_text())["entries"]
    assert main([*words, "--status"]) == 0
    assert "1 done" in capsys.readouterr().out
    assert main(words) == 0
    assert json.loads(record.read_text())["entries"] == [entry]


def test_own_recordings_and_images_are_swept_and_found_again(
    empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    np.save("films.npy", random.integers(256, size=(12, 20, 6, 6), dtype=np.uint8))
    images = random.integers(256, size=(40, 8, 8), dtype=np.uint8)
    np.savez("images.npz", images=images, labels=np.repeat([0, 1], 20))
    brief = ["--examples", "16", "--batch-size", "4", *MEASURED, "--on", "debug"]
    films = ["sweep", "vae", "--data", "films.npy", "--axes", "NTYX", "--width", "8", "16"]
    labelled = ["sweep", "ace", "--data", "images.npz", "--hidden", "4", "8"]
    for words in (films, labelled):
        out = ["--out", words[1]]
        assert main([*words, *brief, *out]) == 0
        text = capsys.readouterr().out
        assert "2 runs of" in text and "0 of them on record" in text and "not run" not in text
        before = entries(words[1])
        assert len(before) == 2
        assert main([*words, *brief, *out]) == 0
        assert "2 of them on record" in capsys.readouterr().out and entries(words[1]) == before
    np.save("others.npy", random.integers(256, size=(12, 20, 6, 6), dtype=np.uint8))
    assert main([*films, *brief, "--out", "vae", "--data", "others.npy"]) == 2  # twice
    films[films.index("films.npy")] = "others.npy"
    assert main([*films, *brief, "--out", "vae"]) == 1
    assert "other settings (data data was" in capsys.readouterr().out


def test_what_is_measured_is_spread_over_the_held_out_data_as_in_an_evaluation(
    empty_folder: Path,
) -> None:
    random = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    np.savez("sorted.npz", images=random.random((200, 8, 8)) * 0.5 * (1 + labels[:, None, None]))
    np.savez("sorted.npz", images=np.load("sorted.npz")["images"], labels=labels)
    words = ["ace", "--data", "sorted.npz", "--hidden", "4", "--test", "0.4"]
    words += ["--examples", "20", "--batch-size", "20"]
    assert main(["sweep", *words, "--items", "10", "--samples", "1", "--out", "s"]) == 0
    (entry,) = entries("s")
    measured = symgen.evaluate("s/ace-0", items=10, samples=1)
    assert entry["measured"]["evaluation"]["error"] == measured["error"]
    assert entry["measured"]["evaluation"]["bounds"] == measured["bounds"]


def test_ctrl_c_before_a_run_has_begun_says_so(
    empty_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module("symgen.experiments.starting")
    fit = module.fit

    def interrupted(*data: Any, **how: Any) -> Any:
        return fit(*data, **how, observe=lambda now: signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(module, "fit", interrupted)
    assert main([*BRIEF, "--on", "debug"]) == 130
    assert "while the speed was measured: no run has begun" in capsys.readouterr().err


def test_what_ends_a_sweep_ends_its_processes_too(empty_folder: Path) -> None:
    words = ["sweep", "demo", "--window", "3", "4", *SMALL, *MEASURED, "--examples", "800000"]
    command = [sys.executable, "-m", "symgen", *words, "--on", "local", "--jobs", "2"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        try:
            saved: list[Path] = []
            end = time.monotonic() + 120
            while len(saved) < 2 and time.monotonic() < end:
                time.sleep(0.2)
                saved = [*Path("runs/sweeps/demo").glob("*/state/checkpoint.safetensors")]
            locks = [path.parents[1] / "lock" for path in saved]
            workers = [int(lock.read_text()) for lock in locks]
        finally:
            parent.terminate()
        assert parent.wait(60) == -signal.SIGTERM
    assert len({*workers}) == 2
    end = time.monotonic() + 60
    while any(lock.is_file() and lock.read_text() for lock in locks) and time.monotonic() < end:
        time.sleep(0.2)
    for lock in locks:
        with hold(lock.parent):  # which nobody holds any more
            pass


STUB = """#!/bin/sh
cat "$1" > {out}/asked
echo Submitted batch job 77
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster that takes jobs and never runs them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "srun", "scontrol", "sacct"):
        (folder / name).write_text(STUB.format(out=folder))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return folder / "asked"


def test_a_cluster_is_asked_for_an_array_of_jobs(
    slurm: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--partition", "fast", "--time", "90", "--gpus", "1", "--cpus", "3", "--jobs", "2"]
    assert main([*BRIEF, "--on", "slurm", *asked, "--account", "us"]) == 0
    text = capsys.readouterr().out
    assert "queued: 77_0 to 77_3" in text
    told = slurm.read_text()
    for line in (
        "--partition=fast",
        "--time=90",
        "--gpus-per-node=1",
        "--cpus-per-task=3",
        "--account=us",
        "--array=0-3%2",
        "--signal=USR2@90",
        "--job-name=sweep-demo",
    ):
        assert f"#SBATCH {line}\n" in told
    assert main([*BRIEF, "--status"]) == 0
    assert "4 waiting" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sweep dmo --window 3", "'dmo'"),
        ("sweep --window 3", "'--window' came before the name of a preset"),
        ("sweep demo 3 --window 3", "'3' came before an option"),
        ("sweep demo --window 3 3", "--window 3 3: give every value once"),
        ("sweep demo --window 3 --window 4", "--window came twice"),
        ("sweep demo --windw 3 4", "windw"),
        ("sweep demo --width 8 08", "width=08 is there twice"),
        ("sweep demo --window 3 4 --seed", "--seed came without a value"),
        ("sweep demo --window 3 --items 0", "items=0: give 1 or more"),
        ("sweep demo --window 3 --samples 0", "samples=0: give 1 or more"),
        ("sweep demo --seed 0 x", "--seed: invalid literal"),
        ("sweep demo --window 3 --jobs 0", "jobs=0: give a positive number"),
        ("sweep demo --window 3 --minutes 1", "leave out --minutes"),
        ("sweep demo --window 3 --on mars", "mars"),
    ],
)
def test_nonsense_is_one_clear_error_and_trains_nothing(
    words: str, message: str, empty_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not list(empty_folder.glob("**/state"))


def test_without_a_cluster_slurm_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main([*BRIEF, "--on", "slurm"]) == 2
    assert "take --on local" in capsys.readouterr().err


def test_a_job_that_is_preempted_saves_is_queued_again_and_goes_on_bit_for_bit(
    empty_folder: Path,
) -> None:
    words = ["sweep", "demo", "--window", "3", *SMALL, *MEASURED, "--examples", "800"]
    state = empty_folder / "runs/sweeps/demo/demo-0/state/checkpoint.safetensors"
    stopped: list[int] = []

    def preempt() -> None:
        lock = state.parents[1] / "lock"
        while not (state.is_file() and lock.is_file() and lock.stat().st_size):
            time.sleep(0.02)
        time.sleep(0.3)
        os.kill(int(lock.read_text()), signal.SIGUSR2)
        stopped.append(saved_step(state))

    thread = threading.Thread(target=preempt, daemon=True)
    thread.start()
    assert main([*words, "--on", "local", "--jobs", "1"]) == 0
    thread.join()
    logs = [path.read_text() for path in (empty_folder / "runs/sweeps/demo/jobs").glob("*log.*")]
    assert any("Requeued job" in log for log in logs) and stopped[0] < 100
    torch.set_num_threads(1)
    alone = ["train", "demo", *SMALL, "--window", "3", "--examples", "800", "--out", "alone"]
    assert main(alone) == 0
    models = (open_run(folder).model() for folder in (state.parents[1], Path("alone")))
    one, other = (model.state_dict() for model in models)
    for name, weight in one.items():
        assert torch.equal(weight, other[name]), name
