"""The script for a GPU, rehearsed without one: whole, cut off, and going on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
WORDS = ["bench/gpu.py", "--device", "cpu", "--threads", "1"]
PARTS = ["tests", "machine", "steps", "side by side", "table1"]


def start(out: Path, *words: str) -> subprocess.Popen[str]:
    how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    how |= {"cwd": ROOT, "env": os.environ | {"OMP_NUM_THREADS": "1"}}
    return subprocess.Popen([sys.executable, *WORDS, "--out", str(out), *words], **how)


@dataclass
class Left:
    """What a call has left: its record, the entries of Table 1, its words and status."""

    record: dict[str, Any]
    entries: list[dict[str, Any]]
    said: str
    status: int


def left(out: Path, script: subprocess.Popen[str]) -> Left:
    said, _ = script.communicate(timeout=600)
    record, table = (json.loads((out / f"{name}.json").read_text()) for name in ("gpu", "table1"))
    return Left(record, table["entries"], said, script.returncode)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Left, Left]:
    """A rehearsal that is killed once the first line of Table 1 is there, and the next one."""
    out = tmp_path_factory.mktemp("gpu")
    script = start(out, "--budget", "smoke")
    while not (out / "table1.json").is_file() and script.poll() is None:
        time.sleep(0.02)
    script.kill()
    killed = left(out, script)
    return killed, left(out, start(out, "--budget", "smoke"))


def test_a_rehearsal_puts_every_part_on_record(calls: tuple[Left, Left]) -> None:
    record = calls[1].record
    assert calls[1].status == 0, calls[1].said
    assert list(record["parts"]) == PARTS and "stopped" not in record
    for name, part in record["parts"].items():
        assert "failed" not in part, (name, part)
        assert part["seconds"] > 0
    parts = record["parts"]
    assert any("passed" in str(said) for said in parts["tests"].values())
    rates = [name for name in parts["machine"] if name.startswith("products, ")]
    steps = [part for part in parts["steps"].values() if isinstance(part, dict)]
    assert len(rates) == len(steps) and all(parts["machine"][name] > 0 for name in rates)
    for step in steps:
        assert step["captured [ms]"] > 0 and step["one by one [ms]"] > 0 and step["floor [ms]"] > 0
        assert step["captured, taken"] == "one by one: on cpu"
    assert parts["side by side"]["8 small models, stacked [ms]"] > 0
    assert parts["table1"]["entries"] == 2
    assert {entry["line"] for entry in calls[1].entries} == {"tvae-mnist-0", "vae-mnist"}


def test_a_script_that_is_killed_leaves_whole_records_from_which_the_next_goes_on(
    calls: tuple[Left, Left],
) -> None:
    killed, after = calls
    assert killed.status == -9
    assert list(killed.record["parts"]) == PARTS[:-1] and len(killed.entries) == 1
    for name, part in killed.record["parts"].items():
        assert after.record["parts"][name] == part
        assert f"{name}: " in killed.said and f"{name}: " not in after.said
    assert killed.entries[0] in after.entries and len(after.entries) == 2
    assert "run 1 of 1, " in after.said


def test_a_script_ends_when_its_time_is_over(tmp_path: Path) -> None:
    script = start(tmp_path, "--budget", "smoke", "--minutes", "0")
    said, _ = script.communicate(timeout=120)
    record = json.loads((tmp_path / "gpu.json").read_text())
    assert script.returncode == 0, said
    assert record["stopped"] == "the time is over"
    assert not any("seconds" in part for part in record["parts"].values())


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "bench")  # where python looks when it runs a file there
    return import_module("gpu")


def script_in(gpu: Any, out: Path) -> Any:
    options = SimpleNamespace(json=None, out=out, device="cpu", budget="smoke")
    kept: list[Any] = []
    return gpu.Script(SimpleNamespace(options=options, record=lambda *a, **k: kept.append(k)))


def test_a_part_that_fails_is_on_record_and_leaves_its_numbers(gpu: Any, tmp_path: Path) -> None:
    def make() -> Iterator[tuple[str, Any]]:
        yield "half", 1.0
        raise RuntimeError("no memory")

    script = script_in(gpu, tmp_path)
    script.work("steps", make)
    script.work("table1", lambda: gpu.table(plan))
    assert script.parts["steps"]["half"] == 1.0
    assert script.parts["steps"]["failed"] == "RuntimeError: no memory"
    assert not {"seconds"} & (script.parts["steps"].keys() | script.parts["table1"].keys())
    assert "vae-mnist-0 was not made: it diverged" in script.parts["table1"]["failed"]


plan = SimpleNamespace(work=lambda: {"vae-mnist-0": "it diverged"}, entries=list)


def test_tests_that_take_too_long_fail(gpu: Any) -> None:
    extent = replace(gpu.REHEARSAL, tests=("latents/test_gaussian.py",))
    found = gpu.tests(extent, "cpu", 0.0)
    name, said = next(found)
    assert name == "tests/latents/test_gaussian.py" and said.endswith("the time was over")
    with pytest.raises(RuntimeError, match=f"tests failed: {name}"):
        next(found)


@pytest.mark.parametrize(
    ("words", "record", "message"),
    [
        ("--budget smoke --device nowhere", "", "device='nowhere' does not compute here"),
        ("--budget smok --device cpu", "", "no budget 'smok'"),
        ("--budget smoke --device cpu", "{", "gpu.json is not JSON"),
        ("--budget smoke --device cpu", "[1]", "gpu.json is no record of bench/gpu.py"),
        ("--budget smoke --device cpu", '{"budget": 1, "parts": {}}', "choose another --out"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    words: str,
    record: str,
    message: str,
    gpu: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if record:
        (tmp_path / "gpu.json").write_text(record)
    given = ["gpu.py", *words.split(), "--threads", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(ValueError, match=message):
        gpu.main()
    assert (tmp_path / "gpu.json").is_file() == bool(record)
