"""Clips: how recordings are divided into splits and cut into sequences of one length."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

from symgen.data.recordings.footage import Pieces

__all__ = [
    "ClipSpec",
    "Part",
    "RecordingSplit",
    "SplitBy",
    "divide",
    "divide_in_time",
    "divide_starts",
    "require_shares",
    "splits_of",
]

RecordingSplit = Literal["train", "validation", "test", "all"]
SplitBy = Literal["recording", "start"]


@dataclass(frozen=True)
class ClipSpec:
    """What is cut out of a recording: `length` frames, every `every`-th of it.

    With `wrap` the first frame comes after the last one, and a clip starts at every stride.
    """

    length: int
    stride: int
    every: int = 1
    wrap: bool = False

    def __post_init__(self) -> None:
        for name, least in (("length", 2), ("stride", 1), ("every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: give {least} or more")

    @property
    def extent(self) -> int:
        """Frames of the recording from the first to the last of a clip, both included."""
        return (self.length - 1) * self.every + 1


@dataclass(frozen=True, eq=False)
class Part:
    """What belongs to a split: pieces, by number, or a part in time of each, or starts in them."""

    recording: Int64[ndarray, " n"]
    begin: Int64[ndarray, " n"]
    length: Int64[ndarray, " n"]
    starts: tuple[int, tuple[int, ...]] = (1, (0,))
    """Which clips: of every so many that follow one another, those with these numbers."""

    def clips(self, spec: ClipSpec) -> Int64[ndarray, " n"]:
        """Count the clips of each piece: as many starts, a stride apart, as fit into it."""
        last = self.length - (1 if spec.wrap else spec.extent)
        every, chosen = self.starts
        rounds, rest = np.divmod(1 + last // spec.stride, every)
        return rounds * len(chosen) + np.searchsorted(chosen, rest)

    def start(self, clip: Int64[ndarray, " B"], spec: ClipSpec) -> Int64[ndarray, " B"]:
        """Return the first frame, within its piece, of a clip by its number there."""
        every, chosen = self.starts
        rounds, which = np.divmod(clip, len(chosen))
        return spec.stride * (rounds * every + np.array(chosen)[which])


def splits_of(split: RecordingSplit, validation: float, test: float) -> int:
    """Count the splits that there are."""
    return 1 if split == "all" else 1 + (validation > 0) + (test > 0)


def require_shares(validation: float, test: float) -> None:
    """Refuse shares that are none, or leave nothing to train on."""
    if not (min(validation, test) >= 0 and validation + test < 1):
        raise ValueError(
            f"validation={validation}, test={test}: give shares of 0 or more that leave some of "
            "the recordings to train on"
        )


def divide(
    lengths: Int64[ndarray, " n"],
    split: RecordingSplit,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    groups: Int64[ndarray, " n"] | None = None,
) -> Part:
    """Choose the pieces of recordings that belong to a split, group by group.

    Groups are dealt out at random: `round(test · n)` to the test and `round(validation · n)` to
    the validation, at least one each unless its share is 0, and the others to the training. The
    split "all" is everything.

    Args:
        lengths: frames of every piece.
        seed: seed of the deal.
        groups: number of the group of each piece, from 0 on: of its recording, or of those that
            must not be in two splits; None: each is a group of its own.

    Raises:
        ValueError: if there are fewer groups than splits, or a split is empty.

    Example:
        >>> lengths = np.array([30, 20, 40, 50])
        >>> [divide(lengths, split).recording.tolist() for split in ("train", "test")]
        [[2, 3], [0]]
        >>> divide(lengths, "train", groups=np.array([0, 1, 2, 2])).recording.tolist()
        [1]
    """
    require_shares(validation, test)
    groups = np.arange(len(lengths)) if groups is None else groups
    shares = {"validation": validation, "test": test}
    if split == "all":
        return Part(np.arange(len(lengths)), np.zeros_like(lengths), lengths)
    _require_share(split, shares)
    count = int(groups.max()) + 1
    sizes = {name: max(1, round(share * count)) if share else 0 for name, share in shares.items()}
    if sum(sizes.values()) >= count:
        raise ValueError(
            f"validation={validation}, test={test} leave none of {count} recordings to train on: "
            "give smaller shares"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    dealt = np.split(order, np.cumsum([sizes["test"], sizes["validation"]]))
    mine = dealt[("test", "validation", "train").index(split)]
    recording = np.flatnonzero(np.isin(groups, mine))
    return Part(recording, np.zeros_like(recording), lengths[recording])


def divide_in_time(
    pieces: Pieces,
    totals: Int64[ndarray, " recordings"],
    split: RecordingSplit,
    extent: int,
    validation: float = 0.1,
    test: float = 0.1,
) -> Part:
    """Choose the part in time of each recording that belongs to a split.

    Each is divided, from its first good frame to its last one, into training, validation and test
    in this order, at least one clip long, with the extent of a clip left out in between so that no
    clip shares a frame with, or directly continues, one of another split. Of a recording that has
    been cut, each split has what pieces hold a clip in its time.

    Args:
        pieces: the pieces of the recordings.
        totals: frames of each recording.
        extent: frames that a clip covers.

    Raises:
        ValueError: if a recording is too short, or a split has no clip.

    Example:
        >>> pieces = Pieces(*(np.array([n]) for n in (0, 0, 0, 50)))
        >>> part = divide_in_time(pieces, np.array([50]), "test", 8)
        >>> part.begin.item(), part.length.item()
        (42, 8)
    """
    require_shares(validation, test)
    shares = {"validation": validation, "test": test}
    _require_share(split, shares)
    first, totals = _good_time(pieces, totals)
    kept = {name: np.round(share * totals) for name, share in shares.items() if share}
    held_out = {name: np.maximum(extent, size.astype(np.int64)) for name, size in kept.items()}
    size = {"train": totals - sum(held + extent for held in held_out.values()), **held_out}
    short = totals[(size["train"] < extent) & (totals > 0)]
    if len(short):
        raise ValueError(
            f"{len(totals)} recording{'s' if len(totals) > 1 else ''} for {len(size)} splits: "
            f"each is divided in time, but one of {short[0]} frames is too short for clips that "
            f"cover {extent}; give more recordings, shorter clips or fewer splits (a share of 0)"
        )
    earlier = list(size)[: list(size).index(split)]
    begin = sum((size[name] + extent for name in earlier), first)
    owner = pieces.recording
    low = np.maximum(begin[owner], pieces.start)
    high = np.minimum((begin + size[split])[owner], pieces.start + pieces.length)
    mine = np.flatnonzero(high - low >= extent)
    if not len(mine):
        raise ValueError(
            f"the split {split!r} has no piece of {extent} frames, which a clip covers: bad or "
            "missing frames have cut its time; take shorter clips or another share for it"
        )
    return Part(mine, (low - pieces.start)[mine], (high - low)[mine])


def _good_time(
    pieces: Pieces, totals: Int64[ndarray, " recordings"]
) -> tuple[Int64[ndarray, " recordings"], Int64[ndarray, " recordings"]]:
    """Return the first good frame of each recording, and how many there are to its last one."""
    first, end = totals.copy(), np.zeros_like(totals)
    np.minimum.at(first, pieces.recording, pieces.start)
    np.maximum.at(end, pieces.recording, pieces.start + pieces.length)
    return first, np.maximum(end - first, 0)


def divide_starts(
    lengths: Int64[ndarray, " n"],
    split: RecordingSplit,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
    step: int = 1,
) -> Part:
    """Choose the clips of all recordings that belong to a split, by where they start.

    The test is of known objects from other starting views, as with a turntable, and says nothing
    about new objects. If clips take every k-th frame of full circles, k at least the number of
    splits and a divisor of all lengths, the starts are dealt out by their remainder modulo k: no
    frame is in two splits. Otherwise clips of different splits share frames, and of as many starts
    that follow one another as the smaller share asks for, such as 10, each split has its share.

    Args:
        lengths: frames of every recording.
        step: take every k-th frame, k.

    Example:
        >>> part = divide_starts(np.array([72]), "test", validation=0.0)
        >>> spec = ClipSpec(18, 1, wrap=True)
        >>> part.clips(spec).tolist(), part.start(np.arange(3), spec).tolist()
        ([7], [4, 14, 24])
        >>> divide_starts(np.array([72]), "train", step=4).starts  # remainders modulo 4
        (4, (2, 3))
    """
    require_shares(validation, test)
    shares = {"validation": validation, "test": test}
    _require_share(split, shares)
    given = [share for share in shares.values() if share]
    every = max(len(given) + 1, round(1 / min(given))) if given else 1
    if step > len(given) and not (lengths % step).any():
        every = step
    sizes = [max(1, round(share * every)) if share else 0 for share in (test, validation)]
    order = torch.randperm(every, generator=torch.Generator().manual_seed(seed)).numpy()
    dealt = np.split(order, np.cumsum(sizes))
    mine = dealt[("test", "validation", "train").index(split)]
    whole = Part(np.arange(len(lengths)), np.zeros_like(lengths), lengths)
    return replace(whole, starts=(every, tuple(np.sort(mine).tolist())))


def _require_share(split: RecordingSplit, shares: dict[str, float]) -> None:
    if shares.get(split) == 0:
        raise ValueError(f"{split}=0: the split {split!r} is empty, give it a share")
