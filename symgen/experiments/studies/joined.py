"""Values of several seeds and lines joined to what a table shows."""

import statistics
from collections.abc import Sequence
from typing import Any

from symgen.experiments.studies.record import Entry
from symgen.experiments.studies.study import Line

__all__ = ["JOINED", "mean_and_std"]


def mean_and_std(values: Sequence[Any]) -> Any:
    """Join the values of several seeds, wherever they lie, to means and deviations.

    Example:
        >>> mean_and_std([{"a": [1.0]}, {"a": [3.0]}])["a"][0]["mean"]
        2.0
    """
    first = values[0]
    if isinstance(first, dict):
        return {key: mean_and_std([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [mean_and_std(list(items)) for items in zip(*values, strict=True)]
    known = [value for value in values if value is not None]
    spread = statistics.stdev(known) if len(known) > 1 else None
    return {"mean": statistics.fmean(known) if known else None, "std": spread}


def _by_line(lines: Sequence[Line], entries: Sequence[Entry]) -> list[tuple[Line, list[Entry]]]:
    keys = ("preset", "trained")
    found = []
    for line in lines:
        own = [e for e in entries if all(e[key] == getattr(line, key) for key in keys)]
        found.append((line, own))
    return found


def _forecast(lines: Sequence[Line], entries: Sequence[Entry]) -> dict[str, Any]:
    """Join forecasts by the way to predict."""
    joined: dict[str, dict[str, Any]] = {"rows": {}, "transfer": {}, "length": {}}
    seeds, tested = set(), set()
    for line, own in _by_line(lines, entries):
        if not own:
            continue
        found = [entry["measured"]["forecast"] for entry in own]
        seeds.add(len(own))
        tested |= {each["sequences"] for each in found}
        short = line.preset == "forecast-short"
        for part in joined:
            if found[0][part] is None or (part == "length") != short:
                continue  # the question of the length is that of the one trained on eight frames
            for way, values in mean_and_std([each[part] for each in found]).items():
                name = line.label if way == "rolled" else way
                name = f"{line.label}, {way}" if way in ("linear operator", "GRU") else name
                joined[part].setdefault(name, values)
    for part in joined.values():  # what learns nothing comes last
        for name in ("repeat last frame", "mean frame"):
            if name in part:
                part[name] = part.pop(name)
    examples = entries[0]["examples"] if entries else 0
    return {
        **joined,
        "seeds": max(seeds, default=0),
        "tested": max(tested, default=0),
        "examples": examples,
    }


def _probes(lines: Sequence[Line], entries: Sequence[Entry]) -> dict[str, Any]:
    """Join probes by model; of the accuracies the means, of the rest means and deviations."""
    rows: dict[str, Any] = {}
    frames = examples = seeds = 0
    for line, own in _by_line(lines, entries):
        if not own:
            continue
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


JOINED = {"forecast": _forecast, "probes": _probes}
"""What joins the entries of a study, by its name."""
