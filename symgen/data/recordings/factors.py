"""Factors of recordings: what is known of them, or of each frame, in arrays beside the images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64, Shaped
from numpy import ndarray

from symgen._errors import nearest
from symgen.data.recordings.axes import in_words
from symgen.data.recordings.containers import open_arrays
from symgen.data.recordings.readers import Located

__all__ = ["Factors", "read_factors"]

_MOST = 2**63 - 1  # whole number that a column holds


@dataclass(frozen=True, eq=False)
class Factors:
    """The value of every factor in every frame, by its number among the values that there are.

    Attributes:
        names: of the factors.
        levels: the values of each that occur, in their order.
        index: which of them each frame has, frame after frame of all recordings, bad ones, too.
        first: number of the first frame of each recording there.
    """

    names: tuple[str, ...]
    levels: tuple[Shaped[ndarray, " _"], ...]
    index: Int32[ndarray, "frames factors"]
    first: Int64[ndarray, " recordings"]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Count the values of each factor."""
        return tuple(map(len, self.levels))

    def at(
        self, recording: Int64[ndarray, "*batch"], frame: Int64[ndarray, "*batch"]
    ) -> Int32[ndarray, "*batch factors"]:
        """Return the numbers of the values in some frames."""
        return self.index[self.first[recording] + frame]

    def values(self, index: Int32[ndarray, "rows factors"]) -> Shaped[ndarray, "rows factors"]:
        """Return the values, as they were in the file: whole numbers if all are."""
        columns = zip(self.levels, index.T, strict=True)
        return np.stack([levels[column] for levels, column in columns], -1)


def read_factors(arrays: Sequence[Located], names: Sequence[str]) -> Factors:
    """Read the arrays of some names beside those of recordings, in the same files.

    One holds a number for each recording, for each frame of all of them, or for each frame of
    each, with axes in the order of the recordings'. Axes of one are left out.

    Raises:
        ValueError: if there is no such array, or it is of none of these shapes, or of two.
    """
    columns = [np.concatenate([*_column(arrays, name)]) for name in names]
    kinds = [np.unique(column, return_inverse=True) for column in columns]
    lengths = [each.length for each in arrays for _ in range(each.recordings)]
    ends = np.cumsum(lengths, dtype=np.int64)
    index = np.stack([inverse.reshape(-1).astype(np.int32) for _, inverse in kinds], -1)
    return Factors(tuple(names), tuple(levels for levels, _ in kinds), index, ends - lengths)


def _column(arrays: Sequence[Located], name: str) -> Iterator[Shaped[ndarray, " frames"]]:
    """Read a factor file by file, as a number for every frame."""
    for located in arrays:
        path = located.array.path
        beside = open_arrays(path)
        if name not in beside or name == located.array.name:
            others = [other for other in beside if other != located.array.name]
            known = nearest(name, others) if others else "it has none beside the recordings"
            raise ValueError(
                f"factors={name!r}: {path} has no such array of numbers, {known}: give others, or "
                "none, as with --factors alone"
            )
        values = beside[name].read()
        beside[name].close()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError(
                f"factors={name!r}: {path} has values there that are not finite: give a number "
                "for every frame, and list bad frames with --bad-frames FILE"
            )
        whole = values.dtype.kind in "biu" and int(values.max(initial=0)) <= _MOST
        numbers = values.astype(np.int64 if whole else np.float64)
        yield _of_every_frame(name, located, numbers)


def _of_every_frame(
    name: str, located: Located, values: Shaped[ndarray, "..."]
) -> Shaped[ndarray, " frames"]:
    """Repeat values of recordings for their frames, or of frames for all recordings."""
    size = {"N": located.recordings, "T": located.length}
    order = "".join(letter for letter in located.axes if letter in size) or "T"
    shape = tuple(n for n in values.shape if n != 1)
    known = {
        "".join(letter for letter in axes if size[letter] != 1): axes
        for axes in ("N", "T", order)
        if tuple(size[letter] for letter in axes if size[letter] != 1) == shape
    }
    if len(known) != 1:
        n, t = size["N"], size["T"]
        words = in_words(located.axes, located.array.shape)
        why = "which counts both" if known else f"but {located.array.name} has {words}"
        raise ValueError(
            f"factors={name!r}: {located.array.path} has it of shape {values.shape}, {why}: give "
            f"a number for each recording, ({n},), for each frame, ({t},), or for both, ({n}, {t})"
        )
    (axes,) = known.values()
    values = values.reshape([size[letter] for letter in axes])
    if axes == "TN":
        values = values.T
    wide = values[:, None] if axes == "N" else values[None] if axes == "T" else values
    return np.broadcast_to(wide, (size["N"], size["T"])).reshape(-1)
