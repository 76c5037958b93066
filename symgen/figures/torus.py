"""The topographic map of a sheet of neurons: what each responds to most, and to which class."""

from pathlib import Path

import matplotlib
from jaxtyping import Float, Int, Int64
from PIL import Image, ImageDraw
from torch import Tensor

from symgen.figures._canvas import (
    INK,
    PAPER,
    check_images,
    check_path,
    font,
    magnification,
    text_width,
    tile,
    to_pixels,
    write_file,
)
from symgen.metrics import class_selectivity, max_activating

__all__ = ["torus_map"]

_TEN = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (40, 40, 70), (188, 189, 34), (23, 190, 207)),
)
_NONE = (235, 235, 235)  # colour of a neuron that prefers no class


def torus_map(
    activations: Float[Tensor, "..."],
    images: Float[Tensor, "..."] | None,
    labels: Int[Tensor, "..."],
    grid: tuple[int, int] = (18, 18),
    path: Path | str | None = None,
    *,
    absolute: bool = False,
) -> Image.Image:
    """Draw a sheet of neurons twice: the image each likes best, the class each stands for.

    Neighbours look alike where the topography has shaped the code (Topographic VAE, Keller &
    Welling 2021, figs. 2 and 3); the sheet is a torus, its opposite edges are neighbours.

    Args:
        activations: `(n, rows * columns)` or `(n, rows, columns)`, row by row.
        images: `(n, channels, height, width)` in [0, 1], with 1 or 3 channels; None for data that
            are no images, such as the features of a net, of which the classes alone are drawn.
        labels: `(n,)`, class of every image, counted from 0.
        grid: rows and columns of the sheet.
        path: PNG file to write as well.
        absolute: whether the best image is that of the greatest |t| rather than t.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1] or `path` is no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> labels = torch.arange(200) % 10
        >>> torus_map(torch.rand(200, 324), torch.rand(200, 1, 28, 28), labels).mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    rows, columns = grid
    shapes = ((rows * columns,), (rows, columns))
    if tuple(activations.shape[1:]) not in shapes:
        raise ValueError(
            f"activations has shape {tuple(activations.shape)}: for a grid of {rows} x {columns} "
            f"it must be (n, {rows * columns}) or (n, {rows}, {columns})"
        )
    activations, labels = activations.detach().cpu(), labels.cpu()
    activations = activations.reshape(-1, rows, columns)
    best = None
    if images is not None:
        check_images("images", images)
        best = max_activating(activations, images.cpu(), absolute)
    classes = class_selectivity(activations, labels)
    picture = _draw_map(best, classes, int(labels.max()) + 1, "|t|" if absolute else "t")
    if target is not None:
        write_file(target, lambda stream: picture.save(stream, format="PNG"))
    return picture


def _draw_map(
    best: Float[Tensor, "rows columns channels height width"] | None,
    classes: Int64[Tensor, "rows columns"],
    count: int,
    response: str,
) -> Image.Image:
    rows, columns = classes.shape
    height, width = (8, 8) if best is None else best.shape[-2:]
    scale = magnification(height, least=56)
    step_y, step_x = scale * height + 2, scale * width + 2
    sheet_height, sheet_width = rows * step_y - 2, columns * step_x - 2
    size = max(16, sheet_width // 30)
    margin, top = size // 2, 2 * size
    keys = [(str(index), colour) for index, colour in enumerate(_colours(count))]
    keys.append(("none", _NONE))
    second = margin if best is None else margin + sheet_width + size
    legend = second + sheet_width + size
    legend_width = 2 * size + max(text_width(name, size) for name, _ in keys)
    legend_height = round(1.7 * size * len(keys))
    picture = Image.new(
        "RGB",
        (legend + legend_width, top + max(sheet_height, legend_height) + margin),
        PAPER,
    )
    draw = ImageDraw.Draw(picture)
    headings = [(second, "preferred class")]
    if best is not None:
        headings.append((margin, f"image of greatest {response}"))
    for x, text in headings:
        draw.text((x, size), text, INK, font(size), anchor="lm")
    pixels = None if best is None else to_pixels(best)
    colours = [colour for _, colour in keys]
    for row in range(rows):
        for column in range(columns):
            x, y = column * step_x, top + row * step_y
            if pixels is not None:
                picture.paste(tile(pixels[row, column], scale), (margin + x, y))
            cell = (second + x, y, second + x + step_x - 3, y + step_y - 3)
            draw.rectangle(cell, colours[int(classes[row, column])])  # -1 is the last, none
    for index, (name, colour) in enumerate(keys):
        y = top + round(1.7 * size * index)
        draw.rectangle((legend, y, legend + size, y + size), colour)
        draw.text((legend + round(1.5 * size), y + size // 2), name, INK, font(size), anchor="lm")
    return picture


def _colours(count: int) -> list[tuple[int, int, int]]:
    """Choose the colours of the classes: ten that are told apart easily, or as many as needed."""
    if count <= len(_TEN):
        return list(_TEN[:count])
    shades = matplotlib.colormaps["turbo"].resampled(count)(range(count), bytes=True)
    return [(int(red), int(green), int(blue)) for red, green, blue, _ in shades]
