"""Capsule traversals: a sequence, its reconstruction, and the first frame's capsules rolled."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw
from torch import Tensor

from symgen.figures._canvas import (
    ACCENT,
    INK,
    MUTED,
    PAPER,
    check_duration,
    check_images,
    check_path,
    font,
    magnification,
    text_width,
    tile,
    to_pixels,
    write_gif,
    write_png,
)

__all__ = ["traversal_gif", "traversal_strip"]

_SHARE, _GREY = 0.4, 96  # a frame that was not seen: share of the image, level it is mixed with
_ROWS = ("given", "reconstruction", "rolled capsule")
_HEADING = "frame, roll"


class _Traversal(NamedTuple):
    """Pixels to draw: the rows are given, reconstruction, rolled capsule."""

    rows: tuple[UInt8[ndarray, "n S height width 3"], ...]
    seen: list[bool]

    @property
    def examples(self) -> int:
        return self.rows[0].shape[0]

    @property
    def frames(self) -> int:
        return self.rows[0].shape[1]

    @property
    def height(self) -> int:
        return self.rows[0].shape[2]

    @property
    def width(self) -> int:
        return self.rows[0].shape[3]


def _traversal(
    frames: Float[Tensor, "..."],
    reconstruction: Float[Tensor, "..."],
    rolled: Float[Tensor, "..."],
    seen: Bool[Tensor, "..."],
) -> _Traversal:
    """Check the tensors against each other and grey the frames that were not seen."""
    named = {"frames": frames, "reconstruction": reconstruction, "rolled": rolled}
    if frames.ndim not in (4, 5):
        raise ValueError(
            f"frames has shape {tuple(frames.shape)}: a traversal is (n, S, channels, height, "
            "width), or without n for one example"
        )
    if len({tensor.shape[-5:] for tensor in named.values()}) > 1:
        shapes = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor in named.items())
        raise ValueError(f"the three rows of a traversal must have one shape, got {shapes}")
    for name, tensor in named.items():
        check_images(name, tensor)
    if tuple(seen.shape) != (frames.shape[-4],):
        raise ValueError(
            f"seen has shape {tuple(seen.shape)} but frames {tuple(frames.shape)}: it must hold "
            f"one Boolean for each of the {frames.shape[-4]} frames"
        )
    rows = [to_pixels(tensor.reshape(-1, *frames.shape[-4:])) for tensor in named.values()]
    flags = seen.tolist()
    hidden = ~np.array(flags)
    rows[0] = rows[0].copy()
    rows[0][:, hidden] = _greyed(rows[0][:, hidden])
    return _Traversal(tuple(rows), flags)


def _greyed(pixels: UInt8[ndarray, "*batch 3"]) -> UInt8[ndarray, "*batch 3"]:
    """Lower the contrast, so that dark colours remain visible."""
    return np.round(_SHARE * pixels + (1 - _SHARE) * _GREY).astype(np.uint8)


def traversal_strip(
    frames: Float[Tensor, "..."],
    reconstruction: Float[Tensor, "..."],
    rolled: Float[Tensor, "..."],
    seen: Bool[Tensor, "..."],
    path: Path | str | None = None,
    titles: Sequence[str] | None = None,
) -> Image.Image:
    """Draw capsule traversals: three rows of frames for every example.

    The rows are the given sequence x_l, its reconstruction decode(t_l), and decode(Roll_l(t_0)),
    the prediction that a symmetry learned as a roll makes from the first frame alone
    (Topographic VAE, Keller & Welling 2021, fig. 4). Each pixel of an image becomes a square of
    whole pixels of exactly its colour.

    Args:
        frames: given sequences in [0, 1], `(n, S, channels, height, width)` with 1 or 3 channels,
            or without n for one example.
        reconstruction: decoded latents of every frame, of the same shape.
        rolled: decoded rolls l = 0 .. S-1 of the latents of frame 0, of the same shape.
        seen: `(S,)`, which frames t_0 was inferred from; the others are held out and greyed.
        path: PNG file to write as well.
        titles: a caption for every example, such as the factor that moves in it.

    Returns:
        The picture, RGB.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1] or `path` is no PNG.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import torch
        >>> frames = torch.rand(2, 18, 1, 28, 28)
        >>> seen = torch.arange(18) < 12
        >>> strip = traversal_strip(frames, frames, frames, seen, titles=("rotation", "scale"))
        >>> strip.mode
        'RGB'
    """
    target = None if path is None else check_path(path, (".png",))
    traversal = _traversal(frames, reconstruction, rolled, seen)
    if titles is not None and len(titles) != traversal.examples:
        raise ValueError(
            f"{len(titles)} titles {list(titles)} for {traversal.examples} examples: give one each"
        )
    strip = _draw_strip(traversal, titles)
    if target is not None:
        write_png(target, strip)
    return strip


def _draw_strip(traversal: _Traversal, titles: Sequence[str] | None) -> Image.Image:
    scale = magnification(traversal.height, least=84)
    height, width = scale * traversal.height, scale * traversal.width
    size = max(16, round(0.3 * height))
    gap, margin = max(2, height // 24), size // 2
    captions = _captions(traversal)
    label_width = max(
        text_width(line, size if first else _small(size))
        for caption in captions
        for first, line in zip((True, False), caption, strict=False)
    )
    heading = round(1.5 * size)
    title = round(1.6 * size) if titles is not None else 0
    block = title + 3 * height + 2 * gap
    between = size
    left, top = margin + label_width + size // 2, margin + heading
    tiles_width = traversal.frames * (width + gap) - gap
    title_widths = [text_width(text, size, bold=True) for text in titles or ()]
    right = left + max(tiles_width, *title_widths, 0) + margin
    bottom = top + traversal.examples * (block + between) - between + margin
    strip = Image.new("RGB", (right, bottom), PAPER)
    draw = ImageDraw.Draw(strip)
    columns = [left + index * (width + gap) for index in range(traversal.frames)]
    draw.text((left - size // 2, top - gap), _HEADING, MUTED, font(size), anchor="rd")
    for index, x in enumerate(columns):
        ink = INK if traversal.seen[index] else MUTED
        draw.text((x + width // 2, top - gap), str(index), ink, font(size), anchor="md")
    for example in range(traversal.examples):
        y = top + example * (block + between)
        if titles is not None:
            middle = (left, y + title // 2)
            draw.text(middle, titles[example], INK, font(size, bold=True), anchor="lm")
            y += title
        for caption, pixels in zip(captions, traversal.rows, strict=True):
            _draw_caption(draw, caption, (left - size // 2, y + height // 2), size)
            for index, x in enumerate(columns):
                strip.paste(tile(pixels[example, index], scale), (x, y))
            y += height + gap
    return strip


def _small(size: int) -> int:
    return round(0.72 * size)


def _captions(traversal: _Traversal) -> list[tuple[str, ...]]:
    """Name the rows and say in a second line what there is to know."""
    given = () if all(traversal.seen) else ("grey: held out",)
    seconds = (given, ("decode(t)",), ("decode(roll(t₀))",))
    return [(name, *second) for name, second in zip(_ROWS, seconds, strict=True)]


def _draw_caption(
    draw: ImageDraw.ImageDraw, caption: tuple[str, ...], end: tuple[int, int], size: int
) -> None:
    """Write one or two lines whose right end is centred on a point."""
    x, y = end
    if len(caption) == 1:
        draw.text((x, y), caption[0], INK, font(size), anchor="rm")
    else:
        draw.text((x, y + size // 12), caption[0], INK, font(size), anchor="rd")
        draw.text((x, y + size // 12), caption[1], MUTED, font(_small(size)), anchor="ra")


def traversal_gif(
    frames: Float[Tensor, "..."],
    reconstruction: Float[Tensor, "..."],
    rolled: Float[Tensor, "..."],
    seen: Bool[Tensor, "..."],
    path: Path | str,
    milliseconds: int = 120,
) -> None:
    """Write capsule traversals as an animation of S frames that loops for ever.

    Each example is a row: the given sequence, its reconstruction, the rolled capsule. Frames that
    were not seen are greyed in an orange border.

    Args:
        frames: given sequences in [0, 1], `(n, S, channels, height, width)` with 1 or 3 channels,
            or without n for one example.
        reconstruction: decoded latents of every frame, of the same shape.
        rolled: decoded rolls l = 0 .. S-1 of the latents of frame 0, of the same shape.
        seen: `(S,)`, which frames t_0 was inferred from.
        path: GIF file to write.
        milliseconds: time that a frame stays; the format counts in hundredths of a second.

    Raises:
        ValueError: if the shapes disagree, values leave [0, 1], `path` is no GIF or the time is
            not a positive multiple of 10.
        FileNotFoundError: if the folder of `path` does not exist.

    Example:
        >>> import tempfile, torch
        >>> frames, seen = torch.rand(1, 15, 1, 64, 64), torch.arange(15) < 10
        >>> traversal_gif(frames, frames, frames, seen, Path(tempfile.mkdtemp()) / "heart.gif")
    """
    target = check_path(path, (".gif",))
    check_duration(milliseconds)
    traversal = _traversal(frames, reconstruction, rolled, seen)
    # The frame number is part of every picture: the encoder would merge two equal ones into one.
    pictures = [_draw_moment(traversal, index) for index in range(traversal.frames)]
    write_gif(target, pictures, milliseconds)


def _draw_moment(traversal: _Traversal, index: int) -> Image.Image:
    least = max(112, -(-300 // traversal.examples))
    scale = magnification(traversal.height, least)
    height, width = scale * traversal.height, scale * traversal.width
    size, gap = 16, 8
    column = max(width, *(text_width(name, size) for name in _ROWS))
    top, bottom = 2 * size + gap // 2, 2 * size
    picture = Image.new(
        "RGB",
        (3 * column + 4 * gap, top + traversal.examples * (height + gap) - gap + bottom),
        PAPER,
    )
    draw = ImageDraw.Draw(picture)
    seen = traversal.seen[index]
    for place, (name, pixels) in enumerate(zip(_ROWS, traversal.rows, strict=True)):
        centre = gap + place * (column + gap) + column // 2
        held_out = place == 0 and not seen
        text, ink = ("held out", ACCENT) if held_out else (name, INK)
        draw.text((centre, top - gap), text, ink, font(size), anchor="md")
        for example in range(traversal.examples):
            x, y = centre - width // 2, top + example * (height + gap)
            if held_out:
                draw.rectangle((x - 3, y - 3, x + width + 2, y + height + 2), ACCENT)
            picture.paste(tile(pixels[example, index], scale), (x, y))
    step = f"{_HEADING} {index}"
    draw.text((picture.width // 2, picture.height - size), step, MUTED, font(size), anchor="mm")
    return picture
