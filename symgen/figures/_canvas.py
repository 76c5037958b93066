"""What the figures share: fonts, colours, images as whole pixels, files replaced in one act."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO

import matplotlib
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image, ImageFont
from torch import Tensor

from symgen._files import write_atomically
from symgen.data import require_unit_range

PAPER = (255, 255, 255)
INK = (25, 25, 25)
MUTED = (120, 120, 120)
ACCENT = (213, 94, 0)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")
_GRAY = "#888888"


@lru_cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Open the font that comes with matplotlib, so that every machine draws the same letters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def text_width(text: str, size: int, bold: bool = False) -> int:
    """Measure a line of text in pixels."""
    return round(font(size, bold).getlength(text))


def check_images(name: str, images: Float[Tensor, "..."]) -> None:
    """Refuse what `to_pixels` could only draw by guessing."""
    if images.ndim < 3 or images.shape[-3] not in (1, 3) or 0 in images.shape:
        raise ValueError(
            f"{name} has shape {tuple(images.shape)}: images are (..., channels, height, width) "
            "with 1 or 3 channels and none of the sizes 0"
        )
    require_unit_range(name, images)


def to_pixels(
    images: Float[Tensor, "*batch channels height width"],
) -> UInt8[ndarray, "*batch height width 3"]:
    """Round images in [0, 1] to 8-bit RGB, channel last."""
    levels = (images.detach().cpu() * 255).round().to(torch.uint8).movedim(-3, -1)
    return levels.expand(*levels.shape[:-1], 3).numpy()


def tile(pixels: UInt8[ndarray, "height width 3"], scale: int) -> Image.Image:
    """Enlarge an image by a whole factor: every pixel becomes a square of its colour."""
    return Image.fromarray(np.repeat(np.repeat(pixels, scale, axis=0), scale, axis=1))


def paste_grid(
    picture: Image.Image,
    pixels: UInt8[ndarray, "rows columns height width 3"],
    scale: int,
    columns: Sequence[int],
    rows: Sequence[int],
) -> None:
    """Paste enlarged images whose left edges are at `columns` and whose top edges at `rows`."""
    for y, line in zip(rows, pixels, strict=True):
        for x, image in zip(columns, line, strict=True):
            picture.paste(tile(image, scale), (x, y))


def magnification(height: int, least: int) -> int:
    """Return the smallest whole factor that makes a height at least so many pixels."""
    return -(-least // height)


def check_path(path: Path | str, suffixes: tuple[str, ...]) -> Path:
    """Refuse a path that cannot be written, before anything is drawn."""
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"cannot write {path}: let the name end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: make the folder {path.parent} first")
    return path


def write_file(path: Path, save: Callable[[IO[bytes]], object]) -> None:
    """Replace a file in one act with what `save` puts into the stream that it is given."""
    content = BytesIO()
    save(content)
    write_atomically(path, lambda partial: partial.write_bytes(content.getbuffer()))


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of a size in inches that is tied to no display."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: Path | str | None) -> None:
    """Write a figure as the PNG, PDF or SVG that its path names; None writes nothing."""
    if path is not None:
        target = check_path(path, (".png", ".pdf", ".svg"))
        kind = target.suffix[1:].lower()
        write_file(target, lambda stream: figure.savefig(stream, format=kind, dpi=160))


def style_axes(axes: Axes, title: str, below: str) -> None:
    """Give a panel of curves its title, the name of its x axis, and quiet lines around."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(below, fontsize=9)
    axes.tick_params(labelsize=8, color=_GRAY)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(_GRAY)


def write_png(path: Path, picture: Image.Image) -> None:
    """Replace a PNG file in one act."""
    write_file(path, lambda stream: picture.save(stream, format="PNG"))


def check_duration(milliseconds: int) -> None:
    """Refuse a time per frame that a GIF cannot hold."""
    if milliseconds < 10 or milliseconds % 10:
        raise ValueError(
            f"{milliseconds} ms per frame: a GIF counts hundredths of a second, so give a "
            "positive multiple of 10"
        )


def write_gif(path: Path, pictures: Sequence[Image.Image], milliseconds: int) -> None:
    """Replace a GIF file in one act with an animation that loops for ever.

    Each frame has its own palette and no dithering, which would break up the squares.
    """
    first, *others = (picture.quantize(256, dither=Image.Dither.NONE) for picture in pictures)
    write_file(
        path,
        lambda stream: first.save(
            stream,
            format="GIF",
            save_all=True,
            append_images=others,
            duration=milliseconds,
            loop=0,
            optimize=False,
        ),
    )
