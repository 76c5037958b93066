"""Pages of TIFF files as they are stored, with whatever is wrong with them said."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from jaxtyping import Shaped
from numpy import ndarray

from symgen.data.extras import library

__all__ = ["complaints", "decoded", "opened_tiff", "require_light"]


def opened_tiff(path: Path, stack: ExitStack, **flags: bool) -> Any:
    """Open a file of its own, without those that it may name."""
    tifffile = library("tifffile", path)
    with complaints():
        return stack.enter_context(tifffile.TiffFile(path, _multifile=False, **flags))


def require_light(page: Any, measured: bool = False) -> None:
    """Refuse colours of ink and the like; numbers that were measured may have a palette."""
    colours = page.photometric.name
    packed = colours == "YCBCR" and page.compression.name.endswith("JPEG")  # becomes RGB
    known = ("MINISBLACK", "MINISWHITE", "RGB", *(["PALETTE"] if measured else []))
    if colours not in known and not packed:
        raise ValueError(f"its colours are {colours}: save it as RGB or gray")


def decoded(path: Path, page: Any, number: int, keyframe: Any) -> Shaped[ndarray, "..."]:
    """Decode a page like another one, its keyframe, all parts of which must be there.

    Where white is stored as 0, numbers are turned round.
    """
    end = path.stat().st_size
    parts = zip(page.dataoffsets, page.databytecounts, strict=True)
    if any(not count or offset + count > end for offset, count in parts):
        raise ValueError(f"page {number} is cut off or has parts that were never written")
    with complaints():
        pixels = page.asarray()
    if keyframe.photometric.name == "MINISWHITE":
        if pixels.dtype.kind not in "bu":
            raise ValueError(f"it holds {pixels.dtype}, of which 0 is white: save gray from black")
        return ~pixels if pixels.dtype == bool else 2**keyframe.bitspersample - 1 - pixels
    return pixels


@contextmanager
def complaints() -> Iterator[None]:
    """Raise what the library only logs of damaged files, before it reads zeros for pages."""
    said: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("tifffile"), Handler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    if said:
        raise ValueError(said[0])
