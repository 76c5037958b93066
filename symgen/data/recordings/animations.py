"""Animated GIF files, by Pillow: whole pictures, each shown for a time of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from symgen.data.image_files import readable_image
from symgen.data.recordings.pace import Pace, Shown, pace_of

__all__ = ["animation"]

_UNTOLD = 0.1  # seconds that viewers show a picture of which no time is told, or 0
_EXTENSION, _PICTURE, _END = 0x21, 0x2C, 0x3B  # what begins a block


def animation(path: Path) -> tuple[Pace, Iterator[Shown]]:
    """Return the pace and the pictures of a file, RGB, or RGBA where any is transparent.

    Raises:
        ValueError: with its path, if it is damaged or truncated.
    """
    with readable_image(path):
        _require_end(path)
        times, clear = [0.0], False
        for picture, time in _pictures(path):
            times.append(times[-1] + time)
            clear = clear or bool((np.asarray(picture)[..., 3] < 255).any())
    return pace_of(times[:-1], (len(times) - 1) / times[-1]), _shown(path, times, clear)


def _shown(path: Path, times: list[float], clear: bool) -> Iterator[Shown]:
    with readable_image(path):
        for number, (picture, _) in enumerate(_pictures(path)):
            pixels = np.asarray(picture)[..., : 4 if clear else 3]
            frame = np.ascontiguousarray(pixels.transpose(2, 0, 1))
            yield frame, times[number], times[number + 1]


def _pictures(path: Path) -> Iterator[tuple[Image.Image, float]]:
    """Decode pictures, laid over those before as the file says, and the seconds of each."""
    with Image.open(path, formats=("GIF",)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            yield image.convert("RGBA"), image.info.get("duration", 0) / 1000 or _UNTOLD


def _require_end(path: Path) -> None:
    """Walk through the blocks to the one that ends a file: a reader takes a cut for the end."""
    with path.open("rb") as file:
        head = file.read(13)
        if head[:3] != b"GIF" or len(head) < 13:
            raise ValueError("it is no GIF")
        _skip_palette(file, head[10])
        while kind := file.read(1):
            if kind[0] == _END:
                return
            if kind[0] == _EXTENSION:
                file.read(1)
            elif kind[0] == _PICTURE:
                _skip_palette(file, file.read(9)[-1])
                file.read(1)
            else:
                break
            while length := file.read(1)[0]:
                file.seek(length, 1)
        raise ValueError("it is truncated or damaged: it has no end")


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, 1)
