"""Contact sheets: sequences as they are, one in a row."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from torch import Tensor

from symgen._inputs import checked
from symgen.figures import _canvas

__all__ = ["contact_sheet"]


@checked
def contact_sheet(
    frames: Tensor, titles: Sequence[str], path: Path | str | None = None
) -> Image.Image:
    """Draw sequences one below the other, every pixel a square of exactly its colour.

    Args:
        frames: sequences in [0, 1], `(n, S, channels, height, width)`.
        titles, path: a caption for every sequence, and a PNG file to write as well.

    Example:
        >>> import torch
        >>> contact_sheet(torch.rand(2, 18, 1, 28, 28), ["angle", "scale"]).mode
        'RGB'
    """
    target = _canvas.check_path(path, ".png")
    _canvas.check_images("sequences (n, S, channels, height, width)", 5, frames=frames)
    _canvas.check_titles(titles, len(frames))
    pixels = _canvas.to_pixels(frames)  # (n, S, height, width, 3)
    scale, height, width = _canvas.magnified(pixels.shape[2:4], least=56)
    size, gap = max(14, round(0.25 * height)), max(2, height // 24)
    left, top = 2 * size + _canvas.text_width(size, *titles), 2 * size
    columns = _canvas.spaced(left, pixels.shape[1], width + gap)
    rows = _canvas.spaced(top, len(pixels), height + gap)
    margin = gap + size
    picture = _canvas.Picture(columns[-1] + width + margin, rows[-1] + height + margin)
    picture.paste(pixels, scale, columns, rows)
    for index, x in enumerate(columns):
        picture.text(x + width // 2, top - gap, str(index), size, "md", _canvas.MUTED)
    for title, y in zip(titles, rows, strict=True):
        picture.text(left - size // 2, y + height // 2, title, size, "rm")
    return _canvas.saved(picture.image, target)
