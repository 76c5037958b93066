"""The tables that README begins with: what works, and colour MNIST compared with the paper."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cells import baselines, markdown, read

_SHOWN = {
    "turntable": "ten photographed objects on a turntable, from new views",
    "bounce": "new handwriting that bounces in a box",
    "demo": "moving dSprites from new places",
}
_ERRORS = ("", "nearest_", "interpolation_", "mean_")
# Keller & Welling 2021, means of three seeds: the camera-ready, and Table 4 of the submission, in
# which topographic models had weight normalisation.
_PAPER = {
    "tvae-mnist-half": ("TVAE, 18 of 18 frames", "−186.8", "574"),
    "tvae-mnist-half-weight": ("… weight normalisation", "−188.5", "387"),
    "tvae-mnist-13-36": ("TVAE, 13 of 18 frames", "–", "–"),
    "tvae-mnist-13-36-weight": ("… weight normalisation", "−187.1", "991"),
    "tvae-mnist-13-36-weight-rolled": ("… and rolled in training", "–", "–"),
    "tvae-mnist-5-36": ("TVAE, 5 of 18 frames", "−186.0", "3,247"),
    "tvae-mnist-5-36-weight": ("… weight normalisation", "−184.7", "3,150"),
    "vae-mnist": ("VAE", "−189.0", "13,274"),
}


def works(results: Path) -> str:
    """How well rolled capsules predict unseen frames, and what it costs to learn."""
    records = {name: read(results / f"{name}.json") for name in _SHOWN}
    rows = [[_SHOWN[name], *_cells(record)] for name, record in records.items()]
    header = ["held-out recordings", "**rolled**", "repeat nearest seen frame", "interpolate"]
    header += ["mean image", "sequences trained on", "TFLOP, at most", "minutes, one core"]
    told = "; ".join(f"`{each['command']}`, {each['hardware']}" for each in records.values())
    return f"{markdown(header, rows)}\n{told}.\n"


def _cells(record: dict[str, Any]) -> list[str]:
    outside = record["evaluation"]["roll_prediction"]["outside"]
    errors = [f"{outside[f'{name}squared_error']:.1f}" for name in _ERRORS]
    training = record["training"]
    work = 6e-12 * record["parameters"] * training["frames"]  # of dense nets, forward and backward
    spent = [f"{training['examples']:,}", f"{work:.0f}", f"{training['seconds'] / 60:.0f}"]
    return [*errors, *spent]


def night_runs(results: Path) -> dict[str, dict[str, Any]]:
    """Return runs of colour MNIST at the budget of a night, seed 0, by line."""
    records = [results / f"{name}.json" for name in ("table4", "table3", "mnist-aids")]
    return {
        entry["line"]: entry
        for record in records
        if record.is_file()
        for entry in read(record)["entries"]
        if (entry["budget"], entry["seed"]) == ("night", 0)
    }


def colour_mnist(results: Path) -> str:
    """Runs of a tenth of the paper's frames, compared with the paper."""
    there = night_runs(results)
    names = [name for name in _PAPER if name in there]
    runs = [there[name] for name in names]
    rows: list[list[str]] = []

    def row(name: str, value: Callable[[dict[str, Any]], str]) -> None:
        rows.append([name, *(value(run["measured"]["evaluation"]) for run in runs)])

    def roll(key: str) -> Callable[[dict[str, Any]], str]:
        def value(evaluation: dict[str, Any]) -> str:
            found = evaluation["roll_prediction"]["outside"][key]
            return "–" if found is None else f"{found:.1f}"

        return value

    rows.append(["paper: log p(x), its convention", *(_PAPER[name][1] for name in names)])
    row("**ours: log p(x), paper's convention**", lambda e: f"{e['log_p_paper']:.1f}")
    row("ours: log p(x), importance bound", lambda e: f"{e['log_p_bound']:.1f}")
    row(
        "ours: bound's distance from the data's entropy floor",
        lambda e: f"{-e['entropy_floor'] - e['log_p_bound']:.1f}",
    )
    rows.append(["paper: E_eq, as printed", *(_PAPER[name][2] for name in names)])
    row("ours: E_eq, as printed", lambda e: f"{e['e_eq']:,.0f}")
    row(
        "ours: E_eq with the capsule mean removed, % of chance",
        lambda e: f"{e['e_eq_centred_percent_of_chance']:.1f}",
    )
    row(
        "ours: CapCorr angle, scale, hue (chance 0.1)",
        lambda e: ", ".join(f"{v['value']:.2f}" for v in e["capcorr"].values()),
    )
    told = runs[0]["measured"]["evaluation"]["roll_prediction"]["outside"]
    for key, name in (("nll", "NLL"), ("squared_error", "squared error")):
        row(f"**roll prediction of unseen frames, {name}**", roll(key))
        for baseline, said in baselines(told):
            row(f"… {said}", roll(f"{baseline}_{key}"))
    rows.append(["minutes of training, one core", *(f"{run['seconds'] / 60:.0f}" for run in runs)])
    count = runs[0]["measured"]["evaluation"]["examples"]
    commits = ", ".join(sorted({run["commit"] for run in runs}))
    machines = "; ".join(sorted({run["hardware"] for run in runs}))
    note = f"{count:,} held-out sequences, one seed, nats per frame; commit {commits}; {machines}"
    return f"{markdown(['', *(_PAPER[name][0] for name in names)], rows)}\n{note}.\n"


FIRST_TABLES: dict[str, Callable[[Path], str]] = {"works": works, "colour-mnist": colour_mnist}
