"""What the writers of tables share: records, cells, the line about the origin."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """Read a record."""
    return json.loads(path.read_text())


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, with a true minus before numbers."""
    minus = [[re.sub(r"^-(?=\d)", "−", cell) for cell in row] for row in rows]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *minus]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def measured_by(record: dict[str, Any]) -> str:
    """Tell what measured a record, and where."""
    entries = record.get("entries") or [record]
    machines = sorted({entry.get("hardware", record["hardware"]) for entry in entries})
    return f"\n`{record['command']}`, {'; '.join(machines)}.\n"


_BASELINES = {  # older records repeat the last seen frame, not the nearest
    "repeat": "repeat last frame",
    "nearest": "repeat nearest seen frame",
    "interpolation": "interpolation",
    "mean": "mean image",
}


def baselines(errors: Mapping[str, Any]) -> list[tuple[str, str]]:
    """List the baselines on record, and how tables call them."""
    return [(name, told) for name, told in _BASELINES.items() if f"{name}_nll" in errors]
