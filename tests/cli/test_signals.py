"""Ctrl-C, SIGTERM and full disks: one line, a status that says so, nothing left behind."""

import errno
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from symgen._files import naming
from symgen.cli import main
from symgen.training import run_folder

SMALL = ["--capsules", "2", "--width", "8", "--length", "4", "--examples", "48"]
SMALL += ["--batch-size", "8", "--window", "3"]


def test_ctrl_c_before_a_verb_has_begun_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("symgen.cli._options.call", interrupted)
    assert main(["presets"]) == 130
    assert capsys.readouterr().err == "symgen: stopped\n"


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("seconds", [0.3, 1.5, 2.5])
def test_ctrl_c_at_any_moment_is_one_line(seconds: float, times: int, empty_folder: Path) -> None:
    script = "from symgen.cli import main; import sys; print(0, flush=True); sys.exit(main())"
    words = ["data", "demo", "--out", "film.png", "--examples", "20"]
    done = subprocess.Popen(
        [sys.executable, "-c", script, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.stdout is not None
    done.stdout.readline()
    time.sleep(seconds)
    for _ in range(times):
        done.send_signal(signal.SIGINT)
    said = done.communicate()[1]
    if done.returncode == -signal.SIGINT:  # Python itself was ending: the work was done
        assert said == "" and Path("film.png").is_file()
    else:
        assert (done.returncode, said) in [(130, "symgen: stopped\n"), (0, "")]
    assert not list(empty_folder.glob(".*"))


_EXPORT = """
import signal, sys
from torch.export import export
from symgen.cli import main
import symgen.models
def interrupted(*arguments, **options):
    for _ in range(2):
        signal.raise_signal(signal.{name})
    print("exported", flush=True)
    return export(*arguments, **options)
sys.modules["symgen.models.export"].export = interrupted
sys.exit(main())
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", -signal.SIGTERM)])
def test_a_signal_that_comes_twice_in_an_export_waits_for_torch_and_leaves_nothing(
    name: str, status: int, empty_folder: Path
) -> None:
    assert main(["train", "demo", *SMALL, "--out", "run"]) == 0
    command = [sys.executable, "-c", _EXPORT.format(name=name), "export", "run", "--out", "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    said = "symgen: stopped\n" if name == "SIGINT" else ""
    assert (done.returncode, done.stdout, done.stderr) == (status, "exported\n", said)
    assert [path.name for path in empty_folder.iterdir()] == ["run"]


def test_standard_output_that_is_full_is_named_and_one_that_is_closed_is_no_error() -> None:
    command = [sys.executable, "-m", "symgen", "presets", "--all"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "symgen: standard output: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_a_signal_stops_has_its_status(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = import_module("symgen.cli.train")
    shown = lambda show: lambda now: signal.raise_signal(number)  # noqa: E731
    monkeypatch.setattr(module, "training_shown", shown)
    assert main(["train", "demo", *SMALL, "--out", "run"]) == 128 + number
    said = capsys.readouterr().err
    assert "stopped at step" in said and "symgen train --resume run" in said
    assert said.count("\n") == 1


def test_a_training_that_is_asked_to_save_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, saved = run_folder.save_checkpoint, list[int]()

    def save(path: Path, checkpoint: Any) -> None:
        saved.append(checkpoint.step)
        real(path, checkpoint)

    module = import_module("symgen.cli.train")
    shown = module.training_shown

    def asked(show: Any) -> Any:
        def observe(now: Any) -> None:
            if not now.saved and len(saved) == 1:
                signal.raise_signal(signal.SIGUSR1)
            shown(show)(now)

        return observe

    monkeypatch.setattr(module, "training_shown", asked)
    monkeypatch.setattr(run_folder, "save_checkpoint", save)
    assert main(["train", "demo", *SMALL, "--out", "run"]) == 0
    assert saved == [0, 1, 6]
    assert capsys.readouterr().err == "symgen: saved at step 1 of 6\n"


def test_what_has_nothing_to_save_says_so_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGUSR1)

    def decoded(*given: Any) -> None:
        signal.raise_signal(signal.SIGUSR1)
        raise ValueError("decoded")

    monkeypatch.setattr("symgen.experiments.experiment.Experiment.build", decoded)
    assert main(["train", "demo", *SMALL, "--out", "run"]) == 2
    assert capsys.readouterr().err == (
        "symgen: train has nothing to save yet, and goes on\nsymgen: decoded\n"
    )
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_second_ctrl_c_stops_a_training_at_once_and_leaves_its_last_checkpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = run_folder.save_checkpoint

    def interrupted(path: Path, checkpoint: Any) -> None:
        if checkpoint.step:
            signal.raise_signal(signal.SIGINT)
        real(path, checkpoint)

    module = import_module("symgen.cli.train")
    shown = lambda show: lambda now: signal.raise_signal(signal.SIGINT)  # noqa: E731
    with monkeypatch.context() as patched:
        patched.setattr(module, "training_shown", shown)
        patched.setattr(run_folder, "save_checkpoint", interrupted)
        assert main(["train", "demo", *SMALL, "--out", "run"]) == 130
    assert capsys.readouterr().err == "symgen: stopped\n"
    assert not list(Path("run").rglob(".partial*")) and not Path("run/lock").exists()
    assert main(["train", "--resume", "run"]) == 0


def test_ctrl_c_while_the_run_folder_is_opened_is_kept_for_the_loop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = run_folder.write_json

    def interrupted(*arguments: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(run_folder, "write_json", interrupted)
        assert main(["train", "demo", *SMALL, "--out", "run"]) == 130
    assert "stopped at step 0 of 6; resume with" in capsys.readouterr().err
    assert main(["train", "--resume", "run"]) == 0


def test_a_full_disk_is_one_line_with_path_and_space_and_the_run_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, checkpoint: Any) -> None:
        if checkpoint.step:
            with naming(path):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, checkpoint)

    real = run_folder.save_checkpoint
    with monkeypatch.context() as patched:
        patched.setattr(run_folder, "save_checkpoint", full)
        assert main(["train", "demo", *SMALL, "--out", "run"]) == 2
    said = capsys.readouterr().err
    start = "symgen: run/state/checkpoint.safetensors: cannot be written: No space left on device"
    assert said.startswith(start) and said.endswith(" MB free\n") and said.count("\n") == 1
    assert main(["train", "--resume", "run"]) == 0


@pytest.mark.parametrize(
    "words", [["a\nb"], ["presets", "a\nb\x1b[31m"], ["evaluate", "no\nsuch"], ["train", "x\ny"]]
)
def test_a_newline_in_a_name_does_not_break_the_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(words)
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert status == 2 and said.err.count("\n") == 1 and said.err[:-1].isprintable()


def test_weights_that_are_of_no_use_after_the_last_step_are_a_training_that_diverged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["--optimizer", "SGD", "--learning-rate", "1e30", "--warmup", "0", "--examples", "8"]
    assert main(["train", "demo", *SMALL, *words, "--out", "run"]) == 1
    said = capsys.readouterr().err
    assert "training diverged at step 1: its weights give" in said and said.count("\n") == 1


def test_a_finished_run_without_its_model_is_mended_by_resuming(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["train", "demo", *SMALL, "--out", "run"]) == 0
    whole = Path("run/model.safetensors").read_bytes()
    Path("run/model.safetensors").unlink()
    with pytest.raises(ValueError) as caught:
        run_folder.require_current_weights(Path("run"))
    _, _, mend = str(caught.value).partition(": symgen ")
    assert main(shlex.split(mend.removesuffix(" writes it anew"))) == 0
    assert Path("run/model.safetensors").read_bytes() == whole
