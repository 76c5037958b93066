"""What a maker of the campaign inspect_files has written, and what it is damaged by."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

from fixtures import cut, flipped, zeroed
from numpy import ndarray

DAMAGES = (cut, zeroed, partial(flipped, bits=5), lambda c, r: b"")
SIDE = 8


class Made(NamedTuple):
    """What a maker has written."""

    path: Path
    must: str
    frames: ndarray | None = None  # of all good recordings, in order
    broken: str = ""  # what an error or the list of skipped recordings must name
    options: tuple[str, ...] = ()
    others: tuple[ndarray, ...] = ()  # what the frames may be besides: less is left out, or none


Maker = Callable[[Path, Random], Made]
