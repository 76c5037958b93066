"""Tables of README and docs, generated from the records in `results/`.

    python -m symgen.experiments.tables README.md docs/ace.md

rewrites every table between `<!-- table NAME -->` and `<!-- end -->`.
"""

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["TABLES", "fill_tables"]

_MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill_tables(text: str, results: Path) -> str:
    """Replace every marked table of a text by the one that the records give now.

    Args:
        text: Markdown with `<!-- table NAME -->` … `<!-- end -->`.
        results: folder of the records.

    Returns:
        The text with its tables up to date.

    Raises:
        ValueError: if a table has no such name.
        FileNotFoundError: if its record is missing.

    Example:
        >>> fill_tables("no table here", Path("results"))
        'no table here'
    """

    def fill(match: re.Match[str]) -> str:
        name = match.group(2)
        if name not in TABLES:
            raise ValueError(f"no table {name!r}: choose one of {', '.join(TABLES)}")
        return match.group(1) + "\n" + TABLES[name](results) + "\n" + match.group(3)

    return _MARKED.sub(fill, text)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    minus = [[re.sub(r"^-(?=\d)", "−", cell) for cell in row] for row in rows]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *minus]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _source(record: dict[str, Any]) -> str:
    return (
        f"`{record['command']}`: {record['training']['sequences']:,} sequences in "
        f"{record['training']['seconds'] / 60:.0f} min, commit {record['commit']}, "
        f"{record['hardware']}.\n"
    )


# Keller & Welling 2021: mean of three seeds, submission's Table 4 (TVAE) and camera-ready (VAE).
_PAPER = {"tvae-mnist-13-36": ("−187.1", "991"), "vae-mnist": ("−189.0", "13,274")}


def _colour_mnist(results: Path) -> str:
    records = [_read(results / "colour-mnist" / f"{name}.json") for name in _PAPER]
    rows = []

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> None:
        rows.append([name, *(value(record["evaluation"]) for record in records)])

    def roll(evaluation: dict[str, Any], key: str) -> str:
        outside = evaluation["roll_prediction"]["outside"]
        return "–" if outside[key] is None else f"{outside[key]:.1f}"

    rows.append(["paper: log p(x), its convention", *(_PAPER[name][0] for name in _PAPER)])
    row("ours: log p(x), paper's convention", lambda e: f"{e['log_p_paper']:.1f}")
    row("ours: log p(x), importance bound", lambda e: f"{e['log_p_bound']:.1f}")
    row(
        "ours: bound's distance from the data's entropy floor",
        lambda e: f"{-e['entropy_floor'] - e['log_p_bound']:.1f}",
    )
    rows.append(["paper: E_eq, as printed", *(_PAPER[name][1] for name in _PAPER)])
    row("ours: E_eq, as printed", lambda e: f"{e['e_eq']:,.0f}")
    row("ours: E_eq, % of chance", lambda e: f"{e['e_eq_percent_of_chance']:.1f}")
    row(
        "ours: E_eq with the capsule mean removed, % of chance",
        lambda e: f"{e['e_eq_centred_percent_of_chance']:.1f}",
    )
    row(
        "ours: CapCorr angle, scale, hue (chance 0.1)",
        lambda e: ", ".join(f"{v['value']:.2f}" for v in e["capcorr"].values()),
    )
    row("**roll prediction of unseen frames, NLL**", lambda e: roll(e, "nll"))
    row("… repeating the last seen frame", lambda e: roll(e, "repeat_nll"))
    row("… the mean image", lambda e: roll(e, "mean_nll"))
    row("**roll prediction of unseen frames, squared error**", lambda e: roll(e, "squared_error"))
    row("… repeating the last seen frame", lambda e: roll(e, "repeat_squared_error"))
    row("… the mean image", lambda e: roll(e, "mean_squared_error"))
    sequences = records[0]["evaluation"]["sequences"]
    header = ["", "TVAE, 13 of 18 frames, K = 3", "VAE"]
    notes = "\n".join(f"* {_source(record)}" for record in records)
    return (
        _markdown(header, rows)
        + f"\n{sequences:,} held-out sequences, one seed, nats per frame.\n\n{notes}"
    )


def _demo(results: Path) -> str:
    record = _read(results / "demo.json")
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
                f"repeat last frame {outside[f'repeat_{key}']:.1f}, "
                f"mean image {outside[f'mean_{key}']:.1f}",
            ]
        )
    count = measured["sequences"]
    return (
        _markdown(["measure", "value", "beside it"], rows)
        + f"\n{count:,} held-out sequences. {_source(record)}"
    )


def _untrained(results: Path) -> str:
    record = _read(results / "untrained.json")
    trained = {
        "demo": _read(results / "demo.json"),
        "tvae-mnist-13-36": _read(results / "colour-mnist" / "tvae-mnist-13-36.json"),
    }
    rows = []
    for name, untrained in record["presets"].items():
        for state, measured in (
            ("untrained", untrained),
            ("trained", trained[name]["evaluation"]),
        ):
            error = measured["roll_prediction"]["outside"]["squared_error"]
            rows.append(
                [
                    f"{name}, {state}",
                    ", ".join(f"{v['value']:.2f}" for v in measured["capcorr"].values()),
                    f"{measured['e_eq_percent_of_chance']:.1f}",
                    f"{measured['e_eq_centred_percent_of_chance']:.1f}",
                    f"{error:.1f}",
                ]
            )
    header = ["", "CapCorr", "E_eq, % of chance", "centred", "roll prediction, squared error"]
    return _markdown(header, rows) + _measured(record)


def _step(results: Path) -> str:
    return _benchmark(results / "bench" / "step.json")


def _ace_step(results: Path) -> str:
    return _benchmark(results / "bench" / "ace.json")


def _benchmark(path: Path) -> str:
    record = _read(path)
    rows = [
        [name, f"{value:,.2f}" if value < 10 else f"{value:,.0f}"]
        for part in ("measured", "ratios")
        for name, value in record[part].items()
    ]
    return _markdown(["", "value"], rows) + _measured(record)


def _sparse(results: Path) -> str:
    record = _read(results / "bench" / "sparse.json")
    rows = [
        [name, f"{row['seconds']:.1f}", f"{row['labelled_bound']:.1f}"]
        for name, row in record["rows"].items()
    ]
    return _markdown(["Adam", "seconds", "bound of the labelled class, nats"], rows) + _measured(
        record
    )


def _metrics(results: Path) -> str:
    record = _read(results / "bench" / "metrics.json")
    rows = []
    for row in record["rows"]:
        speed = row["sequences_per_second"]
        ratios = [f"{speed / row[baseline]:.1f}" for baseline in ("loop", "authors")]
        rows.append([f"{row['metric']}, {row['shape']}", f"{speed:,.0f}", *ratios])
    header = ["metric, S × C × D", "sequences/s", "× plain loop", "× authors' code"]
    return _markdown(header, rows) + _measured(record)


def _measured(record: dict[str, Any]) -> str:
    return f"\n`{record['command']}`, {record['hardware']}.\n"


def _memory(results: Path) -> str:
    record = _read(results / "bench" / "memory.json")
    names = ("read_gb", "peak_gb", "anonymous_gb", "file_pages_gb")
    rows = [[row["file"], *(f"{row[name]:.2f}" for name in names)] for row in record["rows"]]
    header = ["resident memory, GB", "read", "peak", "own at the end", "of files at the end"]
    return (
        f"{_markdown(header, rows)}\nA file of {record['file_gb']:.0f} GB; the model with its "
        f"gradients and moments takes {record['rows'][0]['model_gb']:.2f}.\n{_measured(record)}"
    )


def _ace(results: Path) -> str:
    record = _read(results / "ace.json")
    rows = []
    for criterion in record["criteria"]:
        projected = " (projected)" if criterion["projected"] else ""
        rows.append(
            [
                f"{criterion['id']} {criterion['claim']}",
                criterion["threshold"] + projected,
                "; ".join(map(_mean_and_std, criterion["limits"])),
                criterion["verdict"],
            ]
        )
    notes = "".join(
        f"* {criterion['id']}: {criterion['note']}.\n"
        for criterion in record["criteria"]
        if criterion["note"]
    )
    seeds, trained = record["seeds"], len(record["runs"])
    seconds = sum(run["seconds"] for run in record["runs"].values())
    table = _markdown(["criterion", "threshold", "measured", "verdict"], rows)
    return (
        f"{table}\nMean ± standard deviation over seeds (of {seeds}), in the order of the "
        f"thresholds; {trained} runs, {seconds / 3600:.1f} h of training.\n\n{notes}"
        + _measured(record)
    )


def _ace_summary(results: Path) -> str:
    record = _read(results / "ace.json")
    values = {criterion["id"]: criterion["values"] for criterion in record["criteria"]}

    def cell(place: tuple[str, str] | None) -> str:
        if place is None or place[1] not in values[place[0]]:
            return ""
        return _mean_and_std(values[place[0]][place[1]])

    rows = [
        ["cost of the class means", *(f"{record['baselines'][d]['class_mean']:.0f}" for d in _ACE)]
    ]
    rows += [
        [name, *map(cell, places)]
        for name, places in (
            ("U_valid without pose", [("E1", "U_valid"), *_both("U_valid without pose")]),
            ("**U_valid with pose, its cost included**", [None, *_both("U_valid with pose")]),
            (
                "gain, pose charged",
                [("E6", "gain charged, nats"), *_both("gain charged, nats")],
            ),
            ("cost of the pose", [None, *_both("cost of the pose, nats")]),
            ("test error, %", [("E10", f"{d.upper()} error, %") for d in _ACE]),
            (
                "test error with pose less without, points",
                [
                    None,
                    *[("E10", f"{d.upper()} error less without pose, points") for d in _ACE[1:]],
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
        f"{_markdown(header, rows)}\nMean ± standard deviation over {record['seeds']} seeds. All "
        f"criteria: {counted}.\n{_measured(record)}"
    )


_ACE = ("mnist", "rts", "tc")


def _both(name: str) -> list[tuple[str, str]]:
    return [("E4", name), ("E5", name)]


def _mean_and_std(measured: dict[str, Any]) -> str:
    if measured["mean"] is None:
        return "–"
    spread = "" if measured["std"] is None else f" ± {measured['std']:.2g}"
    return f"{measured['mean']:.4g}{spread}".replace("-", "−")


TABLES: dict[str, Callable[[Path], str]] = {
    "ace": _ace,
    "ace-step": _ace_step,
    "ace-summary": _ace_summary,
    "colour-mnist": _colour_mnist,
    "demo": _demo,
    "memory": _memory,
    "metrics": _metrics,
    "sparse": _sparse,
    "step": _step,
    "untrained": _untrained,
}
"""Writers of tables, from the folder of the records, by name."""


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name)
        root = Path(__file__).parents[2]
        page.write_text(fill_tables(page.read_text(), root / "results"))
