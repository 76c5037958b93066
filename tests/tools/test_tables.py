"""Numbers in the pages come from the records, and cannot drift away from them."""

import argparse
import json
import re
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from symgen.cli import main
from symgen.cli.train import read_train
from symgen.experiments.datasets import RecordingData
from symgen.experiments.experiment import Experiment
from symgen.experiments.image_data import OwnImageData
from symgen.experiments.studies import study, study_names

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RECORDS = {
    str(path.relative_to(ROOT)): json.loads(path.read_text())
    for path in sorted(RESULTS.rglob("*.json"))
}


def parts(record: Any) -> Iterator[dict[str, Any]]:
    """Go through a record and all dictionaries in it."""
    if isinstance(record, dict):
        yield record
        record = list(record.values())
    if isinstance(record, list):
        for value in record:
            yield from parts(value)


COMMANDS = sorted(
    {part["command"] for record in RECORDS.values() for part in parts(record) if "command" in part}
)
RUNS = {  # by its command what was trained, where a record has both
    part["command"]: part.get("settings") or part["experiment"]
    for record in RECORDS.values()
    for part in parts(record)
    if "command" in part and ("settings" in part or "experiment" in part)
}


@pytest.fixture(scope="module")
def tables() -> Iterator[Any]:
    """The tool itself, imported as python does that runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield import_module("tables")


@pytest.fixture(scope="module")
def fill(tables: Any) -> Callable[[str], str]:
    return tables.fill_tables


# --- pages -------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_what_the_records_give(page: Path, fill: Callable[[str], str]) -> None:
    assert fill(page.read_text()) == page.read_text()


def test_every_table_is_shown(tables: Any) -> None:
    text = "".join(page.read_text() for page in PAGES)
    never_run = {name for name in study_names() if not (RESULTS / f"{name}.json").is_file()}
    shown = {*re.findall(r"<!-- table (\S+) -->", text)}
    assert {*tables.TABLES} - never_run <= shown <= {*tables.TABLES}


def test_every_number_of_a_page_would_be_found_out(fill: Callable[[str], str]) -> None:
    """A changed digit in a table does not survive the comparison above."""
    text = (ROOT / "docs" / "demo.md").read_text()
    forged = re.sub(r"(\| CapCorr scale \| )\d", r"\g<1>7", text)
    assert forged != text and fill(forged) == text


def test_an_unknown_table_is_refused(fill: Callable[[str], str]) -> None:
    with pytest.raises(ValueError, match="no table 'x': choose one of"):
        fill("<!-- table x -->\n<!-- end -->")


def test_without_a_record_a_table_says_that_nothing_was_run(tables: Any, tmp_path: Path) -> None:
    text = tables.TABLES["table1"](tmp_path)
    assert "Budget `laptop`, our recipe" in text and text.count("not run") > 20
    assert "| TVAE, L = ½ S, K = 3 | −186.8 ± 0.1 | −188.5 ± 1.0 | not run |" in text
    assert text.endswith("`symgen reproduce table1 --budget laptop`.\n")


@pytest.mark.parametrize("some", [True, False])
def test_the_largest_budget_with_all_rows_is_shown_and_larger_ones(
    tables: Any, tmp_path: Path, some: bool
) -> None:
    entries = RECORDS["results/table1.json"]["entries"]
    night = [entry for entry in entries if entry["budget"] == "night"]
    others = [*night[: 2 if some else None], night[0] | {"budget": "paper"}]
    laptop = [entry for entry in entries if entry["budget"] == "laptop"]
    (tmp_path / "table1.json").write_text(json.dumps({"entries": [*laptop, *others]}))
    text = tables.TABLES["table1"](tmp_path)
    assert ("Budget `laptop`, our recipe; mean ±" in text) == some
    assert "Budget `night`, our recipe; one seed" in text
    assert ("2 of 7 rows so far" in text) == some
    assert "Budget `paper`, the paper's own" in text


def test_the_command_fills_the_tables_of_pages(tmp_path: Path, fill: Callable[[str], str]) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- table demo -->\noutdated\n<!-- end -->\nafter\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        patch.setattr(sys, "argv", ["tables.py", str(page)])
        runpy.run_path(str(ROOT / "tools" / "tables.py"), run_name="__main__")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "CapCorr" in text
    assert "outdated" not in text and fill(text) == text


# --- commands ----------------------------------------------------------------------------------


class Parsed(Exception):
    """A program has understood its options."""


def read_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a program read a command, and stop it where its work begins."""
    program, verb, *words = shlex.split(command)
    if program == "symgen":
        work, stop = {"train": ("start_run", started), "reproduce": ("run_study", studied)}[verb]
        monkeypatch.setattr(import_module(f"symgen.cli.{verb}"), work, stop)
        for data in (OwnImageData, RecordingData):
            monkeypatch.setattr(data, "open", started)  # the files are not here
        with pytest.raises(Parsed):
            main([verb, *words])
        return
    assert program == "python"
    original = argparse.ArgumentParser.parse_args

    def parsed(self: argparse.ArgumentParser, *given: Any) -> None:
        original(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parsed)
    monkeypatch.setattr(sys, "argv", [verb, *words])
    monkeypatch.syspath_prepend(ROOT / "bench")  # where python looks when it runs a file there
    monkeypatch.delitem(sys.modules, "harness", raising=False)  # the campaigns have their own
    with pytest.raises(Parsed):
        runpy.run_path(str(ROOT / verb), run_name="__main__")


def started(*given: Any, **options: Any) -> None:
    raise Parsed


def studied(name: str, *given: Any, **options: Any) -> None:
    lines = study(name).lines(study(name).budgets[options["budget"]])
    assert {*(options["only"] or ())} <= {line.name for line in lines}
    raise Parsed


@pytest.mark.parametrize("command", [known for known in COMMANDS if known not in RUNS])
def test_every_command_of_a_record_is_understood(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_command(command, monkeypatch)


@pytest.mark.parametrize(
    "command",
    [
        "symgen train tvae-mnist-13-36 --batch-sise 8",
        "symgen train tvae-mnist-13-36 --batch-size eight",
        "symgen train tvae-mnist-13-37",
        "symgen reproduce table9",
        "symgen reproduce table1 --budget desktop",
        "python bench/step.py --thread-count 2",
    ],
)
def test_a_command_that_no_longer_parses_is_found_out(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises((SystemExit, KeyError, pytest.fail.Exception)):
        read_command(command, monkeypatch)


@pytest.mark.parametrize("command", RUNS)
def test_the_command_of_a_run_on_record_trains_what_the_record_says(command: str) -> None:
    told = Experiment.from_json(RUNS[command])
    experiment, _ = read_train(shlex.split(command)[2:])
    if experiment.training.precision == "auto":  # decided by the machine, and put on record
        experiment = experiment.changed(training={"precision": told.training.precision})
    if told.data.kind == "recordings":  # found out when they were opened, and put on record
        found = told.to_json()["data"]
        opened = {name: found[name] for name in ("data", "axes", "scale")}
        assert Path(found["data"]).name == shlex.split(command)[-1]
        experiment = experiment.changed(data=opened)
    assert told == experiment


# --- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_tells_its_command(name: str) -> None:
    assert RECORDS[name]["command"]


@pytest.mark.parametrize("name", RECORDS)
def test_every_run_on_record_tells_its_commit_and_its_settings(name: str) -> None:
    record = RECORDS[name]
    for part in parts(record):
        if str(part.get("command", "")).startswith("symgen train"):
            commit = part.get("commit") or record["commit"]
            assert re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", commit)
            assert "torch" in (part.get("hardware") or record["hardware"])
    for entry in record.get("entries", []):
        assert Experiment.from_json(entry["settings"]).training.seed == entry["seed"]
        if entry["trained"]:
            assert entry["commit"] and entry["frames"] > 0 and entry["seconds"] > 0
            assert entry["evaluated"].get("commit") or record["commit"]
