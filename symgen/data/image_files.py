"""A user's image files: what is in them, without loss, and as models of images take it."""

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from numpy import ndarray
from PIL import Image
from torch import Tensor

from symgen.data.extras import library, readable
from symgen.data.tiff_pages import decoded, opened_tiff, require_light

__all__ = ["LUMINANCE", "load_pixels", "read_image", "readable_image", "require_file"]

LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green, blue: ITU-R 601

# Those that are read by code alone: for PostScript, Pillow would start a program.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_BITS, _ORIENTATION = 0x0102, 0x0112  # tags of TIFF and EXIF
_TURNS = {  # from what a camera stored, by EXIF
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).swapaxes(0, 1),
    8: np.rot90,
}
_KEPT = ("L", "LA", "RGB", "RGBA", "I;16")  # modes of Pillow
_CONVERTED = {"1": "L", "P": "RGB", "PA": "RGBA"}
_CLEAR = {"L": "LA", "RGB": "RGBA", "P": "RGBA"}  # one colour or more stand for nothing


def require_file(path: Path) -> None:
    """Refuse what is no file with a content, such as a pipe or a device, which may never end."""
    if not path.is_file():
        raise ValueError(f"{path} is no regular file: give one, or a link to one")


def load_pixels(
    path: Path, formats: tuple[str, ...] = _FORMATS
) -> Shaped[ndarray, "channels height width"]:
    """Read all that is in an image of some formats, as Pillow names them, whatever its name says.

    Bytes or 16-bit numbers: gray, gray and alpha, RGB, or RGB and alpha; a TIFF may hold 32-bit
    integers or floats, too. Palettes become colours and one bit a pixel 0 and 255; the picture is
    turned as EXIF says. A PNG of 16 bits a colour is read by imagecodecs, a TIFF of more than 8 by
    tifffile.

    Raises:
        ValueError: with its path, if it is none, damaged, of more than 89 million pixels, of
            several pages or in colours of ink.
        ModuleNotFoundError: if that library is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "deep.png")
        ...     Image.fromarray(np.full((2, 3), 4095, np.uint16)).save(path)
        ...     load_pixels(path).tolist()
        [[[4095, 4095, 4095], [4095, 4095, 4095]]]
    """
    require_file(path)
    with readable_image(path), Image.open(path, formats=formats) as image:
        pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
        if pages > 1:  # of a JPEG, those after the first are another view of it
            raise ValueError(f"it has {pages} pages: read them as a recording of their own")
        pixels = _READERS[_library(image)](path, image)
        pixels = _TURNS.get(image.getexif().get(_ORIENTATION, 1), np.asarray)(pixels)
    layers = pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)
    return np.ascontiguousarray(layers, layers.dtype.newbyteorder("="))


def read_image(
    path: Path, data_shape: tuple[int, ...], *, invert: bool = False, canvas: bool = True
) -> tuple[Float[Tensor, "1 channels height width"], tuple[int, int]]:
    """Read an image of any mode, in [0, 1], and its height and width; transparency becomes black.

    Args:
        data_shape: channels, height and width that the model takes.
        invert: turn dark on light into light on dark.
        canvas: lay a smaller image in the middle of a black canvas instead of refusing it.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an image, is damaged, or has a size the model does not take.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no image file {path}: give a path, or test:INDEX")
    channels, height, width = data_shape
    if channels not in (1, 3):
        raise ValueError(f"{path}: the model takes {channels} channels, an image has 1 or 3")
    levels = _levels(path, channels, background=1.0 if invert else 0.0)
    if invert:
        levels = 1 - levels
    high, wide = levels.shape[1:]
    if (high > height or wide > width) if canvas else (high, wide) != (height, width):
        smaller = " (a smaller image is laid on a black canvas)" if canvas else ""
        raise ValueError(
            f"{path} is {wide} × {high} pixels, the model reads {width} × {height}: crop and "
            f"resize the image to that{smaller}"
        )
    top, left = (height - high) // 2, (width - wide) // 2
    margins = (left, width - wide - left, top, height - high - top)
    return F.pad(levels[None], margins), (high, wide)


@contextmanager
def readable_image(path: Path) -> Iterator[None]:
    """Say in one line which image is damaged, and refuse one that would unpack to too much."""
    with readable(f"{path} cannot be read as an image"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def _library(image: Any) -> str:
    """Choose what reads an image as it is.

    Pillow cuts colours down to 8 bits as it unpacks them, and reads some TIFF files wrongly: those
    that are turned, and gray of 16 bits from white to black.
    """
    layouts = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in image.tile]
    if image.format == "TIFF":
        turned = image.getexif().get(_ORIENTATION, 1) != 1
        return "tifffile" if turned or max(image.tag_v2.get(_BITS, (1,))) > 8 else "Pillow"
    plain = image.mode == "I;16" and "transparency" not in image.info  # gray
    if image.format == "PNG" and any("16" in str(x[0]) for x in layouts) and not plain:
        return "imagecodecs"
    if image.format == "PPM" and image.mode == "RGB" and any(x[1:] > (255,) for x in layouts):
        raise ValueError("it has more than 8 bits a colour: save it as PNG")
    return "Pillow"


def _by_pillow(_: Path, image: Image.Image) -> Shaped[ndarray, "height width *channels"]:
    image.load()
    form = image.format
    if "transparency" in image.info and image.mode in _CLEAR:
        image = image.convert(_CLEAR[image.mode])
    if image.mode in _CONVERTED:
        image = image.convert(_CONVERTED[image.mode])
    elif image.mode not in _KEPT and (form, image.mode) != ("PPM", "I"):
        raise ValueError(f"its colours are {image.mode}: save it as RGB, by image.convert('RGB')")
    pixels = np.asarray(image)
    return pixels.astype(np.uint16) if image.mode == "I" else pixels


def _by_imagecodecs(path: Path, image: Image.Image) -> Shaped[ndarray, "height width *channels"]:
    image.load()  # for EXIF at its end
    return library("imagecodecs", path).png_decode(path.read_bytes())


def _by_tifffile(path: Path, _: Image.Image) -> Shaped[ndarray, "height width *channels"]:
    with ExitStack() as stack:
        page = opened_tiff(path, stack).pages.first
        require_light(page)
        pixels = decoded(path, page, 0, page)
    if pixels.dtype == bool:
        pixels = pixels * np.uint8(255)
    return np.moveaxis(pixels, page.axes.index("S"), -1) if "S" in page.axes else pixels


_READERS = {"Pillow": _by_pillow, "imagecodecs": _by_imagecodecs, "tifffile": _by_tifffile}


def _levels(path: Path, channels: int, background: float) -> Float[Tensor, "channels h w"]:
    """Read an image of any mode as 1 or 3 channels in [0, 1], over a background."""
    pixels = load_pixels(path)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{path} holds {pixels.dtype}: save 8 or 16 bits")
    levels = pixels.astype(np.float32) / np.iinfo(pixels.dtype).max
    if len(levels) in (2, 4):
        alpha = levels[-1:]
        levels = levels[:-1] * alpha + background * (1 - alpha)
    if channels == 1 and len(levels) == 3:
        levels = np.tensordot(LUMINANCE, levels, 1)[None].clip(0, 1)
    return torch.from_numpy(levels).expand(channels, -1, -1)
