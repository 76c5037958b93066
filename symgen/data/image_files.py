"""A user's image files, for models of images."""

import warnings
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

__all__ = ["load_image", "read_image", "require_file"]

# Those that are read by code alone: for PostScript, Pillow would start a program.
_FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")


def require_file(path: Path) -> None:
    """Refuse what is no file with a content, such as a pipe or a device, which may never end."""
    if not path.is_file():
        raise ValueError(f"{path} is no regular file: give one, or a link to one")


def load_image(path: Path, formats: tuple[str, ...] = _FORMATS) -> Image.Image:
    """Read an image of one of some formats, as Pillow names them, whatever its name says.

    Raises:
        ValueError: with its path, if it is none, damaged, or of more than 89 million pixels.
    """
    require_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=formats) as image:
                image.load()
                return image
    except Exception as error:  # Pillow raises nearly any kind for damaged files
        said = " ".join(f"{error}".split())
        raise ValueError(f"{path} cannot be read as an image: {said}") from error


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
    levels = _levels(load_image(path), channels, background=255 if invert else 0)
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


def _levels(image: Image.Image, channels: int, background: int) -> Float[Tensor, "channels h w"]:
    """Convert an image of any mode to 1 or 3 channels in [0, 1]."""
    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
        deep = np.asarray(image).astype(np.float32) / 65535
        return torch.from_numpy(deep).clamp(0, 1).expand(channels, -1, -1)
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.new("RGBA", layer.size, (background,) * 3 + (255,))
        image.alpha_composite(layer)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB")).astype(np.float32)
    return torch.from_numpy(pixels / 255).reshape(image.height, image.width, -1).permute(2, 0, 1)
