"""Tables of studies as cells: what is measured and what a paper prints, as `studies.toml` says."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from symgen.experiments.presets import EDITIONS, Edition
from symgen.experiments.studies.record import Entry, entry_of
from symgen.experiments.studies.study import Line, Study, described
from symgen.experiments.studies.values import at, formula, mean_and_std

_EDITIONS: dict[Edition, str] = {"paper": "camera-ready", "submission": "submission"}
_NOT_RUN = "not run"
_CAPCORR = (  # name, value, and the measure that it stands in
    ("ours", "value", "evaluation"),
    ("ours, circular", "circular", "evaluation"),
    ("ours, on training sequences", "value", "trained"),
)

Runs = Sequence[tuple[Line, list[Entry]]]


class Table(NamedTuple):
    """A table as cells; the first column names the lines."""

    header: list[str]
    rows: list[list[str]]


def tables_of(
    study: Study, record: Mapping[str, Any], budget: str, only: Sequence[str] | None = None
) -> list[Table]:
    """Make the tables of a study within a budget; lines that nobody ran say so.

    Args:
        record: its record: `entries`, and the `criteria` of ACE.
        only: names of lines; None for all.
    """
    lines = [ln for ln in study.lines(study.budgets[budget]) if only is None or ln.name in only]
    runs = [(line, _seeds(record.get("entries", []), line, budget)) for line in lines]
    return [_made(name, study, record, runs) for name in study.shown]


def _made(name: str, study: Study, record: Mapping[str, Any], runs: Runs) -> Table:
    if name == "capcorr":
        return _capcorr(runs, study.factors)
    if name == "criteria":
        return _criteria(record["criteria"])
    told = described()["tables"][name]
    columns = [  # a column of a measure that no run has is left out
        (title, value, *how)
        for title, value, *how in told["columns"]
        if not (isinstance(value, str) and value.startswith("trained.")) or _has(runs, "trained")
        if title not in told.get("optional", ()) or _measured(runs, value)
    ]
    printed, printed_digits = told.get("printed", ("", 0))
    editions: list[Edition] = [
        e for e in EDITIONS if any(printed in line.printed.get(e, {}) for line, _ in runs)
    ]
    rows = [
        [
            label,
            *(_printed(line, edition, printed, printed_digits) for edition in editions),
            *(_ours(values, value, *how) for _, value, *how in columns),
        ]
        for line, found in runs
        for label, values in _rows(line, found, told.get("each"))
    ]
    header = [told["title"], *(_EDITIONS[e] for e in editions), *(title for title, *_ in columns)]
    return Table(header, rows)


def _rows(
    line: Line, found: Sequence[Entry], each: str | None
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Name the rows of a line, one, or one for each key of a place, and their values by seed."""
    values = [{**entry, **entry["measured"], "seeds": len(found)} for entry in found]
    if each is None or not values:
        yield line.label, values
        return
    for key in at(values[0], each):
        yield f"{line.label}: {key}", [at(value, each)[key] for value in values]


def written(value: Mapping[str, Any], digits: int | None = None) -> str:
    """Write a mean with its deviation over seeds, to four figures or to a number of digits."""
    mean, std = value["mean"], value["std"]
    if mean is None:
        return "–"
    spread = "" if std is None else f" ± {std:.2g}" if digits is None else f" ± {std:,.{digits}f}"
    centre = f"{mean:.4g}" if digits is None else f"{mean:,.{digits}f}"
    return f"{centre}{spread}".replace("-", "−")


def _seeds(entries: Sequence[Entry], line: Line, budget: str) -> list[Entry]:
    seeds = sorted({entry["seed"] for entry in entries})
    found = (entry_of(entries, line, budget, seed) for seed in seeds)
    return [entry for entry in found if entry is not None]


def _ours(values: Sequence[Mapping[str, Any]], told: Any, digits: int, spread: bool = True) -> str:
    """Write the mean over seeds, and its deviation."""
    if not values:
        return _NOT_RUN
    found = [formula(told, lambda place, value=value: at(value, place)) for value in values]
    joined = mean_and_std(found)
    return written(joined if spread else {**joined, "std": None}, digits)


def _printed(line: Line, edition: Edition, name: str, digits: int) -> str:
    numbers = line.printed.get(edition, {})
    if name not in numbers:
        return ""
    mean, std = numbers[name]
    return written({"mean": mean, "std": std}, digits)


def _has(runs: Runs, measure: str) -> bool:
    return any(measure in entry["measured"] for _, found in runs for entry in found)


def _measured(runs: Runs, place: str) -> bool:
    """Return whether a place is there in what was measured of some run, if only as None."""
    part, _, key = place.rpartition(".")
    return any(key in (at(e["measured"], part) or ()) for _, found in runs for e in found)


def _capcorr(runs: Runs, factors: Sequence[str]) -> Table:
    """Make a table of several rows a line: what the editions print, ours in several ways."""
    ways = [way for way in _CAPCORR if _has(runs, way[2])]
    rows = []
    for line, found in runs:
        for edition, name in _EDITIONS.items():
            cells = [_printed(line, edition, factor, 2) for factor in factors]
            if any(cells):
                rows.append([f"{line.label}: {name}", *cells])
        measured = [entry["measured"] for entry in found]
        for name, key, part in ways if found else [_CAPCORR[0]]:
            places = [f"{part}.capcorr.{factor}.{key}" for factor in factors]
            rows.append([f"{line.label}: {name}", *(_ours(measured, p, 2) for p in places)])
    # The chance level depends on the sizes alone, which the lines of a study share.
    known = [entry["measured"] for _, found in runs for entry in found][:1]
    if known:
        places = [f"evaluation.capcorr.{factor}.chance" for factor in factors]
        rows.append(["chance", *(_ours(known, place, 2) for place in places)])
    return Table(["CapCorr", *factors], rows)


def _criteria(criteria: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            f"{criterion['id']} {criterion['claim']}",
            criterion["threshold"] + " (projected)" * criterion["projected"],
            "; ".join(map(written, criterion["limits"])),
            criterion["verdict"],
        ]
        for criterion in criteria
    ]
    return Table(["criterion", "threshold", "measured", "verdict"], rows)
