"""The user's own recordings as a source of sequences."""

from dataclasses import dataclass
from math import ceil, prod, sqrt
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from symgen.data.batches import SequenceBatch, Source, require_items
from symgen.data.recordings.augment import Augmented, Change
from symgen.data.recordings.clips import ClipSpec, Part, RecordingSplit
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.scale import Levels

__all__ = ["Recordings"]

_AT_ONCE = 2**26  # bytes of frames that are turned to floats together
_SHOWN = 2**25  # numbers of clips to look at


@dataclass(eq=False, repr=False)
class Recordings:
    """Makes sequences of one length from recordings of any: a source made by `symgen.data.open`.

    An item is a clip. Only the frames of a batch are read, as they were, and turned to scaled
    floats on the device. Factors are those that `open` was given, if any, as the numbers of their
    values among all that occur; `moved` is the only one that changes in a clip, or -1.

    Attributes:
        footage: the recordings as they were found.
        split: which clips, "train", "validation", "test" or "all".
        spec: length, stride and step of clips, in frames.
        levels: which numbers become 0 and 1.
        parts: pieces of recordings of this split, and where clips start in them.
        in_time: whether the splits divide recordings in time.
        skipped: what was left out, with the reason.
        notes: what is to be said to the user.
        augment: how clips are changed at random where a model is trained on them.
        device: where batches are made.
        origin: the settings that it was opened with.
    """

    footage: Footage  # the frames on disk
    split: RecordingSplit
    spec: ClipSpec  # length, stride and spacing of the clips
    levels: Levels | None  # numbers that become 0 and 1; None leaves all as they are
    parts: dict[str, Part]  # the recordings, or pieces of them, that belong to each split
    in_time: bool  # whether the splits divide every recording in time
    skipped: tuple[Skipped, ...]  # what was left out, with the reason
    notes: tuple[str, ...]  # what else should be said
    augment: tuple[Change, ...]  # how `augmented` changes clips
    device: torch.device
    origin: dict[str, Any] | None  # what it takes to open them again, if they came from a path

    def __post_init__(self) -> None:
        self.frames = self.spec.length
        self.data_shape = self.footage.data_shape
        known = self.footage.factors
        self.factor_names = () if known is None else known.names
        self.factor_sizes = () if known is None else known.sizes
        self.part = self.parts[self.split]
        self._ends = self.part.clips(self.spec).cumsum()
        self.augmented()  # refuses now what does not fit

    @property
    def scale(self) -> tuple[float, float] | None:
        """The numbers that become 0 and 1; None where numbers stay as they are."""
        return None if self.levels is None else (self.levels.low, self.levels.high)

    def augmented(self) -> Source[SequenceBatch]:
        """Return what a model is trained on: the clips, each changed at random if they are to be.

        Example:
            >>> from symgen.data import open
            >>> source = open([torch.rand(9, 1, 8, 8)] * 4, "all", length=9, augment=["mirror"])
            >>> plain, changed = (
            ...     each.batch(torch.arange(4), torch.Generator().manual_seed(0)).frames
            ...     for each in (source, source.augmented())
            ... )
            >>> (plain == changed).flatten(1).all(1).tolist()
            [True, False, False, True]
        """
        return Augmented(self, self.augment) if self.augment else self

    def described(self) -> dict[str, Any] | None:
        """Return what it takes to open the recordings again, or None."""
        return self.origin

    def split_record(self) -> dict[str, dict[str, str]]:
        """Return the split to keep: of each part, the recordings by name with a hash of each.

        A name is a recording's number in an array, or its file or folder without the way there.
        `open` takes the record to open the same split of recordings that may have become more.
        """
        return {
            split: self.footage.hashes(part.recording, part.begin, part.length)
            for split, part in self.parts.items()
        }

    def __len__(self) -> int:
        return int(self._ends[-1])

    def frame_numbers(self, items: Int64[Tensor, " B"]) -> Int64[Tensor, "B S"]:
        """Return which frames of the footage make each clip."""
        clip = require_items(self, items).numpy()
        piece = self._pieces(items)
        clips_before = np.where(piece > 0, self._ends[piece - 1], 0)
        begin = (self.footage.first[self.part.recording] + self.part.begin)[piece]
        start = self.part.start(clip - clips_before, self.spec)
        steps = start[:, None] + self.spec.every * np.arange(self.spec.length)
        if self.spec.wrap:
            steps %= self.part.length[piece][:, None]
        return torch.from_numpy(begin[:, None] + steps)

    def recording_names(self, items: Int64[Tensor, " B"]) -> list[str]:
        """Name the recording that each clip was cut from, as `split_record` names them."""
        names = self.footage.short_names
        return [names[number] for number in self.part.recording[self._pieces(items)]]

    def _pieces(self, items: Int64[Tensor, " B"]) -> Int64[np.ndarray, " B"]:
        """Return which part of a recording each clip was cut from."""
        return np.searchsorted(self._ends, require_items(self, items).numpy(), side="right")

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Read the clips with these numbers; nothing is drawn from the generator."""
        numbers = self.frame_numbers(indices).numpy()
        factors = self._factors(indices, numbers)
        changes = (factors != factors[:, :1]).any(1)  # (B, F)
        which = changes * torch.arange(1, 1 + factors.shape[2], device=self.device)
        moved = torch.where(changes.sum(1) == 1, which.sum(1) - 1, -1)
        return SequenceBatch(self._read(numbers), factors, moved)

    def _factors(
        self, items: Int64[Tensor, " B"], numbers: Int64[np.ndarray, "B S"]
    ) -> Int64[Tensor, "B S F"]:
        """Return the numbers of the values of each factor in each frame of clips."""
        if (known := self.footage.factors) is None:
            return torch.zeros(*numbers.shape, 0, dtype=torch.int64, device=self.device)
        pieces = self.footage.pieces.only(self.part.recording[self._pieces(items)])
        frame = numbers - (pieces.first - pieces.start)[:, None]
        recording = np.broadcast_to(pieces.recording[:, None], frame.shape)
        return torch.from_numpy(known.at(recording, frame)).to(self.device, torch.int64)

    def thinned(self, items: Int64[Tensor, " B"]) -> Float32[Tensor, "B S *data"]:
        """Read clips to look at, frame by frame: every k-th pixel, so that they need 128 MB.

        Example:
            >>> from symgen.data import open
            >>> open([torch.rand(9, 1, 8, 8)] * 4, "all").thinned(torch.arange(3)).shape
            torch.Size([3, 9, 1, 8, 8])
        """
        numbers = self.frame_numbers(items).numpy()
        pixels = len(self.data_shape) > 1
        step = ceil(sqrt(numbers.size * prod(self.data_shape) / _SHOWN)) if pixels else 1
        thin = (..., slice(None, None, step), slice(None, None, step)) if step > 1 else ...
        frames = [self.footage.read(one)[0][thin].copy() for one in numbers.reshape(-1, 1)]
        return self.scaled(np.stack(frames).reshape(*numbers.shape, *frames[0].shape))

    def _read(self, numbers: Int64[np.ndarray, "B S"]) -> Float32[Tensor, "B S *data"]:
        """Read frames as floats, a part of them at a time if they are large."""
        step = max(1, _AT_ONCE // self.footage.frame_bytes)
        if numbers.size <= step:
            return self.scaled(self.footage.read(numbers))
        frames = torch.empty(numbers.size, *self.data_shape, device=self.device)
        for begin in range(0, numbers.size, step):
            part = numbers.reshape(-1)[begin : begin + step]
            frames[begin : begin + step] = self.scaled(self.footage.read(part))
        return frames.unflatten(0, numbers.shape)

    def scaled(self, raw: Shaped[np.ndarray, "*batch"]) -> Float32[Tensor, "*batch"]:
        """Turn frames as they were read into scaled floats on the device."""
        frames = torch.from_numpy(raw).to(self.device)
        return frames.float() if self.levels is None else self.levels.applied(frames)

    def __repr__(self) -> str:
        kept = "parts in time" if self.in_time else len(self.part.length)
        clips = f"{kept} of {len(self.footage.lengths)} recordings, {len(self)} clips"
        spec = ", ".join(f"{name}={value}" for name, value in vars(self.spec).items())
        content = f"data_shape={self.data_shape}, fingerprint={self.footage.fingerprint!r}"
        content += f", augment={' '.join(self.augment)!r}" if self.augment else ""
        return f"Recordings({self.split!r}, {clips}, {spec}, scale={self.scale}, {content})"
