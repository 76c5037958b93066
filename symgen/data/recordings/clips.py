"""Clips: how recordings are divided into splits and cut into sequences of one length."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

__all__ = ["ClipSpec", "Part", "RecordingSplit", "divide", "parts_in_time", "require_shares"]

RecordingSplit = Literal["train", "validation", "test", "all"]


@dataclass(frozen=True)
class ClipSpec:
    """What is cut out of a recording: `length` frames, every `every`-th of it."""

    length: int
    stride: int
    every: int = 1

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
    """The recordings of a split, by number, or the piece of each that belongs to it."""

    recording: Int64[ndarray, " n"]
    begin: Int64[ndarray, " n"]
    length: Int64[ndarray, " n"]

    def clips(self, spec: ClipSpec) -> Int64[ndarray, " n"]:
        """Count the clips of each piece: as many starts, a stride apart, as fit into it."""
        return 1 + (self.length - spec.extent) // spec.stride


def parts_in_time(split: RecordingSplit, recordings: int, validation: float, test: float) -> int:
    """Count the parts that each recording is divided into: 1 if they stay whole."""
    splits = 1 + (validation > 0) + (test > 0)
    return 1 if split == "all" or recordings >= splits else splits


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
    extent: int,
    validation: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Part:
    """Choose what belongs to a split: whole recordings, or a part in time of the few there are.

    Whole recordings are dealt out at random: `round(test · n)` to the test and `round(validation ·
    n)` to the validation, at least one each unless its share is 0, and the others to the training.
    Where there are fewer recordings than splits, each is divided in time instead: training,
    validation and test in this order, at least one clip long, with the extent of a clip left out
    in between so that no clip shares a frame with, or directly continues, one of another split.
    The split "all" is everything, undivided.

    Args:
        lengths: frames of every recording.
        extent: frames that a clip covers.
        seed: seed of the deal.

    Example:
        >>> lengths = np.array([30, 20, 40, 50])
        >>> [divide(lengths, split, 8).recording.tolist() for split in ("train", "test")]
        [[2, 3], [0]]
        >>> part = divide(lengths[3:], "test", 8)
        >>> part.begin.item(), part.length.item()
        (42, 8)
    """
    require_shares(validation, test)
    shares = {"validation": validation, "test": test}
    count = len(lengths)
    if split == "all":
        return Part(np.arange(count), np.zeros_like(lengths), lengths)
    if shares.get(split) == 0:
        raise ValueError(f"{split}=0: the split {split!r} is empty, give it a share")
    if parts_in_time(split, count, validation, test) > 1:
        return _divide_in_time(lengths, split, extent, shares)
    sizes = {name: max(1, round(share * count)) if share else 0 for name, share in shares.items()}
    if sum(sizes.values()) >= count:
        raise ValueError(
            f"validation={validation}, test={test} leave none of {count} recordings to train on: "
            "give smaller shares"
        )
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).numpy()
    dealt = np.split(order, np.cumsum([sizes["test"], sizes["validation"]]))
    recording = np.sort(dealt[("test", "validation", "train").index(split)])
    return Part(recording, np.zeros_like(recording), lengths[recording])


def _divide_in_time(
    lengths: Int64[ndarray, " n"], split: str, extent: int, shares: dict[str, float]
) -> Part:
    kept = {name: np.round(share * lengths) for name, share in shares.items() if share}
    held_out = {name: np.maximum(extent, size.astype(np.int64)) for name, size in kept.items()}
    size = {"train": lengths - sum(held + extent for held in held_out.values()), **held_out}
    short = lengths[size["train"] < extent]
    if len(short):
        raise ValueError(
            f"{len(lengths)} recording{'s' if len(lengths) > 1 else ''} for {len(size)} splits: "
            f"each is divided in time, but one of {short[0]} frames is too short for clips that "
            f"cover {extent}; give more recordings, shorter clips or fewer splits (a share of 0)"
        )
    earlier = list(size)[: list(size).index(split)]
    begin = sum((size[name] + extent for name in earlier), np.zeros_like(lengths))
    return Part(np.arange(len(lengths)), begin, size[split])
