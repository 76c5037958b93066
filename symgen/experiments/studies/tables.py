"""Tables of studies as cells: what is measured, and beside it what a paper prints."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

from symgen.experiments.presets import EDITIONS, Edition, preset
from symgen.experiments.studies.record import Entry, entry_of
from symgen.experiments.studies.study import Line, Study

__all__ = ["Table", "tables_of", "written"]

_EDITIONS: dict[Edition, str] = {"paper": "camera-ready", "submission": "submission"}
_NOT_RUN = "not run"
_BEYOND = (5, 6, 7)  # frames of growing digits that no window of theirs holds

Read = Callable[[Entry], int | float | None]
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
        study: what is shown.
        record: its record: `entries`, and what follows from them.
        budget: of which budget.
        only: names of lines; None for all.
    """
    lines = study.lines(study.budgets[budget])
    lines = tuple(line for line in lines if only is None or line.name in only)
    entries = record.get("entries", [])
    runs = [(line, _seeds(entries, line, budget)) for line in lines]
    makers: dict[str, Callable[[], list[Table]]] = {
        "likelihood": lambda: [_likelihood(runs)],
        "equivariance": lambda: [_equivariance(runs)],
        "capcorr": lambda: [_capcorr(runs, study.factors)],
        "roll prediction": lambda: [_roll_prediction(runs)],
        "selectivity": lambda: [_selectivity(runs)],
        "extensions": lambda: [_extensions(runs)],
        "bounds": lambda: [_bounds(runs)],
        "forecast": lambda: _forecast(record["joined"]),
        "probes": lambda: _probes(record["joined"]),
        "criteria": lambda: [_criteria(record["criteria"])],
    }
    tables = [table for part in study.shown for table in makers[part]()]
    derived = {"forecast", "probes", "criteria", "extensions", "bounds"} & set(study.shown)
    return tables if derived else [*tables, _cost(runs)]


def written(value: Mapping[str, float | None], digits: int | None = None) -> str:
    """Write a mean with its deviation over seeds, to four figures or to a number of digits.

    Example:
        >>> written({"mean": -1.23456, "std": 0.1})
        '−1.235 ± 0.1'
    """
    if value["mean"] is None:
        return "–"
    if digits is None:
        spread = "" if value["std"] is None else f" ± {value['std']:.2g}"
        return f"{value['mean']:.4g}{spread}".replace("-", "−")
    spread = "" if value["std"] is None else f" ± {value['std']:,.{digits}f}"
    return f"{value['mean']:,.{digits}f}{spread}".replace("-", "−")


def _seeds(entries: Sequence[Entry], line: Line, budget: str) -> list[Entry]:
    seeds = sorted({entry["seed"] for entry in entries})
    found = (entry_of(entries, line, budget, seed) for seed in seeds)
    return [entry for entry in found if entry is not None]


def _ours(entries: Sequence[Entry], read: Read, digits: int = 1) -> str:
    """Write mean and deviation over seeds."""
    values = [value for entry in entries if (value := read(entry)) is not None]
    if not entries:
        return _NOT_RUN
    spread = stdev(values) if len(values) > 1 else None
    return written({"mean": mean(values) if values else None, "std": spread}, digits)


def _printed(line: Line, edition: Edition, name: str, digits: int) -> str:
    numbers = line.printed.get(edition, {})
    if name not in numbers:
        return ""
    centre, deviation = numbers[name]
    return written({"mean": centre, "std": deviation}, digits)


def _table(
    title: str,
    runs: Runs,
    ours: Sequence[tuple[str, Read]],
    digits: Sequence[int],
    printed: str | None = None,
    printed_digits: int = 1,
) -> Table:
    """Make a table of one row a line: what the paper prints, then ours."""
    editions: list[Edition] = [
        e for e in EDITIONS if any(printed in line.printed.get(e, {}) for line, _ in runs)
    ]
    header = [title, *(_EDITIONS[edition] for edition in editions), *(name for name, _ in ours)]
    rows = [
        [
            line.label,
            *(_printed(line, edition, str(printed), printed_digits) for edition in editions),
            *(_ours(found, read, d) for (_, read), d in zip(ours, digits, strict=True)),
        ]
        for line, found in runs
    ]
    return Table(header, rows)


def _measured(*path: str, part: str = "evaluation") -> Read:
    """Return what looks a value up in a measure."""

    def read(entry: Entry) -> int | float | None:
        value: Any = entry["measured"].get(part)
        for name in path:
            value = None if value is None else value.get(name)
        return value

    return read


def _likelihood(runs: Runs) -> Table:
    def distance(entry: Entry) -> float | None:
        measured = entry["measured"]["evaluation"]
        floor = measured["entropy_floor"]
        return None if floor is None else -floor - measured["log_p_bound"]

    ours = [
        ("ours, paper's convention", _measured("log_p_paper")),
        ("ours, bound", _measured("log_p_bound")),
        ("distance of the bound from the entropy floor", distance),
    ]
    return _table("log p(x), nats per frame", runs, ours, (1, 1, 1), "log_p")


def _equivariance(runs: Runs) -> Table:
    ours = [
        ("ours, as printed", _measured("e_eq")),
        ("% of chance", _measured("e_eq_percent_of_chance")),
        ("capsule mean removed, % of chance", _measured("e_eq_centred_percent_of_chance")),
    ]
    digits = [0, 1, 1]
    if any("trained" in entry["measured"] for _, found in runs for entry in found):
        ours.append(("ours, on training sequences", _measured("e_eq", part="trained")))
        digits.append(0)
    return _table("E_eq", runs, ours, digits, "e_eq", 0)


def _capcorr(runs: Runs, factors: Sequence[str]) -> Table:
    """Make a table of several rows a line: what the editions print, ours in three ways."""
    entries = [entry for _, found in runs for entry in found]
    ways = [("ours", "value", "evaluation"), ("ours, circular", "circular", "evaluation")]
    if any("trained" in entry["measured"] for entry in entries):
        ways.append(("ours, on training sequences", "value", "trained"))
    rows = []
    for line, found in runs:
        for edition, name in _EDITIONS.items():
            cells = [_printed(line, edition, factor, 2) for factor in factors]
            if any(cells):
                rows.append([f"{line.label}: {name}", *cells])
        if not found:
            rows.append([f"{line.label}: ours", *[_NOT_RUN] * len(factors)])
            continue
        for name, key, part in ways:
            reads = [_measured("capcorr", factor, key, part=part) for factor in factors]
            rows.append([f"{line.label}: {name}", *(_ours(found, read, 2) for read in reads)])
    if entries:
        chances = [_measured("capcorr", factor, "chance") for factor in factors]
        # The chance level depends on the sizes alone, which the lines of a study share.
        rows.append(["chance", *(_ours(entries[:1], read, 2) for read in chances)])
    return Table(["CapCorr", *factors], rows)


def _roll_prediction(runs: Runs) -> Table:
    ours = [
        (name, _measured("roll_prediction", "outside", key))
        for name, key in (
            ("**squared error**", "squared_error"),
            ("repeat last seen", "repeat_squared_error"),
            ("mean image", "mean_squared_error"),
            ("**NLL**", "nll"),
            ("repeat last seen", "repeat_nll"),
            ("mean image", "mean_nll"),
        )
    ]
    return _table("roll prediction of unseen frames", runs, ours, (1,) * 6)


def _selectivity(runs: Runs) -> Table:
    ours = [
        (name, _measured(key, part="selectivity"))
        for name, key in (
            ("units that tell a class, %", "selective_percent"),
            ("classes told", "classes"),
            ("**neighbours that tell the same, %**", "alike_percent"),
            ("… in random order, %", "alike_chance_percent"),
        )
    ]
    return _table("class selectivity, d' of 0.85 or more", runs, ours, (1, 0, 1, 1))


def _cost(runs: Runs) -> Table:
    rows = []
    for line, found in runs:
        cells = [_NOT_RUN, _NOT_RUN]
        if found and "seconds" in found[0]:
            minutes = mean(entry["seconds"] for entry in found) / 60
            cells = [f"{found[0]['frames']:,}", f"{minutes:.1f}"]
        elif found:
            cells = ["0", "0"]
        rows.append([line.label, str(len(found)), *cells])
    return Table(["cost of a run", "seeds", "frames seen", "minutes of training"], rows)


def _extensions(runs: Runs) -> Table:
    """Write each extension below the plain model that it compares with."""
    entries = {(entry["preset"], entry["seed"]): entry for _, found in runs for entry in found}
    rows = []
    for line, found in runs:
        for entry in found:
            measured = entry["measured"]["evaluation"]
            plain = entries.get((preset(line.preset).compare or "", entry["seed"]))
            error = _error(entry)
            rows.append(
                [
                    f"`{line.preset}`",
                    f"{error:.1f}",
                    "" if plain is None else f"{100 * (error / _error(plain) - 1):+.0f} %",
                    # The mean image of other frames would be no baseline.
                    "" if _grows(entry) else f"{_outside(entry)['mean_squared_error']:.1f}",
                    f"{measured['e_eq_centred_percent_of_chance']:.0f}",
                    _correlations(measured),
                    f"{measured['speed']:.2f}",
                ]
            )
    header = ["preset", "squared error of unseen frames, rolled", "against plain", "mean image"]
    header += ["E_eq centred, % of chance", "CapCorr, or correlation of the assigned axis"]
    return Table([*header, "speed, units a frame"], rows)


def _outside(entry: Entry) -> dict[str, Any]:
    return entry["measured"]["evaluation"]["roll_prediction"]["outside"]


def _error(entry: Entry) -> float:
    if _grows(entry):
        by_frame = entry["measured"]["evaluation"]["roll_prediction_by_frame"]["squared_error"]
        return mean(by_frame[frame] for frame in _BEYOND)
    return _outside(entry)["squared_error"]


def _grows(entry: Entry) -> bool:
    return "growth" in entry["preset"]


def _correlations(measured: Mapping[str, Any]) -> str:
    if "axes" in measured:
        axes = measured["axes"].items()
        return ", ".join(f"{name} {values['mean']:.2f}" for name, values in axes)
    return ", ".join(
        f"{name} " + ("undefined" if values["value"] is None else f"{values['value']:.2f}")
        for name, values in measured["capcorr"].items()
    )


def _bounds(runs: Runs) -> Table:
    rows = []
    for line, found in runs:
        for entry in found:
            measured = entry["measured"]["evaluation"]
            r2 = measured.get("pose_r2", {})
            parts = [f"{r2[name]:.2f}" if name in r2 else "" for name in ("angle", "log_scale")]
            rows.append(
                [
                    line.name.replace("-", " "),
                    f"{entry['parameters'] / 1e6:.1f}",
                    f"{measured['bounds']['valid']:.1f}",
                    f"{measured['bounds']['kl_pose']:.1f}",
                    f"{measured['error']:.2f}",
                    f"{measured['error_generative']:.2f}",
                    *parts,
                    f"{entry['seconds']:.0f}",
                ]
            )
    header = ["option", "million weights", "U_valid, nats", "of it the pose", "error, %"]
    return Table([*header, "error by bounds, %", "R² angle", "R² log scale", "seconds"], rows)


def _forecast(joined: Mapping[str, Any]) -> list[Table]:
    """Write the errors of forecasts by horizon."""
    horizons = len(next(iter(joined["rows"].values()))["squared_error"])
    steps = [str(horizon) for horizon in range(1, horizons + 1)]
    tables = []
    for key, title, digits in (
        ("squared_error", "squared error at horizon", 1),
        ("nll", "NLL at horizon, nats", 0),
    ):
        rows = [
            [name, *(f"{value['mean']:.{digits}f}" for value in row[key])]
            for name, row in joined["rows"].items()
        ]
        tables.append(Table([title, *steps], rows))
    far = (1, 8, 15, 16, 24, 32)
    length = [
        [name, *(f"{row['squared_error'][step - 1]['mean']:.1f}" for step in far)]
        for name, row in joined["length"].items()
    ]
    tables.append(Table(["squared error at horizon", *map(str, far)], length))
    transfer = [[name, written(ratio)] for name, ratio in joined["transfer"].items()]
    tables.append(Table(["another sequence's operator", "error, times that of the own"], transfer))
    return tables


def _probes(joined: Mapping[str, Any]) -> list[Table]:
    """Write accuracies by number of labels, regressions on phases, and disentanglement."""
    sizes = list(joined["rows"]["pixels"]["t"])
    accuracies, scores = [], []
    for name, row in joined["rows"].items():
        for key, text in (("t", name), ("pooled", f"{name}, lengths of capsules")):
            if key in row:
                accuracies.append([text, *(_percent(row[key][size]) for size in sizes)])
        if "dci" in row:
            values = {**row["phase_r2"], "MIG": row["mig"], **row["dci"]}
            cells = [
                f"{value['mean']:.3f}" if key == "MIG" else f"{value['mean']:.2f}"
                for key, value in values.items()
            ]
            spreads = [value["std"] for value in values.values()]
            cells = [
                cell if std is None else f"{cell} ± {std:.2g}"
                for cell, std in zip(cells, spreads, strict=True)
            ]
            scores.append([name, *cells])
    factors = next(iter(joined["rows"].values()))["phase_r2"]
    header = [*(f"R² {name}" for name in factors), "MIG", "D", "C", "I"]
    return [
        Table(["shape told, %, given labels", *sizes], accuracies),
        Table(["from phases; disentanglement", *header], scores),
    ]


def _percent(accuracy: Mapping[str, Any]) -> str:
    spread = "" if accuracy["std"] is None else f" ± {100 * accuracy['std']:.0f}"
    return f"{100 * accuracy['mean']:.0f}{spread}"


def _criteria(criteria: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for criterion in criteria:
        projected = " (projected)" if criterion["projected"] else ""
        rows.append(
            [
                f"{criterion['id']} {criterion['claim']}",
                criterion["threshold"] + projected,
                "; ".join(map(written, criterion["limits"])),
                criterion["verdict"],
            ]
        )
    return Table(["criterion", "threshold", "measured", "verdict"], rows)
