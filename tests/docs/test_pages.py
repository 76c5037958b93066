"""Every example of the documentation runs as it stands, in the order of its page."""

import re
import warnings
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "bring-your-own.md"
EXAMPLE = re.compile(r"<!-- example (\S+) -->\n```python\n(.*?)```", re.DOTALL)
BEGIN = re.search(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
EXAMPLES = dict(EXAMPLE.findall(PAGE.read_text()))
NEEDS = {"nets-again": "nets"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_runs_in_ten_lines(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in EXAMPLES[name].splitlines() if line.strip()]
    assert len(lines) <= 10
    assert BEGIN is not None
    code = [BEGIN.group(1), EXAMPLES.get(NEEDS.get(name, ""), ""), EXAMPLES[name]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")  # the classifier stops early
        exec("\n".join(code), {})
