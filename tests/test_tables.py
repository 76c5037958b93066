"""Numbers in the pages come from the records, and cannot drift away from them."""

import json
import re
import shlex
from pathlib import Path

import pytest

from symgen.experiments.presets import PRESETS
from symgen.experiments.tables import TABLES, fill_tables

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_table_is_what_the_records_give(page):
    text = page.read_text()
    assert fill_tables(text, ROOT / "results") == text


def test_every_table_is_shown():
    text = "".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"<!-- table (\S+) -->", text)) == set(TABLES)


def test_every_training_command_of_a_record_names_a_preset():
    records = [json.loads(path.read_text()) for path in (ROOT / "results").rglob("*.json")]
    commands = [shlex.split(record["command"]) for record in records]
    assert commands
    for words in commands:
        if words[:2] == ["symgen", "reproduce"]:
            assert words[2] == "ace"
        elif words[0] == "symgen":
            assert words[1] == "train" and words[2] in PRESETS
        else:
            assert words[0] == "python" and (ROOT / words[1]).is_file()


def test_an_unknown_table_is_refused():
    with pytest.raises(ValueError, match="no table 'x'"):
        fill_tables("<!-- table x -->\n<!-- end -->", ROOT / "results")
