"""Tables of the benchmarks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cells import markdown, measured_by, read

Table = tuple[list[str], list[list[str]]]  # a header, and rows


def measured(record: dict[str, Any]) -> Table:
    """What a benchmark measured, and its ratios, also to another commit."""
    against = record.get("against", {"measured": {}, "ratios": {}})
    rows = [
        [name, f"{value:,.2f}" if value < 10 else f"{value:,.0f}"]
        for part in (record, against)
        for kind in ("measured", "ratios")
        for name, value in part[kind].items()
    ]
    return ["", "value"], rows


def metrics(record: dict[str, Any]) -> Table:
    """Speed of the metrics."""
    rows = []
    for row in record["rows"]:
        speed = row["sequences_per_second"]
        ratios = [f"{speed / row[baseline]:.1f}" for baseline in ("loop", "authors")]
        rows.append([f"{row['metric']}, {row['shape']}", f"{speed:,.0f}", *ratios])
    return ["metric, S × C × D", "sequences/s", "× plain loop", "× authors' code"], rows


def memory(record: dict[str, Any]) -> Table:
    """Memory of a training on a large file."""
    names = ("read_gb", "peak_gb", "anonymous_gb", "file_pages_gb")
    rows = [[row["file"], *(f"{row[name]:.2f}" for name in names)] for row in record["rows"]]
    return ["resident memory, GB", "read", "peak", "own at the end", "of files at the end"], rows


def growth(record: dict[str, Any]) -> Table:
    """Growth of a sequence's time with its frames, units and capsules."""
    names = {"frames": "frames, S", "units": "units, D", "capsules": "capsules, C"}
    rows = []
    for axis, grown in record["grown"].items():
        first, last = grown["rows"][0], grown["rows"][-1]
        sizes = f"{first['size']:.0f} to {last['size']:.0f}"
        times = [f"{first[key]:.2f} to {last[key]:.2f}" for key in ("latents_ms", "elbo_ms")]
        slopes = [f"{grown['exponents'][key]:.2f}" for key in ("latents", "elbo")]
        rows.append([names[axis], sizes, times[0], slopes[0], times[1], slopes[1]])
    return ["what grows", "from … to", "t, ms", "exponent", "whole ELBO, ms", "exponent"], rows


def online(record: dict[str, Any]) -> Table:
    """Speed of streams."""
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
    header = ["frames", "streams", "frames/s, first thousand", "last thousand"]
    return [*header, "per second of the processor", "bytes of state"], rows


def products(record: dict[str, Any]) -> Table:
    """Matrix products of the two libraries at the layers' sizes."""
    rows = [
        [f"{row['inputs']} → {row['outputs']}", f"{row['torch']:.0f}", f"{row['oneDNN']:.0f}"]
        for row in record["rows"]
    ]
    return ["layer", "torch, GFLOP/s", "oneDNN, GFLOP/s"], rows


def _note(record: dict[str, Any]) -> str:
    """Tell what a table cannot: the size of a file, the commit that was compared with."""
    if "file_gb" in record:
        return (
            f"\nA file of {record['file_gb']:.0f} GB; the model with its gradients and moments "
            f"takes {record['rows'][0]['model_gb']:.2f}.\n"
        )
    return f"\nThere: commit {record['against']['commit']}.\n" if "against" in record else ""


def _written(name: str, table: Callable[[dict[str, Any]], Table], results: Path) -> str:
    record = read(results / "bench" / f"{name}.json")
    return markdown(*table(record)) + _note(record) + measured_by(record)


BENCH_TABLES: dict[str, Callable[[Path], str]] = {
    "ace-step": partial(_written, "ace", measured),
    "growth": partial(_written, "growth", growth),
    "memory": partial(_written, "memory", memory),
    "metrics": partial(_written, "metrics", metrics),
    "online": partial(_written, "online", online),
    "products": partial(_written, "products", products),
    "step": partial(_written, "step", measured),
    "step-xeon": partial(_written, "step-xeon", measured),
}
