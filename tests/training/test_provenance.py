"""Where a run comes from, what it says of itself, and how to go on with it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
from training_helpers import Noise, make_model

from symgen.data import Batches
from symgen.training import Training, commit, provenance
from symgen.training.provenance import describe_data, describe_run, how_to_resume

TRAINING = Training(batch_size=8)
NAMED = {"data": {"kind": "sprites"}}


def advice(folder: Path | None = Path("run"), device: str = "cpu", **config: Any) -> str:
    feed = Batches(Noise(), batch_size=8)
    config = describe_run(make_model(), feed, TRAINING, NAMED | config)
    return how_to_resume(config, feed, TRAINING, folder, device)


def test_a_command_goes_on_where_files_name_model_and_data() -> None:
    assert advice() == "resume with: symgen train --resume run"
    assert advice(Path("my run")) == "resume with: symgen train --resume 'my run'"


def test_the_command_names_the_cpu_where_it_would_take_another_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert advice(device="cpu").endswith("--resume run --device cpu")
    assert advice(device="cuda").endswith("--resume run")


@pytest.mark.parametrize(
    "config",
    [
        {"data": None},
        {"data": {"kind": "array", "data": None}},
        {"model": "Mine"},
        {"model": {"model": "TVAE", "arguments": {"encoder": {"own": "here.Mine"}}}},
    ],
)
def test_what_no_file_names_goes_on_from_python(config: dict[str, Any]) -> None:
    call = "symgen.fit(model, data, batch_size=8, folder='run', resume=True)"
    assert advice(**config).endswith(f"made as before: {call}")


def test_without_a_folder_there_is_nothing_to_resume() -> None:
    assert "cannot be resumed" in advice(None)


def test_a_run_that_is_described_by_its_caller_keeps_the_rest() -> None:
    feed = Batches(Noise(), batch_size=8)
    plain = describe_run(make_model(), feed, TRAINING, None)
    assert plain["data"] is None  # of this source, which cannot be named
    assert plain["model"]["arguments"]["capsules"] == 2
    assert describe_run(make_model(), feed, TRAINING, NAMED) == plain | NAMED


def test_data_are_told_apart_by_content_and_order_but_not_by_their_place_in_memory() -> None:
    class Told(Noise):
        def __init__(self, what: str) -> None:
            self.what = what

        def __repr__(self) -> str:
            return f"Told({self.what})"

    same, again = (describe_data(Batches(Noise(), 8)) for _ in range(2))
    assert same == again
    feeds = [
        Batches(Told("a"), 8),
        Batches(Told("b"), 8),
        Batches(Told("a"), 8, seed=1),
        Batches(Told("a"), 8, shuffle=False),
        Batches(Noise(), 8),
    ]
    told = [str(describe_data(feed)) for feed in feeds]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize(
    ("place", "project", "named"),
    [
        ("", 'name = "symgen"', True),
        ("", 'name = "theirs"', False),  # their project has a copy of the package in it
        ("", None, False),
        (".venv/lib/python3.13/site-packages", None, False),
        ("vendored", 'name = "symgen"', False),  # a copy without its own history
    ],
)
def test_the_commit_is_that_of_a_checkout_of_the_package_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, project: str | None, named: bool
) -> None:
    root = tmp_path / place
    module = root / "symgen" / "training" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.touch()
    if project is not None:
        (root / "pyproject.toml").write_text(f"[project]\n{project}\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=b"]
    for words in (["init", "-q"], ["add", "--all"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], check=True)
    described = [*git, "rev-parse", "--short=12", "HEAD"]
    expected = subprocess.run(described, check=True, capture_output=True, text=True).stdout.strip()
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert commit() == (expected if named else None)
    module.write_text("changed")
    assert commit() == (f"{expected}-dirty" if named else None)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / ".git"))
    assert commit() == (f"{expected}-dirty" if named else None)
