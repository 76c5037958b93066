"""Tables of the Topographic VAE's paper beside ours, from the records of `symgen reproduce`."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from symgen.experiments.presets.paper import EDITIONS, Edition
from symgen.experiments.reproduce import BUDGETS, ITEMS, Item, Line, entry_of, read_entries
from symgen.experiments.tables._markdown import markdown

__all__ = ["Table", "reproduction", "tables_of"]

_EDITIONS: dict[Edition, str] = {"paper": "camera-ready", "submission": "submission"}
_NOT_RUN = "not run"

Entry = dict[str, Any]
Read = Callable[[Entry], int | float | None]


class Table(NamedTuple):
    """A table as cells; the first column names the lines."""

    header: list[str]
    rows: list[list[str]]


def reproduction(item: str) -> Callable[[Path], str]:
    """Return the writer of an item's tables, of every budget that there are entries of."""

    def write(results: Path) -> str:
        entries = read_entries(results / f"{item}.json")
        budgets = [name for name in BUDGETS if any(e["budget"] == name for e in entries)]
        return "\n".join(_write(item, entries, budget) for budget in budgets or ["laptop"])

    return write


def tables_of(
    item: Item, entries: Sequence[Entry], budget: str, only: Sequence[str] | None = None
) -> list[Table]:
    """Make the tables of an item within a budget; lines that nobody ran say so."""
    lines = [
        line for line in item.lines(BUDGETS[budget].faithful) if only is None or line.name in only
    ]
    runs = [(line, _seeds(entries, line, budget)) for line in lines]
    makers = {
        "likelihood": _likelihood,
        "equivariance": _equivariance,
        "capcorr": lambda runs: _capcorr(runs, item.factors),
        "roll prediction": _roll_prediction,
        "selectivity": _selectivity,
    }
    shown = [part for part in item.shown if part != "capcorr" or item.factors]
    return [*(makers[part](runs) for part in shown), _cost(runs)]


def _write(item: str, entries: Sequence[Entry], budget: str) -> str:
    ours = [entry for entry in entries if entry["budget"] == budget]
    recipe = "the paper's own recipe" if BUDGETS[budget].faithful else "our recipe"
    tables = [markdown(*table) for table in tables_of(ITEMS[item], entries, budget)]
    held_out = {entry["evaluation"]["sequences"] for entry in ours}
    text = f"Budget `{budget}`, {recipe}; mean ± standard deviation over seeds"
    if ours:
        text += f"; {' or '.join(f'{n:,}' for n in sorted(held_out))} held-out sequences"
    text += f".\n\n{chr(10).join(tables)}\n`symgen reproduce {item} --budget {budget}`"
    commits = sorted({entry["commit"] for entry in ours})
    machines = sorted({entry["hardware"] for entry in ours})
    if ours:
        text += f": commit {', '.join(commits)}; {'; '.join(machines)}"
    return text + ".\n"


Runs = Sequence[tuple[Line, list[Entry]]]


def _seeds(entries: Sequence[Entry], line: Line, budget: str) -> list[Entry]:
    seeds = sorted({entry["seed"] for entry in entries})
    found = (entry_of(entries, line, budget, seed) for seed in seeds)
    return [entry for entry in found if entry is not None]


def _ours(entries: Sequence[Entry], read: Read, digits: int = 1) -> str:
    """Write mean and deviation over seeds."""
    values = [value for entry in entries if (value := read(entry)) is not None]
    if not entries:
        return _NOT_RUN
    if not values:  # such as unseen frames of a full window
        return "–"
    return _number((mean(values), stdev(values) if len(values) > 1 else None), digits)


def _number(value: tuple[int | float, int | float | None], digits: int) -> str:
    centre, deviation = value
    text = f"{centre:,.{digits}f}"
    if deviation is not None:
        text += f" ± {deviation:,.{digits}f}"
    return text.replace("-", "−")


def _printed(line: Line, edition: Edition, name: str, digits: int) -> str:
    numbers = line.printed.get(edition, {})
    return _number(numbers[name], digits) if name in numbers else ""


def _editions(runs: Runs, name: str) -> list[Edition]:
    """Return the editions that print a number in any line."""
    return [e for e in EDITIONS if any(name in line.printed.get(e, {}) for line, _ in runs)]


def _table(
    title: str,
    runs: Runs,
    ours: Sequence[tuple[str, Read]],
    digits: Sequence[int],
    printed: str | None = None,
    printed_digits: int = 1,
) -> Table:
    """Make a table of one row a line: what the paper prints, then ours."""
    editions = _editions(runs, printed) if printed else []
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
    """Return a reader of a number in an evaluation."""

    def read(entry: Entry) -> int | float | None:
        value: Any = entry.get(part)
        for name in path:
            value = None if value is None else value.get(name)
        return value

    return read


def _likelihood(runs: Runs) -> Table:
    def distance(entry: Entry) -> float:
        measured = entry["evaluation"]
        return -measured["entropy_floor"] - measured["log_p_bound"]

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
    trained = "evaluation_on_training_sequences"
    if any(trained in entry for _, found in runs for entry in found):
        ours.append(("ours, on training sequences", _measured("e_eq", part=trained)))
        digits.append(0)
    return _table("E_eq", runs, ours, digits, "e_eq", 0)


def _capcorr(runs: Runs, factors: Sequence[str]) -> Table:
    """Make a table of several rows a line: what the editions print, ours in three ways."""
    entries = [entry for _, found in runs for entry in found]
    trained = "evaluation_on_training_sequences"
    ways = [("ours", "value", "evaluation"), ("ours, circular", "circular", "evaluation")]
    if any(trained in entry for entry in entries):
        ways.append(("ours, on training sequences", "value", trained))
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
        # The chance level depends on the sizes alone, which the lines of an item share.
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
        (name, _measured("selectivity", key))
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
        if found:
            minutes = mean(entry["seconds"] for entry in found) / 60
            cells = [f"{found[0]['frames']:,}", f"{minutes:.1f}"]
        rows.append([line.label, str(len(found)), *cells])
    return Table(["cost of a run", "seeds", "frames seen", "minutes of training"], rows)
