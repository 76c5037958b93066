"""The verb control: encode an image, and move what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor
from tyro.conf import OmitArgPrefixes, Positional, arg

from symgen.cli._terminal import folder_to_write, parse, print_paths, say
from symgen.cli.manifold import open_ace
from symgen.experiments.control import (
    Motion,
    draw_poses,
    held_out_image,
    hue_degrees,
    move,
    read_image,
)
from symgen.experiments.datasets import DataConfig
from symgen.figures import contact_sheet, control_gif, control_strip
from symgen.groups import affine
from symgen.models import ACE, ACELatents, ACEPosterior, Pose

__all__ = ["control"]

_ROW = 10  # draws in a row


@dataclass(frozen=True)
class _Control:
    """Infer class, pose and style of an image, change them, and draw what becomes of it.

    control.png shows the image, its reconstruction and what was moved; control.gif the way from
    the one to the other. The parts of a motion are done in the order rotate, scale, shear, shift.
    """

    run: Positional[Path]
    """Run folder of an ACE model."""
    image: Positional[str]
    """Image file, or test:INDEX for a test image of the run's data."""
    motion: OmitArgPrefixes[Motion] = field(default_factory=Motion)
    style: tuple[float, ...] | None = None
    """Style to give it, a number for each latent."""
    other: Annotated[int | None, arg(name="as")] = None
    """Class to show it as: its auto-encoder encodes and decodes the image."""
    steps: int = 12
    """Pictures on the way, in control.gif."""
    draws: int = 0
    """Also draw that many poses at random around the one that was inferred, into draws.png."""
    seed: int = 0
    """Seed of these draws."""
    invert: bool = False
    """The image file is dark on light."""
    out: Path | None = None
    """Folder to write to; by default RUN/figures."""
    root: Path | None = None
    """Folder of the image files of the run, if it has moved."""


@torch.no_grad()
def control(words: Sequence[str]) -> None:
    """Reconstruct an image, move it, draw its pose anew."""
    options = parse(_Control, "control", words)
    run, model = open_ace(options.run, options.root)
    _check(options, model)
    x, about = _given(options, run.require_data(), model)
    posterior = model.encode(x)
    latents = model.latents(posterior)
    start = latents
    if options.other is not None:
        start = model.latents(x, torch.tensor([options.other]))
    style = None if options.style is None else torch.tensor(options.style)
    shown, titles = model.decode(latents).mean, ["reconstruction"]
    change = _change(options)
    way = move(model, start, options.motion, torch.linspace(0, 1, options.steps), style)
    if change:
        shown, titles = torch.cat([shown, way[-1:]]), [*titles, change]
    drawn = None
    if options.draws:
        around = start._replace(pose=draw_poses(model, posterior, options.draws, options.seed))
        drawn = move(model, around, options.motion, torch.ones(options.draws), style)

    figures = folder_to_write(options.out or run.folder / "figures")
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


def _check(options: _Control, model: ACE) -> None:
    if options.other is not None and not 0 <= options.other < model.classes:
        raise ValueError(f"as={options.other}: choose a class from 0 to {model.classes - 1}")
    if options.steps < 2:
        raise ValueError(f"steps={options.steps}: give two or more")
    if options.draws < 0:
        raise ValueError(f"draws={options.draws}: give 0 or more")


def _given(options: _Control, data: DataConfig, model: ACE) -> tuple[Tensor, str]:
    """Return the image and a line about it."""
    kind, _, index = options.image.partition(":")
    if kind == "test" and index:
        if not index.isdigit():
            raise ValueError(f"{options.image}: give the number of a test image, as in test:0")
        x, label = held_out_image(data, int(index))
        return x, f"{options.image}, labelled {label}"
    path, canvas = Path(options.image), model.padding_mode == "background"
    x, (high, wide) = read_image(path, model.data_shape, invert=options.invert, canvas=canvas)
    height, width = x.shape[2:]
    if (high, wide) == (height, width):
        return x, f"{path}"
    return x, f"{path}, {wide} × {high}, in the middle of a black canvas of {width} × {height}"


def _change(options: _Control) -> str:
    """Say what is to become of the image; nothing if it stays."""
    parts = []
    if options.other is not None:
        parts.append(f"as {options.other}")
    if options.style is not None:
        parts.append("style " + " ".join(f"{value:g}" for value in options.style))
    return ", ".join(filter(None, [*parts, str(options.motion)]))


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
        lines.append(f"pose hue {float(hue_degrees(pose.colour[0])):z.0f}°")
    return lines


def _rows(images: Tensor) -> tuple[Tensor, list[str]]:
    """Lay images out in rows, the last filled up with paper."""
    columns = min(_ROW, len(images))
    rows = -(-len(images) // columns)
    missing = rows * columns - len(images)
    paper = images.new_ones(missing, *images.shape[1:])
    titles = [f"draws from {columns * row}" for row in range(rows)]
    return torch.cat([images, paper]).unflatten(0, (rows, columns)), titles
