"""Manifolds: what a decoder makes of one or two latents as they run through their range."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from matplotlib.ticker import MaxNLocator
from numpy import ndarray
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas

__all__ = ["manifold_grid", "manifold_rows"]

_PAPER, _INK_LEFT = 255, 0.25  # of images beyond the reach
_PALE = "pale: beyond the styles of held-out images"
_GAP = 2  # paper between neighbours, little enough to see them flow into each other


Reach = tuple[float, float] | None


def manifold_rows(
    images: Tensor,
    values: Sequence[float],
    titles: Sequence[str],
    path: Path | str | None = None,
    reach: Sequence[Reach] | None = None,
) -> Image.Image:
    """Draw one-dimensional manifolds, a row for each class.

    Every row decodes the same values of a latent z by the decoder of another class (Georgiev
    2016, figs. 1 and 2: 20 values from -4 to 4). The axis above has marks at round values, each
    at the place where z has that value: the middle of a column if the column was decoded there.

    Args:
        images: `(classes, steps, channels, height, width)` in [0, 1].
        values: value of z in every column, rising or falling.
        titles, path: a caption for every class, and a PNG file to write as well.
        reach: of every class the least and the greatest z that images have; what lies beyond is
            shown pale. None for a class, or for all, where it is not known.

    Example:
        >>> import torch
        >>> images, z = torch.rand(10, 20, 1, 28, 28), torch.linspace(-4, 4, 20)
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
    _check_course(values=values)
    pale = None
    if reach is not None:
        _canvas.check_titles([str(each) for each in reach], len(titles))
        pale = np.stack([_beyond(values, each) for each in reach])
    return _canvas.saved(_draw(images, values, [], titles, "", pale), target)


def manifold_grid(
    images: Tensor,
    down: Sequence[float],
    across: Sequence[float],
    path: Path | str | None = None,
    title: str = "",
    reach: tuple[Reach, Reach] = (None, None),
) -> Image.Image:
    """Draw the two-dimensional manifold of a class, one latent down and one across.

    Georgiev (2016, figs. 3 and 4) shows the 7 x 7 images in the middle of a 30 x 30 grid from -6
    to 6. The axes have marks at round values, as in `manifold_rows`.

    Args:
        images: `(rows, columns, channels, height, width)` in [0, 1].
        down, across: value of a latent in every row, and of the other in every column, each rising
            or falling.
        path, title: PNG file to write as well, and a caption above, such as the class.
        reach: of the latent down and of the other the least and the greatest value that images
            have, as of `manifold_rows`.

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
    _check_course(down=down, across=across)
    pale = _beyond(down, reach[0])[:, None] | _beyond(across, reach[1])
    return _canvas.saved(_draw(images, across, down, [], title, pale), target)


def _beyond(values: Sequence[float], reach: Reach) -> Bool[ndarray, " n"]:
    """Tell which values lie beyond a reach, none of them where it is not known."""
    axis = np.asarray(values, float)
    return np.zeros(len(axis), bool) if reach is None else (axis < reach[0]) | (axis > reach[1])


def _draw(
    images: Tensor,
    across: Sequence[float],
    down: Sequence[float],
    titles: Sequence[str],
    title: str,
    pale: Bool[ndarray, "rows columns"] | None = None,
) -> Image.Image:
    """Draw images with an axis above, and on the left an axis down or a title for every row."""
    _canvas.check_images("images (rows, columns, channels, height, width)", 5, images=images)
    pixels = _canvas.to_pixels(images)
    if pale is not None:
        faded = np.rint(_PAPER + _INK_LEFT * (pixels.astype(float) - _PAPER)).astype(pixels.dtype)
        pixels = np.where(pale[..., None, None, None], faded, pixels)
    rows, columns, height, width, _ = pixels.shape
    least = min(112, max(56, 560 // columns))  # few images may be large
    scale = -(-least // min(height, width))
    height, width = scale * height, scale * width
    size = max(16, columns * width // 60)  # of letters, to be read in the picture as a whole
    top = 2 * size + (round(1.5 * size) if title else 0)
    ys = _canvas.spaced(top, rows, height + _GAP)
    middles = [y + height // 2 for y in ys]
    marks = _marks(down, middles, lambda text: 1.5 * size) if len(down) else []
    labels = marks or list(zip(middles, titles, strict=True))
    left = size + _canvas.text_width(size, *(text for _, text in labels)) + size // 2
    xs = _canvas.spaced(left, columns, width + _GAP)
    heading = left + _canvas.text_width(size, title, bold=True)
    faint = pale is not None and bool(pale.any())
    below = 2 * size if faint else 0
    picture = _canvas.Picture(max(xs[-1] + width, heading) + size, ys[-1] + height + size + below)
    if faint:
        picture.text(left, ys[-1] + height + size, _PALE, size, "lt", _canvas.MUTED)
    picture.paste(pixels, scale, xs, ys)
    picture.text(left, size, title, size, "lm", bold=True)
    for y, text in labels:
        ink = _canvas.MUTED if marks else _canvas.INK
        picture.text(left - size // 2, y, text, size, "rm", ink)
    for y, _ in marks:
        picture.draw.line((left - size // 3, y, left - _GAP, y), _canvas.MUTED)
    if not marks:
        picture.text(left - size // 2, top - size // 2, "z", size, "rs", _canvas.MUTED)
    middles = [x + width // 2 for x in xs]
    for x, text in _marks(across, middles, lambda text: _canvas.text_width(size, text) + size):
        picture.draw.line((x, top - size // 3, x, top - _GAP), _canvas.MUTED)
        picture.text(x, top - size // 2, text, size, "ms", _canvas.MUTED)
    return picture.image


def _check_course(**axes: Sequence[float]) -> None:
    """Refuse an axis on which a value has no place or more than one."""
    for name, values in axes.items():
        steps = np.diff(values)
        if not (np.isfinite(values).all() and ((steps > 0).all() or (steps < 0).all())):
            raise ValueError(
                f"{name} is {list(values)}: let these finite numbers rise, or fall, at every step"
            )


def _marks(
    values: Sequence[float], centres: Sequence[int], room: Callable[[str], float]
) -> list[tuple[int, str]]:
    """Choose round values for an axis as far as there is room, each with its place."""
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
