"""Moved images: motions that stay in range, and whether pixels come back."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symgen._typed import Count
from symgen.groups import affine
from symgen.metrics.inputs import takes_arrays

__all__ = ["motions", "round_trip", "stays"]

_TURN, _GROWTH, _STEP = math.radians(30), 1.3, 5.0
_INK = 0.1  # a brighter pixel belongs to the object


@takes_arrays
def motions(pose: Float[Tensor, "B 3 3"], scales: tuple[float, float]) -> list[Tensor]:
    """Return a turn by 30°, an enlargement by 1.3 and a shift by 5 pixels for each pose.

    Each leads towards the middle of the poses of the data, whose least and greatest scale are
    `scales`: neither the model nor a judge has ever seen what leaves their range.

    Args:
        pose: poses of the data, in pixels from the middle.
        scales: least and greatest scale among them.

    Example:
        >>> turn, growth, shift = motions(torch.eye(3)[None], (0.7, 1.2))
        >>> float(shift[0, 0, 2])
        -5.0
    """
    if min(scales) <= 0:
        raise ValueError(f"scales={scales}: give the least and the greatest, both positive")
    angle, scale, shift = affine.to_parameters(pose)
    zero, one = torch.zeros_like(angle), torch.ones_like(scale)
    turn = torch.where(angle >= 0, -_TURN, _TURN).to(angle)
    growth = torch.where(scale < math.sqrt(math.prod(scales)), _GROWTH, 1 / _GROWTH).to(scale)
    step = torch.where(shift[:, 0] >= 0, -_STEP, _STEP).to(shift)
    return [
        affine.from_parameters(turn, one),
        affine.from_parameters(zero, growth),
        affine.from_parameters(zero, one, torch.stack([step, zero], -1)),
    ]


@takes_arrays
def stays(
    images: Float[Tensor, "B channels height width"], element: Float[Tensor, "B 3 3"]
) -> Bool[Tensor, " B"]:
    """Return for which images a motion leaves every bright pixel on the canvas.

    Args:
        images: values in [0, 1]; what is brighter than the middle counts.
        element: the motion of each, in pixels from the middle.

    Example:
        >>> from symgen.groups import affine
        >>> image = torch.zeros(1, 1, 9, 9)
        >>> image[..., 4, 4] = 1
        >>> shifts = torch.tensor([[0, 0, 0, 0, 3.0, 0], [0, 0, 0, 0, 7.0, 0]])
        >>> stays(image.expand(2, -1, -1, -1), affine.exp(shifts))
        tensor([ True, False])
    """
    half = element.new_tensor([images.shape[-1] / 2, images.shape[-2] / 2])
    outside = (_moved_pixels(element, images.shape[-2:]).abs() > half).any(-1)
    ink = images.amax(1).flatten(1) > _INK
    return ~(outside & ink).any(1)


@takes_arrays
def round_trip(pose: Float[Tensor, "B 3 3"], size: tuple[Count, Count]) -> float:
    """Return how far a pose and its inverse move pixels, in halves of a canvas's longer side.

    Args:
        pose: maps in pixels from the middle.
        size: height and width of the canvas, in pixels.

    Example:
        >>> round_trip(torch.eye(3)[None], (28, 28))
        0.0
    """
    if not len(pose):
        raise ValueError(f"pose of shape {tuple(pose.shape)}: give one at least")
    there = _moved_pixels(pose, size)
    back = torch.nn.functional.pad(there, (0, 1), value=1) @ affine.inverse(pose).mT
    start = _moved_pixels(torch.eye(3).to(pose)[None], size)
    return float((back[..., :2] - start).abs().max()) / (max(size) / 2)


def _moved_pixels(element: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return where maps take every pixel, (B, pixels, 2), from the middle of the image."""
    y, x = (torch.arange(n).to(element) - (n - 1) / 2 for n in size)
    place = torch.stack([*torch.meshgrid(x, y, indexing="xy"), torch.ones(size).to(element)], -1)
    return (place.flatten(0, 1) @ element.mT)[..., :2]
