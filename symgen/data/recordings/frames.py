"""Single frames of recordings: their layout, what may be in them, gray and size."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from PIL import Image

__all__ = ["Frame", "check_array", "check_values", "prepared"]

Frame = Shaped[ndarray, "..."]  # (channels, height, width), or (features,) of a vector

_FLOATS = (np.float16, np.float32, np.float64)
_GREATEST = np.finfo(np.float32).max  # models compute in 32 bits

# Pillow's filters widen with the reduction, so they do not alias; this one stays in [0, 1].
_FILTER = Image.Resampling.BILINEAR
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R 601, as Pillow's "L"


def check_array(
    name: str, shape: tuple[int, ...], dtype: np.dtype, leading: str, vectors: bool = False
) -> None:
    """Refuse an array whose axes (after the leading ones, such as "n, S") or type do not fit."""
    inner = shape[leading.count(",") + 1 :]
    if vectors:
        if len(inner) != 1 or 0 in shape or dtype not in _FLOATS:
            raise ValueError(
                f"{name} has shape {shape} and holds {dtype}: vectors are floats ({leading}, "
                "features) of 16, 32 or 64 bits, none of the sizes 0"
            )
        return
    if len(inner) not in (2, 3) or 0 in shape:
        raise ValueError(
            f"{name} has shape {shape}: give images ({leading}, height, width) or "
            f"({leading}, channels, height, width), none of them 0; of vectors, give axes='NTF'"
        )
    if len(inner) == 3 and inner[0] not in (1, 3):
        raise ValueError(
            f"{name} has shape {shape}, {inner[0]} channels: give 1 or 3 channels before "
            f"height and width, ({leading}, channels, height, width)"
        )
    if dtype not in (np.uint8, *_FLOATS):
        raise ValueError(f"{name} holds {dtype}: give bytes (uint8), or floats in [0, 1]")


def check_values(name: str, frames: Shaped[ndarray, " frames *data"], first: int = 0) -> None:
    """Refuse images beyond [0, 1] and vectors beyond 32 bits, by the number of the bad frame."""
    if frames.dtype == np.uint8:
        return
    flat = frames.reshape(len(frames), -1)
    least, greatest = flat.min(1), flat.max(1)
    values, wanted, bounds = "pixels", "floats in [0, 1]", (0, 1)
    if frames.ndim == 2:
        values, wanted, bounds = "features", "finite floats of 32 bits", (-_GREATEST, _GREATEST)
    bad = np.flatnonzero(~((least >= bounds[0]) & (greatest <= bounds[1])))  # NaN is bad, too
    if len(bad):
        low, high = least[bad[0]], greatest[bad[0]]
        reach = f"{values} reach from {low:g} to {high:g}"
        what = f"NaN among the {values}" if np.isnan(low) else reach
        raise ValueError(f"{name}, frame {first + bad[0]}: {what}: give {wanted}")


def prepared(
    name: str, frames: Iterator[Frame], size: tuple[int, int] | None, gray: bool
) -> Iterator[Frame]:
    """Check frames; turn them to gray and to (height, width) if asked for, floats to float32."""
    for number, frame in enumerate(frames):
        check_values(name, frame[None], first=number)
        yield _prepare(frame, size, gray)


def _prepare(frame: Frame, size: tuple[int, int] | None, gray: bool) -> Frame:
    if frame.ndim == 1:
        if size is not None or gray:
            raise ValueError("vectors have neither a size nor colours: leave out size and gray")
        return frame.astype(np.float32)
    floats = frame.dtype != np.uint8
    frame = frame.astype(np.float32) if floats else frame
    if gray and len(frame) == 3 and floats:
        frame = np.tensordot(_LUMINANCE, frame, 1)[None]
    elif gray and len(frame) == 3:
        frame = np.asarray(Image.fromarray(frame.transpose(1, 2, 0)).convert("L"))[None]
    if size is not None and frame.shape[1:] != size:
        images = [Image.fromarray(c).resize((size[1], size[0]), _FILTER) for c in frame]
        frame = np.stack([np.asarray(image) for image in images])
    return frame.clip(0, 1) if floats else frame  # rounding can leave the range by a hair
