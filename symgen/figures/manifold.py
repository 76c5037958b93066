"""Manifolds: what a decoder makes of one or two latents as they run through their range."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.ticker import MaxNLocator
from numpy import ndarray
from PIL import Image, ImageDraw
from torch import Tensor

from symgen.figures._canvas import (
    INK,
    MUTED,
    PAPER,
    check_images,
    check_path,
    font,
    magnification,
    paste_grid,
    text_width,
    to_pixels,
    write_png,
)

__all__ = ["manifold_grid", "manifold_rows"]

_GAP = 2  # paper between neighbours, little enough to see them flow into each other


def manifold_rows(
    images: Float[Tensor, "..."],
    values: Sequence[float],
    titles: Sequence[str],
    path: Path | str | None = None,
) -> Image.Image:
    """Draw one-dimensional manifolds, a row for each class.

    Every row decodes the same values of a latent z by the decoder of another class (Georgiev
    2016, figs. 1 and 2: 20 values from -4 to 4). The axis above has marks at round numbers, each
    at the place where z has that value: the middle of a column if the column was decoded there.

    Args:
        images: decoded images in [0, 1], `(classes, steps, channels, height, width)` with 1 or 3
            channels.
        values: value of z in every column, rising or falling.
        titles: a caption for every class.
        path: PNG file to write as well.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, images leave [0, 1], `values` turns back or `path` is
            no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> z = torch.linspace(-4, 4, 20)
        >>> images = torch.sigmoid(z[:, None, None, None] * torch.randn(10, 1, 1, 28, 28))
        >>> manifold_rows(images, z.tolist(), [str(digit) for digit in range(10)]).mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    if images.ndim != 5 or tuple(images.shape[:2]) != (len(titles), len(values)):
        raise ValueError(
            f"images of shape {tuple(images.shape)} with {len(titles)} titles and {len(values)} "
            "values: give images (classes, steps, channels, height, width), a title for each "
            "class and a value for each step"
        )
    check_images("images", images)
    _check_course("values", values)
    sheet = _Sheet(to_pixels(images))
    size = sheet.size
    left = size + max(text_width(title, size) for title in titles) + size // 2
    top = 2 * size
    picture = sheet.draw(left, top)
    draw = ImageDraw.Draw(picture)
    _draw_across(draw, sheet, values, left, top)
    draw.text((left - size // 2, top - size // 2), "z", MUTED, font(size), anchor="rs")
    for title, y in zip(titles, sheet.rows(top), strict=True):
        middle = (left - size // 2, y + sheet.height // 2)
        draw.text(middle, title, INK, font(size), anchor="rm")
    if target is not None:
        write_png(target, picture)
    return picture


def manifold_grid(
    images: Float[Tensor, "..."],
    down: Sequence[float],
    across: Sequence[float],
    path: Path | str | None = None,
    title: str = "",
) -> Image.Image:
    """Draw the two-dimensional manifold of a class, one latent down and one across.

    Georgiev (2016, figs. 3 and 4) shows the 7 x 7 images in the middle of a 30 x 30 grid from -6
    to 6. The axes have marks at round numbers, as in `manifold_rows`.

    Args:
        images: decoded images in [0, 1], `(rows, columns, channels, height, width)` with 1 or 3
            channels.
        down: value of the one latent in every row, rising or falling.
        across: value of the other latent in every column, rising or falling.
        path: PNG file to write as well.
        title: a caption above the picture, such as the class.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, images leave [0, 1], an axis turns back or `path` is
            no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> z = torch.linspace(-6, 6, 30)[11:18].tolist()
        >>> manifold_grid(torch.rand(7, 7, 3, 32, 32), z, z, title="horse").mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    if images.ndim != 5 or tuple(images.shape[:2]) != (len(down), len(across)):
        raise ValueError(
            f"images of shape {tuple(images.shape)} with {len(down)} values down and "
            f"{len(across)} across: give images (rows, columns, channels, height, width), a value "
            "down for each row and a value across for each column"
        )
    check_images("images", images)
    _check_course("down", down)
    _check_course("across", across)
    sheet = _Sheet(to_pixels(images))
    size = sheet.size
    marks = _marks(down, sheet.rows(sheet.height // 2), lambda text: 1.5 * size)
    left = size + max(text_width(text, size) for _, text in marks) + size // 2
    top = 2 * size + (round(1.5 * size) if title else 0)
    picture = sheet.draw(left, top, least_width=text_width(title, size, bold=True))
    draw = ImageDraw.Draw(picture)
    draw.text((left, size), title, INK, font(size, bold=True), anchor="lm")
    _draw_across(draw, sheet, across, left, top)
    for y, text in marks:
        draw.line((left - size // 3, top + y, left - _GAP, top + y), MUTED)
        draw.text((left - size // 2, top + y), text, MUTED, font(size), anchor="rm")
    if target is not None:
        write_png(target, picture)
    return picture


class _Sheet(NamedTuple):
    """Images in rows and columns, enlarged by a whole factor."""

    pixels: UInt8[ndarray, "rows columns height width 3"]

    @property
    def scale(self) -> int:
        _, columns, height, width, _ = self.pixels.shape
        least = min(112, max(56, 560 // columns))  # few images may be large
        return magnification(min(height, width), least)

    @property
    def height(self) -> int:
        return self.scale * self.pixels.shape[2]

    @property
    def width(self) -> int:
        return self.scale * self.pixels.shape[3]

    @property
    def size(self) -> int:
        """Size of the letters, to be read in the picture as a whole."""
        return max(16, self.pixels.shape[1] * self.width // 60)

    def rows(self, start: int) -> list[int]:
        """Return where each row is whose first is at `start`."""
        return [start + row * (self.height + _GAP) for row in range(self.pixels.shape[0])]

    def columns(self, start: int) -> list[int]:
        """Return where each column is whose first is at `start`."""
        return [start + column * (self.width + _GAP) for column in range(self.pixels.shape[1])]

    def draw(self, left: int, top: int, least_width: int = 0) -> Image.Image:
        """Draw the images on paper, the first of them at (left, top)."""
        rows, columns = self.rows(top), self.columns(left)
        right = max(columns[-1] + self.width, left + least_width)
        bottom = rows[-1] + self.height
        picture = Image.new("RGB", (right + self.size, bottom + self.size), PAPER)
        paste_grid(picture, self.pixels, self.scale, columns, rows)
        return picture


def _draw_across(
    draw: ImageDraw.ImageDraw, sheet: _Sheet, values: Sequence[float], left: int, top: int
) -> None:
    """Draw the axis above the columns."""
    size = sheet.size
    centres = sheet.columns(left + sheet.width // 2)
    for x, text in _marks(values, centres, lambda text: text_width(text, size) + size):
        draw.line((x, top - size // 3, x, top - _GAP), MUTED)
        draw.text((x, top - size // 2), text, MUTED, font(size), anchor="ms")


def _check_course(name: str, values: Sequence[float]) -> None:
    """Refuse an axis on which a number has no place or more than one."""
    steps = np.diff(values)
    if not (np.isfinite(values).all() and ((steps > 0).all() or (steps < 0).all())):
        raise ValueError(
            f"{name} is {list(values)}: let these finite numbers rise, or fall, at every step"
        )


def _marks(
    values: Sequence[float], centres: Sequence[int], room: Callable[[str], float]
) -> list[tuple[int, str]]:
    """Choose round numbers for an axis, each with its place between the centres of the images.

    Numbers are left out where there is no room for the text of the next.
    """
    order = np.argsort(values)
    axis, places = np.asarray(values, float)[order], np.asarray(centres)[order]
    numbers = axis
    if len(axis) > 1:
        slack = 1e-6 * (axis[-1] - axis[0])  # the ends are rounded if they were single precision
        rounded = MaxNLocator(6, steps=[1, 2, 5, 10]).tick_values(axis[0], axis[-1])
        numbers = rounded[(rounded >= axis[0] - slack) & (rounded <= axis[-1] + slack)]
    marks: list[tuple[int, str]] = []
    for number, place in sorted(
        zip(numbers, np.interp(numbers, axis, places), strict=True), key=lambda mark: mark[1]
    ):
        text = f"{number + 0.0:.4g}".replace("-", "−")  # + 0.0: no -0
        if not marks or place - marks[-1][0] >= (room(marks[-1][1]) + room(text)) / 2:
            marks.append((round(place), text))
    return marks
