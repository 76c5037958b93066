"""What the figures share: paper, fonts, colours, images as whole pixels, whole files."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from symgen._files import write_atomically
from symgen.data import require_unit_range

Colour = tuple[int, int, int]
INK: Colour = (25, 25, 25)
MUTED: Colour = (120, 120, 120)
ACCENT: Colour = (213, 94, 0)
GRAY = "#888888"
FIGURES = (".png", ".pdf", ".svg")
_MOST_PIXELS = 2**27
_GIF_SIDE = 2**16 - 1
_LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#999999")


@lru_cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Open the font that comes with matplotlib, so that every machine draws the same letters."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts", "ttf", name), size)


def text_width(size: int, *texts: str, bold: bool = False) -> int:
    """Measure the longest of some lines of text, in pixels."""
    return max((round(font(size, bold).getlength(text)) for text in texts), default=0)


def shortened(text: str, size: int, width: int) -> str:
    """Return a line of text that fits a width in pixels, with an ellipsis where it was cut.

    It is cut in the middle: of names in a row, the ends tell which is which.
    """
    line = "".join(letter if letter.isprintable() else "·" for letter in text)
    if text_width(size, line) <= width:
        return line
    for kept in range(len(line) - 1, 0, -1):
        begin, end = line[: kept // 3], line[len(line) - (kept - kept // 3) :]
        if text_width(size, cut := f"{begin}…{end}") <= width:
            return cut
    return "…"


def spaced(start: int, count: int, step: int) -> list[int]:
    """Return the places of rows or columns that start at equal distances."""
    return [start + index * step for index in range(count)]


def magnified(size: Sequence[int], least: int) -> tuple[int, int, int]:
    """Return the smallest whole factor that gives an image a least height, and its new size."""
    height, width = size
    scale = -(-least // height)
    return scale, scale * height, scale * width


def check_images(form: str, dims: int, **named: Tensor) -> None:
    """Refuse tensors of different shapes, and what `to_pixels` could only draw by guessing."""
    shapes = [tuple(images.shape) for images in named.values()]
    if any(len(shape) != dims or shape != shapes[0] for shape in shapes):
        given = ", ".join(f"{name} {shape}" for name, shape in zip(named, shapes, strict=True))
        raise ValueError(f"{given}: give {form}")
    for name, images in named.items():
        if images.shape[-3] not in (1, 3) or 0 in images.shape:
            raise ValueError(
                f"{name} has shape {tuple(images.shape)}: images are (..., channels, height, "
                "width) with 1 or 3 channels and none of the sizes 0"
            )
        require_unit_range(name, images)


def check_room(pixels: int) -> None:
    """Refuse a picture, or a film, that is too large to look at and to hold in memory."""
    if pixels > _MOST_PIXELS:
        raise ValueError(
            f"a picture of {pixels:,} pixels or more is beyond {_MOST_PIXELS:,}: draw fewer "
            "images or frames"
        )


def check_titles(titles: Sequence[str], count: int) -> None:
    """Refuse more or fewer titles than there are examples, and those that are no text."""
    if isinstance(titles, str) or not all(isinstance(title, str) for title in titles):
        raise ValueError(f"titles={titles!r}: give a list of texts, one for each example")
    if len(titles) != count:
        raise ValueError(f"{len(titles)} titles {list(titles)} for {count} examples: give {count}")


def to_pixels(images: Tensor) -> ndarray:
    """Round images (*batch, channels, height, width) to 8-bit RGB, (*batch, height, width, 3)."""
    levels = (images.detach().cpu() * 255).round().to(torch.uint8).movedim(-3, -1)
    return levels.expand(*levels.shape[:-1], 3).numpy()


def tile(pixels: ndarray, scale: int) -> Image.Image:
    """Enlarge an image by a whole factor: every pixel becomes a square of its colour."""
    return Image.fromarray(pixels.repeat(scale, axis=0).repeat(scale, axis=1))


class Picture:
    """White paper of a size in pixels for texts and images."""

    def __init__(self, width: int, height: int) -> None:
        check_room(width * height)
        self.image = Image.new("RGB", (width, height), "white")
        self.draw = ImageDraw.Draw(self.image)

    def text(
        self, x: int, y: int, text: str, size: int, at: str, ink: Colour = INK, bold: bool = False
    ) -> None:
        """Write a line of text; `at` names its point at (x, y) as in PIL, such as "rm"."""
        self.draw.text((x, y), text, ink, font(size, bold), anchor=at)

    def paste(self, pixels: ndarray, scale: int, columns: list[int], rows: list[int]) -> None:
        """Paste (rows, columns) enlarged images by the places of their left and top edges."""
        for y, line in zip(rows, pixels, strict=True):
            for x, image in zip(columns, line, strict=True):
                self.image.paste(tile(image, scale), (x, y))


def check_path(path: Path | str | None, *suffixes: str) -> Path | None:
    """Refuse a path that cannot be written, before anything is drawn."""
    if path is None:
        return None
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"cannot write {path}: let the name end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: make the folder {path.parent} first")
    return path


def write_file(path: Path | None, save: Callable[[IO[bytes]], object]) -> None:
    """Replace a file in one act by what `save` puts into a stream; None writes nothing."""
    if path is not None:
        content = BytesIO()
        save(content)
        write_atomically(path, lambda partial: partial.write_bytes(content.getbuffer()))


def saved(image: Image.Image, path: Path | None) -> Image.Image:
    """Return an image after replacing a PNG file by it in one act, if there is a path."""
    write_file(path, lambda stream: image.save(stream, format="PNG"))
    return image


def check_duration(milliseconds: int) -> None:
    """Refuse a time per frame that a GIF cannot hold."""
    if milliseconds < 10 or milliseconds % 10:
        reason = "a GIF counts hundredths of a second, so give a positive multiple of 10"
        raise ValueError(f"{milliseconds} ms per frame: {reason}")


def write_gif(
    path: Path | None, pictures: Sequence[Image.Image], milliseconds: int | list[int]
) -> None:
    """Replace a GIF file in one act by an animation that loops for ever.

    A picture stays for some milliseconds, the same for all or a number for each, has its own
    palette and no dithering, which would break up the squares.
    """
    if max(pictures[0].size) > _GIF_SIDE:
        sides = " × ".join(map(str, pictures[0].size))
        raise ValueError(f"{sides} pixels in a GIF, which has {_GIF_SIDE:,} a side at most")
    first, *others = (picture.quantize(256, dither=Image.Dither.NONE) for picture in pictures)
    options = {"duration": milliseconds, "loop": 0, "optimize": False, "append_images": others}
    write_file(path, lambda stream: first.save(stream, format="GIF", save_all=True, **options))


def new_figure(width: float, height: float) -> Figure:
    """Make a figure of a size in inches that is tied to no display."""
    return FigureCanvasAgg(Figure(figsize=(width, height), layout="constrained")).figure


def write_figure(figure: Figure, path: Path | str | None) -> None:
    """Write a figure as the PNG, PDF or SVG that its path names; None writes nothing."""
    target = check_path(path, *FIGURES)
    kind = target.suffix[1:].lower() if target else None
    write_file(target, lambda stream: figure.savefig(stream, format=kind, dpi=160))


def colour(index: int) -> str:
    """Return the colour of a line, one of eight that are easy to tell apart."""
    return _LINES[index % len(_LINES)]


def style_axes(axes: Axes, title: str, below: str) -> None:
    """Give a panel of curves its title, the name of its x axis, and quiet lines around."""
    axes.set_title(title, loc="left", fontsize=10)
    axes.set_xlabel(below, fontsize=9)
    axes.tick_params(labelsize=8, color=GRAY)
    axes.grid(color="#e4e4e4", linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GRAY)
