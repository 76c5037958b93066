"""Pictures of a report: what the model does to held-out data, and how it was trained."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from symgen.data import Recordings
from symgen.experiments.foreign import held_out_images, names_of_classes, one_of_each_class
from symgen.experiments.report import Shown
from symgen.experiments.runs import OpenRun
from symgen.experiments.styles import LOOKED_AT, axes_of_styles, reach_of_styles, styles
from symgen.experiments.verdict import BASELINES
from symgen.figures import (
    as_pictures,
    errors_by_frame,
    factored_sheet,
    losses,
    manifold_rows,
    traversal,
)
from symgen.models import canonical_images
from symgen.training import read_records
from symgen.training.run_folder import METRICS

__all__ = ["draw_pictures"]

_EXAMPLES, _MOST = 3, 10  # sequences; classes
_POINTS = 12  # values of the first latent of a style


@torch.no_grad()
def draw_pictures(run: OpenRun, measured: Mapping[str, Any], folder: Path) -> list[Shown]:
    """Draw what a report shows into a folder.

    Args:
        measured: the evaluation of the run.
    """
    model = run.model().eval()
    drawn: list[Shown] = []
    if run.data is not None:
        made = _of_poses if run.family.name == "ace" else _of_rolls
        drawn += made(run, model, folder)
    if "roll_prediction_by_frame" in measured and model.frames > 1:
        drawn.append(_errors(model, measured, folder / "errors.png"))
    records = read_records(run.folder / METRICS)
    if any("loss" in line for line in records):
        drawn.append(_losses(records, folder / "losses.png"))
    return drawn


def _of_rolls(run: OpenRun, model: Any, folder: Path) -> Iterator[Shown]:
    """Draw what rolling capsules does to held-out sequences, evenly spread."""
    source: Any = run.require_data().source(train=False)
    if model.frames == 1 or not hasattr(source, "frames"):
        return
    chosen = torch.linspace(0, len(source) - 1, min(_EXAMPLES, len(source))).long()
    frames = source.batch(chosen, torch.Generator().manual_seed(0)).inputs[0]
    named = [f"sequence {number}" for number in chosen.tolist()]
    titles = source.recording_names(chosen) if isinstance(source, Recordings) else named
    path = folder / "traversal.png"
    traversal(model, frames, path, titles=titles)
    seen = int(model.topography.receptive_field().sum())
    vectors = len(model.data_shape) == 1
    yield Shown(
        path,
        "Rolled capsules",
        f"{len(chosen)} held-out sequences of {model.frames} frames in three versions: as given, "
        "their reconstruction, and what the first frame becomes as its capsules are rolled step "
        "by step.",
        f"The last {'map' if vectors else 'row'} of each is made from the capsules of the first "
        f"frame alone, which saw {seen} of {model.frames} frames. If the symmetry was learned, it "
        "moves on as the given frames do, beyond those that were seen, too.",
    )


def _of_poses(run: OpenRun, model: Any, folder: Path) -> Iterator[Shown]:
    """Draw images with their pose factored out, and the styles of each class."""
    x = one_of_each_class(run)[:_MOST]
    latents = model.latents(x)
    if model.pose is not None:
        canonical = canonical_images(model, x, latents.pose)
        parts = as_pictures(x, canonical, model.decode(latents).mean, dims=3)
        factored_sheet(parts[0], parts[1], parts[2], folder / "factored.png")
        yield Shown(
            folder / "factored.png",
            "Pose factored out",
            "A held-out image of each class in three versions: as given, with its pose factored "
            "out, and reconstructed with the pose put back.",
            "If the pose was learned, the middle row shows each class always the same way round "
            "and of one size, however the images above are turned, scaled and shifted. The model "
            "chooses which way that is.",
        )
    reach = reach_of_styles(model, held_out_images(run, LOOKED_AT))
    values = axes_of_styles(reach, _POINTS)[0]
    rows = as_pictures(x, model.manifold(styles(values[:, None], model))[:_MOST], dims=3)[1]
    names = names_of_classes(run, model.classes)[:_MOST]
    ends = [None if own is None else own[0] for own in reach[:_MOST]]
    manifold_rows(rows, values.tolist(), names, folder / "manifold.png", ends)
    yield Shown(
        folder / "manifold.png",
        "Styles of each class",
        "A row for each class: what its decoder makes of the first number of the style, which "
        "runs through the styles of held-out images.",
        "Each class has its own way of varying, without the pose; what is pale lies beyond the "
        "styles of its held-out images.",
    )


def _errors(model: Any, measured: Mapping[str, Any], path: Path) -> Shown:
    by_frame = measured["roll_prediction_by_frame"]
    known = {"roll": by_frame["squared_error"]}
    known |= {
        told: by_frame[f"{name}_squared_error"]
        for name, told in BASELINES.items()
        if f"{name}_squared_error" in by_frame
    }
    errors_by_frame(known, model.topography.receptive_field().tolist(), path)
    others = ", ".join(name for name in known if name != "roll")
    told = f"the squared error of rolled frames{f', and of {others}' if others else ''}"
    beside = "there the roll should lie below the guesses that learn no motion."
    if not others:
        beside = "it was evaluated by a version that did not keep baselines by frame."
    return Shown(
        path,
        "Error of the roll by frame",
        f"Curves over {model.frames} frames: {told}.",
        "On white ground are the frames that the first frame's capsules were not inferred from; "
        f"{beside}",
    )


def _losses(records: list[dict[str, Any]], path: Path) -> Shown:
    losses(records, path)
    validated = any("validation" in line for line in records)
    told = " and that on validation data, whose least has a star" if validated else ""
    return Shown(
        path,
        "Loss of the training",
        f"The loss of the training{told}, over the examples seen.",
        "A training curve that falls while that of validation rises is a model that learns its "
        "training data by heart."
        if validated
        else "No data were kept for validation, so overfitting would not show here.",
    )
