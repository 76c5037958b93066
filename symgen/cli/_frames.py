"""Frames out: arrays that are written part by part, on the scale of the recordings."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from symgen._files import write_atomically
from symgen.data.recordings import Levels
from symgen.experiments.datasets import RecordingData
from symgen.experiments.runs import OpenRun

_FLOATS = np.dtype(np.float32)


def write_frames(
    path: Path, shape: Sequence[int], parts: Iterator[Tensor], levels: Levels | None
) -> None:
    """Write parts one after the other as a `.npy` of a shape, which appears once it is whole."""

    def write(partial: Path) -> None:
        with partial.open("wb") as file:  # mapped, a full disk would kill the process
            head = {"descr": _FLOATS.str, "fortran_order": False, "shape": tuple(shape)}
            np.lib.format.write_array_header_1_0(file, head)
            for part in parts:
                part = part if levels is None else levels.undone(part)
                file.write(np.ascontiguousarray(part, _FLOATS).data)

    write_atomically(path, write)


def levels_of(run: OpenRun) -> Levels:
    """Return the values of the run's recordings that became 0 and 1."""
    scale = getattr(run.data, "scale", None) if isinstance(run.data, RecordingData) else None
    if not (isinstance(scale, tuple) and not isinstance(scale[0], str)):
        raise ValueError(
            f"{run.folder} was trained on data that were not scaled: leave --original-scale out"
        )
    return Levels(float(scale[0]), float(scale[1]))
