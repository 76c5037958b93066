"""Images that a run has held out, and others, brought to what its model was trained on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from symgen.data.batches import Batches, fitting
from symgen.data.image_files import LUMINANCE, load_pixels
from symgen.experiments.families.ace import labels_of
from symgen.experiments.runs import OpenRun

__all__ = ["Brought", "bring", "class_number", "held_out_images", "names_of_classes"]
__all__ += ["one_of_each_class"]

_SURE = 0.25  # of a ground, from the middle gray, to tell dark from light
_FLAT = 0.5  # of the range of the training's images: images of less are stretched
_SMALL = 2.0  # images that fit on the canvas so many times are enlarged
_LOOKED_AT, _WITHOUT = 100, 10  # held-out images for one of each class, and with those without
_BYTE = 255.0
_LISTED = 30  # names of classes

Image = Float[Tensor, "channels height width"]
Ground = Float[Tensor, "channels 1 1"]


class Brought(NamedTuple):
    """An image as the model takes it.

    Attributes:
        x: the image, a batch of one.
        notes: what was done to it.
    """

    x: Float[Tensor, "1 channels height width"]
    notes: list[str]


def held_out_images(
    run: OpenRun, most: int = 250
) -> Float[Tensor, "n channels height width"] | None:
    """Return some images that a run has held out; None where its data are not to be had."""
    try:
        source: Any = run.require_data().source(train=False)
    except (ValueError, OSError, ModuleNotFoundError):
        return None
    return Batches(source, fitting(source, most), shuffle=False).batch(0).inputs[0]


def one_of_each_class(run: OpenRun) -> Float[Tensor, "n channels height width"]:
    """Return the first held-out image of every class.

    Where fewer than ten have a label, others without one follow.
    """
    source: Any = run.require_data().source(train=False)
    batch = source.batch(torch.arange(min(len(source), _LOOKED_AT)), torch.Generator())
    x = batch.inputs[0]
    labels = labels_of(batch, x)
    first = [int((labels == label).nonzero()[0, 0]) for label in labels.unique() if label >= 0]
    others = (labels < 0).nonzero()[:, 0].tolist()
    return x[first + others[: max(0, _WITHOUT - len(first))]]


def names_of_classes(run: OpenRun, classes: int) -> list[str]:
    """Return the names of a model's classes, which are their numbers where they have none."""
    told = getattr(run.data, "class_names", None)
    hidden = getattr(run.data, "ignore_labels", False)
    return [str(n) for n in range(classes)] if told is None or hidden else [*told]


def class_number(names: Sequence[str], given: str, option: str) -> int:
    """Return the number of a class that is given by its name or its number.

    Raises:
        ValueError: with all names, if there is no such class.

    Example:
        >>> class_number(["cat", "dog"], "dog", "as"), class_number(["0", "1"], "1", "as")
        (1, 1)
    """
    if given in names:
        return names.index(given)
    if given.isdecimal() and int(given) < len(names):
        return int(given)
    listed = f"a number from 0 to {len(names) - 1}"
    if [*names] != [str(number) for number in range(len(names))]:
        listed = f"one of {', '.join(names[:_LISTED])}{', …' if len(names) > _LISTED else ''}"
    raise ValueError(f"{option}={given}: there is no such class, choose {listed}")


def bring(
    path: Path,
    data_shape: tuple[int, ...],
    like: Float[Tensor, "n channels height width"] | None,
    invert: bool | None = None,
    scale: tuple[float, float] | None = None,
) -> Brought:
    """Read an image file, and bring it to the size, the ground and the contrast of others.

    * transparency: what shows lies over the ground of the others;
    * dark on light where the others are light on dark, or the other way round: inverted;
    * less than half of their contrast: stretched to it;
    * too large: made smaller as a whole; less than half as large as the canvas: enlarged; then
      laid in the middle of a canvas of their ground.

    Args:
        path: image file of 8 or 16 bits.
        data_shape: channels, height and width that the model takes.
        like: images that it was trained on or, better, others like these; None for light on black.
        invert: whether it is inverted; None to find out by its ground.
        scale: numbers of the training's data that became 0 and 1. Those of a file that holds
            numbers of as many bits become the same; of others, and without it, all of the bits.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no image, or has channels that the model does not take.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}: give a path, or test:INDEX")
    channels, height, width = data_shape
    if channels not in (1, 3):
        raise ValueError(f"{path}: the model takes {channels} channels, an image has 1 or 3")
    pixels = load_pixels(path)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} holds {pixels.dtype}: save 8 or 16 bits")
    grounds, least, most = _grounds_and_range(like, channels)
    ground = float(grounds.mean())
    layers = torch.from_numpy(pixels.astype(np.float32))
    alpha = layers[-1:] / np.iinfo(pixels.dtype).max if len(layers) in (2, 4) else None
    low, high = _ends(pixels.dtype, scale)
    levels = (layers if alpha is None else layers[:-1]).sub(low).div(high - low)
    notes: list[str] = []
    if levels.min() < 0 or levels.max() > 1:
        levels = levels.clamp(0, 1)
        notes.append(f"clamped to {low:g}…{high:g}, as the training's images are scaled")
    if _is_inverse(levels, alpha, ground) if invert is None else invert:
        levels = 1 - levels
        notes.append("inverted" if invert else f"inverted, to lie on a ground of {ground:.2f}")
    if alpha is not None and not bool((alpha == 1).all()):
        levels = alpha * levels + (1 - alpha) * grounds
        told = " ".join(f"{level:.2f}" for level in grounds.flatten().tolist())
        notes.append(f"transparency laid over the ground of the training images, {told}")
    if channels == 1 and len(levels) == 3:
        levels = torch.tensordot(torch.from_numpy(LUMINANCE), levels, 1)[None].clamp(0, 1)
        notes.append("colours made gray")
    levels = levels.expand(channels, -1, -1)
    low, high = float(levels.min()), float(levels.max())
    if 0 < high - low < _FLAT * (most - least):
        levels = least + (levels - low) * ((most - least) / (high - low))
        notes.append(f"contrast stretched from {low:.2f}…{high:.2f} to {least:.2f}…{most:.2f}")
    levels, more = _placed(levels, (height, width), grounds)
    return Brought(levels[None].clamp(min(0.0, least), max(1.0, most)), notes + more)


def _ends(dtype: np.dtype[Any], scale: tuple[float, float] | None) -> tuple[float, float]:
    """Return which numbers of a file become 0 and 1."""
    most = float(np.iinfo(dtype).max)
    if scale is not None and (1 if most == _BYTE else _BYTE) < scale[1] <= most:
        return scale
    return 0.0, most


def _grounds_and_range(like: Tensor | None, channels: int) -> tuple[Ground, float, float]:
    """Return the level of the edges of images by channel, and their least and greatest ones."""
    if like is None:
        return torch.zeros(channels, 1, 1), 0.0, 1.0
    grounds = torch.stack([_edge(channel).median() for channel in like.unbind(1)])
    flat = like.flatten(1)
    return grounds[:, None, None], float(flat.amin(1).median()), float(flat.amax(1).median())


def _edge(images: Float[Tensor, "*batch height width"]) -> Tensor:
    sides = (images[..., 0, :], images[..., -1, :], images[..., :, 0], images[..., :, -1])
    return torch.cat([side.flatten() for side in sides])


def _is_inverse(levels: Image, alpha: Tensor | None, ground: float) -> bool:
    """Tell whether what should be darker than its ground is lighter, or the other way round."""
    if abs(ground - 0.5) < _SURE:  # a gray ground says nothing
        return False
    gray = levels.mean(0)
    if alpha is not None and float(alpha.min()) < 0.5:  # what shows should differ from the ground
        shown = float((gray * alpha[0]).sum() / alpha[0].sum().clamp(min=1e-6))
        return abs(shown - ground) < 0.5
    return abs(float(_edge(gray).median()) - ground) > 0.5


def _placed(levels: Tensor, size: tuple[int, int], ground: Ground) -> tuple[Tensor, list[str]]:
    """Bring an image to a size without changing its proportions."""
    (high, wide), (height, width), notes = levels.shape[1:], size, []
    if (high, wide) == size:
        return levels, notes
    factor = min(height / high, width / wide)
    if factor < 1 or factor > _SMALL:
        new = (min(height, round(high * factor)), min(width, round(wide * factor)))
        new = (max(1, new[0]), max(1, new[1]))
        levels = F.interpolate(levels[None], new, mode="bilinear", antialias=True)[0]
        notes.append(f"brought from {wide} × {high} to {new[1]} × {new[0]}")
    else:
        notes.append(f"{wide} × {high}")
    high, wide = levels.shape[1:]
    top, left = (height - high) // 2, (width - wide) // 2
    if (high, wide) != size:
        canvas = ground.expand(-1, height, width).clone()
        canvas[:, top : top + high, left : left + wide] = levels
        levels = canvas
        notes[-1] += f", in the middle of a canvas of {width} × {height}"
    return levels, notes
