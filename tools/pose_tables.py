"""Tables of the poses that ACE finds in particles, alone and beside models of others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from beyond_tables import mean_and_std
from cells import markdown, measured_by, read

__all__ = ["POSE_TABLES"]

Cells = Sequence[tuple[str, str, str]]  # key on record, title, format
_ANGLES: Cells = (
    ("angle error, median, degrees", "angle error, median, °", ".1f"),
    ("angle error, 90 %, degrees", "of nine in ten, °", ".1f"),
)
_PARTICLES: Cells = (
    *_ANGLES,
    ("clusters that are kinds, %", "clusters that are kinds, %", ".1f"),
)
_COMPARED: Cells = (
    *_ANGLES,
    ("clustering accuracy, %", "clustering accuracy, %", ".1f"),
    ("kind told by the style, %", "kind told by the style, %", ".1f"),
    (
        "error of reconstructions against images without noise",
        "error of reconstructions against images without noise",
        ".3f",
    ),
    ("seconds", "processor seconds", ".0f"),
)


def particles(results: Path) -> str:
    """Write what ACE finds in particles, over its seeds."""
    record = read(results / "ace-particles.json")
    rows = [[f"seed {run['seed']}", *_cells(run, _PARTICLES)] for run in record["runs"]]
    if len(rows) > 1:
        rows.append(["mean", *_cells(record["joined"], _PARTICLES)])
    run = record["runs"][0]
    told = f"{run['images']:,} images, {run['hardware']}, commit {run['commit']}"
    table = markdown(["", *(title for _, title, _ in _PARTICLES)], rows)
    return f"{table}\n`{run['command']}`: {told}; scored by `{record['command']}`.\n"


def compared(results: Path) -> str:
    """Write what ACE and models of others find in the same particles."""
    record = read(results / "ace-compared.json")
    rows = []
    for name in dict.fromkeys(line["model"] for line in record["lines"]):
        own = [line for line in record["lines"] if line["model"] == name]
        numbers = [{key: line[key] for key, _, _ in _COMPARED} for line in own]
        rows.append([name, *_cells(mean_and_std(numbers), _COMPARED)])
    about, seeds = record["particles"], len({line["seed"] for line in record["lines"]})
    told = f"{about['count']:,} images of {about['side']} × {about['side']} pixels, noise "
    told += f"{about['noise']:g}, {record['images seen']:,} seen, {seeds} "
    told += "seed" if seeds == 1 else "seeds"
    table = markdown(["", *(title for _, title, _ in _COMPARED)], rows)
    return f"{table}\n{told}. {measured_by(record).strip()}\n"


def _cells(values: Mapping[str, Any], which: Cells) -> list[str]:
    """Write numbers, or means with deviations; a dash where there is none."""
    cells = []
    for key, _, form in which:
        value = values[key] if isinstance(values[key], dict) else {"mean": values[key]}
        cell = "–" if value["mean"] is None else format(value["mean"], form)
        spread = value.get("std")
        cells.append(cell if spread is None else f"{cell} ± {spread:{form}}")
    return cells


POSE_TABLES = {"ace-particles": particles, "ace-compared": compared}
"""What makes a table from the records, by its name."""
