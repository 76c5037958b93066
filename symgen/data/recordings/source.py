"""The user's own recordings as a source of sequences."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset

from symgen.data.recordings.clips import ClipSpec, Part, RecordingSplit, divide, parts_in_time
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.reading import Decoding, find_footage
from symgen.data.sequences import SequenceBatch

__all__ = ["DEFAULT_LENGTH", "Axes", "Recordings", "open"]

DEFAULT_LENGTH = 16
Axes = Literal["NTF"]
_NAMED = 5  # recordings that an error names


class Recordings:
    """Makes sequences of one length from recordings of any: a source made by `symgen.data.open`.

    An item is a clip. Nothing but the frames of a batch is read, as bytes, and turned to floats on
    the device. Recordings have no factors, so `factors` has no columns and `moved` is -1.

    Attributes:
        footage: the frames on disk.
        split: which split this is.
        spec: length, stride and spacing of the clips.
        part: the recordings, or pieces of them, that belong to the split.
        in_time: whether the splits divide every recording in time.
        skipped: recordings that were left out, with the reason.
    """

    factor_names: tuple[str, ...] = ()
    factor_sizes: tuple[int, ...] = ()

    def __init__(
        self,
        footage: Footage,
        split: RecordingSplit,
        spec: ClipSpec,
        part: Part,
        in_time: bool,
        skipped: tuple[Skipped, ...],
        device: str | torch.device = "cpu",
        origin: dict[str, Any] | None = None,
    ) -> None:
        self.origin = origin
        self.footage = footage
        self.split: RecordingSplit = split
        self.spec = spec
        self.part = part
        self.in_time = in_time
        self.skipped = skipped
        self.device = torch.device(device)
        self._ends = part.clips(spec).cumsum()

    @property
    def frames(self) -> int:
        """Frames in a clip, S."""
        return self.spec.length

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Channels, height and width of a frame, or the features of a vector."""
        return self.footage.data_shape

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open the recordings again, if they came from a path."""
        return self.origin

    def __len__(self) -> int:
        """Return the number of clips."""
        return int(self._ends[-1])

    def frame_numbers(self, items: Int64[Tensor, " B"]) -> Int64[Tensor, "B S"]:
        """Return which frames of the footage make each clip.

        Raises:
            ValueError: if there is no such clip.
        """
        clip = items.cpu().numpy()
        outside = clip[(clip < 0) | (clip >= len(self))]
        if len(outside):
            raise ValueError(f"no item {outside[0]}: {self!r} has items 0 to {len(self) - 1}")
        piece = np.searchsorted(self._ends, clip, side="right")
        clips_before = np.where(piece > 0, self._ends[piece - 1], 0)
        begin = self.footage.first[self.part.recording] + self.part.begin
        first = begin[piece] + self.spec.stride * (clip - clips_before)
        steps = self.spec.every * np.arange(self.spec.length)
        return torch.from_numpy(first[:, None] + steps)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Read the clips with some numbers; nothing is drawn from the generator.

        Raises:
            ValueError: if there is no such item.
        """
        raw = self.footage.read(self.frame_numbers(indices).numpy())
        frames = torch.from_numpy(raw).to(self.device)
        frames = frames.float() if frames.is_floating_point() else frames.float().div_(255)
        count = len(indices)
        factors = torch.zeros(count, self.frames, 0, dtype=torch.int64, device=self.device)
        moved = torch.full((count,), -1, device=self.device)
        return SequenceBatch(frames, factors, moved)

    def __repr__(self) -> str:
        whole = len(self.footage.lengths)
        how = (
            f"parts in time of {whole}" if self.in_time else f"{len(self.part.length)} of {whole}"
        )
        spec = self.spec
        return (
            f"Recordings({self.split!r}, {how} recordings, {len(self)} clips, "
            f"length={spec.length}, stride={spec.stride}, every={spec.every}, "
            f"data_shape={self.data_shape}, fingerprint={self.footage.fingerprint!r})"
        )


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
      channels 1 or 3. It is read in place, batch by batch, however large; floats are looked
      through once. An `.npz` with one such array cannot be read in place: it is loaded once.
    * a folder of folders of frames (PNG, JPEG), a sequence each, in natural order (2 before 10);
      or a folder of the frames of one sequence. Other files in them are left alone.
    * a video, several, or a folder of them; needs `pip install 'symgen[video]'`.
    * tensors (S, [channels,] height, width): any iterable, or a torch Dataset; read once.

    All but an array that needs neither `gray` nor `size` is decoded once into an array on disk, of
    bytes for images and videos, and batches are read from that.

    Splits are of whole recordings, or of their time where they are fewer than the splits; see
    `divide`, whose shares and seed these are.

    Args:
        data: what to open.
        split: "train", "validation", "test" or "all".
        axes: "NTF" for arrays of vectors, (recordings, frames, features) of any finite floats;
            None for images.
        length: frames in a clip; None: 16, or fewer where recordings or splits are too short.
        stride: frames of a recording between the starts of its clips; None: 1 in training, and as
            many as a clip covers otherwise, so that every frame is measured once.
        every: take every k-th frame of a recording.
        rate: frames per second to resample videos to.
        size: height and width to resize frames to, antialiased; None leaves them.
        gray: turn colours to gray.
        validation: share of the recordings, or of their time, that is kept for validation.
        test: share that is kept for the test.
        split_seed: seed of the choice of recordings.
        skip_broken: leave out recordings that are broken, unlike the first or too short, and list
            them in `skipped`; otherwise the first of them is an error.
        cache: folder to keep what was decoded, to be found again while the files are the same;
            None: a temporary folder, removed when the process ends.
        device: where batches are made.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ModuleNotFoundError: if there are videos but no PyAV.
        ValueError: if recordings are broken, too short or none, or a number does not fit.

    Example:
        >>> films = [torch.rand(length, 1, 8, 8) for length in (20, 24, 31, 20, 20)]
        >>> source = open(films, length=12, stride=4)
        >>> batch = source.batch(torch.arange(2), torch.Generator())
        >>> len(source), batch.frames.shape, batch.frames[0, 4].equal(batch.frames[1, 0])
        (12, torch.Size([2, 12, 1, 8, 8]), True)
    """
    if split not in get_args(RecordingSplit):
        names = ", ".join(get_args(RecordingSplit))
        raise ValueError(f"unknown split {split!r}: choose one of {names}")
    if every < 1:
        raise ValueError(f"every={every}: give 1 or more")
    if axes not in (None, *get_args(Axes)):
        raise ValueError(f"axes={axes!r}: give 'NTF' for vectors, or None for images")
    if size is not None and min(size) < 1:
        raise ValueError(f"size={size}: give a height and a width of 1 or more")
    decoding = Decoding(size, gray, rate, skip_broken, vectors=axes == "NTF")
    footage = find_footage(data, decoding, None if cache is None else Path(cache))
    if length is None:
        undivided = split == "all"
        parts = 1 if undivided else parts_in_time(len(footage.lengths), validation, test)
        length = _default_length(footage, every, parts)
    spec = ClipSpec(length, stride=1, every=every)
    if stride is not None or split != "train":
        spec = ClipSpec(length, spec.extent if stride is None else stride, every)
    kept, skipped = _long_enough(footage, spec.extent, skip_broken)
    part = divide(footage.lengths[kept], split, spec.extent, validation, test, split_seed)
    part = Part(kept[part.recording], part.begin, part.length)
    in_time = split != "all" and parts_in_time(len(kept), validation, test) > 1
    origin = None
    if isinstance(data, str | Path):
        origin = {
            "kind": "recordings",
            "data": str(Path(data).resolve()),
            "axes": axes,
            "length": length,
            "stride": stride,
            "every": every,
            "rate": rate,
            "size": size,
            "gray": gray,
            "validation": validation,
            "test": test,
            "split_seed": split_seed,
            "skip_broken": skip_broken,
            "cache": None if cache is None else str(cache),
        }
    left_out = footage.skipped + skipped
    return Recordings(footage, split, spec, part, in_time, left_out, device, origin)


def _default_length(footage: Footage, every: int, parts: int) -> int:
    """Choose 16 frames, or as many as the shortest recording has room for.

    A recording that is divided in time holds a clip for every part and a gap between any two.
    """
    room = int(footage.lengths.min()) // (2 * parts - 1)
    longest = 1 + (room - 1) // every
    if longest < 2:
        shortest = footage.name(int(footage.lengths.argmin()))
        raise ValueError(
            f"{shortest} has {footage.lengths.min()} frames, too few for clips of two frames with "
            f"every={every}{f' in each of {parts} parts' if parts > 1 else ''}: take a smaller "
            "every, or give longer recordings"
        )
    return min(DEFAULT_LENGTH, longest)


def _long_enough(
    footage: Footage, extent: int, skip_broken: bool
) -> tuple[Int64[np.ndarray, " kept"], tuple[Skipped, ...]]:
    """Return the recordings that hold a clip, and those that were left out because they do not."""
    short = np.flatnonzero(footage.lengths < extent)
    if not len(short):
        return np.arange(len(footage.lengths)), ()
    kept = np.flatnonzero(footage.lengths >= extent)
    described = [f"{footage.name(int(i))} ({footage.lengths[i]} frames)" for i in short[:_NAMED]]
    if not skip_broken or not len(kept):
        more = f" and {len(short) - _NAMED} more" if len(short) > _NAMED else ""
        raise ValueError(
            f"a clip covers {extent} frames, but shorter are {', '.join(described)}{more}: take "
            "a smaller length or every, or leave them out with skip_broken (--skip-broken)"
        )
    reason = f"shorter than the {extent} frames that a clip covers"
    return kept, tuple(Skipped(footage.name(int(i)), reason) for i in short)
