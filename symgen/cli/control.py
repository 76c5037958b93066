"""The verb control: encode an image, and move what it shows."""

from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import OmitArgPrefixes, Positional, arg

from symgen.cli._options import Root, RunFolder
from symgen.cli._terminal import folder_to_write, print_paths, say
from symgen.data.image_files import read_image
from symgen.data.options import require_real, require_seed, require_whole
from symgen.experiments.datasets import DataConfig
from symgen.experiments.runs import open_run
from symgen.figures import contact_sheet, control_gif, control_strip
from symgen.groups import affine, colour
from symgen.models import ACE, ACELatents, ACEPosterior, Motion, Pose, draw_poses, move

_ROW = 10  # draws in a row
_MOST = 1000  # pictures
_FARTHEST = 1e6  # from 0, of a style
_STILL = Motion()


@torch.no_grad()
def control(
    folder: RunFolder,
    image: Annotated[Positional[str], arg(metavar="IMAGE")],
    /,
    *,
    motion: OmitArgPrefixes[Motion] = _STILL,
    style: tuple[float, ...] | None = None,
    other: Annotated[int | None, arg(name="as")] = None,
    steps: int = 12,
    draws: int = 0,
    seed: int = 0,
    invert: bool = False,
    out: Path | None = None,
    root: Root = None,
) -> None:
    """Infer class, pose and style of an image, change them, and draw the result.

    control.png shows the image, its reconstruction and what was moved; control.gif the way from
    the one to the other. The parts of a motion are done in the order rotate, scale, shear, shift.

    Args:
        image: Image file, or test:INDEX for a test image of the run's data.
        style: Style to give it, one value per latent.
        other: Class to show it as: its auto-encoder encodes and decodes the image.
        steps: Pictures on the way, in control.gif.
        draws: Also draw that many poses at random around the inferred one, into draws.png.
        seed: Seed of these draws.
        invert: The image file is dark on light.
        out: Folder to write to; by default RUN/figures.
    """
    run = open_run(folder, root)
    run.require_verb("control")
    model = run.model()
    if other is not None and not 0 <= other < model.classes:
        raise ValueError(f"as={other}: choose a class from 0 to {model.classes - 1}")
    require_whole("steps", steps, 2, _MOST)
    require_whole("draws", draws, 0, _MOST)
    require_seed("seed", seed)
    for value in style or ():
        require_real("style", value, -_FARTHEST, _FARTHEST)
    x, about = _given(image, run.require_data(), model, invert)
    posterior = model.encode(x)
    latents = model.latents(posterior)
    start = latents if other is None else model.latents(x, torch.tensor([other]))
    wanted = None if style is None else torch.tensor(style)
    shown, titles = model.decode(latents).mean, ["reconstruction"]
    way = move(model, start, motion, torch.linspace(0, 1, steps), wanted)
    change = _change(motion, style, other)
    if change:
        shown, titles = torch.cat([shown, way[-1:]]), [*titles, change]
    drawn = None
    if draws:
        around = start._replace(pose=draw_poses(model, posterior, draws, seed))
        drawn = move(model, around, motion, torch.ones(draws), wanted)

    figures = folder_to_write(out or run.outputs / "figures")
    written = [figures / "control.png"]
    control_strip(x[0], shown, titles, written[0])
    if change:
        written.append(figures / "control.gif")
        control_gif(way, written[-1])
    if drawn is not None:
        written.append(figures / "draws.png")
        contact_sheet(*_rows(drawn), written[-1])
    say("\n".join([about, *_describe(posterior, latents)]))
    print_paths(written)


def _given(image: str, data: DataConfig, model: ACE, invert: bool) -> tuple[Tensor, str]:
    """Return the image and a line about it."""
    kind, _, index = image.partition(":")
    if kind == "test" and index:
        if not index.isdigit():
            raise ValueError(f"{image}: give the number of a test image, as in test:0")
        source = data.source(train=False)
        if int(index) >= len(source):
            raise ValueError(f"{image}: there are {len(source):,} test images, from 0 on")
        x, y = source.batch(torch.tensor([int(index)]), torch.Generator()).inputs
        return x, f"{image}, labelled {int(y)}"
    canvas = model.padding_mode == "background"
    x, (high, wide) = read_image(Path(image), model.data_shape, invert=invert, canvas=canvas)
    height, width = x.shape[2:]
    if (high, wide) == (height, width):
        return x, image
    return x, f"{image}, {wide} × {high}, in the middle of a black canvas of {width} × {height}"


def _change(motion: Motion, style: tuple[float, ...] | None, other: int | None) -> str:
    """Say what is to become of the image; nothing if it stays."""
    parts = [] if other is None else [f"as {other}"]
    if style is not None:
        parts.append("style " + " ".join(f"{value:g}" for value in style))
    return ", ".join(filter(None, [*parts, str(motion)]))


def _describe(posterior: ACEPosterior, latents: ACELatents) -> list[str]:
    """Say what was inferred: class, pose and style."""
    probabilities = posterior.class_log_probs[0].exp()
    chances, classes = probabilities.topk(min(3, len(probabilities)))
    ranked = [
        f"{label} ({100 * chance:.1f} %)"
        for label, chance in zip(classes.tolist(), chances.tolist(), strict=True)
    ]
    style = " ".join(f"{value:z.2f}" for value in latents.z[0].tolist())
    return [f"class {', '.join(ranked)}", *_describe_pose(latents.pose), f"style {style}"]


def _describe_pose(pose: Pose) -> list[str]:
    """Say how the canonical form became the image, in the words of the options."""
    angles, scales, shifts = affine.to_parameters(pose.affine[0])
    lines = [
        f"pose rotate {angle:z.1f}°, scale {scale:.2f}, shift {x:z.1f} {y:z.1f}"
        for angle, scale, (x, y) in zip(
            torch.rad2deg(angles).tolist(), scales.tolist(), shifts.tolist(), strict=True
        )
    ]
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
