"""Control by a pose that is factored out: images without it, and with another one."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from symgen.figures import _canvas

__all__ = ["control_gif", "control_strip", "factored_sheet"]

_ROWS = ("given", "pose factored out", "reconstruction")


def factored_sheet(
    given: Tensor, canonical: Tensor, reconstruction: Tensor, path: Path | str | None = None
) -> Image.Image:
    """Draw examples in columns: as given, with the pose factored out, reconstructed.

    The middle row is what the encoder and the decoder of ACE see (Georgiev 2016, fig. 5): where
    the pose is learned, it is upright and of one size however the top row is turned.

    Args:
        given, canonical, reconstruction: images `(n, channels, height, width)` in [0, 1]; the same
            in canonical coordinates; and decoded, with the pose put back.
        path: PNG file to write as well.

    Example:
        >>> import torch
        >>> digits = torch.rand(10, 1, 28, 28)
        >>> factored_sheet(digits, digits, digits).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    named = {"given": given, "canonical": canonical, "reconstruction": reconstruction}
    _canvas.check_images("all three as (n, channels, height, width)", 4, **named)
    pixels = np.stack([_canvas.to_pixels(images) for images in named.values()])
    scale, height, width = _canvas.magnified(pixels.shape[2:4], least=84)
    size, gap = max(16, round(0.25 * height)), max(2, height // 24)
    left = size + _canvas.text_width(size, *_ROWS) + size // 2
    columns = _canvas.spaced(left, len(given), width + gap)
    rows = _canvas.spaced(size, len(_ROWS), height + gap)
    picture = _canvas.Picture(columns[-1] + width + size, rows[-1] + height + size)
    picture.paste(pixels, scale, columns, rows)
    for name, y in zip(_ROWS, rows, strict=True):
        picture.text(left - size // 2, y + height // 2, name, size, "rm")
    return _canvas.saved(picture.image, target)


def control_strip(
    given: Tensor, moved: Tensor, titles: Sequence[str], path: Path | str | None = None
) -> Image.Image:
    """Draw an image and what the model makes of it under chosen poses, in one row.

    Args:
        given: image `(channels, height, width)` in [0, 1].
        moved: decoded images `(steps, channels, height, width)`: usually the reconstruction first,
            then the same style with its pose moved by a chosen g, `g ∘ P`.
        titles: a caption for every decoded image, such as "reconstruction" or "rotate 30°", which
            is broken at spaces; a word that is wider than an image moves the images apart.
        path: PNG file to write as well.

    Example:
        >>> import torch
        >>> digit, moved = torch.rand(1, 28, 28), torch.rand(3, 1, 28, 28)
        >>> control_strip(digit, moved, ["reconstruction", "rotate 30°", "scale 1.3"]).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    if moved.ndim != 4 or given.shape != moved.shape[1:] or len(titles) != len(moved):
        shapes = f"given {tuple(given.shape)} and moved {tuple(moved.shape)}"
        raise ValueError(
            f"{shapes} with {len(titles)} titles: give one image (channels, height, width), its "
            "versions (steps, channels, height, width) and a title for each step"
        )
    _canvas.check_images("one image", 3, given=given)
    _canvas.check_images("its versions", 4, moved=moved)
    pixels = np.stack([_canvas.to_pixels(image) for image in (given, *moved)])
    scale, height, width = _canvas.magnified(pixels.shape[1:3], least=112)
    size, captions = 16, ("given", *titles)
    words = [word for caption in captions for word in caption.split()]
    column = max(width, _canvas.text_width(size, *words))
    wrapped = [_wrap(caption, size, column) for caption in captions]
    line = round(1.25 * size)
    top = size + line * max(len(lines) for lines in wrapped)
    columns = _canvas.spaced(size + (column - width) // 2, len(captions), column + size)
    picture = _canvas.Picture(len(captions) * (column + size) + size, top + height + size)
    picture.paste(pixels[None], scale, columns, [top])
    for x, lines in zip(columns, wrapped, strict=True):
        for above, text in enumerate(reversed(lines)):
            picture.text(x + width // 2, top - size // 3 - above * line, text, size, "md")
    return _canvas.saved(picture.image, target)


def _wrap(text: str, size: int, room: int) -> list[str]:
    """Break a text at spaces into lines that are as long as there is room for."""
    lines: list[str] = []
    for word in text.split():
        if lines and _canvas.text_width(size, f"{lines[-1]} {word}") <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def control_gif(frames: Tensor, path: Path | str, milliseconds: int = 80) -> None:
    """Write images as an animation that runs back and forth for ever.

    Args:
        frames: images along a path of poses, `(steps, channels, height, width)` in [0, 1].
        path: GIF file to write, with at most 256 colours in each frame.
        milliseconds: time that a frame stays, a multiple of 10.

    Example:
        >>> import tempfile, torch
        >>> control_gif(torch.rand(12, 1, 28, 28), Path(tempfile.mkdtemp()) / "turn.gif")
    """
    target = _canvas.check_path(path, ".gif")
    _canvas.check_duration(milliseconds)
    _canvas.check_images("(steps, channels, height, width)", 4, frames=frames)
    pixels = _canvas.to_pixels(frames)
    scale, _, _ = _canvas.magnified(pixels.shape[1:3], least=224)
    there = [_canvas.tile(image, scale) for image in pixels]
    back = there[-2:0:-1]  # without the first and the last, at which the motion turns
    _canvas.write_gif(target, there + back, milliseconds)
