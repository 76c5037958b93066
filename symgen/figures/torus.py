"""The topographic map of a sheet of neurons: what each responds to most, and to which class."""

from pathlib import Path

import matplotlib
import numpy as np
from numpy import ndarray
from PIL import Image
from torch import Tensor

from symgen._inputs import checked
from symgen._typed import Count
from symgen.figures import _canvas
from symgen.metrics import class_selectivity, max_activating

__all__ = ["torus_map"]

_TEN = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (40, 40, 70), (188, 189, 34), (23, 190, 207)),
)
_MOST_CLASSES = 1000  # that a legend can hold
_NONE = (235, 235, 235)  # colour of a neuron that prefers no class


@checked
def torus_map(
    activations: Tensor,
    images: Tensor | None,
    labels: Tensor,
    grid: tuple[Count, Count] = (18, 18),
    path: Path | str | None = None,
    *,
    absolute: bool = False,
) -> Image.Image:
    """Draw a sheet of neurons twice: the image each likes best, the class each stands for.

    Neighbours look alike where the topography has shaped the code (Topographic VAE, Keller &
    Welling 2021, figs. 2 and 3); the sheet is a torus, its opposite edges are neighbours.

    Args:
        activations: `(n, rows * columns)` or `(n, rows, columns)`, row by row.
        images: `(n, channels, height, width)` in [0, 1]; None for other data, such as features of
            a net, of which only the classes are drawn.
        labels: `(n,)`, class of every image, counted from 0.
        grid, path: rows and columns of the sheet, and a PNG file to write as well.
        absolute: whether the best image is that of the greatest |t| rather than t.

    Example:
        >>> import torch
        >>> labels = torch.arange(200) % 10
        >>> torus_map(torch.rand(200, 324), torch.rand(200, 1, 28, 28), labels).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    rows, columns = grid
    if tuple(activations.shape[1:]) not in ((rows * columns,), (rows, columns)):
        raise ValueError(
            f"activations has shape {tuple(activations.shape)}: for a grid of {rows} x {columns} "
            f"it must be (n, {rows * columns}) or (n, {rows}, {columns})"
        )
    activations, labels = activations.detach().cpu().reshape(-1, rows, columns), labels.cpu()
    classes = class_selectivity(activations, labels).numpy()
    if (greatest := int(labels.max())) >= _MOST_CLASSES:
        raise ValueError(
            f"labels reach {greatest}: number the classes from 0, {_MOST_CLASSES} at most"
        )
    sheets: dict[str, ndarray] = {}
    if images is not None:
        _canvas.check_images("images (n, channels, height, width)", 4, images=images)
        best = max_activating(activations, images.cpu(), absolute)
        sheets[f"image of greatest {'|t|' if absolute else 't'}"] = _canvas.to_pixels(best)
    keys = {str(index): colour for index, colour in enumerate(_colours(greatest + 1))}
    keys["none"] = _NONE
    cells = np.array(list(keys.values()), np.uint8)[classes, None, None]  # -1: the last, none
    size = next(iter(sheets.values())).shape[2:4] if sheets else (8, 8)
    sheets["preferred class"] = np.broadcast_to(cells, (rows, columns, *size, 3))
    return _canvas.saved(_draw(sheets, keys), target)


def _draw(sheets: dict[str, ndarray], keys: dict[str, _canvas.Colour]) -> Image.Image:
    """Draw sheets (rows, columns, height, width, 3) side by side, and a legend of classes."""
    rows, columns, height, width, _ = next(iter(sheets.values())).shape
    scale, height, width = _canvas.magnified((height, width), least=56)
    sheet_height, sheet_width = rows * (height + 2) - 2, columns * (width + 2) - 2
    size = max(16, sheet_width // 30)
    top = 2 * size
    step = max(sheet_width, _canvas.text_width(size, *sheets)) + size
    *lefts, legend = _canvas.spaced(size // 2, len(sheets) + 1, step)
    sheet_height = max(sheet_height, round(1.7 * size * len(keys)))
    right = legend + 2 * size + _canvas.text_width(size, *keys)
    picture = _canvas.Picture(right, top + sheet_height + size // 2)
    for (heading, pixels), left in zip(sheets.items(), lefts, strict=True):
        picture.text(left, size, heading, size, "lm")
        lines = _canvas.spaced(top, rows, height + 2)
        picture.paste(pixels, scale, _canvas.spaced(left, columns, width + 2), lines)
    for index, (name, colour) in enumerate(keys.items()):
        y = top + round(1.7 * size * index)
        picture.draw.rectangle((legend, y, legend + size, y + size), colour)
        picture.text(legend + round(1.5 * size), y + size // 2, name, size, "lm")
    return picture.image


def _colours(count: int) -> list[_canvas.Colour]:
    """Choose the colours of the classes: ten that are easy to tell apart, or as many as needed."""
    if count <= len(_TEN):
        return list(_TEN[:count])
    shades = matplotlib.colormaps["turbo"].resampled(count)(range(count), bytes=True)
    return [(int(red), int(green), int(blue)) for red, green, blue, _ in shades]
