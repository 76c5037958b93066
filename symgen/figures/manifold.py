"""Manifolds: what a decoder makes of one or two latents as they run through their range."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas

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
        images: `(classes, steps, channels, height, width)` in [0, 1] with 1 or 3 channels.
        values: value of z in every column, rising or falling.
        titles: a caption for every class.
        path: PNG file to write as well.

    Raises:
        ValueError: if shapes disagree, values leave [0, 1], an axis turns or `path` is no PNG.

    Example:
        >>> import torch
        >>> z = torch.linspace(-4, 4, 20)
        >>> images = torch.sigmoid(z[:, None, None, None] * torch.randn(10, 1, 1, 28, 28))
        >>> manifold_rows(images, z.tolist(), [str(digit) for digit in range(10)]).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    if images.ndim != 5 or tuple(images.shape[:2]) != (len(titles), len(values)):
        raise ValueError(
            f"images of shape {tuple(images.shape)} with {len(titles)} titles and {len(values)} "
            "values: give images (classes, steps, channels, height, width), a title for each "
            "class and a value for each step"
        )
    sheet = _Sheet(images, values=values)
    size, top = sheet.size, 2 * sheet.size
    picture, left = sheet.draw(titles, top, values)
    picture.text(left - size // 2, top - size // 2, "z", size, "rs", _canvas.MUTED)
    for title, y in zip(titles, sheet.centres(0, top), strict=True):
        picture.text(left - size // 2, y, title, size, "rm")
    return _canvas.saved(picture.image, target)


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
        images: `(rows, columns, channels, height, width)` in [0, 1] with 1 or 3 channels.
        down: value of the one latent in every row, rising or falling.
        across: value of the other latent in every column, rising or falling.
        path: PNG file to write as well.
        title: a caption above the picture, such as the class.

    Raises:
        ValueError: if shapes disagree, values leave [0, 1], an axis turns or `path` is no PNG.

    Example:
        >>> import torch
        >>> z = torch.linspace(-6, 6, 30)[11:18].tolist()
        >>> manifold_grid(torch.rand(7, 7, 3, 32, 32), z, z, title="horse").mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    if images.ndim != 5 or tuple(images.shape[:2]) != (len(down), len(across)):
        raise ValueError(
            f"images of shape {tuple(images.shape)} with {len(down)} values down and "
            f"{len(across)} across: give images (rows, columns, channels, height, width), a value "
            "down for each row and a value across for each column"
        )
    sheet = _Sheet(images, down=down, across=across)
    size, top = sheet.size, 2 * sheet.size + (round(1.5 * sheet.size) if title else 0)
    marks = _marks(down, sheet.centres(0, top), lambda text: 1.5 * size)
    picture, left = sheet.draw([text for _, text in marks], top, across, title)
    picture.text(left, size, title, size, "lm", bold=True)
    for y, text in marks:
        picture.draw.line((left - size // 3, y, left - _GAP, y), _canvas.MUTED)
        picture.text(left - size // 2, y, text, size, "rm", _canvas.MUTED)
    return _canvas.saved(picture.image, target)


class _Sheet:
    """Images in rows and columns, enlarged by a whole factor, with an axis above."""

    def __init__(self, images: Tensor, **axes: Sequence[float]) -> None:
        _canvas.check_images("images (rows, columns, channels, height, width)", 5, images=images)
        for name, values in axes.items():
            _check_course(name, values)
        self.pixels = _canvas.to_pixels(images)
        _, columns, height, width, _ = self.pixels.shape
        least = min(112, max(56, 560 // columns))  # few images may be large
        self.scale = -(-least // min(height, width))
        self.sides = (self.scale * height, self.scale * width)
        # Size of the letters, to be read in the picture as a whole.
        self.size = max(16, columns * self.scale * width // 60)

    def places(self, axis: int, start: int) -> list[int]:
        """Return where each row (axis 0) or column (1) begins if the first does at `start`."""
        return _canvas.spaced(start, self.pixels.shape[axis], self.sides[axis] + _GAP)

    def centres(self, axis: int, start: int) -> list[int]:
        """Return where the middle of each row or column is."""
        return self.places(axis, start + self.sides[axis] // 2)

    def draw(
        self, labels: Sequence[str], top: int, across: Sequence[float], title: str = ""
    ) -> tuple[_canvas.Picture, int]:
        """Draw the images and the axis above; return where they begin, right of the labels."""
        size = self.size
        left = size + _canvas.text_width(size, *labels) + size // 2
        rows, columns = self.places(0, top), self.places(1, left)
        heading = left + _canvas.text_width(size, title, bold=True)
        right = max(columns[-1] + self.sides[1], heading) + size
        picture = _canvas.Picture(right, rows[-1] + self.sides[0] + size)
        picture.paste(self.pixels, self.scale, columns, rows)
        centres = self.centres(1, left)
        for x, text in _marks(across, centres, lambda text: _canvas.text_width(size, text) + size):
            picture.draw.line((x, top - size // 3, x, top - _GAP), _canvas.MUTED)
            picture.text(x, top - size // 2, text, size, "ms", _canvas.MUTED)
        return picture, left


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
    for place, number in sorted(zip(np.interp(numbers, axis, places), numbers, strict=True)):
        text = f"{number + 0.0:.4g}".replace("-", "−")  # + 0.0: no -0
        if not marks or place - marks[-1][0] >= (room(marks[-1][1]) + room(text)) / 2:
            marks.append((round(place), text))
    return marks
