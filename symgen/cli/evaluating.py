"""The verb evaluate and its tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from rich.table import Table
from tyro.conf import Positional, arg

from symgen.cli._terminal import console, parse, progress
from symgen.experiments import ACEExperiment, RecordingExperiment, evaluate_run, open_run

__all__ = ["evaluate"]


@dataclass(frozen=True)
class _Evaluate:
    """Measure a run on held-out sequences or test images, print the table, write summary.json."""

    run: Positional[Path]
    """Run folder."""
    sequences: Annotated[int | None, arg(aliases=["--images"])] = None
    """Number of held-out sequences, or of test images; all by default."""
    samples: int = 10
    """Samples of the posteriors, over which likelihoods or bounds are taken."""
    seed: int = 0
    """Seed of the transformations and of the samples."""
    record: Path | None = None
    """Also write the record to this file, for example results/NAME.json."""
    root: Path | None = None
    """Folder of the image files, or recordings, if they have moved."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""


def evaluate(words: Sequence[str]) -> None:
    """Measure a run."""
    options = parse(_Evaluate, "evaluate", words)
    run = open_run(options.run, options.root)
    with progress("evaluating") as show:
        record = evaluate_run(
            run,
            items=options.sequences,
            samples=options.samples,
            seed=options.seed,
            device=options.device,
            record=options.record,
            observe=lambda done, total: show(done, total, f"batch {done} of {total}"),
        )
    measured = record["evaluation"]
    table = Table("measure", "value", "beside it", box=None, pad_edge=False)
    if isinstance(run.experiment, ACEExperiment):
        table.title = f"{run.name}, test images"
        _fill_ace(table, measured, run.experiment)
        counted = f"{measured['images']:,} images, {measured['samples']} samples of the posteriors"
    else:
        table.title = f"{run.name}, held out"
        _fill_topographic(table, measured)
        counted = f"{measured['sequences']:,} sequences, {measured['samples']} importance samples"
    console.print(table)
    if isinstance(run.experiment, RecordingExperiment):
        console.print(
            "Roll prediction assumes steady motion that comes round: one step of it per frame and "
            "unit. Recordings that stop, turn or run on are predicted as if they did not.",
            soft_wrap=True,
        )
    console.print(f"{counted}; all numbers: {run.folder / 'summary.json'}", soft_wrap=True)


def _fill_ace(table: Table, measured: dict[str, Any], experiment: ACEExperiment) -> None:
    has_pose = experiment.model.pose is not None or experiment.model.colour_pose
    charged = measured["charged"] and has_pose
    error, sampled = (f"{measured[key]:.2f} %" for key in ("error", "error_sampled"))
    if has_pose:
        table.add_row("error, mean pose", error, "the classifier reads the mean pose")
    else:
        table.add_row("error", error, "of the classifier")
    if charged:
        table.add_row("error, sampled pose", sampled, "it reads poses drawn from q(h|x)")
    table.add_row(
        "error, generative", f"{measured['error_generative']:.2f} %", "class of the least U, no ω"
    )
    bounds = measured["bounds"]
    density = "log p(x)" if charged or not has_pose else "log p(x | pose)"
    if not has_pose:
        pose = "no pose"
    elif charged:
        pose = "pose charged: in every U"
    else:
        pose = "free: in no U"
    for name, key, beside in (
        ("R, reconstruction", "reconstruction", "nats/image, mean over ω"),
        ("G, KL of the style", "kl_z", "nats/image, mean over ω"),
        ("KL of the pose", "kl_pose", pose),
        ("U, paper's convention", "paper", "up to log C below a bound"),
        ("U, valid", "valid", f"bounds −{density} with ω"),
        ("U, tight", "tight", f"bounds −{density}, no ω"),
    ):
        table.add_row(name, f"{bounds[key]:.1f}", beside)
    for key, value in measured.get("pose_r2", {}).items():
        name = f"R² of the pose, {key.replace('_', ' ')}"
        table.add_row(name, f"{value:.2f}", "linear, an offset per class")


def _fill_topographic(table: Table, measured: dict[str, Any]) -> None:
    floor = measured["entropy_floor"]
    paper, bound = measured["log_p_paper"], measured["log_p_bound"]
    table.add_row(
        "log p(x), paper's convention", f"{paper:.1f}", f"nats/frame; data's floor {0 - floor:.1f}"
    )
    table.add_row(
        "log p(x), bound", f"{bound:.1f}", f"{-floor - bound:.1f} nats/frame from the floor"
    )
    if "roll_prediction" in measured:
        table.add_row(
            "E_eq, as printed",
            f"{measured['e_eq']:.0f}",
            f"{measured['e_eq_percent_of_chance']:.1f} % of chance",
        )
        table.add_row(
            "E_eq, centred",
            f"{measured['e_eq_centred']:.0f}",
            f"{measured['e_eq_centred_percent_of_chance']:.1f} % of chance",
        )
    for factor, values in measured.get("capcorr", {}).items():
        value, circular, chance = (
            "undefined" if values[key] is None else f"{values[key]:.2f}"
            for key in ("value", "circular", "chance")
        )
        table.add_row(f"CapCorr {factor}", value, f"chance {chance}; circular {circular}")
    for factor, values in measured.get("axes", {}).items():
        axes = ", ".join(str(axis) for axis in values["assigned"])
        name = f"rolls along the axis of {factor}"
        table.add_row(name, f"{values['mean']:.2f}", f"chance 0; axis of each capsule {axes}")
    for place, errors in measured.get("roll_prediction", {}).items():
        if errors["nll"] is None:  # no frame lies outside a full window
            continue
        name = "unseen" if place == "outside" else "seen"
        for key, unit in (("squared_error", "squared error"), ("nll", "NLL")):
            repeat, mean = errors[f"repeat_{key}"], errors[f"mean_{key}"]
            table.add_row(
                f"roll prediction, {name} frames, {unit}",
                f"{errors[key]:.1f}",
                f"repeat last frame {repeat:.1f}; mean image {mean:.1f}",
            )
