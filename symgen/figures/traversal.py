"""Capsule traversals: a sequence, its reconstruction, and the first frame's capsules rolled."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas

__all__ = ["traversal_gif", "traversal_strip"]

_SHARE, _GREY = 0.4, 96  # a frame that was not seen: share of the image, level it is mixed with
_ROWS = ("given", "reconstruction", "rolled capsules")


def traversal_strip(
    frames: Tensor,
    reconstruction: Tensor,
    rolled: Tensor,
    seen: Tensor,
    path: Path | str | None = None,
    titles: Sequence[str] | None = None,
) -> Image.Image:
    """Draw capsule traversals: three rows of frames for every example.

    The rows are the given sequence x_l, its reconstruction decode(t_l), and decode(Roll_l(t_0)),
    the prediction that a symmetry learned as a roll makes from the first frame alone
    (Topographic VAE, Keller & Welling 2021, fig. 4). Each pixel becomes a square of its colour.

    Args:
        frames: sequences `(n, S, channels, height, width)` in [0, 1], or one without n.
        reconstruction, rolled: decoded latents of every frame, and decoded rolls l = 0 .. S-1 of
            the latents of frame 0, of the shape of `frames`.
        seen: Booleans `(S,)`: from which frames t_0 was inferred; the others are greyed.
        path, titles: PNG file to write as well, and a caption for every example.

    Example:
        >>> import torch
        >>> frames, seen = torch.rand(2, 18, 1, 28, 28), torch.arange(18) < 12
        >>> traversal_strip(frames, frames, frames, seen, titles=("rotation", "scale")).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    pixels = _pixels(frames, reconstruction, rolled, seen)
    if titles is not None:
        _canvas.check_titles(titles, len(pixels))
    return _canvas.saved(_draw_strip(pixels, seen.tolist(), titles), target)


def traversal_gif(
    frames: Tensor,
    reconstruction: Tensor,
    rolled: Tensor,
    seen: Tensor,
    path: Path | str,
    milliseconds: int = 120,
) -> None:
    """Write capsule traversals as a GIF of S frames that loops for ever, an example in a row.

    Frames that were not seen are greyed in an orange border.

    Args:
        frames, reconstruction, rolled, seen: as in `traversal_strip`.
        path, milliseconds: GIF file to write, and time that a frame stays, a multiple of 10.

    Example:
        >>> import tempfile, torch
        >>> frames, seen = torch.rand(1, 15, 1, 64, 64), torch.arange(15) < 10
        >>> traversal_gif(frames, frames, frames, seen, Path(tempfile.mkdtemp()) / "heart.gif")
    """
    target = _canvas.check_path(path, ".gif")
    _canvas.check_duration(milliseconds)
    pixels = _pixels(frames, reconstruction, rolled, seen)
    # The frame number is part of every picture: the encoder would merge two equal ones into one.
    moments = [_draw_moment(pixels, index, flag) for index, flag in enumerate(seen.tolist())]
    _canvas.write_gif(target, moments, milliseconds)


def _pixels(frames: Tensor, reconstruction: Tensor, rolled: Tensor, seen: Tensor) -> ndarray:
    """Return pixels (n, rows, S, height, width, 3); frames that were not seen are greyed."""
    one = frames.ndim == 4
    form = "all three as (n, S, channels, height, width), or without n for one example"
    named = {"frames": frames, "reconstruction": reconstruction, "rolled": rolled}
    _canvas.check_images(form, 4 if one else 5, **named)
    if tuple(seen.shape) != (frames.shape[-4],):
        shapes = f"seen has shape {tuple(seen.shape)} but frames {tuple(frames.shape)}"
        count = frames.shape[-4]
        raise ValueError(f"{shapes}: it must hold one Boolean for each of the {count} frames")
    rows = [_canvas.to_pixels(images[None] if one else images) for images in named.values()]
    pixels = np.stack(rows, 1)
    hidden = ~seen.numpy(force=True)
    # Less contrast, so that dark colours remain visible.
    pixels[:, 0, hidden] = np.round(_SHARE * pixels[:, 0, hidden] + (1 - _SHARE) * _GREY)
    return pixels


def _draw_strip(pixels: ndarray, seen: list[bool], titles: Sequence[str] | None) -> Image.Image:
    scale, height, width = _canvas.magnified(pixels.shape[3:5], least=84)
    size = max(16, round(0.3 * height))
    gap, margin, small = max(2, height // 24), size // 2, round(0.72 * size)
    details = ("" if all(seen) else "grey: unseen", "decode(t)", "decode(roll(t₀))")
    labels = max(_canvas.text_width(size, *_ROWS), _canvas.text_width(small, *details))
    title_height = 0 if titles is None else round(1.6 * size)
    left, top = margin + labels + size // 2, margin + round(1.5 * size)
    block = title_height + 3 * height + 2 * gap + size  # from an example to the next
    columns = _canvas.spaced(left, len(seen), width + gap)
    starts = _canvas.spaced(top, len(pixels), block)
    heading = left + _canvas.text_width(size, *(titles or ()), bold=True)
    right = max(columns[-1] + width, heading) + margin
    picture = _canvas.Picture(right, starts[-1] + block - size + margin)
    end = left - size // 2
    picture.text(end, top - gap, "frame, roll", size, "rd", _canvas.MUTED)
    for index, x in enumerate(columns):
        ink = _canvas.INK if seen[index] else _canvas.MUTED
        picture.text(x + width // 2, top - gap, str(index), size, "md", ink)
    for start, title, images in zip(starts, titles or [""] * len(pixels), pixels, strict=True):
        rows = _canvas.spaced(start + title_height, len(_ROWS), height + gap)
        picture.text(left, start + title_height // 2, title, size, "lm", bold=True)
        picture.paste(images, scale, columns, rows)
        for name, detail, y in zip(_ROWS, details, rows, strict=True):
            middle = y + height // 2 + (size // 12 if detail else 0)
            picture.text(end, middle, name, size, "rd" if detail else "rm")
            picture.text(end, middle, detail, small, "ra", _canvas.MUTED)
    return picture.image


def _draw_moment(pixels: ndarray, index: int, seen: bool) -> Image.Image:
    scale, height, width = _canvas.magnified(pixels.shape[3:5], max(112, -(-300 // len(pixels))))
    size, gap = 16, 8
    column = max(width, _canvas.text_width(size, *_ROWS))
    top = 2 * size + gap // 2
    columns = _canvas.spaced(gap + column // 2 - width // 2, len(_ROWS), column + gap)
    rows = _canvas.spaced(top, len(pixels), height + gap)
    picture = _canvas.Picture(3 * column + 4 * gap, rows[-1] + height + 2 * size)
    for x, name in zip(columns, _ROWS if seen else ("unseen", *_ROWS[1:]), strict=True):
        ink = _canvas.ACCENT if name == "unseen" else _canvas.INK
        picture.text(x + width // 2, top - gap, name, size, "md", ink)
    if not seen:
        for y in rows:
            edges = (columns[0] - 3, y - 3, columns[0] + width + 2, y + height + 2)
            picture.draw.rectangle(edges, _canvas.ACCENT)
    picture.paste(pixels[:, :, index], scale, columns, rows)
    x, y = picture.image.width // 2, picture.image.height - size
    picture.text(x, y, f"frame, roll {index}", size, "mm", _canvas.MUTED)
    return picture.image
