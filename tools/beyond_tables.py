"""Tables of the studies beyond the papers: extensions, forecasts, probes."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from symgen.experiments.presets import preset
from symgen.experiments.studies import Line, Table, study
from symgen.experiments.studies.tables import written

__all__ = ["TABLES"]

Entry = dict[str, Any]
_BEYOND = (5, 6, 7)  # frames of growing digits that no window of theirs holds


def extensions(record: Mapping[str, Any]) -> list[Table]:
    """Write each extension below the plain model that it compares with, as means over seeds."""
    by_preset: dict[str, dict[int, Entry]] = {}
    for entry in record["entries"]:
        by_preset.setdefault(entry["preset"], {})[entry["seed"]] = entry
    rows = []
    for line in _lines("extensions"):
        if not (found := by_preset.get(line.preset)):
            continue
        plain = by_preset.get(preset(line.preset).compare or "", {})
        gains = [100 * (_error(e) / _error(plain[s]) - 1) for s, e in found.items() if s in plain]
        grows = any(map(_grows, found.values()))
        rows.append(
            [
                f"`{line.preset}`",
                _over(found, _error, 1),
                f"{mean(gains):+.0f} %" if gains else "",
                # The mean image of other frames would be no baseline.
                "" if grows else _over(found, lambda e: _outside(e)["mean_squared_error"], 1),
                _over(found, lambda e: _evaluation(e)["e_eq_centred_percent_of_chance"], 0),
                _correlations([_evaluation(entry) for entry in found.values()]),
                _over(found, lambda e: _evaluation(e)["speed"], 2),
            ]
        )
    header = ["preset", "squared error of unseen frames, rolled", "against plain", "mean image"]
    header += ["E_eq centred, % of chance", "CapCorr, or correlation of the assigned axis"]
    return [Table([*header, "speed, units a frame"], rows)]


def _over(found: Mapping[int, Entry], value: Callable[[Entry], float], digits: int) -> str:
    return written(mean_and_std([*map(value, found.values())]), digits)


def _evaluation(entry: Entry) -> dict[str, Any]:
    return entry["measured"]["evaluation"]


def _outside(entry: Entry) -> dict[str, Any]:
    return _evaluation(entry)["roll_prediction"]["outside"]


def _error(entry: Entry) -> float:
    if _grows(entry):
        by_frame = _evaluation(entry)["roll_prediction_by_frame"]["squared_error"]
        return mean(by_frame[frame] for frame in _BEYOND)
    return _outside(entry)["squared_error"]


def _grows(entry: Entry) -> bool:
    return "growth" in entry["preset"]


def _correlations(measured: Sequence[Mapping[str, Any]]) -> str:
    first = measured[0]
    if "axes" in first:
        values = {name: [m["axes"][name]["mean"] for m in measured] for name in first["axes"]}
    else:
        factors = first["capcorr"]
        values = {name: [m["capcorr"][name]["value"] for m in measured] for name in factors}
    return ", ".join(
        f"{name} " + ("undefined" if None in each else f"{mean(each):.2f}")
        for name, each in values.items()
    )


def forecast(record: Mapping[str, Any]) -> list[Table]:
    """Write the errors of forecasts by horizon."""
    joined = joined_forecasts(record)
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


def probes(record: Mapping[str, Any]) -> list[Table]:
    """Write accuracies by number of labels, regressions on phases, and disentanglement."""
    joined = joined_probes(record)
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


def _lines(name: str) -> tuple[Line, ...]:
    return study(name).lines(study(name).budgets["laptop"])


def _by_line(name: str, entries: Sequence[Entry]) -> list[tuple[Line, list[Entry]]]:
    """Return the lines that were run, each with its entries."""
    found = []
    for line in _lines(name):
        own = [e for e in entries if (e["preset"], e["trained"]) == (line.preset, line.trained)]
        found += [(line, own)] if own else []
    return found


_ROLLED_FAR = ("forecast-rolled", "forecast-ahead", "forecast-short")  # trained for the roll


def joined_forecasts(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join forecasts by the way to predict."""
    entries = record["entries"]
    if not entries:  # joined by what measured them
        return record["joined"]
    joined: dict[str, dict[str, Any]] = {"rows": {}, "transfer": {}, "length": {}}
    seeds, tested = set(), set()
    for line, own in _by_line("forecast", entries):
        found = [entry["measured"]["forecast"] for entry in own]
        seeds.add(len(own))
        tested |= {each["sequences"] for each in found}
        for part in joined:
            far = line.preset in _ROLLED_FAR
            if found[0][part] is None or (part == "length" and not far):
                continue
            for way, values in mean_and_std([each[part] for each in found]).items():
                own_way = way in ("linear operator", "GRU", "autoregressive")
                name = f"{line.label}, {way}" if own_way else way
                name = line.label if way == "rolled" else name
                joined[part].setdefault(name, values)
    for part in joined.values():  # what learns nothing comes last
        for name in ("repeat last frame", "mean frame"):
            if name in part:
                part[name] = part.pop(name)
    examples = entries[0]["examples"]
    return {
        **joined,
        "seeds": max(seeds, default=0),
        "tested": max(tested, default=0),
        "examples": examples,
    }


def joined_probes(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join probes by model; of the accuracies the means, of the rest means and deviations."""
    entries = record["entries"]
    if not entries:  # joined by what measured them
        return record["joined"]
    rows: dict[str, Any] = {}
    frames = examples = seeds = 0
    for line, own in _by_line("probes", entries):
        found = [entry["measured"]["probes"] for entry in own]
        seeds, frames = max(seeds, len(own)), found[0]["frames"]
        examples = max(examples, own[0].get("examples", 0))
        rows[line.label] = {
            key: mean_and_std([each[key] for each in found]) for key in ("phase_r2", "mig", "dci")
        } | {key: _accuracies([each[key] for each in found]) for key in ("t", "pooled")}
        rows["pixels"] = {"t": found[0]["pixels"]}
    if "pixels" in rows:
        rows["pixels"] = rows.pop("pixels")
    return {"rows": rows, "frames": frames, "examples": examples, "seeds": seeds}


def _accuracies(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Average accuracies over seeds, and their deviations over the draws of the labels."""
    return {
        labels: {
            key: None
            if found[0][labels][key] is None
            else statistics.fmean(each[labels][key] for each in found)
            for key in ("mean", "std")
        }
        for labels in found[0]
    }


def mean_and_std(values: Sequence[Any]) -> Any:
    """Join the values of several seeds, wherever they lie, to means and deviations."""
    first = values[0]
    if isinstance(first, dict):
        return {key: mean_and_std([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [mean_and_std(list(items)) for items in zip(*values, strict=True)]
    known = [value for value in values if value is not None]
    spread = statistics.stdev(known) if len(known) > 1 else None
    return {"mean": statistics.fmean(known) if known else None, "std": spread}


TABLES = {"extensions": extensions, "forecast": forecast, "probes": probes}
"""What makes the tables of a study from its record, by its name."""
