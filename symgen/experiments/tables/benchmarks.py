"""Tables of the benchmarks."""

from pathlib import Path

from symgen.experiments.tables._markdown import markdown, measured_by, read

__all__ = [
    "ace_options",
    "ace_step",
    "growth",
    "memory",
    "metrics",
    "products",
    "sparse",
    "step",
    "step_xeon",
]


def step(results: Path) -> str:
    """Speed of a training step."""
    return _benchmark(results / "bench" / "step.json")


def step_xeon(results: Path) -> str:
    """Speed of a training step on a processor where oneDNN's products are no faster."""
    return _benchmark(results / "bench" / "step-xeon.json")


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


def ace_options(results: Path) -> str:
    """Worth of the options of ACE."""
    records = [read(path) for path in sorted((results / "bench" / "ace-options").glob("*.json"))]
    rows = []
    for record in records:
        measured = record["evaluation"]
        r2 = measured.get("pose_r2", {})
        parts = [f"{r2[name]:.2f}" if name in r2 else "" for name in ("angle", "log_scale")]
        rows.append(
            [
                record["option"].replace("-", " "),
                f"{record['weights'] / 1e6:.1f}",
                f"{measured['bounds']['valid']:.1f}",
                f"{measured['bounds']['kl_pose']:.1f}",
                f"{measured['error']:.2f}",
                f"{measured['error_generative']:.2f}",
                *parts,
                f"{record['seconds']:.0f}",
            ]
        )
    header = ["option", "million weights", "U_valid, nats", "of it the pose", "error, %"]
    header += ["error by bounds, %", "R² angle", "R² log scale", "seconds"]
    machines = ", ".join(sorted({record["hardware"] for record in records}))
    return f"{markdown(header, rows)}\n`python bench/ace_options.py`, {machines}.\n"


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
