"""Table of the probes: what simple readers find in latents."""

from pathlib import Path

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
                accuracies.append([text, *(f"{100 * row[key][size]:.0f}" for size in sizes)])
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
        + f"\n{record['frames']:,} held-out frames, half of them to fit and half to measure; "
        f"{record['sequences']:,} sequences of training, {record['seeds']} seed.\n"
        + measured_by(record)
    )
