"""Numbers in the pages come from the records, and cannot drift away from them."""

import argparse
import json
import re
import runpy
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from symgen.cli._terminal import parse
from symgen.cli.reproducing import Reproduce
from symgen.cli.starting import read_train
from symgen.experiments import from_json
from symgen.experiments.tables import TABLES, fill_tables

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
RECORDS = {
    str(path.relative_to(ROOT)): json.loads(path.read_text())
    for path in sorted((ROOT / "results").rglob("*.json"))
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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_what_the_records_give(page):
    text = page.read_text()
    assert fill_tables(text, ROOT / "results") == text


def test_every_table_is_shown():
    text = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"<!-- table (\S+) -->", text)) == set(TABLES)


def test_every_number_of_a_page_would_be_found_out(tmp_path):
    """A changed digit in a table does not survive the comparison above."""
    text = (ROOT / "README.md").read_text()
    forged = re.sub(r"(\| CapCorr scale \| )\d", r"\g<1>7", text)
    assert forged != text and fill_tables(forged, ROOT / "results") == text


@pytest.mark.parametrize("name", RECORDS)
def test_every_record_tells_its_command(name):
    assert RECORDS[name]["command"]


class Parsed(Exception):
    """A benchmark has understood its options."""


def read_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse a command as the program itself does, without running it."""
    program, verb, *words = shlex.split(command)
    if program == "symgen":
        readers = {"train": read_train, "reproduce": lambda w: parse(Reproduce, verb, w)}
        readers[verb](words)
        return
    assert program == "python"
    original = argparse.ArgumentParser.parse_args

    def stop(self: argparse.ArgumentParser, *given: Any) -> None:
        original(self, *given)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", stop)
    monkeypatch.setattr(sys, "argv", [verb, *words])
    monkeypatch.syspath_prepend(ROOT / "bench")  # where python looks when it runs a file there
    with pytest.raises(Parsed):
        runpy.run_path(str(ROOT / verb), run_name="__main__")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_a_record_is_understood(command, monkeypatch):
    read_command(command, monkeypatch)


SHOWN = sorted(
    {
        line.partition("#")[0].strip()
        for page in PAGES
        for line in re.findall(r"^symgen (?:train|reproduce) .*$", page.read_text(), re.M)
        if "--resume" not in line and "RUN" not in line
    }
)


@pytest.mark.parametrize("command", SHOWN)
def test_every_command_that_a_page_shows_is_understood(command, monkeypatch):
    read_command(command, monkeypatch)


@pytest.mark.parametrize(
    "command",
    [
        "symgen train tvae-mnist-13-36 --batch-sise 8",
        "symgen train tvae-mnist-13-36 --batch-size eight",
        "symgen reproduce table9",
        "python bench/step.py --thread-count 2",
    ],
)
def test_a_command_that_no_longer_parses_is_found_out(command, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        read_command(command, monkeypatch)
    assert end.value.code == 2


@pytest.mark.parametrize("name", RECORDS)
def test_every_run_on_record_tells_its_commit_and_its_settings(name):
    record = RECORDS[name]
    for part in parts(record):
        if str(part.get("command", "")).startswith("symgen"):
            commit = part.get("commit") or record["commit"]
            assert re.fullmatch(r"[0-9a-f]{7,40}(-dirty)?", commit)
            assert "torch" in (part.get("hardware") or record["hardware"])
    for entry in record.get("entries", []):
        assert entry["commit"] and entry["evaluated"]["commit"]
        assert entry["frames"] > 0 and entry["seconds"] > 0
        assert from_json(entry["settings"]).training.seed == entry["seed"]


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="no table 'x'"):
        fill_tables("<!-- table x -->\n<!-- end -->", ROOT / "results")
