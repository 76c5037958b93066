"""Tables of what tools record: rolls along two axes, and of objects that were left out."""

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


def unseen_objects(results: Path) -> str:
    """Errors on pairs of objects that were left out."""
    record = read(results / "unseen-objects.json")
    names = [*record["mean"]]
    rows = [
        [fold["left out"].replace("-", " and "), *(f"{fold[name]:.1f}" for name in names)]
        for fold in record["folds"]
    ]
    joined = ({"mean": record["mean"][name], "std": record["std"][name]} for name in names)
    rows.append(["**all**", *(written(value, 1) for value in joined)])
    return markdown(["left out", *names], rows) + measured_by(record)


MOTION_TABLES: dict[str, Callable[[Path], str]] = {
    "two-axes": two_axes,
    "unseen-objects": unseen_objects,
}
