"""Tables of the benchmarks."""

from pathlib import Path

from symgen.experiments.tables._markdown import markdown, measured_by, read

__all__ = ["ace_step", "metrics", "sparse", "step"]


def step(results: Path) -> str:
    """Speed of a training step."""
    return _benchmark(results / "bench" / "step.json")


def ace_step(results: Path) -> str:
    """Speed of a step of ACE."""
    return _benchmark(results / "bench" / "ace.json")


def _benchmark(path: Path) -> str:
    record = read(path)
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
    return markdown(["Adam", "seconds", "bound of the labelled class, nats"], rows) + measured_by(
        record
    )


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
