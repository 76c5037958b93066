"""What somebody drops on the page: looked at before it is unpacked, read, and gone again."""

import base64
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from symgen.data import open as open_recordings
from symgen.data.extras import library, readable
from symgen.data.image_files import read_image
from symgen.data.recordings.video import VIDEO_SUFFIXES

__all__ = ["FILE_LIMIT", "SUFFIXES", "Dropped", "drawn_image", "read_clips", "read_picture"]

FILE_LIMIT = 20 * 2**20  # bytes of a file
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_ARRAYS = (".npz", ".npy")
SUFFIXES = (*VIDEO_SUFFIXES, *_ARRAYS, *_PICTURES)
_FILES, _FRAMES = 500, 2_000
_NUMBERS = 2**27  # of all frames, unpacked
_CLIPS = 8  # that are cut out of a recording
_DRAWN = 2**18  # characters of a drawing
_KEPT_MODES = ("L", "LA", "RGB", "RGBA", "I", "I;16")  # which PNG holds and can be resized
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")


class Dropped(NamedTuple):
    """A clip of somebody's own, and what is to be said of it."""

    title: str
    x: Float[Tensor, " S *data"]


@contextmanager
def _private(paths: Sequence[str | Path]) -> Iterator[Path]:
    """Copy files into a folder that only this user can enter, and that goes with all in it.

    Errors about them name the files as they were called.
    """
    with TemporaryDirectory(prefix="symgen-dropped-") as name:
        folder = Path(name, "files")
        folder.mkdir()
        try:
            for path in map(Path, paths):
                if not path.is_file():
                    raise ValueError(f"{path.name} is not here any longer: drop it again")
                _require_modest(Path(copyfile(path, folder / path.name)))
            yield folder
        except (ValueError, OSError, ModuleNotFoundError) as error:
            told = str(error).replace(f"{folder}/", "").replace(str(folder), "the upload")
            raise ValueError(told.partition("\n")[0]) from error


def read_clips(paths: Sequence[str | Path], model: Any, axes: str | None = None) -> list[Dropped]:
    """Read clips of as many frames as a Topographic VAE takes, resized and scaled for it.

    Args:
        paths: a GIF, a video, an array, or images that are the frames in the order of their names.
        model: what the clips are for.
        axes: what the axes of an array are, as in `symgen.data.open`; None where they are plain.

    Raises:
        ValueError: in one line, if the files are too many or too large, cannot be read, or do not
            fit the model.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, frames=6)
        >>> with TemporaryDirectory() as folder:
        ...     for n in range(6):
        ...         Image.new("L", (20, 20), 40 * n).save(f"{folder}/{n}.png")
        ...     (clip,) = read_clips(sorted(Path(folder).iterdir()), model)
        >>> clip.x.shape
        torch.Size([6, 1, 8, 8])
    """
    if not paths:
        raise ValueError("nothing was dropped: choose a GIF, a video, an array or images")
    if len(paths) > _FILES:
        raise ValueError(f"{len(paths)} files: give {_FILES} at most")
    kinds = {"image" if Path(p).suffix.lower() in _PICTURES else "other" for p in paths}
    if len(paths) > 1 and kinds != {"image"}:
        raise ValueError(
            f"{len(paths)} files: give one recording, or images that are its frames; take the "
            "others off the list"
        )
    twice = [name for name, count in Counter(Path(p).name for p in paths).items() if count > 1]
    if twice:
        raise ValueError(
            f"{len(paths)} files, of which several are called {twice[0]}: rename them"
        )
    if kinds == {"image"} and len(paths) == 1:
        return [_still(Path(paths[0]), model)]
    with _private(paths) as folder:
        place = folder if kinds == {"image"} else folder / Path(paths[0]).name
        return _cut(place, model, axes, folder.parent / "decoded")


def _cut(place: Path, model: Any, axes: str | None, cache: Path) -> list[Dropped]:
    """Cut a recording into clips that follow one another."""
    shape, arrays = model.data_shape, place.suffix.lower() in _ARRAYS
    options: dict[str, Any] = {"axes": (axes or "").strip().upper() or None} if arrays else {}
    if len(shape) == 3:
        options |= {"size": shape[1:], "gray": shape[0] == 1}
    scale = model.data_scale or "auto"
    source = open_recordings(
        place,
        "all",
        length=max(2, model.frames),
        stride=max(2, model.frames),
        scale=scale,
        cache=cache,
        **options,
    )
    count = min(_CLIPS, len(source))
    x = source.batch(torch.arange(count), torch.Generator()).frames[:, : model.frames]
    x = x.expand(-1, -1, shape[0], -1, -1) if x.shape[2] == 1 and len(shape) == 3 else x
    if x.shape[2:] != shape:
        raise ValueError(
            f"{place} has frames of shape {tuple(x.shape[2:])}, the model takes {shape}: give "
            "such frames"
        )
    name = "dropped images" if place.is_dir() else place.name
    each = [f"{name}, frames {n * x.shape[1]} to {(n + 1) * x.shape[1] - 1}" for n in range(count)]
    return [Dropped(title, one) for title, one in zip(each, x, strict=True)]


def _still(path: Path, model: Any) -> Dropped:
    """Make a clip in which nothing moves of one image."""
    image = read_picture(path, model.data_shape)[0]
    return Dropped(f"{path.name}, standing still", image.expand(model.frames, *image.shape))


def read_picture(
    path: str | Path, data_shape: tuple[int, ...], invert: bool = False, canvas: bool = True
) -> Float[Tensor, "1 channels height width"]:
    """Read an image for a model, shrunk to its size if it is larger.

    Args:
        data_shape: channels, height and width that the model takes.
        invert: turn dark on light into light on dark.
        canvas: keep the shape of the image on a black canvas instead of stretching it.

    Raises:
        ValueError: in one line, if it is too large or no image.

    Example:
        >>> with TemporaryDirectory() as folder:
        ...     Image.new("L", (400, 200), 255).save(f"{folder}/white.png")
        ...     read_picture(f"{folder}/white.png", (1, 8, 8)).sum((1, 3)).tolist()
        [[0.0, 0.0, 8.0, 8.0, 8.0, 8.0, 0.0, 0.0]]
    """
    if len(data_shape) != 3:
        raise ValueError(f"an image, but the model takes data of shape {data_shape}: give those")
    if Path(path).suffix.lower() not in (*_PICTURES, ".gif"):
        raise ValueError(f"{Path(path).name} is no image: give one of {', '.join(_PICTURES)}")
    channels, height, width = data_shape
    if channels not in (1, 3):
        raise ValueError(f"{Path(path).name} has 1 or 3 channels, but the model takes {channels}")
    with _private([path]) as folder:
        place = folder / Path(path).name
        with readable(f"{place} cannot be read as an image"):
            with Image.open(place, formats=_FORMATS) as image:
                image = image.copy() if image.mode in _KEPT_MODES else image.convert("RGBA")
            if not canvas:
                image = image.resize((width, height), Image.Resampling.LANCZOS)
            image.thumbnail((width, height), Image.Resampling.LANCZOS)
            image.save(folder / "fitting.png")
        return read_image(folder / "fitting.png", data_shape, invert=invert, canvas=True)[0]


def drawn_image(
    address: str, data_shape: tuple[int, ...]
) -> Float[Tensor, "1 channels height width"]:
    """Read what was drawn, light on dark, from the address that holds it as a PNG.

    Raises:
        ValueError: if it is no such address.

    Example:
        >>> drawn_image("data:image/png;base64,????", (1, 8, 8))
        Traceback (most recent call last):
        ValueError: what was drawn cannot be read: draw again
    """
    head, _, content = address.partition(",")
    try:
        if head != "data:image/png;base64" or len(content) > _DRAWN:
            raise ValueError(head)
        drawn = base64.b64decode(content, validate=True)
        with TemporaryDirectory(prefix="symgen-dropped-") as folder:
            path = Path(folder, "drawing.png")
            with Image.open(BytesIO(drawn), formats=("PNG",)) as image:
                if prod(image.size) > _DRAWN:
                    raise ValueError(str(image.size))
                image.convert("L").save(path)
            return read_picture(path, data_shape)
    except (ValueError, OSError, Image.DecompressionBombError) as error:
        raise ValueError("what was drawn cannot be read: draw again") from error


def _require_modest(path: Path) -> None:
    """Refuse what is of another kind, or would unpack to too much, before it is unpacked."""
    suffix, size = path.suffix.lower(), path.stat().st_size
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{path} is of no kind that is read here: give a GIF, MP4 or other video, an .npz or "
            ".npy array, or PNG or JPEG images"
        )
    if size > FILE_LIMIT:
        raise ValueError(f"{path} has {size:,} bytes: give {FILE_LIMIT:,} at most")
    with readable(f"{path} cannot be read"):
        frames, numbers = _extent(path, suffix)
    if frames > _FRAMES:
        raise ValueError(f"{path} has {frames:,} frames: cut it to {_FRAMES:,} at most")
    if numbers > _NUMBERS:
        raise ValueError(
            f"{path} unpacks to {numbers:,} numbers: make it smaller, {_NUMBERS:,} at most"
        )


def _extent(path: Path, suffix: str) -> tuple[int, int]:
    """Count the frames and the numbers in a file by what its head says."""
    if suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return 0, sum(entry.file_size for entry in archive.infolist())
    if suffix == ".npy":
        return 0, path.stat().st_size
    if suffix in (*_PICTURES, ".gif"):
        with Image.open(path, formats=_FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            return frames, 3 * frames * prod(image.size)
    with library("av", path).open(str(path)) as container:
        frames = sum(1 for packet in container.demux(video=0) if packet.size)
        stream = container.streams.video[0]
        return frames, 3 * frames * stream.codec_context.width * stream.codec_context.height
