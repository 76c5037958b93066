"""Single frames of recordings: their layout, what may be in them, gray and size."""

from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from PIL import Image

__all__ = ["Frame", "check_array", "check_values", "prepare_frame"]

# Channels, height, width: bytes, or floats in [0, 1]; or the features of a vector, any floats.
Frame = Shaped[ndarray, "..."]

_FLOATS = (np.float16, np.float32, np.float64)
_GREATEST = np.finfo(np.float32).max  # models compute in 32 bits

# Pillow's filters widen with the reduction, which is what keeps them from aliasing; the triangle
# cannot leave the range of its inputs, as the filters with negative lobes do.
_FILTER = Image.Resampling.BILINEAR
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow's "L"


def check_array(
    name: str, shape: tuple[int, ...], dtype: np.dtype, leading: str, vectors: bool = False
) -> None:
    """Refuse an array that does not hold images, or vectors.

    Args:
        name: what to call it in the error.
        shape: its shape.
        dtype: its type of numbers.
        leading: names of the axes before those of an image, such as "n, S".
        vectors: whether it is to hold vectors instead.

    Raises:
        ValueError: if the axes, the channels or the type are not those of images.

    Example:
        >>> check_array("film.npy", (9, 16, 64, 64, 3), np.dtype("uint8"), "n, S")
        Traceback (most recent call last):
        ValueError: film.npy has shape (9, 16, 64, 64, 3), 64 channels: give 1 or 3 channels ...
    """
    axes = leading.count(",") + 1
    if vectors:
        if len(shape) != axes + 1 or 0 in shape or dtype not in _FLOATS:
            raise ValueError(
                f"{name} has shape {shape} and holds {dtype}: vectors are floats ({leading}, "
                "features) of 16, 32 or 64 bits, none of the sizes 0"
            )
        return
    if len(shape) not in (axes + 2, axes + 3) or 0 in shape:
        raise ValueError(
            f"{name} has shape {shape}: give images ({leading}, height, width) or "
            f"({leading}, channels, height, width), none of them 0; of vectors, give axes='NTF'"
        )
    if len(shape) == axes + 3 and shape[axes] not in (1, 3):
        raise ValueError(
            f"{name} has shape {shape}, {shape[axes]} channels: give 1 or 3 channels before "
            f"height and width, ({leading}, channels, height, width)"
        )
    if dtype not in (np.uint8, *_FLOATS):
        raise ValueError(f"{name} holds {dtype}: give bytes (uint8), or floats in [0, 1]")


def check_values(name: str, frames: Shaped[ndarray, " frames *data"], first: int = 0) -> None:
    """Refuse floats outside [0, 1] in images, beyond 32 bits in vectors; bytes need no look.

    Args:
        name: what to call them in the error.
        frames: frames of one recording.
        first: number of the first of them in it.

    Raises:
        ValueError: with the number of the first bad frame.

    Example:
        >>> check_values("film.npy", np.array([0.5, np.nan], np.float32).reshape(2, 1, 1, 1))
        Traceback (most recent call last):
        ValueError: film.npy, frame 1: NaN among the pixels: give floats in [0, 1]
    """
    if frames.dtype == np.uint8:
        return
    flat = frames.reshape(len(frames), -1)
    least, greatest = flat.min(1), flat.max(1)
    vectors = frames.ndim == 2
    smallest, largest = (-_GREATEST, _GREATEST) if vectors else (0, 1)
    inside = (least >= smallest) & (greatest <= largest)  # not so for NaN
    bad = np.flatnonzero(~inside)
    if not len(bad):
        return
    low, high = float(least[bad[0]]), float(greatest[bad[0]])
    values = "features" if vectors else "pixels"
    wanted = "finite floats of 32 bits" if vectors else "floats in [0, 1]"
    what = (
        f"NaN among the {values}" if np.isnan(low) else f"{values} reach from {low:g} to {high:g}"
    )
    raise ValueError(f"{name}, frame {first + int(bad[0])}: {what}: give {wanted}")


def prepare_frame(frame: Frame, size: tuple[int, int] | None = None, gray: bool = False) -> Frame:
    """Turn a frame to gray and to another size, if asked for.

    Args:
        frame: bytes, or floats in [0, 1].
        size: height and width; None leaves them.
        gray: whether to take the luminance of three channels (ITU-R 601).

    Returns:
        Bytes, or float32. A smaller frame is averaged, not sampled: Pillow's antialiasing.

    Example:
        >>> frame = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)
        >>> prepare_frame(frame, size=(2, 2), gray=True)
        array([[[17, 18],
                [23, 24]]], dtype=uint8)
    """
    if frame.ndim == 1:
        if size is not None or gray:
            raise ValueError("vectors have neither a size nor a gray: leave size and gray away")
        return frame.astype(np.float32)
    floats = frame.dtype != np.uint8
    if floats:
        frame = frame.astype(np.float32)
    if gray and len(frame) == 3:
        frame = np.tensordot(_LUMINANCE, frame, 1)[None] if floats else _gray_bytes(frame)
    if size is not None and frame.shape[1:] != size:
        frame = np.stack([_resize(channel, size) for channel in frame])
    return frame.clip(0, 1) if floats else frame  # rounding can leave the range by a hair


def _gray_bytes(frame: Frame) -> Frame:
    picture = Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0)))
    return np.asarray(picture.convert("L"))[None]


def _resize(channel: Any, size: tuple[int, int]) -> ndarray:
    return np.asarray(Image.fromarray(channel).resize((size[1], size[0]), _FILTER))
