"""Pictures as text for a page: frames, maps of capsules, and curves of errors."""

import base64
import html
import math
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib import colormaps
from numpy import ndarray
from PIL import Image
from torch import Tensor

from symgen.figures import as_pictures

__all__ = ["Painter", "encoded", "figure", "heat_map", "sheet", "tag", "text"]

Pixels = UInt8[ndarray, "height width colours"]
_LONGEST = 16_383  # pixels of a side of a WebP file
_DIM, _GREY = 0.4, 96  # a frame that was not seen: share of it, level that it is mixed with


class Painter:
    """Turns data of a model into pixels, by the range of the first data it was given.

    Example:
        >>> painter = Painter(torch.zeros(5, 12))  # vectors: a row of pixels
        >>> painter(torch.ones(2, 12))[0].shape
        (1, 12, 3)
    """

    def __init__(self, reference: Float[Tensor, " n *data"]) -> None:
        self._vectors = reference.dim() == 2
        self._dims = 3 if self._vectors else reference.dim() - 1
        low, high = reference.aminmax()
        # Two values say all that pictures ask of a reference: its least and greatest.
        self._range = torch.stack([low, high])

    def __call__(self, data: Float[Tensor, " n *data"]) -> UInt8[ndarray, "n height width 3"]:
        """Paint items."""
        shaped = data[:, None, None] if self._vectors else data
        sizes = (2, shaped.shape[1], *[1] * (self._dims - 1))
        reference = self._range.reshape(2, *[1] * self._dims).expand(sizes)
        painted = as_pictures(reference, shaped, dims=self._dims)[1]
        levels = (painted * 255).round().to(torch.uint8).movedim(1, -1)
        return levels.expand(*levels.shape[:-1], 3).numpy()


def heat_map(
    values: Float[Tensor, "C D"], bounds: tuple[float, float], only: int | None = None
) -> Pixels:
    """Draw capsules as rows and their units as columns, from dark to bright within bounds.

    Args:
        only: dim all capsules but this one.

    Example:
        >>> heat_map(torch.rand(3, 5), (0.0, 1.0)).shape
        (3, 5, 3)
    """
    low, high = bounds
    share = ((values - low) / ((high - low) or 1.0)).clamp(0, 1).numpy()
    pixels = _colours()[(255 * share).round().astype(np.uint8)]
    if only is None:
        return pixels
    others = np.arange(len(pixels)) != only
    return np.where(others[:, None, None], dimmed(pixels), pixels)


def dimmed(pixels: UInt8[ndarray, "..."]) -> UInt8[ndarray, "..."]:
    """Take contrast away, so that what was not seen can be told and dark colours stay visible."""
    return np.round(_DIM * pixels + (1 - _DIM) * _GREY).astype(np.uint8)


@lru_cache
def _colours() -> UInt8[ndarray, "256 3"]:
    return np.round(255 * colormaps["viridis"](np.arange(256))[:, :3]).astype(np.uint8)


def encoded(
    pixels: Pixels | Sequence[Pixels],
    form: Literal["PNG", "WEBP", "GIF"] = "PNG",
    milliseconds: int = 80,
) -> str:
    """Return a picture, or several as an animation, as an address that holds them.

    Example:
        >>> encoded(np.zeros((4, 4, 3), np.uint8))[:22]
        'data:image/png;base64,'
    """
    several = [pixels] if isinstance(pixels, ndarray) else pixels
    first, *others = [Image.fromarray(each) for each in several]
    options: dict[str, Any] = {"PNG": {"compress_level": 1}, "WEBP": {"lossless": True}}.get(
        form, {"save_all": True, "append_images": others, "duration": milliseconds, "loop": 0}
    )
    stream = BytesIO()
    first.save(stream, format=form, **options)
    content = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/{form.lower()};base64,{content}"


def text(words: object) -> str:
    """Return words as they can stand in a page."""
    return html.escape(str(words))


def tag(pixels: Pixels, about: str, kind: str = "frame") -> str:
    """Return the element of a picture, whose pixels become squares, with words for it."""
    height, width = pixels.shape[:2]
    return (
        f'<img class="{kind}" src="{encoded(pixels)}" alt="{text(about)}" '
        f'style="aspect-ratio:{width}/{height}">'
    )


def figure(pixels: Pixels, title: str, about: str, kind: str = "frame", more: str = "") -> str:
    """Return a picture with its title, see `tag`."""
    caption = f"<figcaption>{text(title)}{more}</figcaption>"
    return f"<figure>{tag(pixels, about, kind)}{caption}</figure>"


def sheet(tiles: Sequence[Pixels]) -> dict[str, Any]:
    """Lay pictures out in rows of one, for a page that shows them one by one.

    They are thinned where the sheet would be larger than such a file can be.

    Example:
        >>> made = sheet([np.zeros((2, 3, 3), np.uint8)] * 5)
        >>> made["columns"], made["rows"], made["ratio"], made["source"][:22]
        (3, 2, 1.5, 'data:image/webp;base64')
    """
    height, width = tiles[0].shape[:2]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    thin = math.ceil(max(columns * width, rows * height) / _LONGEST)
    paper = np.zeros((rows, columns, *tiles[0][::thin, ::thin].shape), np.uint8)
    for number, pixels in enumerate(tiles):
        paper[divmod(number, columns)] = pixels[::thin, ::thin]
    joined = np.concatenate(np.concatenate(paper, 1), 1)
    source = encoded(joined, "WEBP")
    return {"columns": columns, "rows": rows, "ratio": width / height, "source": source}
