"""How many bytes recordings take once decoded, told by their files without decoding them."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from symgen.data.extras import library
from symgen.data.image_files import load_pixels, require_file
from symgen.data.recordings.folders import FORMATS
from symgen.data.recordings.readers import Located

__all__ = ["Announced", "decoded_bytes", "size_of_array", "size_of_film", "size_of_images"]


class Announced(NamedTuple):
    """What a file says of its frames: how many there are, their shape, bytes of a number."""

    frames: float
    shape: tuple[int, ...]
    bytes: int


def decoded_bytes(
    size_of: Callable[[Any], Announced],
    recordings: Iterable[Any],
    size: tuple[int, int] | None,
    gray: bool,
) -> int:
    """Return the bytes that recordings take once resized to (height, width) or made gray.

    Those of which nothing is known take none here: whoever reads them says what is wrong.
    """
    total = 0.0
    for recording in recordings:
        with suppress(Exception):  # which damage may lead to, of any kind
            told = size_of(recording)
            channels, *sides = told.shape
            numbers = (1 if gray and sides else channels) * prod(size or sides)
            total += told.frames * numbers * told.bytes
    return int(total)


def size_of_array(located: Located) -> Announced:
    """Return what an array holds; doubles become floats of 32 bits."""
    kind = located.array.dtype
    each = 4 if kind.kind == "f" else kind.itemsize
    return Announced(located.recordings * located.length, located.data_shape, each)


def size_of_images(files: Sequence[Path]) -> Announced:
    """Return what a folder of images like the first one holds."""
    first = load_pixels(files[0], FORMATS)
    channels = len(first) - (len(first) in (2, 4))  # without transparency
    return Announced(len(files), (channels, *first.shape[1:]), first.itemsize)


def size_of_film(rate: float | None, files: Sequence[Path]) -> Announced:
    """Return what a video or GIF holds, at its own rate or at another one in 1/s."""
    (path,) = files
    require_file(path)
    if path.suffix.lower() == ".gif":
        with Image.open(path, formats=("GIF",)) as image:
            shape = 3, image.height, image.width
            return Announced(getattr(image, "n_frames", 1), shape, 1)
    with library("av", path).open(path, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        kind, own = stream.codec_context.format, float(stream.average_rate or 0)
        seconds = float((stream.duration or 0) * (stream.time_base or 0))
        seconds = seconds or (container.duration or 0) / 1e6
        frames = seconds * rate if rate else stream.frames or seconds * own
        channels = 1 if kind.name.startswith(("gray", "mono")) else 3
        deep = any(part.bits > 8 for part in kind.components)
        return Announced(frames, (channels, stream.height, stream.width), 2 if deep else 1)
