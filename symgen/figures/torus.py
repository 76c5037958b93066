"""The topographic map of a sheet of neurons: what each responds to most, and to which class."""

import math
from pathlib import Path

import matplotlib
import torch
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

__all__ = ["class_selectivity", "max_activating", "torus_map"]

_TEN = (
    *((31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (40, 40, 70), (188, 189, 34), (23, 190, 207)),
)
_NONE = (235, 235, 235)  # colour of a neuron that prefers no class


def max_activating(
    activations: Float[Tensor, " n *neurons"],
    images: Float[Tensor, "..."],
    absolute: bool = False,
) -> Float[Tensor, "..."]:
    """Find for every neuron the image to which it responds most.

    Args:
        activations: response t of every neuron to every image; neurons in any arrangement, such
            as `(n, rows * columns)` or `(n, rows, columns)`.
        images: `(n, channels, height, width)`.
        absolute: whether to take the greatest |t| rather than the greatest t.

    Returns:
        Images `(*neurons, channels, height, width)`.

    Raises:
        ValueError: if the numbers of images differ or are 0.

    Example:
        >>> images = torch.tensor([0.2, 0.5, 0.9]).reshape(3, 1, 1, 1)
        >>> activations = torch.tensor([[1.0, -9.0], [4.0, 2.0], [3.0, 5.0]])
        >>> max_activating(activations, images).flatten()
        tensor([0.5000, 0.9000])
        >>> max_activating(activations, images, absolute=True).flatten()
        tensor([0.5000, 0.2000])
    """
    if images.ndim != 4 or not 0 < len(activations) == len(images):
        raise ValueError(
            f"activations {tuple(activations.shape)} and images {tuple(images.shape)}: give one "
            "row of activations for each image (channels, height, width)"
        )
    response = activations.abs() if absolute else activations
    return images[response.argmax(dim=0)]


def class_selectivity(
    t: Float[Tensor, " n *neurons"], labels: Int[Tensor, "..."], threshold: float = 0.85
) -> Int64[Tensor, "*neurons"]:
    """Find for every neuron the class that it tells best from all others.

    The measure is the discriminability of a class c from the rest,
    `d' = (mean_c - mean_rest) / sqrt((var_c + var_rest) / 2)`, with variances over the images.
    Where several classes reach the threshold the one of greatest d' wins; the published code
    of the Topographic VAE (Keller & Welling 2021) lets the one of greatest number win.

    Args:
        t: response of every neuron to every image, neurons in any arrangement.
        labels: class of every image, `(n,)`, counted from 0.
        threshold: least d' of a selective neuron.

    Returns:
        Class of every neuron, -1 for a neuron below the threshold in all of them.

    Raises:
        ValueError: if there is not one class for every image, a class is negative, or all images
            are of one class.

    Example:
        >>> t = torch.tensor([[0.0, 5.0], [1.0, 4.0], [8.0, 5.0], [9.0, 4.0]])
        >>> class_selectivity(t, torch.tensor([0, 0, 1, 1]))
        tensor([ 1, -1])
    """
    if tuple(labels.shape) != (len(t),):
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} but t {tuple(t.shape)}: give one class for "
            f"each of the {len(t)} images"
        )
    present = labels.unique()
    if len(present) < 2 or present[0] < 0:
        raise ValueError(
            f"labels holds the classes {present.tolist()}: selectivity compares at least two, "
            "counted from 0"
        )
    # Less the first response, the sums of squares keep their digits, and a neuron that never
    # changes is exactly 0.
    response = t.detach().flatten(1).to(torch.float64)
    response = response - response[:1]
    member = torch.nn.functional.one_hot(labels.long()).to(response)  # (n, classes)

    def moments(weights: Tensor) -> tuple[Tensor, Tensor]:
        total = weights.sum(0)[:, None]
        mean = weights.T @ response / total
        return mean, (weights.T @ response.square() / total - mean.square()).clamp_min(0)

    mean, variance = moments(member)  # (classes, neurons)
    mean_rest, variance_rest = moments(1 - member)
    discriminability = (mean - mean_rest) / ((variance + variance_rest) / 2).sqrt()
    # 0 / 0: a neuron that never changes, or a class without images.
    greatest, best = discriminability.nan_to_num(nan=-math.inf).max(dim=0)
    return best.where(greatest >= threshold, -1).reshape(t.shape[1:])


def torus_map(
    activations: Float[Tensor, "..."],
    images: Float[Tensor, "..."],
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
        images: `(n, channels, height, width)` in [0, 1], with 1 or 3 channels.
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
    check_images("images", images)
    activations, images, labels = activations.detach().cpu(), images.cpu(), labels.cpu()
    activations = activations.reshape(-1, rows, columns)
    best = max_activating(activations, images, absolute)
    classes = class_selectivity(activations, labels)
    picture = _draw_map(best, classes, int(labels.max()) + 1, "|t|" if absolute else "t")
    if target is not None:
        write_file(target, lambda stream: picture.save(stream, format="PNG"))
    return picture


def _draw_map(
    best: Float[Tensor, "rows columns channels height width"],
    classes: Int64[Tensor, "rows columns"],
    count: int,
    response: str,
) -> Image.Image:
    rows, columns, _, height, width = best.shape
    scale = magnification(height, least=56)
    step_y, step_x = scale * height + 2, scale * width + 2
    sheet_height, sheet_width = rows * step_y - 2, columns * step_x - 2
    size = max(16, sheet_width // 30)
    margin, top = size // 2, 2 * size
    keys = [(str(index), colour) for index, colour in enumerate(_colours(count))]
    keys.append(("none", _NONE))
    second = margin + sheet_width + size
    legend = second + sheet_width + size
    legend_width = 2 * size + max(text_width(name, size) for name, _ in keys)
    legend_height = round(1.7 * size * len(keys))
    picture = Image.new(
        "RGB",
        (legend + legend_width, top + max(sheet_height, legend_height) + margin),
        PAPER,
    )
    draw = ImageDraw.Draw(picture)
    for x, text in ((margin, f"image of greatest {response}"), (second, "preferred class")):
        draw.text((x, size), text, INK, font(size), anchor="lm")
    pixels = to_pixels(best)
    colours = [colour for _, colour in keys]
    for row in range(rows):
        for column in range(columns):
            x, y = column * step_x, top + row * step_y
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
