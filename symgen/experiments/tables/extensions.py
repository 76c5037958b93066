"""Tables of the extensions: what they change, how fast streams are followed, what is forecast."""

from pathlib import Path
from statistics import mean
from typing import Any

from symgen.experiments.tables._markdown import markdown, mean_and_std, measured_by, read

__all__ = ["extensions", "forecast", "online"]

_BEYOND = (5, 6, 7)  # frames of growing digits that no window of theirs holds


def extensions(results: Path) -> str:
    """Write each extension below the plain model that it compares with."""
    record = read(results / "extensions.json")
    rows = []
    for row in record["rows"]:
        plain = [
            other
            for other in record["rows"]
            if (other["preset"], other["seed"]) == (row["counterpart"], row["seed"])
        ]
        better = "".join(f"{100 * (_error(row) / _error(other) - 1):+.0f} %" for other in plain)
        rows.append(
            [
                f"`{row['preset']}`",
                f"{_error(row):.1f}",
                better,
                "" if _grows(row) else f"{row['mean_squared_error']:.1f}",  # of other frames
                f"{row['e_eq_centred_percent_of_chance']:.0f}",
                _correlations(row),
                f"{row['speed']:.2f}",
            ]
        )
    header = [
        "preset",
        "squared error of unseen frames, rolled",
        "against plain",
        "mean image",
        "E_eq centred, % of chance",
        "CapCorr, or correlation of the assigned axis",
        "speed, units a frame",
    ]
    first = record["rows"][0]
    names = ", ".join(f"`{name}`" for name in record["missing"])
    left_out = f" Not run: {names}." if names else ""
    return (
        f"{markdown(header, rows)}\n{record['tested']:,} held-out sequences, {record['seeds']} "
        f"seed, {first['sequences']:,} sequences of training each.{left_out}\n"
        f"{measured_by(record)}"
    )


def _error(row: dict[str, Any]) -> float:
    if _grows(row):
        return mean(row["by_frame"]["squared_error"][frame] for frame in _BEYOND)
    return row["squared_error"]


def _grows(row: dict[str, Any]) -> bool:
    return "growth" in row["preset"]


def _correlations(row: dict[str, Any]) -> str:
    if row["axes"]:
        return ", ".join(f"{name} {values['mean']:.2f}" for name, values in row["axes"].items())
    return ", ".join(
        f"{name} " + ("undefined" if values["value"] is None else f"{values['value']:.2f}")
        for name, values in row["capcorr"].items()
    )


def online(results: Path) -> str:
    """Write the speed of streams."""
    record = read(results / "bench" / "online.json")
    rows = [
        [
            f"`{row['way']}`, {row['frames_of']}, hidden layers of {row['hidden']}",
            f"{row['streams']}",
            f"{row['frames_per_second_first']:,.0f}",
            f"{row['frames_per_second_last']:,.0f}",
            f"{row['frames_per_processor_second_median']:,.0f}",
            f"{row['state_bytes']:,}",
        ]
        for row in record["rows"]
    ]
    header = [
        "frames",
        "streams",
        "frames/s, first thousand",
        "last thousand",
        "per second of the processor",
        "bytes of state",
    ]
    return markdown(header, rows) + measured_by(record)


def forecast(results: Path) -> str:
    """Write the errors of forecasts by horizon."""
    record = read(results / "forecast.json")
    horizons = len(next(iter(record["rows"].values()))["squared_error"])
    rows = [
        [name, *(f"{value['mean']:.1f}" for value in row["squared_error"])]
        for name, row in record["rows"].items()
    ]
    nlls = [
        [name, *(f"{value['mean']:.0f}" for value in row["nll"])]
        for name, row in record["rows"].items()
    ]
    steps = [str(horizon) for horizon in range(1, horizons + 1)]
    length = [
        [name, *(f"{row[step - 1]['mean']:.1f}" for step in (1, 8, 15, 16, 24, 32))]
        for name, row in record["length"].items()
    ]
    transfer = [[name, mean_and_std(ratio)] for name, ratio in record["transfer"].items()]
    parts = [
        markdown(["squared error at horizon", *steps], rows),
        markdown(["NLL at horizon, nats", *steps], nlls),
        markdown(["squared error at horizon", "1", "8", "15", "16", "24", "32"], length),
        markdown(["another sequence's operator", "error, times that of the own"], transfer),
    ]
    return (
        "\n".join(parts)
        + f"\nMeans over {record['seeds']} seeds, {record['tested']:,} held-out sequences, "
        f"{record['sequences']:,} sequences of training.\n{measured_by(record)}"
    )
