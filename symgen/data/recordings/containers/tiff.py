"""Images and stacks of TIFF files, page by page, with the axes of OME and ImageJ."""

from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray

from symgen.data.recordings.containers.stored import (
    StoredArray,
    native,
    require_room,
    require_size,
    require_some,
    stored,
    unknown_numbers,
)
from symgen.data.tiff_pages import complaints, decoded, opened_tiff, require_light

__all__ = ["open_tiff"]

_LETTERS = {"T": "T", "Z": "Z", "C": "C", "Y": "Y", "X": "X", "S": "C"}  # S: samples of a pixel


class _Pages:
    """The pages of a series of equal images, which are decoded one by one."""

    def __init__(self, path: Path, file: Any, series: Any) -> None:
        _require_known(series)
        self.shape = tuple(series.shape)
        self.dtype = native(series.dtype)
        self._file, self._series, self._path = file, series, path
        self._page_shape = tuple(series.keyframe.shape)
        self._inverted = series.keyframe.photometric.name == "MINISWHITE"
        self._leading = self._leading_axes()

    def __getitem__(self, slices: tuple[slice, ...]) -> Shaped[ndarray, "..."]:
        if self._series.dataoffset is not None and not self._inverted:  # not packed, in one piece
            return self._in_place(slices)
        leading, inner = slices[: len(self._leading)], slices[len(self._leading) :]
        numbers = np.arange(prod(self._leading)).reshape(self._leading)[leading]
        shape = tuple(len(range(self.shape[axis])[part]) for axis, part in enumerate(slices))
        pages = [self._page(int(number))[inner] for number in numbers.flat]
        return np.array(pages, self.dtype).reshape(shape)

    def _in_place(self, slices: tuple[slice, ...]) -> Shaped[ndarray, "..."]:
        kind = self._series.dtype.newbyteorder(self._file.byteorder)
        mapped = np.memmap(self._path, kind, "r", self._series.dataoffset, self.shape)
        return np.array(mapped[slices])

    def _page(self, number: int) -> Shaped[ndarray, "..."]:
        page = decoded(self._path, self._series[number], number, self._series.keyframe)
        return page.reshape(self.shape[len(self._leading) :])

    def _leading_axes(self) -> tuple[int, ...]:
        """Return the axes that count pages: those before as many numbers as a page has."""
        size, shape = prod(self._page_shape), self.shape
        for count in range(len(shape) + 1):
            if prod(shape[count:]) == size and prod(shape[:count]) == len(self._series):
                return shape[:count]
        raise ValueError(f"its pages are {self._page_shape} each, but all of them {shape}")


def open_tiff(path: Path) -> dict[str, StoredArray]:
    """Open a series of equal pages, named like the file; several have numbers: "series0"."""
    arrays, left_out = {}, {}
    with ExitStack() as stack, complaints():
        file = _file(path, stack)
        for number, series in enumerate(file.series):
            name = path.stem if len(file.series) == 1 else f"series{number}"
            pages = _Pages(path, file, series)
            if why := unknown_numbers(pages.dtype, pages.shape):
                left_out[name] = why
            else:
                opener = partial(_opened, path, number)
                arrays[name] = stored(path, name, pages, _axes(series), opener)
    require_some(arrays, left_out)
    return arrays


def _opened(path: Path, number: int, stack: ExitStack) -> _Pages:
    with complaints():
        file = _file(path, stack)
        return _Pages(path, file, file.series[number])


def _file(path: Path, stack: ExitStack) -> Any:
    """Open a file; equal pages that were written one by one are one series."""
    file = opened_tiff(path, stack)
    layouts = {(series.kind, len(series), series.shape, series.dtype) for series in file.series}
    if len(file.series) > 1 and [layout[:2] for layout in layouts] == [("shaped", 1)]:
        return opened_tiff(path, stack, is_shaped=False)
    return file


def _require_known(series: Any) -> None:
    """Refuse colours that are no light, and pages that are in other files."""
    page = series.keyframe
    size = require_size(tuple(page.shape), native(page.dtype))
    require_room(size, "a page", "write smaller pages")
    require_light(page, measured=series.kind in ("imagej", "ome"))
    if any(one is None for one in series):
        raise ValueError("some of its pages are in other files: save all in one")


def _axes(series: Any) -> str | None:
    """Return the axes; where colours are named, pages of which nothing is told are frames."""
    told = series.axes
    unknown = [letter for letter in told if letter not in _LETTERS]
    if len(unknown) == 1 and "S" in told and "T" not in told:
        told = told.replace(unknown[0], "T")
    found = "".join(_LETTERS.get(letter, "?") for letter in told)
    return None if "?" in found or len(set(found)) < len(found) else found
