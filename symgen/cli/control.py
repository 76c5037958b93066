"""The verb control: encode an image, and move what it shows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor
from tyro.conf import OmitArgPrefixes, Positional, arg

from symgen.cli._options import Root, RunFolder
from symgen.cli._terminal import folder_to_write, print_paths, say
from symgen.data.options import require_real, require_seed, require_whole
from symgen.experiments.families.ace import labels_of
from symgen.experiments.foreign import bring, class_number, held_out_images, names_of_classes
from symgen.experiments.runs import OpenRun, open_run
from symgen.figures import as_pictures, contact_sheet, control_gif, control_strip
from symgen.groups import affine, colour
from symgen.models import (
    ACE,
    ACELatents,
    ACEPosterior,
    Motion,
    Pose,
    bounds,
    draw_poses,
    far_outside,
    move,
)

_ROW = 10  # draws in a row
_MOST = 1000  # pictures
_FARTHEST = 1e6  # from 0, of a style
_FEW = 5  # held-out images, of which nobody can tell what is far from them
_STILL = Motion()
_UNLIKE = (
    "the images of the training are not there, or have changed: this one was taken for light on "
    "black, and may be far outside of what the model was trained on"
)


@torch.no_grad()
def control(
    folder: RunFolder,
    image: Annotated[Positional[str], arg(metavar="IMAGE")],
    /,
    *,
    motion: OmitArgPrefixes[Motion] = _STILL,
    style: tuple[float, ...] | None = None,
    other: Annotated[str | None, arg(name="as", metavar="CLASS")] = None,
    steps: int = 12,
    draws: int = 0,
    seed: int = 0,
    invert: Literal["auto", "yes", "no"] = "auto",
    out: Path | None = None,
    root: Root = None,
) -> None:
    """Infer class, pose and style of an image, change them, and draw the result.

    control.png shows the image, its reconstruction and what was moved; control.gif the way from
    the one to the other. The parts of a motion are done in the order rotate, scale, shear, shift.

    Args:
        image: Image file, or test:INDEX for a test image of the run's data.
        style: Style to give it, one value per latent.
        other: Class to show it as, by name or number: its auto-encoder encodes and decodes the
            image.
        steps: Pictures on the way, in control.gif.
        draws: Also draw that many poses at random around the inferred one, into draws.png.
        seed: Seed of these draws.
        invert: Turn dark into light, and light into dark; "auto" does so where the ground of the
            image file is not that of the training's images.
        out: Folder to write to; by default RUN/figures.
    """
    run = open_run(folder, root)
    run.require_verb("control")
    model = run.model()
    names = names_of_classes(run, model.classes)
    label = None if other is None else class_number(names, other, "as")
    require_whole("steps", steps, 2, _MOST)
    require_whole("draws", draws, 0, _MOST)
    require_seed("seed", seed)
    for value in style or ():
        require_real("style", value, -_FARTHEST, _FARTHEST)
    like = held_out_images(run)
    flip = None if invert == "auto" else invert == "yes"
    x, about = _given(image, run, model, like, flip)
    posterior = model.encode(x)
    latents = model.latents(posterior)
    start = latents if label is None else model.latents(x, torch.tensor([label]))
    wanted = None if style is None else torch.tensor(style)
    shown, titles = model.decode(latents).mean, ["reconstruction"]
    way = move(model, start, motion, torch.linspace(0, 1, steps), wanted)
    change = _change(motion, style, None if label is None else names[label])
    if change:
        shown, titles = torch.cat([shown, way[-1:]]), [*titles, change]
    drawn = None
    if draws:
        around = start._replace(pose=draw_poses(model, posterior, draws, seed))
        drawn = move(model, around, motion, torch.ones(draws), wanted)
    given, shown, way = as_pictures(x, shown, way, dims=3)

    figures = folder_to_write(out or run.outputs / "figures")
    written = [figures / "control.png"]
    control_strip(given[0], shown, titles, written[0])
    if change:
        written.append(figures / "control.gif")
        control_gif(way, written[-1])
    if drawn is not None:
        written.append(figures / "draws.png")
        contact_sheet(*_rows(as_pictures(x, drawn, dims=3)[1]), written[-1])
    named, *rest = _describe(posterior, latents, names)
    if like is None:
        rest.append(_UNLIKE)
    outside = _outside(model, x, like)
    told = outside or (named if model.classes > 1 else None)
    say("\n".join(filter(None, [about, told, *rest])))
    print_paths(written)


def _given(
    image: str, run: OpenRun, model: ACE, like: Tensor | None, invert: bool | None
) -> tuple[Tensor, str]:
    """Return the image and a line about it."""
    kind, _, index = image.partition(":")
    if kind == "test" and index:
        if not index.isdigit():
            raise ValueError(f"{image}: give the number of a test image, as in test:0")
        source = run.require_data().source(train=False)
        if int(index) >= len(source):
            raise ValueError(f"{image}: test images are numbered from 0 to {len(source) - 1:,}")
        batch = source.batch(torch.tensor([int(index)]), torch.Generator())
        label = int(labels_of(batch, batch.inputs[0]))
        names = names_of_classes(run, label + 1)
        told = "without a label" if label < 0 else f"labelled {names[label]}"
        return batch.inputs[0], f"{image}, {told}"
    x, notes = bring(Path(image), model.data_shape, like, invert, model.data_scale)
    return x, ", ".join([image, *notes])


def _outside(model: ACE, x: Tensor, like: Tensor | None) -> str | None:
    """Say that an image is far outside of the training's, if it is."""
    if like is None or len(like) < _FEW:
        return None
    if not far_outside(bound := bounds(model, x), others := bounds(model, like)):
        return None
    return (
        f"far outside of what the model was trained on: −log p ≤ {float(bound):,.0f} nats, of "
        f"{len(like)} held-out images {float(others.median()):,.0f} in the middle and "
        f"{float(others.max()):,.0f} at most; no class is given"
    )


def _change(motion: Motion, style: tuple[float, ...] | None, other: str | None) -> str:
    """Say what is to become of the image; nothing if it stays."""
    parts = [] if other is None else [f"as {other}"]
    if style is not None:
        parts.append("style " + " ".join(f"{value:g}" for value in style))
    return ", ".join(filter(None, [*parts, str(motion)]))


def _describe(posterior: ACEPosterior, latents: ACELatents, names: Sequence[str]) -> list[str]:
    """Say what was inferred: class, pose and style."""
    probabilities = posterior.class_log_probs[0].exp()
    chances, classes = probabilities.topk(min(3, len(probabilities)))
    ranked = [
        f"{names[label]} ({100 * chance:.1f} %)"
        for label, chance in zip(classes.tolist(), chances.tolist(), strict=True)
    ]
    style = " ".join(f"{value:z.2f}" for value in latents.z[0].tolist())
    return [f"class {', '.join(ranked)}", *_describe_pose(latents.pose), f"style {style}"]


def _describe_pose(pose: Pose) -> list[str]:
    """Say how the canonical form became the image, in the words of the options."""
    angle, scale, shift = affine.to_parameters(pose.affine[0])
    x, y = shift.tolist()
    lines = [f"pose rotate {angle.rad2deg():z.1f}°, scale {scale:.2f}, shift {x:z.1f} {y:z.1f}"]
    if pose.colour is not None:
        lines.append(f"pose hue {float(colour.hue_degrees(pose.colour[0])):z.0f}°")
    return lines


def _rows(images: Tensor) -> tuple[Tensor, list[str]]:
    """Lay images out in rows, the last filled up with paper."""
    columns = min(_ROW, len(images))
    rows = -(-len(images) // columns)
    missing = rows * columns - len(images)
    paper = images.new_ones(missing, *images.shape[1:])
    titles = [f"draws from {columns * row}" for row in range(rows)]
    return torch.cat([images, paper]).unflatten(0, (rows, columns)), titles
