"""Control by a pose that is factored out: images without it, and with another one."""

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw
from torch import Tensor

from symgen.figures._canvas import (
    INK,
    PAPER,
    check_duration,
    check_images,
    check_path,
    font,
    magnification,
    paste_grid,
    text_width,
    tile,
    to_pixels,
    write_gif,
    write_png,
)

__all__ = ["control_gif", "control_strip", "factored_sheet"]

_ROWS = ("given", "pose factored out", "reconstruction")


def factored_sheet(
    given: Float[Tensor, "..."],
    canonical: Float[Tensor, "..."],
    reconstruction: Float[Tensor, "..."],
    path: Path | str | None = None,
) -> Image.Image:
    """Draw examples in columns: as given, with the pose factored out, reconstructed.

    The middle row is what the encoder and the decoder of ACE see (Georgiev 2016, fig. 5): where
    the pose is learned, it is upright and of one size however the top row is turned.

    Args:
        given: images in [0, 1], `(n, channels, height, width)` with 1 or 3 channels.
        canonical: the same images in canonical coordinates, of the same shape.
        reconstruction: decoded images with the pose put back, of the same shape.
        path: PNG file to write as well.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1] or `path` is no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> digits = torch.rand(10, 1, 28, 28)
        >>> factored_sheet(digits, digits, digits).mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    named = {"given": given, "canonical": canonical, "reconstruction": reconstruction}
    if given.ndim != 4 or len({tensor.shape for tensor in named.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in named.items())
        raise ValueError(f"{shapes}: give all three as (n, channels, height, width)")
    for name, tensor in named.items():
        check_images(name, tensor)
    pixels = to_pixels(torch.stack([tensor.detach().cpu() for tensor in named.values()]))
    scale = magnification(pixels.shape[2], least=84)
    height, width = scale * pixels.shape[2], scale * pixels.shape[3]
    size, gap = max(16, round(0.25 * height)), max(2, height // 24)
    left, top = size + max(text_width(name, size) for name in _ROWS) + size // 2, size
    columns = [left + column * (width + gap) for column in range(pixels.shape[1])]
    rows = [top + row * (height + gap) for row in range(len(_ROWS))]
    sheet = Image.new("RGB", (columns[-1] + width + size, rows[-1] + height + size), PAPER)
    paste_grid(sheet, pixels, scale, columns, rows)
    draw = ImageDraw.Draw(sheet)
    for name, y in zip(_ROWS, rows, strict=True):
        draw.text((left - size // 2, y + height // 2), name, INK, font(size), anchor="rm")
    if target is not None:
        write_png(target, sheet)
    return sheet


def control_strip(
    given: Float[Tensor, "..."],
    moved: Float[Tensor, "..."],
    titles: Sequence[str],
    path: Path | str | None = None,
) -> Image.Image:
    """Draw an image beside what the model makes of it under poses of our choice, in one row.

    Captions are broken at spaces; a word that is wider than an image moves the images apart.

    Args:
        given: image in [0, 1], `(channels, height, width)` with 1 or 3 channels.
        moved: decoded images, `(steps, channels, height, width)`: usually the reconstruction
            first, then the same style with its pose moved by a chosen g, `g ∘ P`.
        titles: a caption for every decoded image, such as "reconstruction" or "rotate 30°".
        path: PNG file to write as well.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1] or `path` is no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> digit, moved = torch.rand(1, 28, 28), torch.rand(3, 1, 28, 28)
        >>> control_strip(digit, moved, ["reconstruction", "rotate 30°", "scale 1.3"]).mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    if moved.ndim != 4 or given.shape != moved.shape[1:] or len(titles) != len(moved):
        raise ValueError(
            f"given {tuple(given.shape)} and moved {tuple(moved.shape)} with {len(titles)} "
            "titles: give one image (channels, height, width), its versions (steps, channels, "
            "height, width) and a title for each step"
        )
    check_images("given", given)
    check_images("moved", moved)
    pixels = to_pixels(torch.cat((given[None].detach().cpu(), moved.detach().cpu())))
    scale = magnification(pixels.shape[1], least=112)
    height, width = scale * pixels.shape[1], scale * pixels.shape[2]
    size, captions = 16, ("given", *titles)
    words = [word for caption in captions for word in caption.split()]
    column = max(width, *(text_width(word, size) for word in words))
    wrapped = [_wrap(caption, size, column) for caption in captions]
    line = round(1.25 * size)
    top = size + line * max(len(lines) for lines in wrapped)
    columns = [
        size + index * (column + size) + (column - width) // 2 for index in range(len(captions))
    ]
    strip = Image.new("RGB", (len(captions) * (column + size) + size, top + height + size), PAPER)
    paste_grid(strip, pixels[None], scale, columns, [top])
    draw = ImageDraw.Draw(strip)
    for x, lines in zip(columns, wrapped, strict=True):
        for above, text in enumerate(reversed(lines)):
            end = (x + width // 2, top - size // 3 - above * line)
            draw.text(end, text, INK, font(size), anchor="md")
    if target is not None:
        write_png(target, strip)
    return strip


def _wrap(text: str, size: int, room: int) -> list[str]:
    """Break a text at spaces into lines that are as long as there is room for."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def control_gif(frames: Float[Tensor, "..."], path: Path | str, milliseconds: int = 80) -> None:
    """Write images as an animation that runs back and forth for ever.

    Args:
        frames: decoded images in [0, 1] along a path of poses, `(steps, channels, height, width)`
            with 1 or 3 channels.
        path: GIF file to write. It has at most 256 colours in each frame.
        milliseconds: time that a frame stays; the format counts in hundredths of a second.

    Raises:
        ValueError: if the shape is wrong, values leave [0, 1], `path` is no GIF or the time is
            not a positive multiple of 10.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import tempfile, torch
        >>> control_gif(torch.rand(12, 1, 28, 28), Path(tempfile.mkdtemp()) / "turn.gif")
    """
    target = check_path(path, (".gif",))
    check_duration(milliseconds)
    if frames.ndim != 4:
        raise ValueError(
            f"frames has shape {tuple(frames.shape)}: give (steps, channels, height, width)"
        )
    check_images("frames", frames)
    pixels = to_pixels(frames)
    scale = magnification(pixels.shape[1], least=224)
    there = [tile(image, scale) for image in pixels]
    back = there[-2:0:-1]  # without the two ends, at which the motion turns
    write_gif(target, there + back, milliseconds)
