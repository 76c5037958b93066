"""Table of the probes: what simple readers find in latents."""

from pathlib import Path
from typing import Any

from symgen.experiments.tables._markdown import markdown, measured_by, read

__all__ = ["probes"]


def probes(results: Path) -> str:
    """Write accuracies by number of labels, readings of the factors, and disentanglement."""
    record = read(results / "probes.json")
    sizes = list(record["rows"]["pixels"]["t"])
    accuracies, scores = [], []
    for name, row in record["rows"].items():
        for key, text in (("t", name), ("pooled", f"{name}, lengths of capsules")):
            if key in row:
                accuracies.append([text, *(_percent(row[key][size]) for size in sizes)])
        if "dci" in row:
            factors = [f"{value:.2f}" for value in row["phase_r2"].values()]
            dci = [f"{value:.2f}" for value in row["dci"].values()]
            scores.append([name, *factors, f"{row['mig']:.3f}", *dci])
    factors = next(iter(record["rows"].values()))["phase_r2"]
    header = [*(f"R² {name}" for name in factors), "MIG", "D", "C", "I"]
    return (
        markdown(["shape told, %, given labels", *sizes], accuracies)
        + "\n"
        + markdown(["from phases; disentanglement", *header], scores)
        + f"\n{record['frames']:,} held-out frames, half of them to fit and half to measure, ± "
        "standard deviation over three draws of the labels; "
        f"{record['sequences']:,} sequences of training, {record['seeds']} seed.\n"
        + measured_by(record)
    )


def _percent(accuracy: dict[str, Any]) -> str:
    spread = "" if accuracy["std"] is None else f" ± {100 * accuracy['std']:.0f}"
    return f"{100 * accuracy['mean']:.0f}{spread}"
