"""Tables of the benchmarks."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from markdown import markdown, measured_by, read


def benchmark(name: str, results: Path) -> str:
    """What a benchmark measured, and its ratios."""
    record = read(results / "bench" / f"{name}.json")
    rows = [
        [name, f"{value:,.2f}" if value < 10 else f"{value:,.0f}"]
        for part in ("measured", "ratios")
        for name, value in record[part].items()
    ]
    return markdown(["", "value"], rows) + measured_by(record)


def sparse(results: Path) -> str:
    """Cost of sparse updates."""
    record = read(results / "bench" / "sparse.json")
    rows = [
        [name, f"{row['seconds']:.1f}", f"{row['labelled_bound']:.1f}"]
        for name, row in record["rows"].items()
    ]
    header = ["Adam", "seconds", "bound of the labelled class, nats"]
    return markdown(header, rows) + measured_by(record)


def metrics(results: Path) -> str:
    """Speed of the metrics."""
    record = read(results / "bench" / "metrics.json")
    rows = []
    for row in record["rows"]:
        speed = row["sequences_per_second"]
        ratios = [f"{speed / row[baseline]:.1f}" for baseline in ("loop", "authors")]
        rows.append([f"{row['metric']}, {row['shape']}", f"{speed:,.0f}", *ratios])
    header = ["metric, S × C × D", "sequences/s", "× plain loop", "× authors' code"]
    return markdown(header, rows) + measured_by(record)


def memory(results: Path) -> str:
    """Memory of a training on a large file."""
    record = read(results / "bench" / "memory.json")
    names = ("read_gb", "peak_gb", "anonymous_gb", "file_pages_gb")
    rows = [[row["file"], *(f"{row[name]:.2f}" for name in names)] for row in record["rows"]]
    header = ["resident memory, GB", "read", "peak", "own at the end", "of files at the end"]
    return (
        f"{markdown(header, rows)}\nA file of {record['file_gb']:.0f} GB; the model with its "
        f"gradients and moments takes {record['rows'][0]['model_gb']:.2f}.\n"
        f"{measured_by(record)}"
    )


def growth(results: Path) -> str:
    """Growth of a sequence's time with its frames, units and capsules."""
    record = read(results / "bench" / "growth.json")
    names = {"frames": "frames, S", "units": "units, D", "capsules": "capsules, C"}
    rows = []
    for axis, grown in record["grown"].items():
        first, last = grown["rows"][0], grown["rows"][-1]
        sizes = f"{first['size']:.0f} to {last['size']:.0f}"
        times = [f"{first[key]:.2f} to {last[key]:.2f}" for key in ("latents_ms", "elbo_ms")]
        slopes = [f"{grown['exponents'][key]:.2f}" for key in ("latents", "elbo")]
        rows.append([names[axis], sizes, times[0], slopes[0], times[1], slopes[1]])
    header = ["what grows", "from … to", "t, ms", "exponent", "whole ELBO, ms", "exponent"]
    return markdown(header, rows) + measured_by(record)


def online(results: Path) -> str:
    """Speed of streams."""
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
    header = ["frames", "streams", "frames/s, first thousand", "last thousand"]
    header += ["per second of the processor", "bytes of state"]
    return markdown(header, rows) + measured_by(record)


def products(results: Path) -> str:
    """Matrix products of the two libraries at the layers' sizes."""
    record = read(results / "bench" / "products.json")
    rows = [
        [
            f"{row['inputs']:.0f} → {row['outputs']:.0f}",
            f"{row['torch']:.0f}",
            f"{row['oneDNN']:.0f}",
        ]
        for row in record["rows"]
    ]
    return markdown(["layer", "torch, GFLOP/s", "oneDNN, GFLOP/s"], rows) + measured_by(record)


BENCH_TABLES: dict[str, Callable[[Path], str]] = {
    "ace-step": partial(benchmark, "ace"),
    "growth": growth,
    "memory": memory,
    "metrics": metrics,
    "online": online,
    "products": products,
    "sparse": sparse,
    "step": partial(benchmark, "step"),
    "step-xeon": partial(benchmark, "step-xeon"),
}
