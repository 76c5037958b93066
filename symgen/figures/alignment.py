"""Images of a class as given and in their canonical pose, with their averages."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas

__all__ = ["alignment_sheet"]

_ROWS = ("given", "aligned")


def alignment_sheet(
    given: Tensor, aligned: Tensor, averages: Tensor, path: Path | str | None = None
) -> Image.Image:
    """Draw images above the same in their canonical pose, and the averages of a class before them.

    Where the poses are right, the second average is as sharp as the objects are alike.

    Args:
        given, aligned: images `(n, channels, height, width)` in [0, 1], as given and aligned.
        averages: the average of all given images of the class, and of all aligned ones,
            `(2, channels, height, width)`.
        path: PNG file to write as well.

    Example:
        >>> digits = torch.rand(8, 1, 28, 28)
        >>> alignment_sheet(digits, digits, digits[:2]).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    _canvas.check_images("both as (n, channels, height, width)", 4, given=given, aligned=aligned)
    if averages.shape != (2, *given.shape[1:]):
        raise ValueError(
            f"averages {tuple(averages.shape)} of images {tuple(given.shape)}: give two of them"
        )
    both = torch.stack([given, aligned])
    pixels = _canvas.to_pixels(torch.cat([averages[:, None], both], 1))
    scale, height, width = _canvas.magnified(pixels.shape[2:4], least=84)
    size, gap = max(16, round(0.2 * height)), max(2, height // 24)
    left = size + _canvas.text_width(size, *_ROWS) + size // 2
    first = left + max(width, _canvas.text_width(size, "average")) + size
    columns = [left, *_canvas.spaced(first, len(given), width + gap)]
    rows = _canvas.spaced(2 * size, len(_ROWS), height + gap)
    picture = _canvas.Picture(columns[-1] + width + size, rows[-1] + height + size)
    picture.paste(np.ascontiguousarray(pixels), scale, columns, rows)
    picture.text(left, round(1.7 * size), "average", size, "ls", _canvas.MUTED)
    for name, y in zip(_ROWS, rows, strict=True):
        picture.text(left - size // 2, y + height // 2, name, size, "rm")
    return _canvas.saved(picture.image, target)
