"""What an ACE infers from an image, and what becomes of it when pose, style or class move."""

import math
from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.groups import affine, colour
from symgen.models import ACELatents, Motion, Pose
from symgen.models.control import canonical_images

__all__ = ["Inferred", "inferred_motion", "posed", "way"]


class Inferred:
    """An image with all that a model infers from it.

    Attributes:
        x: the image, (1, channels, height, width).
        probabilities: of the classes, (classes,).
        canonical: the image without its pose, (1, channels, height, width).
        motion: pose that was inferred, as the motion that leads to it from the canonical image.
        latents: style, class and pose, with the class that was asked for.
        reconstruction: decoded latents.
    """

    @torch.no_grad()
    def __init__(
        self, model: Any, x: Float[Tensor, "1 channels height width"], other: int | None = None
    ) -> None:
        self.x = x
        posterior = model.encode(x)
        self.probabilities = posterior.class_log_probs[0].exp()
        y = None if other is None else torch.tensor([other])
        self.latents: ACELatents = model.latents(posterior if y is None else x, y)
        pose = self.latents.pose
        self.canonical = x
        if model.pose is not None:
            self.canonical = canonical_images(model, x, pose).clamp(0, 1)
        self.motion = inferred_motion(pose)
        self.reconstruction = model.decode(self.latents).mean


def inferred_motion(pose: Pose) -> Motion:
    """Return the motion that leads to a pose from the canonical form, up to a stretch before it.

    The linear part is split as A = shear · scale · stretch · rotation.

    Example:
        >>> motion = Motion(rotate=30.0, scale=0.8, shear=0.2, shift=(3.0, -1.0))
        >>> found = inferred_motion(Pose(motion.element().affine[None], None))
        >>> [round(value, 4) for value in (found.rotate, found.scale, found.shear)], found.shift
        ([30.0, 0.8, 0.2], (3.0, -1.0))
    """
    (a, b, x), (c, d, y), _ = pose.affine[0].double().tolist()
    angle, tall = math.atan2(-c, d), math.hypot(c, d)
    wide = a * math.cos(angle) + b * math.sin(angle)
    slant = (a * math.sin(angle) - b * math.cos(angle)) / tall
    hue = 0.0 if pose.colour is None else float(colour.hue_degrees(pose.colour[0]))
    size = math.sqrt(abs(wide * tall))
    return Motion(math.degrees(angle), size, slant, (x, y), hue)


@torch.no_grad()
def posed(
    model: Any,
    inferred: Inferred,
    motions: Sequence[Motion] | None,
    styles: Float[Tensor, "n latents"],
) -> Float[Tensor, "n channels height width"]:
    """Decode an image in other poses and styles.

    Args:
        motions: poses to show it in, as `Inferred.motion`, which gives the reconstruction; None
            for the pose that was inferred.
        styles: styles to give it, as many.
    """
    _, y, pose = inferred.latents
    latents = ACELatents(styles, y.expand(len(styles)), pose)
    if motions is None:
        affines = pose.affine.expand(len(styles), -1, -1)
        colours = None if pose.colour is None else pose.colour.expand(len(styles), -1, -1)
        return model.decode(latents._replace(pose=Pose(affines, colours))).mean
    # What acts on the inferred pose to give the one that is wanted: wanted ∘ inferred⁻¹.
    back = affine.inverse(inferred.motion.element().affine.double())
    wanted = torch.stack([motion.element().affine for motion in motions])
    hues = None
    if pose.colour is not None:
        turns = torch.tensor([motion.hue - inferred.motion.hue for motion in motions])
        hues = colour.hue_rotation(turns)
    element = Pose(affine.compose(wanted.double(), back).float(), hues)
    return model.decode(model.act(latents, element)).mean


def way(
    model: Any,
    inferred: Inferred,
    motion: Motion | None,
    style: Float[Tensor, " latents"],
    pictures: int = 16,
) -> Float[Tensor, "pictures channels height width"]:
    """Decode the way from what was inferred to another pose and style."""
    shares = torch.linspace(0, 1, pictures)
    motions = None
    if motion is not None:
        motions = [_between(inferred.motion, motion, share) for share in shares.tolist()]
    return posed(model, inferred, motions, inferred.latents.z.lerp(style[None], shares[:, None]))


def _between(start: Motion, end: Motion, share: float) -> Motion:
    """Return the motion at a share of the way; scales grow by equal factors."""
    pairs = zip(_values(start), _values(end), strict=True)
    rotate, log_scale, shear, x, y, hue = (a + share * (b - a) for a, b in pairs)
    return Motion(rotate, math.exp(log_scale), shear, (x, y), hue)


def _values(motion: Motion) -> tuple[float, ...]:
    rotate, scale, shear, (x, y), hue = astuple(motion)
    return rotate, math.log(scale), shear, x, y, hue
