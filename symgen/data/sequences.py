"""Batches of image sequences as a pure function of a seed and a step."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["SequenceBatch", "SequenceSource", "Sequences"]


class SequenceBatch(NamedTuple):
    """Sequences with the factors that made them.

    Attributes:
        frames: images in [0, 1], channel first.
        factors: index of every factor's value in every frame; column order is the source's
            `factor_names`.
        moved: index of the factor that moves in each sequence, -1 where several move together.
    """

    frames: Float[Tensor, "B S channels height width"]
    factors: Int64[Tensor, "B S F"]
    moved: Int64[Tensor, " B"]


@runtime_checkable
class SequenceSource(Protocol):
    """What turns item numbers into sequences; every random choice comes from the generator."""

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors, in the order of `SequenceBatch.factors`."""
        ...

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Number of values of each factor; a factor is cyclic with this period."""
        ...

    @property
    def frames(self) -> int:
        """Frames in a sequence, S."""
        ...

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of a frame."""
        ...

    def __len__(self) -> int:
        """Return the number of items."""
        ...

    def make(self, items: Int64[Tensor, " B"], generator: torch.Generator) -> SequenceBatch:
        """Make one sequence for each item."""
        ...


@lru_cache(maxsize=4)
def _permutation(size: int, seed: int, epoch: int) -> Int64[Tensor, " size"]:
    generator = torch.Generator().manual_seed(_mix(seed, epoch, 1))
    return torch.randperm(size, generator=generator)


def _mix(seed: int, index: int, stream: int) -> int:
    """Spread (seed, index, stream) over 63 bits so that nearby steps share no random numbers."""
    value = (seed * 0x9E3779B97F4A7C15 + index * 0xBF58476D1CE4E5B9 + stream) % 2**64
    value = ((value ^ (value >> 31)) * 0x94D049BB133111EB) % 2**64
    return (value ^ (value >> 29)) % 2**63


class Sequences:
    """Iterates over a source in batches that depend on nothing but `seed` and the step.

    Because no state is kept, a training run that resumes at step n sees exactly the batches it
    would have seen, and an evaluation with the same seed sees the same transformations.

    Args:
        source: what makes sequences from item numbers.
        batch_size: sequences in a batch, B.
        seed: seed of the order of the items and of every transformation.
        shuffle: whether each epoch visits the items in a new random order; without it the order is
            that of the source and the last batch of an epoch may be smaller.
        device: where the batch goes, if not where the source makes it.

    Raises:
        ValueError: if the source is empty or smaller than one shuffled batch.

    Example:
        >>> from symgen.data import Sequences, TransformingDigits, load
        >>> source = TransformingDigits(load("digits", split="test").pixels)
        >>> batch = Sequences(source, batch_size=4, seed=1).batch(0)
        >>> tuple(batch.frames.shape), tuple(batch.factors.shape), tuple(batch.moved.shape)
        ((4, 18, 3, 28, 28), (4, 18, 3), (4,))
    """

    def __init__(
        self,
        source: SequenceSource,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        device: str | torch.device = "cpu",
    ) -> None:
        least = batch_size if shuffle else 1
        if batch_size < 1 or len(source) < least:
            raise ValueError(
                f"a source of {len(source)} items cannot fill a batch of {batch_size}: "
                f"choose a batch_size between 1 and {len(source)}"
            )
        self.source = source
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.device = torch.device(device)

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; a shuffled epoch drops the incomplete last batch."""
        whole, rest = divmod(len(self.source), self.batch_size)
        return whole if self.shuffle or not rest else whole + 1

    def __len__(self) -> int:
        """Return the batches in an epoch."""
        return self.steps_per_epoch

    def batch(self, step: int) -> SequenceBatch:
        """Make the batch of a training step, counted from 0 over all epochs."""
        epoch, position = divmod(step, self.steps_per_epoch)
        start = position * self.batch_size
        stop = min(start + self.batch_size, len(self.source))
        if self.shuffle:
            items = _permutation(len(self.source), self.seed, epoch)[start:stop]
        else:
            items = torch.arange(start, stop)
        generator = torch.Generator().manual_seed(_mix(self.seed, step, 2))
        batch = self.source.make(items, generator)
        return SequenceBatch(*(part.to(self.device) for part in batch))

    def __iter__(self) -> Iterator[SequenceBatch]:
        """Iterate over the first epoch."""
        return (self.batch(step) for step in range(len(self)))

    def __repr__(self) -> str:
        order = "shuffled" if self.shuffle else "in order"
        return (
            f"Sequences({self.source!r}, batch_size={self.batch_size}, seed={self.seed}, {order})"
        )
