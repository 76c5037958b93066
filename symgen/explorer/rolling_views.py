"""What the page of a Topographic VAE shows of a clip, as HTML."""

from typing import Any

import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from symgen.explorer.charts import error_chart
from symgen.explorer.pictures import Painter, dimmed, figure, heat_map, tag, text
from symgen.explorer.rolling import Clip, apply_rolls, read_rolls, rolled

__all__ = ["errors", "stage", "strips", "transfer"]

_BASELINES = {
    "roll of frame 0": "squared_error",
    "repeat the nearest frame seen": "nearest_squared_error",
    "interpolate": "interpolation_squared_error",
    "mean image": "mean_squared_error",
}


@torch.no_grad()
def stage(model: Any, clip: Clip, steps: int | float, capsule: int | None) -> str:
    """Show frame 0 rolled and decoded, beside the frame that the roll should reach."""
    t = rolled(model, clip.t[0], steps, capsule)
    frame = round(steps) % len(clip.x)
    decoded = model.decode(t[None]).mean
    pixels = Painter(clip.x)(torch.cat([clip.x[[frame]], clip.reconstruction[[frame]], decoded]))
    what = "all capsules" if capsule is None else f"capsule {capsule} alone"
    about = f"Frame 0 with {what} rolled by {steps:g} frames, decoded"
    mapped = heat_map(t, clip.bounds, capsule)
    rows, columns = t.shape
    return (
        '<div class="stage">'
        + figure(pixels[2], f"rolled by {steps:.2f} frames", about, "frame rolled")
        + figure(pixels[0], f"given frame {frame}", f"Frame {frame} of the clip")
        + figure(pixels[1], f"its reconstruction {frame}", f"Frame {frame}, reconstructed")
        + figure(
            mapped,
            f"capsules of frame 0, rolled: {rows} rows of {columns} units",
            f"Map of {what}, rolled by {steps:g} frames",
            "map",
        )
        + "</div>"
    )


@torch.no_grad()
def strips(model: Any, clip: Clip) -> str:
    """Show all frames with their reconstructions; those that frame 0 does not see are greyed."""
    seen = _seen(model, len(clip.x)).tolist()
    painter = Painter(clip.x)
    given, again = painter(clip.x), painter(clip.reconstruction)
    shown = [each if flag else dimmed(each) for each, flag in zip(given, seen, strict=True)]
    cells = []
    for frame, (one, two, flag) in enumerate(zip(shown, again, seen, strict=True)):
        sees = "seen by frame 0" if flag else "not seen by frame 0"
        cells.append(
            f'<li class="{"seen" if flag else "unseen"}"><b>{frame}</b>'
            f"{tag(one, f'Frame {frame}, {sees}')}{tag(two, f'Reconstruction of frame {frame}')}"
            "</li>"
        )
    count = sum(seen)
    told = (
        f"Upper row: the given frames. What the capsules of frame 0 are inferred from, "
        f"{count} of {len(seen)} frames, is underlined; the others are greyed. Lower row: their "
        "reconstructions."
    )
    return f'<p class="told">{told}</p><ol class="strip" start="0">{"".join(cells)}</ol>'


def errors(clip: Clip) -> str:
    """Show the error of the roll prediction of every frame, and those of its baselines."""
    if clip.errors is None:
        return '<p class="told">A single image has no frames to predict.</p>'
    curves = {name: getattr(clip.errors, field)[0].tolist() for name, field in _BASELINES.items()}
    if clip.own_mean:
        curves["mean image of this clip"] = curves.pop("mean image")
    return error_chart(
        curves,
        clip.errors.seen.tolist(),
        "Squared error of predicting each frame from frame 0",
        "Squared error of a frame, summed over its values. A roll that was learned stays below "
        "the baselines outside the shaded frames.",
    )


@torch.no_grad()
def transfer(model: Any, clip: Clip, frame: int, target: Clip, name: str) -> str:
    """Read the roll from frame 0 to another off a clip, and apply it to another image."""
    rolls = read_rolls(model, clip.t[0], clip.t[frame])
    t = apply_rolls(model, target.t[0], rolls)
    painter, other = Painter(clip.x), Painter(target.x)
    first, last = painter(clip.x[[0, frame]])
    before, still = other(torch.stack([target.x[0], target.reconstruction[0]]))
    after = other(model.decode(t[None]).mean)[0]
    return (
        '<div class="pair"><div class="stage"><h3>Inferred from this clip</h3>'
        + figure(first, "frame 0", "Frame 0 of the clip")
        + figure(last, f"frame {frame}", f"Frame {frame} of the clip")
        + '</div><div class="stage"><h3>Applied to '
        + text(name)
        + "</h3>"
        + figure(before, "image", f"First frame of {name}")
        + figure(still, "its reconstruction", f"Reconstruction of {name}")
        + figure(after, "rolled likewise", f"{name} rolled likewise", "frame rolled")
        + f'</div></div><p class="told">{_told(rolls, frame)}</p>'
    )


def _told(rolls: Int64[Tensor, "C axes"], frame: int) -> str:
    """Say what was inferred: the most frequent roll, and those of all capsules."""
    values, counts = rolls[:, 0].unique(return_counts=True)
    most = int(values[counts.argmax()])
    each = ", ".join(":".join(map(str, row)) for row in rolls.tolist())
    return (
        f"From frame 0 to {frame}, {int(counts.max())} of {len(rolls)} capsules rolled by {most} "
        f"unit{'' if most == 1 else 's'}. Capsule by capsule: {each}."
    )


def _seen(model: Any, frames: int) -> Bool[Tensor, " S"]:
    seen = model.topography.receptive_field()
    return seen if len(seen) == frames else torch.ones(frames, dtype=torch.bool)
