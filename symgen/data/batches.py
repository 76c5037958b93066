"""Batches as a pure function of a seed and a step."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.data.options import MOST, require_seed, require_whole

__all__ = ["Batch", "Batches", "SequenceBatch", "Source", "factor_names"]

_ROOM = 2**28  # bytes of a batch that nobody chose the size of


@runtime_checkable
class Batch(Protocol):
    """A named tuple of tensors, one row per item.

    Example:
        >>> from symgen.data import SequenceBatch
        >>> frames, still = torch.rand(2, 3, 5), torch.zeros(2, 3, 1, dtype=torch.int64)
        >>> [part.shape for part in SequenceBatch(frames, still, torch.zeros(2).long()).inputs]
        [torch.Size([2, 3, 5])]
    """

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the `forward` of a model takes, in its order."""
        ...

    def __iter__(self) -> Iterator[Any]: ...

    @classmethod
    def _make(cls: "type[BatchT]", parts: Iterable[Any], /) -> "BatchT": ...


BatchT = TypeVar("BatchT", bound=Batch)
MadeT = TypeVar("MadeT", bound=Batch, covariant=True)


@runtime_checkable
class Source(Protocol[MadeT]):
    """What turns item numbers into a batch; every random choice comes from the generator.

    Example:
        >>> from symgen.data import MovingSprites
        >>> source = MovingSprites("test")
        >>> source.frames, source.data_shape, len(source) > 1000
        (15, (1, 64, 64), True)
    """

    @property
    def frames(self) -> int:
        """Frames in an item: the length of a sequence, or 1."""
        ...

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of a frame, such as (channels, height, width)."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> MadeT:
        """Make the batch of the items with these numbers."""
        ...


class SequenceBatch(NamedTuple):
    """Sequences with the factors that made them.

    Attributes:
        frames: the sequences.
        factors: number of the value of each factor in each frame.
        moved: number of the factor that moves, -1 where several do or none.

    Example:
        >>> from symgen.data import MovingSprites
        >>> batch = MovingSprites("test").batch(torch.arange(2), torch.Generator())
        >>> batch.frames.shape, batch.factors.shape, batch.moved.shape
        (torch.Size([2, 15, 1, 64, 64]), torch.Size([2, 15, 5]), torch.Size([2]))
    """

    frames: Float[Tensor, "B S *data"]  # of the source's `data_shape`; images in [0, 1]
    factors: Int64[Tensor, "B S F"]  # index of every factor's value, in order of `factor_names`
    moved: Int64[Tensor, " B"]  # index of the factor that moves, -1 where several move together

    @property
    def inputs(self) -> tuple[Tensor]:
        """What the `forward` of a model of sequences takes: the frames."""
        return (self.frames,)


def factor_names(source: Any) -> tuple[str, ...]:
    """Return the names of a source's factors of variation, none if it does not name them.

    Args:
        source: a source of sequences.

    Example:
        >>> from symgen.data import MovingSprites
        >>> factor_names(MovingSprites), factor_names("no source")
        (('shape', 'scale', 'orientation', 'posX', 'posY'), ())
    """
    return getattr(source, "factor_names", ())


def require_items(source: Source[Any], indices: Int64[Tensor, " B"]) -> Int64[Tensor, " B"]:
    """Return item numbers on the CPU; a ValueError names one that the source does not have."""
    indices = indices.cpu()
    outside = indices[(indices < 0) | (indices >= len(source))]
    if outside.numel():
        raise ValueError(f"no item {int(outside[0])}: {source!r} has items 0 to {len(source) - 1}")
    return indices


def fitting(source: Source[Any], most: int) -> int:
    """Return the items of a batch: the most, or as many as 256 MiB of floats hold, or one.

    Example:
        >>> from symgen.data import DistortedImages, load
        >>> fitting(DistortedImages(load("digits"), "rts"), most=250)
        250
    """
    item = 4 * source.frames * prod(source.data_shape)
    return max(1, min(most, len(source), _ROOM // item))


def mix(seed: int, index: int, stream: int) -> int:
    """Spread (seed, index, stream) over 63 bits so that nearby steps share no random numbers."""
    value = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + stream) % 2**64
    value = ((value ^ (value >> 31)) * 0x94D049BB133111EB) % 2**64
    return (value ^ (value >> 29)) % 2**63


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int, epoch: int) -> Int64[Tensor, " size"]:
    return torch.randperm(size, generator=torch.Generator().manual_seed(mix(seed, epoch, 1)))


@dataclass(eq=False, repr=False)
class Batches(Generic[BatchT]):
    """Iterates over a source in batches that depend on nothing but `seed` and the step.

    Because no state is kept, a training run that resumes at step n sees exactly the batches it
    would have seen, and an evaluation with the same seed sees the same transformations.

    Args:
        source: what makes batches from item numbers.
        batch_size: items in a batch, B.
        seed: seed of the order of the items and of every transformation.
        shuffle: whether each epoch visits the items in a new random order and drops an incomplete
            last batch; without it the order is the source's and the last batch may be smaller.
        device: where the batch goes, if not where the source makes it.

    Example:
        >>> from symgen.data import Batches, DistortedImages, load
        >>> data = Batches(DistortedImages(load("digits"), "rts"), batch_size=4, seed=1)
        >>> batch = data.batch(0)
        >>> tuple(batch.images.shape), batch.labels.tolist(), len(data)
        ((4, 1, 42, 42), [9, 5, 7, 9], 359)
    """

    source: Source[BatchT]
    batch_size: int
    seed: int = 0
    shuffle: bool = True
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        require_seed("seed", self.seed)
        require_whole("batch_size", self.batch_size, -MOST)
        size, self.device = len(self.source), torch.device(self.device)
        if not size:
            raise ValueError("a source of 0 items fills no batch: give data that are not empty")
        if self.batch_size < 1 or (self.shuffle and size < self.batch_size):
            raise ValueError(
                f"a source of {size} items cannot fill a batch of {self.batch_size}: "
                f"choose a batch size between 1 and {size}"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch, the length."""
        return len(self)

    def __len__(self) -> int:
        whole, rest = divmod(len(self.source), self.batch_size)
        return whole if self.shuffle or not rest else whole + 1

    def batch(self, step: int) -> BatchT:
        """Make the batch of a training step, counted from 0 over all epochs."""
        generator = torch.Generator().manual_seed(mix(self.seed, step, 2))
        batch = self.source.batch(self.indices(step), generator)
        return batch._make(None if part is None else part.to(self.device) for part in batch)

    def to_train_on(self) -> "Batches[BatchT]":
        """Return the batches that a model is trained on: augmented, if the source says how.

        Whatever else looks at a source, such as an evaluation, sees its items as they are.

        Example:
            >>> from symgen.data import open
            >>> source = open([torch.rand(9, 1, 8, 8)] * 4, "all", length=9, augment=["rotate"])
            >>> data = Batches(source, batch_size=4)
            >>> data.batch(0).frames.equal(data.to_train_on().batch(0).frames)
            False
        """
        augmented = getattr(self.source, "augmented", None)
        return self if augmented is None else replace(self, source=augmented())

    def indices(self, step: int) -> Int64[Tensor, " B"]:
        """Return the numbers of the items in the batch of a step."""
        epoch, position = divmod(step, len(self))
        start, size = position * self.batch_size, len(self.source)
        indices = torch.arange(start, min(start + self.batch_size, size))
        return _permutation(size, self.seed, epoch)[indices] if self.shuffle else indices

    def __iter__(self) -> Iterator[BatchT]:
        """Iterate over the first epoch."""
        return (self.batch(step) for step in range(len(self)))

    def __repr__(self) -> str:
        order = f"seed={self.seed}, {'shuffled' if self.shuffle else 'in order'}"
        return f"{type(self).__name__}({self.source!r}, batch_size={self.batch_size}, {order})"
