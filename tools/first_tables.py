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
# Keller & Welling 2021: mean of three seeds, camera-ready, and submission's Table 4 for 13 frames.
_DIGITS = {
    "tvae-mnist-half": ("TVAE, 18 of 18 frames", "−186.8", "574"),
    "tvae-mnist-13-36": ("TVAE, 13 of 18 frames", "−187.1", "991"),
    "tvae-mnist-13-36-rolled": ("the same, rolled in training", "–", "–"),
    "tvae-mnist-5-36": ("TVAE, 5 of 18 frames", "−186.0", "3,247"),
    "vae-mnist": ("VAE", "−189.0", "13,274"),
}
# Camera-ready and submission; it prints no likelihoods.
_SPRITES = {
    "tvae-sprites-half": ("TVAE, 15 of 15 frames", "344, 131"),
    "tvae-sprites-two-fifths": ("TVAE, 12 of 15 frames", "–, 679"),
    "tvae-sprites-third": ("TVAE, 10 of 15 frames", "1,034, 964"),
    "tvae-sprites-third-rolled": ("the same, rolled in training", "–"),
}


def works(results: Path) -> str:
    """How well rolled capsules predict unseen frames, and what it costs to learn."""
    records = {name: read(results / f"{name}.json") for name in _SHOWN}
    rows = [[_SHOWN[name], *_cells(record)] for name, record in records.items()]
    header = ["held-out recordings", "**rolled**", "repeat nearest seen frame", "interpolate"]
    header += ["mean image", "sequences trained on", "TFLOP, at most", "minutes, one core"]
    told = ", ".join(f"`{record['command']}`" for record in records.values())
    machines = ", ".join(sorted({record["hardware"] for record in records.values()}))
    return f"{markdown(header, rows)}\n{told}; {machines}.\n"


def _cells(record: dict[str, Any]) -> list[str]:
    outside = record["evaluation"]["roll_prediction"]["outside"]
    errors = [f"{outside[f'{name}squared_error']:.1f}" for name in _ERRORS]
    training = record["training"]
    work = 6e-12 * record["parameters"] * training["frames"]  # of dense nets, forward and backward
    spent = [f"{training['examples']:,}", f"{work:.0f}", f"{training['seconds'] / 60:.0f}"]
    return [*errors, *spent]


def night_runs(results: Path, *studies: str) -> dict[str, dict[str, Any]]:
    """Return runs at the budget of a night, seed 0, by line."""
    records = [read(results / f"{name}.json")["entries"] for name in studies]
    return {
        entry["line"]: entry
        for entries in records
        for entry in entries
        if (entry["budget"], entry["seed"]) == ("night", 0)
    }


class _Columns:
    """A table with a run in each column."""

    def __init__(self, runs: list[dict[str, Any]]) -> None:
        self.runs = runs
        self.rows: list[list[str]] = []

    def add(self, name: str, value: Callable[[dict[str, Any]], str]) -> None:
        evaluations = (run["measured"]["evaluation"] for run in self.runs)
        self.rows.append([name, *map(value, evaluations)])

    def add_rolls(self) -> None:
        told = [run["measured"]["evaluation"]["roll_prediction"]["outside"] for run in self.runs]
        for key, name in (("nll", "NLL"), ("squared_error", "squared error")):
            self.add(f"**roll prediction of unseen frames, {name}**", _rolled(key))
            for baseline, said in baselines(told[0]):
                self.add(f"… {said}", _rolled(f"{baseline}_{key}"))

    def text(self, titles: list[str]) -> str:
        count = self.runs[0]["measured"]["evaluation"]["examples"]
        notes = "\n".join(f"* {_origin(run)}" for run in self.runs)
        return (
            markdown(["", *titles], self.rows)
            + f"\n{count:,} held-out sequences, one seed, nats per frame.\n\n{notes}\n"
        )


def _rolled(key: str) -> Callable[[dict[str, Any]], str]:
    def value(evaluation: dict[str, Any]) -> str:
        found = evaluation["roll_prediction"]["outside"][key]
        return "–" if found is None else f"{found:.1f}"

    return value


def _capcorr(kind: str) -> Callable[[dict[str, Any]], str]:
    return lambda e: ", ".join(f"{v[kind]:.2f}" for v in e["capcorr"].values())


def colour_mnist(results: Path) -> str:
    """Runs of a tenth of the paper's frames, compared with the paper."""
    there = night_runs(results, "table4", "colour-mnist")
    names = [name for name in _DIGITS if name in there]
    table = _Columns([there[name] for name in names])
    table.rows.append(["paper: log p(x), its convention", *(_DIGITS[name][1] for name in names)])
    table.add("**ours: log p(x), paper's convention**", lambda e: f"{e['log_p_paper']:.1f}")
    table.add("ours: log p(x), importance bound", lambda e: f"{e['log_p_bound']:.1f}")
    table.add(
        "ours: bound's distance from the data's entropy floor",
        lambda e: f"{-e['entropy_floor'] - e['log_p_bound']:.1f}",
    )
    table.rows.append(["paper: E_eq, as printed", *(_DIGITS[name][2] for name in names)])
    table.add("ours: E_eq, as printed", lambda e: f"{e['e_eq']:,.0f}")
    table.add(
        "ours: E_eq with the capsule mean removed, % of chance",
        lambda e: f"{e['e_eq_centred_percent_of_chance']:.1f}",
    )
    table.add("ours: CapCorr angle, scale, hue (chance 0.1)", _capcorr("value"))
    table.add_rolls()
    return table.text([_DIGITS[name][0] for name in names])


def sprites(results: Path) -> str:
    """Long trainings on dSprites, compared with the paper."""
    there = night_runs(results, "table2", "table5", "sprites-rolled")
    names = [name for name in _SPRITES if name in there]
    table = _Columns([there[name] for name in names])
    factors = ", ".join(table.runs[0]["measured"]["evaluation"]["capcorr"])
    table.add(f"**CapCorr {factors}**", _capcorr("value"))
    table.add("CapCorr, circular", _capcorr("circular"))
    table.rows.append(["paper: CapCorr", *["1.00"] * len(names)])
    table.add("**E_eq, as printed**", lambda e: f"{e['e_eq']:,.0f}")
    table.rows.append(
        ["paper: E_eq, camera-ready and submission", *(_SPRITES[name][1] for name in names)]
    )
    table.add("log p(x), paper's convention", lambda e: f"{e['log_p_paper']:.1f}")
    table.add("log p(x), importance bound", lambda e: f"{e['log_p_bound']:.1f}")
    table.add_rolls()
    return table.text([_SPRITES[name][0] for name in names])


def _origin(run: dict[str, Any]) -> str:
    minutes = run["seconds"] / 60
    return f"`{run['command']}`: {minutes:.0f} min, commit {run['commit']}, {run['hardware']}."


FIRST_TABLES: dict[str, Callable[[Path], str]] = {
    "works": works,
    "colour-mnist": colour_mnist,
    "sprites": sprites,
}
