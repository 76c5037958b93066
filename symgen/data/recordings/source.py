"""The user's own recordings as a source of sequences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from symgen._errors import require_choice
from symgen.data.batches import SequenceBatch, require_items
from symgen.data.recordings.clips import ClipSpec, Part, RecordingSplit, divide, parts_in_time
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.reading import Decoding, find_footage

__all__ = ["DEFAULT_LENGTH", "Axes", "Recordings", "open"]

DEFAULT_LENGTH = 16
Axes = Literal["NTF"]
_NAMED = 5  # recordings that an error names


@dataclass(eq=False, repr=False)
class Recordings:
    """Makes sequences of one length from recordings of any: a source made by `symgen.data.open`.

    An item is a clip. Only the frames of a batch are read, as bytes, and turned to floats on the
    device. Recordings have no factors, so `factors` has no columns and `moved` is -1.
    """

    factor_names: ClassVar[tuple[str, ...]] = ()
    factor_sizes: ClassVar[tuple[int, ...]] = ()

    footage: Footage  # the frames on disk
    split: RecordingSplit
    spec: ClipSpec  # length, stride and spacing of the clips
    part: Part  # the recordings, or pieces of them, that belong to the split
    in_time: bool  # whether the splits divide every recording in time
    skipped: tuple[Skipped, ...]  # recordings that were left out, with the reason
    device: torch.device
    origin: dict[str, Any] | None  # what it takes to open them again, if they came from a path

    def __post_init__(self) -> None:
        self.frames = self.spec.length
        self.data_shape = self.footage.data_shape
        self._ends = self.part.clips(self.spec).cumsum()

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open the recordings again, or None."""
        return self.origin

    def __len__(self) -> int:
        return int(self._ends[-1])

    def frame_numbers(self, items: Int64[Tensor, " B"]) -> Int64[Tensor, "B S"]:
        """Return which frames of the footage make each clip."""
        clip = require_items(self, items).numpy()
        piece = np.searchsorted(self._ends, clip, side="right")
        clips_before = np.where(piece > 0, self._ends[piece - 1], 0)
        begin = self.footage.first[self.part.recording] + self.part.begin
        first = begin[piece] + self.spec.stride * (clip - clips_before)
        steps = self.spec.every * np.arange(self.spec.length)
        return torch.from_numpy(first[:, None] + steps)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Read the clips with these numbers; nothing is drawn from the generator."""
        raw = self.footage.read(self.frame_numbers(indices).numpy())
        frames = torch.from_numpy(raw).to(self.device)
        frames = frames.float() if frames.is_floating_point() else frames.float().div_(255)
        shape = (len(indices), self.frames, 0)
        factors = torch.zeros(shape, dtype=torch.int64, device=self.device)
        return SequenceBatch(frames, factors, torch.full(shape[:1], -1, device=self.device))

    def __repr__(self) -> str:
        kept = "parts in time" if self.in_time else len(self.part.length)
        clips = f"{kept} of {len(self.footage.lengths)} recordings, {len(self)} clips"
        spec = ", ".join(f"{name}={value}" for name, value in vars(self.spec).items())
        content = f"data_shape={self.data_shape}, fingerprint={self.footage.fingerprint!r}"
        return f"Recordings({self.split!r}, {clips}, {spec}, {content})"


def open(
    data: str | Path | Sequence[str | Path] | Iterable[Any] | Dataset[Any],
    split: RecordingSplit = "train",
    *,
    axes: Axes | None = None,
    length: int | None = None,
    stride: int | None = None,
    every: int = 1,
    rate: float | None = None,
    size: tuple[int, int] | None = None,
    gray: bool = False,
    validation: float = 0.1,
    test: float = 0.1,
    split_seed: int = 0,
    skip_broken: bool = False,
    cache: str | Path | None = None,
    device: str | torch.device = "cpu",
) -> Recordings:
    """Open recordings as a source of sequences.

    What `data` can be:

    * an array `.npy` of shape (n, S, [channels,] height, width), bytes or floats in [0, 1],
      channels 1 or 3, or an `.npz` with one such array;
    * a folder of folders of frames (PNG, JPEG), a sequence each, in natural order (2 before 10),
      or a folder of the frames of one sequence; other files in them are left alone;
    * a video, several, or a folder of them; needs `pip install 'symgen[video]'`;
    * tensors (S, [channels,] height, width): any iterable, or a torch Dataset.

    An `.npy` array that needs neither `gray` nor `size` is read in place, batch by batch; all else
    is decoded once into such an array on disk. Splits are of whole recordings, or of their time
    where they are fewer than the splits: see `symgen.data.recordings.divide`.

    Args:
        data: what to open.
        split: "train", "validation", "test" or "all".
        axes: "NTF" for vectors (recordings, frames, features), any finite floats; None for images.
        length: frames in a clip; None: 16, or fewer where recordings or splits are too short.
        stride: frames between the starts of clips; None: 1 in training, and otherwise as many as a
            clip covers, so that every frame is measured once.
        every: take every k-th frame of a recording.
        rate: frames per second to resample videos to.
        size: height and width to resize frames to, antialiased; None keeps theirs.
        gray: turn colours to gray.
        validation: share of the recordings, or of their time, that is kept for validation.
        test: share that is kept for the test.
        split_seed: seed of the choice of recordings.
        skip_broken: leave out recordings that are broken, unlike the first or too short, and list
            them in `skipped`.
        cache: folder that keeps what was decoded for as long as the files are the same; None: a
            temporary folder.
        device: where batches are made.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ModuleNotFoundError: if there are videos but no PyAV.
        ValueError: if recordings are broken, too short or none, or a setting does not fit.

    Example:
        >>> films = [torch.rand(length, 1, 8, 8) for length in (20, 24, 31, 20, 20)]
        >>> source = open(films, length=12, stride=4)
        >>> batch = source.batch(torch.arange(2), torch.Generator())
        >>> len(source), batch.frames.shape, batch.frames[0, 4].equal(batch.frames[1, 0])
        (12, torch.Size([2, 12, 1, 8, 8]), True)
    """
    options = {name: value for name, value in locals().items() if name not in ("split", "device")}
    require_choice("split", split, get_args(RecordingSplit))
    if every < 1:
        raise ValueError(f"every={every}: give 1 or more")
    if axes not in (None, *get_args(Axes)):
        raise ValueError(f"axes={axes!r}: give 'NTF' for vectors, or None for images")
    if size is not None and min(size) < 1:
        raise ValueError(f"size={size}: give a height and a width of 1 or more")
    decoding = Decoding(size, gray, rate, skip_broken, vectors=axes == "NTF")
    footage = find_footage(data, decoding, None if cache is None else Path(cache))
    if length is None:
        parts = parts_in_time(split, len(footage.lengths), validation, test)
        length = _default_length(footage, every, parts)
    spec = ClipSpec(length, 1 if stride is None else stride, every)
    if stride is None and split != "train":
        spec = replace(spec, stride=spec.extent)
    kept, skipped = _long_enough(footage, spec.extent, skip_broken)
    part = divide(footage.lengths[kept], split, spec.extent, validation, test, split_seed)
    part = Part(kept[part.recording], part.begin, part.length)
    in_time = parts_in_time(split, len(kept), validation, test) > 1
    skipped = footage.skipped + skipped
    origin = None
    if isinstance(data, str | Path):
        files = {"data": str(Path(data).resolve()), "cache": cache and str(Path(cache).resolve())}
        origin = {"kind": "recordings", **options, **files, "length": length}
    where = torch.device(device)
    return Recordings(footage, split, spec, part, in_time, skipped, where, origin)


def _default_length(footage: Footage, every: int, parts: int) -> int:
    """Choose 16 frames, or as many as the shortest recording has room for."""
    shortest = int(footage.lengths.argmin())
    frames = int(footage.lengths[shortest])
    # A recording that is divided in time holds a clip for every part and a gap between any two.
    longest = 1 + (frames // (2 * parts - 1) - 1) // every
    if longest < 2:
        raise ValueError(
            f"{footage.name(shortest)} has {frames} frames, too few for clips of two frames with "
            f"every={every}{f' in each of {parts} parts' if parts > 1 else ''}: take a smaller "
            "every, or give longer recordings"
        )
    return min(DEFAULT_LENGTH, longest)


def _long_enough(footage: Footage, extent: int, skip: bool) -> tuple[Any, tuple[Skipped, ...]]:
    """Return the recordings that hold a clip, and those that were left out because they do not."""
    enough = footage.lengths >= extent
    kept, short = np.flatnonzero(enough), np.flatnonzero(~enough)
    if len(short) and not (skip and len(kept)):
        named = [f"{footage.name(i)} ({footage.lengths[i]} frames)" for i in short.tolist()]
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        raise ValueError(
            f"a clip covers {extent} frames, but shorter are {', '.join(named[:_NAMED])}{more}: "
            "take a smaller length or every, or leave them out with skip_broken (--skip-broken)"
        )
    reason = f"shorter than the {extent} frames that a clip covers"
    return kept, tuple(Skipped(footage.name(i), reason) for i in short.tolist())
