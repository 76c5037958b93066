"""Images from elsewhere, brought to what a model was trained on, with what was done to them."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from symgen.data.batches import Batches, fitting
from symgen.data.image_files import LUMINANCE, load_pixels
from symgen.experiments.runs import OpenRun

__all__ = ["Brought", "bring", "held_out_images"]

_SURE = 0.25  # of a ground, from the middle gray, to tell dark from light
_FLAT = 0.5  # of the range of the training's images: images of less are stretched
_SMALL = 2.0  # images that fit on the canvas so many times are enlarged

Image = Float[Tensor, "channels height width"]


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


def bring(
    path: Path,
    data_shape: tuple[int, ...],
    like: Float[Tensor, "n channels height width"] | None,
    invert: bool | None = None,
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
    levels = torch.from_numpy(pixels.astype(np.float32) / np.iinfo(pixels.dtype).max)
    ground, least, most = _ground_and_range(like)
    alpha = levels[-1:] if len(levels) in (2, 4) else None
    levels = levels[:-1] if alpha is not None else levels
    notes: list[str] = []
    if _is_inverse(levels, alpha, ground) if invert is None else invert:
        levels = 1 - levels
        notes.append("inverted" if invert else f"inverted, to lie on a ground of {ground:.2f}")
    if alpha is not None and not bool((alpha == 1).all()):
        levels = alpha * levels + (1 - alpha) * ground
        notes.append(f"transparency laid over the ground of the training images, {ground:.2f}")
    if channels == 1 and len(levels) == 3:
        levels = torch.tensordot(torch.from_numpy(LUMINANCE), levels, 1)[None].clamp(0, 1)
        notes.append("colours made gray")
    levels = levels.expand(channels, -1, -1)
    low, high = float(levels.min()), float(levels.max())
    if 0 < high - low < _FLAT * (most - least):
        levels = least + (levels - low) * ((most - least) / (high - low))
        notes.append(f"contrast stretched from {low:.2f}…{high:.2f} to {least:.2f}…{most:.2f}")
    levels, more = _placed(levels, (height, width), ground)
    return Brought(levels[None], notes + more)


def _ground_and_range(like: Tensor | None) -> tuple[float, float, float]:
    """Return the level of the edges of images, and their least and greatest ones."""
    if like is None:
        return 0.0, 0.0, 1.0
    ground = float(_edge(like.mean(1)).median())
    flat = like.flatten(1)
    return ground, float(flat.amin(1).median()), float(flat.amax(1).median())


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


def _placed(levels: Tensor, size: tuple[int, int], ground: float) -> tuple[Tensor, list[str]]:
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
        margins = (left, width - wide - left, top, height - high - top)
        levels = F.pad(levels, margins, value=ground)
        notes[-1] += f", in the middle of a canvas of {width} × {height}"
    return levels, notes
