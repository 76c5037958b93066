"""Axes of arrays by name, and which readings of a shape are plausible."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from symgen._errors import either

__all__ = ["choose_axes", "frames_last", "in_words", "readings", "require_axes", "shape_of_frames"]

_USUAL: Final = ("TF", "TYX", "NTF", "NTYX", "TCYX", "TYXC", "NTCYX", "NTYXC", "NTCZYX")
_OTHERS: Final = (
    *("FT", "YXT", "TNF", "NFT", "TNYX", "TZYX", "CTYX", "NYXT", "TYXN", "YXTN", "YXNT", "YXCT"),
    *("YXTC", "TNCYX", "TNYXC", "NCTYX", "NTZYX", "TCZYX", "TZCYX", "TZYXC", "YXCTN", "TNCZYX"),
)
_LEAST_TIME = 16  # frames, a clip, that axes in an order less usual must have to be time
_LEAST_SIDE = 5  # pixels: 1, 3 and 4 are channels
_CHANNELS = (1, 2, 3, 4)
_ASPECT, _ASPECT_OTHERS = 3, 2  # of the longer side to the shorter one
_EXAMPLES = {2: "TF", 3: "TYX or NTF", 4: "NTYX or TYXC", 5: "NTCYX or NTYXC", 6: "NTCZYX"}


def readings(shape: Sequence[int], dtype: np.dtype, several: bool = True) -> list[str]:
    """List the plausible readings of an array, as letters of its axes in their order.

    N counts recordings, T frames, C channels; Z, Y and X are depth, height and width, and F
    features. A reading is plausible if

    * frames are images at least 5 wide and high, their sides within a factor of 3, of 1 to 4
      channels, or vectors of numbers other than bytes and 16 bits;
    * it is one of the usual orders (TF, TYX, NTF, NTYX, TCYX, TYXC, NTCYX, NTYXC, NTCZYX), or
      another known one with at least 16 frames, sides within a factor of 2, and 5 slices if any;
    * no usual one has it that frames are square, or its own are and height is not first.

    Args:
        shape: sizes of the axes.
        dtype: of the numbers.
        several: whether there may be several recordings in the array.

    Example:
        >>> readings((20, 100, 16, 16), np.dtype("uint8"))
        ['NTYX', 'TNYX', 'TZYX']
        >>> readings((200, 16, 16, 3), np.dtype("uint8"))
        ['TYXC']
    """
    numbers = dtype.kind == "f" or (dtype.kind in "iu" and dtype.itemsize > 2)
    orders = [order for order in _USUAL + _OTHERS if len(order) == len(shape)]
    orders = [order for order in orders if several or "N" not in order]
    orders = [order for order in orders if numbers or "F" not in order]
    found = [order for order in orders if _plausible(order, dict(zip(order, shape, strict=True)))]
    squares = [order for order in found if order in _USUAL and _square(order, shape)]
    if not squares:
        return found
    return [order for order in found if _square(order, shape) and order[0] != "Y"]


def _plausible(order: str, sizes: dict[str, int]) -> bool:
    """Tell whether sizes are such as axes in an order have, see `readings`."""
    usual = order in _USUAL
    if sizes["T"] < (2 if usual else _LEAST_TIME):
        return False
    if not usual and sizes.get("N", 2) < 2:  # as good as the usual order
        return False
    if "F" in sizes:
        return True
    low, high = sorted((sizes["Y"], sizes["X"]))
    if low < _LEAST_SIDE or high > low * (_ASPECT if usual else _ASPECT_OTHERS):
        return False
    if sizes.get("Z", _LEAST_SIDE) < _LEAST_SIDE or sizes.get("C", 1) not in _CHANNELS:
        return False
    if order == "NYXT":  # rare, so the sides must speak for it
        return low == high
    if order == "TYXN":  # rarer still: it makes NYXT ambiguous
        return low == high and sizes["N"] >= _LEAST_TIME
    return order != "CTYX" or sizes["C"] in (2, 3)


def _square(order: str, shape: Sequence[int]) -> bool:
    return "Y" in order and shape[order.index("Y")] == shape[order.index("X")]


def choose_axes(
    name: str,
    shape: Sequence[int],
    dtype: np.dtype,
    axes: str | None = None,
    told: str | None = None,
    several: bool = True,
) -> str:
    """Return the axes of an array: those given, told by its file, or the only plausible reading.

    Depth is never guessed, nor are frames that are not square where any axes are equally long.

    Args:
        name: what to call the array in an error.
        axes: as given by the user.
        told: as the file names them.
        several: whether there may be several recordings in the array.

    Raises:
        ValueError: in one line, if axes do not fit, or several readings are plausible or none.

    Example:
        >>> choose_axes("film", (40, 16, 16), np.dtype("uint8"))
        'TYX'
        >>> choose_axes("film", (3, 40, 16, 16), np.dtype("uint8"))
        Traceback (most recent call last):
        ValueError: film has shape (3, 40, 16, 16), which can be read as axes NTYX (3 recordings \
of 40 frames of 16 × 16) or CTYX (40 frames of 16 × 16 in 3 channels): choose one, such as \
--axes NTYX
    """
    shape = tuple(shape)
    if 0 in shape or not shape:
        raise ValueError(f"{name} has shape {shape}, which holds nothing: give frames")
    if axes is not None:
        return _fitted(name, shape, axes, several)
    if told is not None and len(told) == len(shape):
        if _is_complete(told):
            return told
        if "T" not in told and "Z" in told:
            mend = told.replace("Z", "T")
            raise ValueError(
                f"{name} says that its axes are {told} {shape}, none of them time: if its slices "
                f"are frames, give --axes {mend}"
            )
    found = readings(shape, dtype, several)
    if len(found) == 1 and "Z" not in found[0] and _no_other_square(found[0], shape):
        return found[0]
    if len(found) > 1:
        listed = either(f"{order} ({in_words(order, shape)})" for order in found)
        raise ValueError(
            f"{name} has shape {shape}, which can be read as axes {listed}: choose one, such as "
            f"--axes {found[0]}"
        )
    example = found[0] if found else _EXAMPLES.get(len(shape))
    if example is None:
        raise ValueError(
            f"{name} has shape {shape}: give 2 to 6 axes, such as (frames, height, width)"
        )
    raise ValueError(
        f"{name} has shape {shape} of {dtype}, of which no reading is sure: name its axes in "
        f"their order by letters of N T C Z Y X, or of N T F for vectors, such as --axes {example}"
    )


def _no_other_square(order: str, shape: tuple[int, ...]) -> bool:
    """Tell whether axes that are equally long are height and width, as in most recordings."""
    long = [size for size in shape if size >= _LEAST_SIDE]
    return _square(order, shape) or len(set(long)) == len(long)


def require_axes(axes: str) -> None:
    """Refuse letters that are no axes.

    Example:
        >>> require_axes("NHW")
        Traceback (most recent call last):
        ValueError: axes='NHW': give letters of N T C Z Y X, each once, with T, Y and X, such as \
NTYX or TYXC; of vectors those of N T F, such as NTF
    """
    if not _is_complete(axes):
        raise ValueError(
            f"axes={axes!r}: give letters of N T C Z Y X, each once, with T, Y and X, such as "
            "NTYX or TYXC; of vectors those of N T F, such as NTF"
        )


def _is_complete(axes: str) -> bool:
    letters = set(axes)
    images = {"T", "Y", "X"} <= letters <= set("NTCZYX")
    return len(letters) == len(axes) and (images or {"T", "F"} <= letters <= set("NTF"))


def _fitted(name: str, shape: tuple[int, ...], axes: str, several: bool) -> str:
    """Return given axes as those of an array, which in a list is one recording."""
    axes = axes if several else axes.replace("N", "")
    if len(axes) != len(shape):
        raise ValueError(
            f"{name} has shape {shape}, {len(shape)} axes, but axes={axes!r} names {len(axes)}: "
            "name each, in their order"
        )
    return axes


def in_words(axes: str, shape: Sequence[int]) -> str:
    """Say what an array is.

    Example:
        >>> in_words("NTYXC", (8, 20, 16, 12, 3))
        '8 recordings of 20 frames of 16 × 12 in 3 channels'
    """
    size = dict(zip(axes, shape, strict=True))
    many = f"{size['N']:,} recordings of " if "N" in size else ""
    if "F" in size:
        return f"{many}{size['T']:,} frames of {size['F']:,} features"
    sides = " × ".join(f"{size[letter]:,}" for letter in "ZYX" if letter in size)
    channels = f" in {size['C']:,} channels" if size.get("C", 1) > 1 else ""
    return f"{many}{size['T']:,} frames of {sides}{channels}"


def shape_of_frames(axes: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of a frame: (channels, [depth,] height, width), or (features,).

    Example:
        >>> shape_of_frames("TYXC", (200, 16, 12, 3)), shape_of_frames("NTF", (6, 40, 12))
        ((3, 16, 12), (12,))
    """
    size = dict(zip(axes, shape, strict=True))
    if "F" in size:
        return (size["F"],)
    return (size.get("C", 1), *(size[letter] for letter in "ZYX" if letter in size))


def frames_last(array: Shaped[ndarray, "..."], axes: str) -> Shaped[ndarray, " n S *data"]:
    """Return a view of an array as recordings of frames, whatever the order of its axes.

    Example:
        >>> frames_last(np.zeros((200, 16, 12, 3)), "TYXC").shape
        (1, 200, 3, 16, 12)
    """
    order = [letter for letter in "NTCZYXF" if letter in axes]
    moved = array.transpose([axes.index(letter) for letter in order])
    if "N" not in axes:
        moved = moved[None]
    return moved if "C" in axes or "F" in axes else moved[:, :, None]
