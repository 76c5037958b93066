"""The table of rolls along two axes."""

from collections.abc import Callable
from pathlib import Path

from cells import markdown, measured_by, read

from symgen.experiments.studies.tables import written

_MODELS = {
    "tvae-sprites-positions-plain": "capsules of one axis",
    "tvae-sprites-positions-axes": "capsules of two axes",
}


def two_axes(results: Path) -> str:
    """Errors of places along one axis, the other, and both at once."""
    record = read(results / "two-axes.json")
    rows = [
        [name, *(written(value, 1) for value in record[line].values())]
        for line, name in _MODELS.items()
    ]
    header = ["squared error, moved along", *record[next(iter(_MODELS))]]
    told = f"\nFrom frame 0 of {record['sequences']} held-out sequences.\n"
    return markdown(header, rows) + told + measured_by(record)


MOTION_TABLES: dict[str, Callable[[Path], str]] = {
    "two-axes": two_axes,
}
