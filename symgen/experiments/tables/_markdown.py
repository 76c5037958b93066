"""What the writers of tables share: records, cells, rows, the line about the origin."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["markdown", "mean_and_std", "measured_by", "read", "source"]


def read(path: Path) -> dict[str, Any]:
    """Read a record."""
    return json.loads(path.read_text())


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table, with a true minus before numbers."""
    minus = [[re.sub(r"^-(?=\d)", "−", cell) for cell in row] for row in rows]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *minus]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def source(record: dict[str, Any]) -> str:
    """Tell how a run came about."""
    return (
        f"`{record['command']}`: {record['training']['sequences']:,} sequences in "
        f"{record['training']['seconds'] / 60:.0f} min, commit {record['commit']}, "
        f"{record['hardware']}.\n"
    )


def measured_by(record: dict[str, Any]) -> str:
    """Tell what measured a record, and where."""
    return f"\n`{record['command']}`, {record['hardware']}.\n"


def mean_and_std(measured: dict[str, Any]) -> str:
    """Write a mean with its deviation over seeds."""
    if measured["mean"] is None:
        return "–"
    spread = "" if measured["std"] is None else f" ± {measured['std']:.2g}"
    return f"{measured['mean']:.4g}{spread}".replace("-", "−")
