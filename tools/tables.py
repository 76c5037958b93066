"""Tables of README and docs, generated from the records in `results/`.

    python tools/tables.py README.md docs/*.md

rewrites every table between `<!-- table NAME -->` and `<!-- end -->`.
"""

import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bench_tables import BENCH_TABLES
from beyond_tables import TABLES as BEYOND
from beyond_tables import joined_forecasts, joined_probes
from cells import baselines, markdown, measured_by, read
from first_tables import FIRST_TABLES, night_runs
from motion_tables import MOTION_TABLES
from pose_tables import POSE_TABLES

from symgen.experiments.studies import Study, entry_of, study, study_names, tables_of
from symgen.experiments.studies.tables import written

RESULTS = Path(__file__).resolve().parents[1] / "results"
_MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def source(record: dict[str, Any]) -> str:
    """Tell how a run came about."""
    return (
        f"`{record['command']}`: {record['training']['examples']:,} sequences in "
        f"{record['training']['seconds'] / 60:.0f} min, commit {record['commit']}, "
        f"{record['hardware']}.\n"
    )


_CHANCE = {"shape": "33", "orientation": "26"}  # %, see `MovingSprites.told_right`


def demo(results: Path) -> str:
    """The measures of the demonstration."""
    record = read(results / "demo.json")
    measured = record["evaluation"]
    rows = [
        [f"CapCorr {factor}", f"{values['value']:.2f}", f"chance {values['chance']:.2f}"]
        for factor, values in measured["capcorr"].items()
    ]
    for key, name in (("e_eq", "E_eq"), ("e_eq_centred", "E_eq, capsule mean removed")):
        share = measured[f"{key}_percent_of_chance"]
        rows.append([name, f"{measured[key]:,.0f}", f"{share:.1f} % of chance"])
    outside = measured["roll_prediction"]["outside"]
    for key, name in (("squared_error", "squared error"), ("nll", "NLL")):
        rows.append(
            [
                f"roll prediction of unseen frames, {name}",
                f"{outside[key]:.1f}",
                ", ".join(f"{told} {outside[f'{n}_{key}']:.1f}" for n, told in baselines(outside)),
            ]
        )
    for name, share in measured["told_right"].items():
        if name != "sequences":
            what = f"{name} told right in rolled unseen frames, %"
            rows.append([what, f"{100 * share:.0f}", f"chance {_CHANCE[name]}"])
    count = measured["examples"]
    return (
        markdown(["measure", "value", "reference"], rows)
        + f"\n{count:,} held-out sequences. {source(record)}"
    )


_RECIPES = {
    "demo-demo": "the recipe of the demonstration",
    "demo-rolled0": "no rolled reconstruction",
    "demo-beta1": "KL weight 1 at the end, instead of 0.05",
    "demo-relu": "ReLU instead of GELU",
    "demo-silu": "SiLU instead of GELU",
    "demo-betas": "Adam's second β 0.999 instead of 0.95",
    "demo-batch4": "batches of 4 instead of 8",
    "demo-batch16": "batches of 16 instead of 8",
}


def recipes(results: Path) -> str:
    """What the parts of the demonstration's recipe are worth, on validation orbits."""
    rows, commands = [], []
    for name, told in _RECIPES.items():
        record = read(results / "recipes" / f"{name}.json")
        measured = record["evaluation"]
        errors = [measured["roll_prediction"][place]["squared_error"] for place in _PLACES]
        right = [100 * measured["told_right"][each] for each in ("shape", "orientation")]
        rows.append([told, *(f"{e:.1f}" for e in errors), *(f"{each:.0f}" for each in right)])
        commands.append(record["command"].removeprefix(_FIRST_RECIPE))
    header = ["", "squared error, seen", "unseen frames", "shape right, %", "orientation, %"]
    first, *others = commands
    told = ", ".join(f"`{options.strip()}`" for options in others)
    return f"{markdown(header, rows)}\n`{_FIRST_RECIPE}{first}`; the others with {told}.\n"


_FIRST_RECIPE = "symgen train demo --validation --examples 16000 --kl-warmup 9600"
_PLACES = ("inside", "outside")


def untrained(results: Path) -> str:
    """What the metrics say before and after training."""
    record = read(results / "untrained.json")
    about = study("untrained")
    trained = {
        "demo": read(results / "demo.json"),
        "tvae-mnist-13-36": night_runs(results)["tvae-mnist-13-36"]["measured"],
    }
    rows = []
    for line in about.lines(about.budgets["laptop"]):
        entry = entry_of(record["entries"], line, "laptop", 0)
        if entry is None:
            continue
        for state, measured in (
            ("untrained", entry["measured"]["evaluation"]),
            ("trained", trained[line.preset]["evaluation"]),
        ):
            error = measured["roll_prediction"]["outside"]["squared_error"]
            rows.append(
                [
                    f"{line.preset}, {state}",
                    ", ".join(f"{v['value']:.2f}" for v in measured["capcorr"].values()),
                    f"{measured['e_eq_percent_of_chance']:.1f}",
                    f"{measured['e_eq_centred_percent_of_chance']:.1f}",
                    f"{error:.1f}",
                ]
            )
    header = ["", "CapCorr", "E_eq, % of chance", "centred", "roll prediction, squared error"]
    told = "Trained rows: the runs of [the demonstration](demo.md) and of "
    told += "[colour MNIST](tvae.md), 13 frames. "
    told += "CapCorr of the factors in the order of their tables; untrained rows: "
    return f"{markdown(header, rows)}\n{told}{measured_by(record).lstrip()}"


def of_study(name: str, results: Path) -> str:
    """The tables of a study: of its largest budget with all rows, and of larger ones with some."""
    about = study(name)
    path = results / f"{name}.json"
    record = read(path) if path.is_file() else {"entries": []}
    run = {budget: _lines_run(record, budget) for budget in about.budgets}
    budgets = [budget for budget in about.budgets if run[budget]]
    whole = [budget for budget in budgets if run[budget] >= _lines_of(about, budget)]
    if whole:
        budgets = budgets[budgets.index(whole[-1]) :]
    if name in _NOTES:
        made = BEYOND[name](record) if name in BEYOND else tables_of(about, record, "laptop")
        return "\n".join(markdown(*table) for table in made) + _NOTES[name](record)
    return "\n".join(_budget(about, record, budget) for budget in budgets or ["laptop"])


def _lines_run(record: dict[str, Any], budget: str) -> set[tuple[str, str | None]]:
    ours = [entry for entry in record["entries"] if entry["budget"] == budget]
    return {(entry["line"], entry["test_mode"]) for entry in ours}


def _lines_of(about: Study, budget: str) -> set[tuple[str, str | None]]:
    return {(line.name, line.test_mode) for line in about.lines(about.budgets[budget])}


def _budget(about: Study, record: dict[str, Any], budget: str) -> str:
    ours = [entry for entry in record["entries"] if entry["budget"] == budget]
    recipe = "the paper's own recipe" if about.budgets[budget].faithful else "our recipe"
    run, every = _lines_run(record, budget), _lines_of(about, budget)
    some = bool(ours) and len(run) < len(every)
    only = [name for name, _ in run] if some else None
    tables = [markdown(*table) for table in tables_of(about, record, budget, only)]
    held_out = {entry["measured"]["evaluation"]["examples"] for entry in ours}
    several = len({entry["seed"] for entry in ours}) > 1
    over = "mean ± standard deviation over seeds" if several else "one seed"
    text = f"Budget `{budget}`, {recipe}; {over}"
    if ours:
        items = "images" if ours[0]["settings"]["builder"] == "ACE" else "sequences"
        text += f"; {' or '.join(f'{n:,}' for n in sorted(held_out))} held-out {items}"
    text += f"; {len(run)} of {len(every)} rows so far" * some
    text += f".\n\n{chr(10).join(tables)}\n`symgen reproduce {about.name} --budget {budget}`"
    commits = sorted({entry["commit"] for entry in ours})
    machines = sorted({entry["hardware"] for entry in ours})
    if ours:
        text += f": commit {', '.join(commits)}; {'; '.join(machines)}"
    return text + ".\n"


def _extensions_note(record: dict[str, Any]) -> str:
    entries = record["entries"]
    seeds = len({entry["seed"] for entry in entries})
    tested = entries[0]["evaluated"]["items"]
    return (
        f"\n{tested:,} held-out sequences, {seeds} seed{'s' * (seeds > 1)}, "
        f"{entries[0]['examples']:,} sequences of training each.\n{measured_by(record)}"
    )


def _forecast_note(record: dict[str, Any]) -> str:
    joined = joined_forecasts(record)
    return (
        f"\nMeans over {joined['seeds']} seeds, {joined['tested']:,} held-out sequences, "
        f"{joined['examples']:,} sequences of training.\n{measured_by(record)}"
    )


def _probes_note(record: dict[str, Any]) -> str:
    joined = joined_probes(record)
    several = joined["seeds"] > 1
    return (
        f"\n{joined['frames']:,} held-out frames, half of them to fit and half to measure, ± "
        f"standard deviation over three draws of the labels{', or over seeds' * several}; "
        f"{joined['examples']:,} sequences of training, {joined['seeds']} seed{'s' * several}.\n"
        + measured_by(record)
    )


def _ace_note(record: dict[str, Any]) -> str:
    notes = "".join(f"* {c['id']}: {c['note']}.\n" for c in record["criteria"] if c["note"])
    runs = record["runs"] if "runs" in record else _runs(record["entries"])
    seconds = sum(run["seconds"] for run in runs.values())
    return (
        f"\nMean ± standard deviation over seeds (of {record['seeds']}), in the order of the "
        f"thresholds; {len(runs)} runs, {seconds / 3600:.1f} h of training.\n\n{notes}"
        + measured_by(record)
    )


def _runs(entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {f"{e['preset']}-{e['seed']}": e for e in entries if e["preset"].startswith("ace")}


_NOTES: dict[str, Callable[[dict[str, Any]], str]] = {
    "extensions": _extensions_note,
    "forecast": _forecast_note,
    "probes": _probes_note,
    "ace": _ace_note,
    "ace-options": measured_by,
}


def ace_summary(results: Path) -> str:
    """Bounds, errors and legibility of ACE on three data sets."""
    record = read(results / "ace.json")
    values = {criterion["id"]: criterion["values"] for criterion in record["criteria"]}
    costs = record.get("baselines") or {
        data: entry["measured"]["judge"]
        for data in ("mnist", "rts", "tc")
        for entry in record["entries"]
        if entry["preset"] == f"judge-{data}"
    }

    def cell(place: tuple[str, str] | None) -> str:
        if place is None or place[1] not in values[place[0]]:
            return ""
        return written(values[place[0]][place[1]])

    rows = [["cost of the class means", *(f"{costs[d]['class_mean']:.0f}" for d in _ACE)]]
    rows += [
        [name, *map(cell, places)]
        for name, places in (
            ("U_valid without pose", [("E1", "U_valid"), *_both("U_valid without pose")]),
            ("**U_valid with pose, its cost included**", _with_pose("U_valid with pose")),
            ("gain, KL of the pose counted", _with_pose("gain with KL of the pose, nats")),
            ("cost of the pose", _with_pose("cost of the pose, nats")),
            ("test error, %", [("E10", f"{d.upper()} error, %") for d in _ACE]),
            (
                "test error with pose minus without, points",
                [
                    None,
                    *[
                        ("E10", f"{d.upper()} error with pose minus without, points")
                        for d in _ACE[1:]
                    ],
                ],
            ),
            (
                "styles from -4 to 4 recognised by a judge, %",
                [None, ("E8", "RTS recognised, %"), ("E8", "TC recognised, %")],
            ),
            (
                "the same without pose, %",
                [
                    ("E1", "recognised, %"),
                    ("E2", "RTS recognised without pose, %"),
                    ("E2", "TC recognised without pose, %"),
                ],
            ),
        )
    ]
    verdicts = [criterion["verdict"] for criterion in record["criteria"]]
    counted = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
    header = ["nats per test image", "MNIST", "RTS-MNIST", "TC-MNIST"]
    return (
        f"{markdown(header, rows)}\nMean ± standard deviation over {record['seeds']} seeds. All "
        f"criteria: {counted}.\n{measured_by(record)}"
    )


_ACE = ("mnist", "rts", "tc")
_CAMPAIGNS = {
    "kills": "commands stopped at random moments, or next to a file's replacement",
    "run_files": "files of a run damaged, then every command",
    "inspect_files": "odd and damaged recordings, opened and trained on",
    "options": "odd options, on the command line and in JSON",
    "api_calls": "odd arguments of public functions",
    "disk": "a full disk, or one that cannot be written",
    "videos": "damaged videos",
}


def campaigns(results: Path) -> str:
    """What was tried to break the package, and how it ended."""
    record = read(results / "campaigns.json")["campaigns"]
    shown = ("tried", "fine", "detected", "altered", "silent", "traceback", "hang", "memory")
    found = {name: record[name] for name in _CAMPAIGNS if name in record}
    rows = [[_CAMPAIGNS[n], *(f"{ended[s]:,}" for s in shown)] for n, ended in found.items()]
    rows.append(["**all**", *(f"{sum(e[s] for e in found.values()):,}" for s in shown)])
    about = {f"`{e['command']}`, commit {e['commit']}, {e['hardware']}." for e in found.values()}
    return markdown(["", *shown[:-1], "over 4 GB"], rows) + "\n" + "\n".join(sorted(about)) + "\n"


def _both(name: str) -> list[tuple[str, str]]:
    return [("E4", name), ("E5", name)]


def _with_pose(name: str) -> list[tuple[str, str]]:
    return [("E6", name), *_both(name)]


TABLES: dict[str, Callable[[Path], str]] = {
    **{name: partial(of_study, name) for name in study_names()},
    "ace-summary": ace_summary,
    "campaigns": campaigns,
    "demo": demo,
    "recipes": recipes,
    "untrained": untrained,
    **BENCH_TABLES,
    **FIRST_TABLES,
    **MOTION_TABLES,
    **POSE_TABLES,
}


def fill_tables(text: str, results: Path = RESULTS) -> str:
    """Replace every marked table of a text by the one that the records give now."""

    def fill(match: re.Match[str]) -> str:
        name = match.group(2)
        if name not in TABLES:
            raise ValueError(f"no table {name!r}: choose one of {', '.join(TABLES)}")
        return match.group(1) + "\n" + TABLES[name](results) + "\n" + match.group(3)

    return _MARKED.sub(fill, text)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        page = Path(argument)
        page.write_text(fill_tables(page.read_text()))
