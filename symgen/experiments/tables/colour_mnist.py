"""Table of the two colour-MNIST runs beside the paper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from symgen.experiments.tables._markdown import markdown, read, source

__all__ = ["colour_mnist"]

# Keller & Welling 2021: mean of three seeds, submission's Table 4 (TVAE) and camera-ready (VAE).
_PAPER = {"tvae-mnist-13-36": ("−187.1", "991"), "vae-mnist": ("−189.0", "13,274")}


def colour_mnist(results: Path) -> str:
    """Two runs of 480,000 sequences beside the paper."""
    records = [read(results / "colour-mnist" / f"{name}.json") for name in _PAPER]
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
    notes = "\n".join(f"* {source(record)}" for record in records)
    return (
        markdown(header, rows)
        + f"\n{sequences:,} held-out sequences, one seed, nats per frame.\n\n{notes}"
    )
