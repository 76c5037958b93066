"""The record of a benchmark: what was measured, by which command, on which commit and machine."""

import json
from pathlib import Path
from typing import Any

from symgen.experiments import hardware
from symgen.experiments.runs import commit

__all__ = ["write_record"]


def write_record(path: Path | None, command: str, **measured: Any) -> None:
    """Write a record, or nothing where no file was asked for."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "commit": commit(), "hardware": hardware(), **measured}
    path.write_text(json.dumps(record, indent=2) + "\n")
