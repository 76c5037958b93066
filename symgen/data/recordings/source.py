"""The user's own recordings as a source of sequences."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod, sqrt
from os.path import realpath
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor
from torch.utils.data import Dataset

from symgen._errors import require_choice
from symgen.data.batches import SequenceBatch, require_items
from symgen.data.options import require_real, require_seed, require_whole
from symgen.data.recordings.clips import (
    ClipSpec,
    Part,
    RecordingSplit,
    divide,
    parts_in_time,
    require_shares,
)
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.reading import Decoding, find_footage

__all__ = ["DEFAULT_LENGTH", "Axes", "Recordings", "open"]

DEFAULT_LENGTH = 16
Axes = Literal["NTF"]
Record = Mapping[str, Mapping[str, str]]  # see `Recordings.split_record`
_PIXELS = 2**26  # of a frame
_AT_ONCE = 2**26  # bytes of frames that are turned to floats together
_SHOWN = 2**25  # numbers of clips to look at
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
    parts: dict[str, Part]  # the recordings, or pieces of them, that belong to each split
    in_time: bool  # whether the splits divide every recording in time
    skipped: tuple[Skipped, ...]  # recordings that were left out, with the reason
    device: torch.device
    origin: dict[str, Any] | None  # what it takes to open them again, if they came from a path

    def __post_init__(self) -> None:
        self.frames = self.spec.length
        self.data_shape = self.footage.data_shape
        self.part = self.parts[self.split]
        self._ends = self.part.clips(self.spec).cumsum()

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open the recordings again, or None."""
        return self.origin

    def split_record(self) -> dict[str, dict[str, str]]:
        """Return the split to keep: of each part, the recordings by name with a hash of each.

        A name is a recording's number in an array, or its file or folder without the way there.
        `open` takes the record to open the same split of recordings that may have become more.
        """
        return {split: self.footage.hashes(**vars(part)) for split, part in self.parts.items()}

    def __len__(self) -> int:
        return int(self._ends[-1])

    def frame_numbers(self, items: Int64[Tensor, " B"]) -> Int64[Tensor, "B S"]:
        """Return which frames of the footage make each clip."""
        clip = require_items(self, items).numpy()
        piece = self._pieces(items)
        clips_before = np.where(piece > 0, self._ends[piece - 1], 0)
        begin = self.footage.first[self.part.recording] + self.part.begin
        first = begin[piece] + self.spec.stride * (clip - clips_before)
        steps = self.spec.every * np.arange(self.spec.length)
        return torch.from_numpy(first[:, None] + steps)

    def recording_names(self, items: Int64[Tensor, " B"]) -> list[str]:
        """Name the recording that each clip was cut from, as `split_record` names them."""
        names = self.footage.short_names
        return [names[number] for number in self.part.recording[self._pieces(items)]]

    def _pieces(self, items: Int64[Tensor, " B"]) -> Int64[np.ndarray, " B"]:
        """Return which part of a recording each clip was cut from."""
        return np.searchsorted(self._ends, require_items(self, items).numpy(), side="right")

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Read the clips with these numbers; nothing is drawn from the generator."""
        frames = self._read(self.frame_numbers(indices).numpy())
        shape = (len(indices), self.frames, 0)
        factors = torch.zeros(shape, dtype=torch.int64, device=self.device)
        return SequenceBatch(frames, factors, torch.full(shape[:1], -1, device=self.device))

    def thinned(self, items: Int64[Tensor, " B"]) -> Float32[Tensor, "B S *data"]:
        """Read clips to look at, frame by frame: every k-th pixel, so that they need 128 MB.

        Example:
            >>> open([torch.rand(9, 1, 8, 8)] * 4, "all").thinned(torch.arange(3)).shape
            torch.Size([3, 9, 1, 8, 8])
        """
        numbers = self.frame_numbers(items).numpy()
        pixels = len(self.data_shape) > 1
        step = ceil(sqrt(numbers.size * prod(self.data_shape) / _SHOWN)) if pixels else 1
        thin = (..., slice(None, None, step), slice(None, None, step)) if step > 1 else ...
        frames = [self.footage.read(one)[0][thin].copy() for one in numbers.reshape(-1, 1)]
        return self._floats(np.stack(frames).reshape(*numbers.shape, *frames[0].shape))

    def _read(self, numbers: Int64[np.ndarray, "B S"]) -> Float32[Tensor, "B S *data"]:
        """Read frames as floats, a part of them at a time if they are large."""
        step = max(1, _AT_ONCE // self.footage.frame_bytes)
        if numbers.size <= step:
            return self._floats(self.footage.read(numbers))
        frames = torch.empty(numbers.size, *self.data_shape, device=self.device)
        for begin in range(0, numbers.size, step):
            part = numbers.reshape(-1)[begin : begin + step]
            frames[begin : begin + step] = self._floats(self.footage.read(part))
        return frames.unflatten(0, numbers.shape)

    def _floats(self, raw: Shaped[np.ndarray, "*batch"]) -> Float32[Tensor, "*batch"]:
        frames = torch.from_numpy(raw).to(self.device)
        return frames.float() if frames.is_floating_point() else frames.float().div_(255)

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
    record: Record | None = None,
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
        record: what `split_record` of a source returned: the same split is opened again, and
            recordings that came later are left out.
        device: where batches are made.

    Raises:
        FileNotFoundError: if there is nothing at a path.
        ModuleNotFoundError: if there are videos but no PyAV.
        ValueError: if recordings are broken, too short or none, other than recorded, or a setting
            does not fit.

    Example:
        >>> films = [torch.rand(length, 1, 8, 8) for length in (20, 24, 31, 20, 20)]
        >>> source = open(films, length=12, stride=4)
        >>> batch = source.batch(torch.arange(2), torch.Generator())
        >>> len(source), batch.frames.shape, batch.frames[0, 4].equal(batch.frames[1, 0])
        (12, torch.Size([2, 12, 1, 8, 8]), True)
    """
    options = dict(locals())
    options = {n: v for n, v in options.items() if n not in ("split", "record", "device")}
    require_choice("split", split, get_args(RecordingSplit) if record is None else record)
    if axes not in (None, *get_args(Axes)):
        raise ValueError(f"axes={axes!r}: give 'NTF' for vectors, or None for images")
    _require_options(**options)
    decoding = Decoding(size, gray, rate, skip_broken, vectors=axes == "NTF")
    footage = find_footage(data, decoding, None if cache is None else Path(cache))
    footage = footage if record is None else _recorded(footage, record)
    if length is None:
        parts = parts_in_time(split, len(footage.lengths), validation, test)
        length = _default_length(footage, every, parts)
    spec = ClipSpec(length, 1 if stride is None else stride, every)
    if stride is None and split != "train":
        spec = replace(spec, stride=spec.extent)
    kept, skipped = _long_enough(footage, spec.extent, skip_broken)
    in_time = parts_in_time(split, len(kept), validation, test) > 1
    if record is None or in_time:
        deal = (split, spec.extent, validation, test, split_seed)
        parts = _dealt(kept, footage.lengths[kept], *deal)
    else:
        parts = {name: _whole(footage, names) for name, names in record.items()}
    skipped = footage.skipped + skipped
    origin = None
    if isinstance(data, str | Path):
        files = {"data": realpath(data), "cache": cache and realpath(cache)}
        origin = {"kind": "recordings", **options, **files, "length": length}
    where = torch.device(device)
    source = Recordings(footage, split, spec, parts, in_time, skipped, where, origin)
    if record is not None:
        _require_same(record, source.split_record())
    return source


def _require_options(**options: Any) -> None:
    """Refuse options of `open` by name, before anything is read."""
    for name, least in (("length", 2), ("stride", 1), ("every", 1)):
        if options[name] is not None or name == "every":
            require_whole(name, options[name], least)
    for name in ("gray", "skip_broken"):
        require_choice(name, options[name], (True, False))
    for name in ("validation", "test"):
        require_real(name, options[name], 0, 1)
    require_shares(options["validation"], options["test"])
    require_seed("split_seed", options["split_seed"])
    if options["rate"] is not None:
        require_real("rate", options["rate"], 1e-6, 1e6)
    if (size := options["size"]) is not None:
        pair = isinstance(size, tuple) and len(size) == 2
        if not pair or not all(isinstance(n, int) and n > 0 for n in size) or prod(size) > _PIXELS:
            raise ValueError(
                f"size={size}: give a height and a width of 1 or more, {_PIXELS:,} pixels at most"
            )


def _dealt(
    kept: Int64[np.ndarray, " n"],
    lengths: Int64[np.ndarray, " n"],
    split: RecordingSplit,
    extent: int,
    validation: float,
    test: float,
    seed: int,
) -> dict[str, Part]:
    """Divide recordings into the parts of all splits, or into the one part that is all."""
    shares: dict[RecordingSplit, float]
    shares = {"train": 1.0, "validation": validation, "test": test}
    splits: list[RecordingSplit] = [name for name in shares if shares[name] or name == split]
    parts: dict[str, Part] = {}
    for name in (split,) if split == "all" else splits:
        part = divide(lengths, name, extent, validation, test, seed)
        parts[name] = replace(part, recording=kept[part.recording])
    return parts


def _recorded(footage: Footage, record: Record) -> Footage:
    """Return the footage of the recordings in a record of a split, all of which must be there."""
    wanted = dict.fromkeys(name for names in record.values() for name in names)
    known = set(footage.short_names)
    _require_none("missing", [name for name in wanted if name not in known])
    there = [number for number, name in enumerate(footage.short_names) if name in wanted]
    return footage.only(np.array(there))


def _whole(footage: Footage, names: Iterable[str]) -> Part:
    """Return whole recordings by their short names, in the order of the footage."""
    recording = np.flatnonzero(np.isin(footage.short_names, list(names)))
    return Part(recording, np.zeros_like(recording), footage.lengths[recording])


def _require_same(record: Record, found: Record) -> None:
    """Refuse recordings that are no longer those of a record of a split."""
    pairs = [(found.get(split, {}), names) for split, names in record.items()]
    changed = [n for there, names in pairs for n in names if there.get(n) != names[n]]
    _require_none("changed", list(dict.fromkeys(changed)))


def _require_none(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise ValueError(
            f"recordings of the split on record (a run's config.json) are {what}: "
            f"{', '.join(names[:_NAMED])}{more}: put them back as they were, or "
            "train a new run on what is there"
        )


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
