"""Contact sheets: sequences as they are, one in a row."""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
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
    text_width,
    tile,
    to_pixels,
    write_file,
)

__all__ = ["contact_sheet"]


def contact_sheet(
    frames: Float[Tensor, "..."], titles: Sequence[str], path: Path | str | None = None
) -> Image.Image:
    """Draw sequences one below the other, every pixel a square of exactly its colour.

    Args:
        frames: sequences in [0, 1], `(n, S, channels, height, width)` with 1 or 3 channels.
        titles: a caption for every sequence.
        path: PNG file to write as well.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1] or `path` is no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> contact_sheet(torch.rand(2, 18, 1, 28, 28), ["angle", "scale"]).mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    if frames.ndim != 5 or len(titles) != len(frames):
        raise ValueError(
            f"frames of shape {tuple(frames.shape)} with {len(titles)} titles: give sequences "
            "(n, S, channels, height, width) and n titles"
        )
    check_images("frames", frames)
    pixels = to_pixels(frames)  # (n, S, height, width, 3)
    scale = magnification(pixels.shape[2], least=56)
    height, width = scale * pixels.shape[2], scale * pixels.shape[3]
    size, gap = max(14, round(0.25 * height)), max(2, height // 24)
    left = 2 * size + max((text_width(title, size) for title in titles), default=0)
    top = 2 * size
    right = left + pixels.shape[1] * (width + gap) + size
    sheet = Image.new("RGB", (right, top + len(pixels) * (height + gap) + size), PAPER)
    draw = ImageDraw.Draw(sheet)
    for index in range(pixels.shape[1]):
        middle = left + index * (width + gap) + width // 2
        draw.text((middle, top - gap), str(index), MUTED, font(size), anchor="md")
    for row, title in enumerate(titles):
        y = top + row * (height + gap)
        draw.text((left - size // 2, y + height // 2), title, INK, font(size), anchor="rm")
        for index, image in enumerate(pixels[row]):
            sheet.paste(tile(image, scale), (left + index * (width + gap), y))
    if target is not None:
        write_file(target, lambda stream: sheet.save(stream, format="PNG"))
    return sheet
