"""What the page of an ACE shows of an image, as HTML."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from symgen.explorer.pictures import Painter, encoded, figure, text
from symgen.explorer.posing import Inferred, posed, way
from symgen.models import Motion

__all__ = ["Part", "animation", "chances", "motion_of", "parts_of", "result", "views"]

_SHOWN = 5  # classes


class Part:
    """One slider of a pose: its name, the range of its values, and how they are said.

    Example:
        >>> Part("rotate", "Rotation", "°", (-180.0, 180.0)).said(12.345)
        '12.3°'
    """

    def __init__(self, name: str, label: str, unit: str, ends: tuple[float, float]) -> None:
        self.name, self.label, self.unit, self.ends = name, label, unit, ends
        self.step = 0.01 if ends[1] - ends[0] < 10 else 0.1

    def said(self, value: float) -> str:
        """Say a value."""
        return f"{value:z.{2 if self.step < 0.1 else 1}f}{self.unit}"

    def value(self, motion: Motion) -> float:
        """Take the value of this part from a motion."""
        if self.name.startswith("shift"):
            return motion.shift[self.name == "shift y"]
        return getattr(motion, self.name)

    def clipped(self, value: float) -> float:
        """Return a value as the slider can have it."""
        low, high = self.ends
        steps = round(min(high, max(low, value)) / self.step)
        return round(steps * self.step, 2)

    def mark(self, motion: Motion) -> str:
        """Mark the value that was inferred below the track of the slider."""
        value, (low, high) = self.value(motion), self.ends
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return (
            f'<div class="mark" style="--share:{share:.4f}"><i aria-hidden="true"></i>'
            f'<span class="{"before" if share > 0.6 else "after"}">inferred '
            f"{text(self.said(value))}</span></div>"
        )


_PARTS = (
    Part("rotate", "Rotation, degrees", "°", (-180.0, 180.0)),
    Part("scale", "Scale", "", (0.2, 4.0)),
    Part("shear", "Shear to the right", "", (-1.0, 1.0)),
    Part("shift x", "Shift to the right, pixels", " px", (-1.0, 1.0)),
    Part("shift y", "Shift down, pixels", " px", (-1.0, 1.0)),
    Part("hue", "Hue, degrees", "°", (-180.0, 180.0)),
)


def parts_of(model: Any) -> tuple[Part, ...]:
    """Return the sliders of a model's pose, none for a model without one.

    Shifts reach from the middle to the edge of the image.
    """
    if model.pose is None:
        return ()
    height, width = model.data_shape[1:]
    reach = {"shift x": width / 2, "shift y": height / 2}
    coloured = model.pose.colour_pose
    return tuple(
        Part(
            p.name, p.label, p.unit, (-reach[p.name], reach[p.name]) if p.name in reach else p.ends
        )
        for p in _PARTS
        if coloured or p.name != "hue"
    )


def motion_of(parts: Sequence[Part], values: Sequence[float], inferred: Motion) -> Motion:
    """Make a motion of the values of sliders.

    Sliders round: what is where the slider of the inferred value is, is the inferred value.
    """
    exact = {}
    for part, value in zip(parts, values, strict=True):
        found = part.value(inferred)
        same = abs(part.clipped(found) - value) < part.step / 2
        exact[part.name] = found if same else float(value)
    shift = exact.pop("shift x"), exact.pop("shift y")
    return Motion(**exact, shift=shift)


def chances(inferred: Inferred) -> str:
    """Show the probabilities of the likeliest classes."""
    chance, label = inferred.probabilities.topk(min(_SHOWN, len(inferred.probabilities)))
    rows = "".join(
        f'<tr><th scope="row">{one}</th><td><meter min="0" max="1" value="{p:.4f}">'
        f"{100 * p:.1f} %</meter></td><td>{100 * p:.1f} %</td></tr>"
        for one, p in zip(label.tolist(), chance.tolist(), strict=True)
    )
    return f'<table class="chances"><caption>Class probabilities</caption>{rows}</table>'


def views(inferred: Inferred) -> str:
    """Show the image, what the model makes of it, and its canonical form."""
    painter = Painter(inferred.x)
    given, canonical, again = painter(
        torch.cat([inferred.x, inferred.canonical, inferred.reconstruction])
    )
    return (
        '<div class="stage">'
        + figure(given, "image, as the model reads it", "The image as the model reads it")
        + figure(canonical, "canonical: its pose factored out", "The image without its pose")
        + figure(again, "reconstruction", "The image reconstructed")
        + "</div>"
    )


def result(
    model: Any, inferred: Inferred, motion: Motion | None, style: Float[Tensor, " latents"]
) -> str:
    """Show the image in the pose and style of the sliders, with a link to keep it."""
    motions = None if motion is None else [motion]
    pixels = Painter(inferred.x)(posed(model, inferred, motions, style[None]))[0]
    link = f'<a class="keep" download="pose.png" href="{encoded(_large(pixels))}">Keep as PNG</a>'
    y = int(inferred.latents.y)
    shown = figure(
        pixels, f"class {y} in the pose of the sliders", f"Class {y}, posed", "frame rolled"
    )
    return f'<div class="stage result">{shown}{link}</div>'


def animation(
    model: Any, inferred: Inferred, motion: Motion | None, style: Float[Tensor, " latents"]
) -> str:
    """Return a link to a GIF of the way from what was inferred to where the sliders are."""
    pixels = Painter(inferred.x)(way(model, inferred, motion, style))
    there = [_large(each) for each in pixels]
    address = encoded([*there, *there[-2:0:-1]], "GIF")
    return (
        f'<figure><img class="frame" src="{address}" alt="The way to the pose of the sliders and '
        f'back"></figure><a class="keep" download="pose.gif" href="{address}">Keep as GIF</a>'
    )


def _large(pixels: ndarray) -> ndarray:
    """Enlarge pixels by a whole factor, so that a picture can be looked at where it is kept."""
    factor = max(1, 256 // max(pixels.shape[:2]))
    return pixels.repeat(factor, 0).repeat(factor, 1)
