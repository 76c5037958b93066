"""What the record of an evaluation says, as rows for the terminal and for model cards."""

from collections.abc import Iterator
from typing import Any

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.serialisation import AnyExperiment

__all__ = ["Row", "counted", "measures"]

Row = tuple[str, str, str]


def measures(experiment: AnyExperiment, measured: dict[str, Any]) -> list[Row]:
    """Return rows of a measure, its value, and what to compare it with.

    Args:
        experiment: what was measured.
        measured: the `evaluation` of its `summary.json`.
    """
    if isinstance(experiment, ACEExperiment):
        return list(_ace(measured, experiment))
    return list(_topographic(measured))


def counted(experiment: AnyExperiment, measured: dict[str, Any]) -> str:
    """Say how many items and samples an evaluation took.

    Example:
        >>> counted(ACEExperiment(), {"images": 10000, "samples": 10})
        '10,000 images, 10 samples of the posteriors'
    """
    if isinstance(experiment, ACEExperiment):
        return f"{measured['images']:,} images, {measured['samples']} samples of the posteriors"
    return f"{measured['sequences']:,} sequences, {measured['samples']} importance samples"


def _ace(measured: dict[str, Any], experiment: ACEExperiment) -> Iterator[Row]:
    has_pose = experiment.model.pose is not None or experiment.model.colour_pose
    charged = measured["charged"] and has_pose
    error, sampled = (f"{measured[key]:.2f} %" for key in ("error", "error_sampled"))
    if has_pose:
        yield "error, mean pose", error, "the classifier reads the mean pose"
    else:
        yield "error", error, "of the classifier"
    if charged:
        yield "error, sampled pose", sampled, "it reads poses drawn from q(h|x)"
    generative = f"{measured['error_generative']:.2f} %"
    yield "error, generative", generative, "class of the least U, no ω"
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
        yield name, f"{bounds[key]:.1f}", beside
    for key, value in measured.get("pose_r2", {}).items():
        name = f"R² of the pose, {key.replace('_', ' ')}"
        yield name, f"{value:.2f}", "linear, an offset per class"


def _topographic(measured: dict[str, Any]) -> Iterator[Row]:
    floor = measured["entropy_floor"]
    paper, bound = measured["log_p_paper"], measured["log_p_bound"]
    yield (
        "log p(x), paper's convention",
        f"{paper:.1f}",
        f"nats/frame; data's floor {0 - floor:.1f}",
    )
    distance = f"{-floor - bound:.1f} nats/frame from the floor"
    yield "log p(x), bound", f"{bound:.1f}", distance
    if "roll_prediction" in measured:
        for key, name in (("e_eq", "E_eq, as printed"), ("e_eq_centred", "E_eq, centred")):
            share = measured[f"{key}_percent_of_chance"]
            yield name, f"{measured[key]:.0f}", f"{share:.1f} % of chance"
    for factor, values in measured.get("capcorr", {}).items():
        value, circular, chance = (
            "undefined" if values[key] is None else f"{values[key]:.2f}"
            for key in ("value", "circular", "chance")
        )
        yield f"CapCorr {factor}", value, f"chance {chance}; circular {circular}"
    for factor, values in measured.get("axes", {}).items():
        axes = ", ".join(str(axis) for axis in values["assigned"])
        name = f"rolls along the axis of {factor}"
        yield name, f"{values['mean']:.2f}", f"chance 0; axis of each capsule {axes}"
    for place, errors in measured.get("roll_prediction", {}).items():
        if errors["nll"] is None:  # no frame lies outside a full window
            continue
        name = "unseen" if place == "outside" else "seen"
        for key, unit in (("squared_error", "squared error"), ("nll", "NLL")):
            repeat, mean = errors[f"repeat_{key}"], errors[f"mean_{key}"]
            yield (
                f"roll prediction, {name} frames, {unit}",
                f"{errors[key]:.1f}",
                f"repeat last frame {repeat:.1f}; mean image {mean:.1f}",
            )
