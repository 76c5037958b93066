"""Single frames of recordings: which are bad, gray and size."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Shaped
from numpy import ndarray
from PIL import Image

from symgen.data.image_files import LUMINANCE

__all__ = ["Frame", "Frames", "Gap", "prepared", "unusable"]

Frame = Shaped[ndarray, "..."]  # (channels, [depth,] height, width), or (features,) of a vector

_GREATEST = float(np.finfo(np.float32).max)  # models compute in 32 bits

# Pillow's filters widen with the reduction, so they do not alias; this one stays in the range.
_FILTER = Image.Resampling.BILINEAR


class Gap(NamedTuple):
    """What lies between two frames that do not follow one another: the recording is cut here."""

    reason: str
    frames: int = 1
    """Frames that are missing."""


Frames = Iterator[Frame | Gap]


def unusable(frames: Shaped[ndarray, " frames *data"]) -> Bool[ndarray, " frames"]:
    """Tell which frames hold numbers that are not finite in 32 bits."""
    if frames.dtype.kind != "f":
        return np.zeros(len(frames), bool)
    flat = frames.reshape(len(frames), -1)
    low, high = (each.astype(np.float64) for each in (flat.min(1), flat.max(1)))
    return ~((low >= -_GREATEST) & (high <= _GREATEST))  # NaN is neither


def prepared(frames: Frames, size: tuple[int, int] | None, gray: bool) -> Frames:
    """Turn frames to gray and to (height, width) if asked for, floats to 32 bits.

    A frame whose numbers are not finite becomes a gap.
    """
    for frame in frames:
        if isinstance(frame, Gap):
            yield frame
        elif unusable(frame[None])[0]:
            yield Gap("its numbers are not finite (NaN or beyond 32 bits)")
        else:
            yield _prepare(frame, size, gray)


def _prepare(frame: Frame, size: tuple[int, int] | None, gray: bool) -> Frame:
    if frame.dtype.kind == "f":
        frame = frame.astype(np.float32)
    elif frame.dtype == bool:
        frame = frame.view(np.uint8)
    if frame.ndim == 1 and (size is not None or gray):
        raise ValueError(
            "vectors have neither a size nor colours: give images, or leave out size and gray"
        )
    if gray and len(frame) != 1:
        frame = _grayed(frame)
    if size is not None and frame.shape[1:] != size:
        if frame.ndim > 3:
            raise ValueError(
                f"frames of {frame.ndim - 1} dimensions are not resized: leave out size"
            )
        frame = np.stack([_resized(channel, size) for channel in frame])
    return frame


def _grayed(frame: Frame) -> Frame:
    if len(frame) != 3:
        raise ValueError(f"gray, but frames have {len(frame)} channels: only three are colours")
    if frame.dtype == np.uint8 and frame.ndim == 3:
        return np.asarray(Image.fromarray(frame.transpose(1, 2, 0)).convert("L"))[None]
    return _like(np.tensordot(LUMINANCE, frame, 1), frame.dtype)[None]


def _resized(channel: Shaped[ndarray, "H W"], size: tuple[int, int]) -> Shaped[ndarray, "h w"]:
    bytes_or_floats = channel.dtype in (np.uint8, np.float32)
    image = Image.fromarray(channel if bytes_or_floats else channel.astype(np.float32))
    return _like(np.asarray(image.resize((size[1], size[0]), _FILTER)), channel.dtype)


def _like(values: Frame, dtype: np.dtype) -> Frame:
    """Round numbers to those of a type."""
    if dtype.kind == "f" or values.dtype == dtype:
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.rint(values).clip(limits.min, limits.max).astype(dtype)
