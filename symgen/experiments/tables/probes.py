"""Table of the probes: what simple readers find in latents."""

from pathlib import Path
from typing import Any

from symgen.experiments.tables._markdown import markdown, measured_by, read

__all__ = ["probes"]


def probes(results: Path) -> str:
    """Write accuracies by number of labels, readings of the factors, and disentanglement."""
    record = read(results / "probes.json")
    sizes = list(record["rows"]["pixels"]["t"])
    accuracies, scores, several = [], [], record["seeds"] > 1
    for name, row in record["rows"].items():
        for key, text in (("t", name), ("pooled", f"{name}, lengths of capsules")):
            if key in row:
                accuracies.append([text, *(_percent(row[key][size]) for size in sizes)])
        if "dci" in row:
            values = {**row["phase_r2"], "MIG": row["mig"], **row["dci"]}
            cells = [
                f"{value:.3f}" if key == "MIG" else f"{value:.2f}" for key, value in values.items()
            ]
            if several:
                other = record["std_over_seeds"][name]
                spread = [*other["phase_r2"].values(), other["mig"], *other["dci"].values()]
                cells = [f"{cell} ± {std:.2g}" for cell, std in zip(cells, spread, strict=True)]
            scores.append([name, *cells])
    factors = next(iter(record["rows"].values()))["phase_r2"]
    header = [*(f"R² {name}" for name in factors), "MIG", "D", "C", "I"]
    return (
        markdown(["shape told, %, given labels", *sizes], accuracies)
        + "\n"
        + markdown(["from phases; disentanglement", *header], scores)
        + f"\n{record['frames']:,} held-out frames, half of them to fit and half to measure, ± "
        f"standard deviation over three draws of the labels{', or over seeds' * several}; "
        f"{record['sequences']:,} sequences of training, {record['seeds']} seed{'s' * several}.\n"
        + measured_by(record)
    )


def _percent(accuracy: dict[str, Any]) -> str:
    spread = "" if accuracy["std"] is None else f" ± {100 * accuracy['std']:.0f}"
    return f"{100 * accuracy['mean']:.0f}{spread}"
