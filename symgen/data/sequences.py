"""Batches of image sequences."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int64
from torch import Tensor

from symgen.data.batches import Batches, Source

__all__ = ["SequenceBatch", "SequenceSource", "Sequences"]


class SequenceBatch(NamedTuple):
    """Sequences with the factors that made them.

    Attributes:
        frames: frames of the source's `data_shape`; images in [0, 1], channel first.
        factors: index of every factor's value in every frame; column order is the source's
            `factor_names`.
        moved: index of the factor that moves in each sequence, -1 where several move together.
    """

    frames: Float[Tensor, "B S *data"]
    factors: Int64[Tensor, "B S F"]
    moved: Int64[Tensor, " B"]

    @property
    def inputs(self) -> tuple[Tensor]:
        """What the `forward` of a model of sequences takes: the frames."""
        return (self.frames,)


@runtime_checkable
class SequenceSource(Source[SequenceBatch], Protocol):
    """A source of sequences whose factors have names and sizes."""

    @property
    def factor_names(self) -> tuple[str, ...]:
        """Names of the factors, in the order of `SequenceBatch.factors`."""
        ...

    @property
    def factor_sizes(self) -> tuple[int, ...]:
        """Number of values of each factor; a factor is cyclic with this period."""
        ...


class Sequences(Batches[SequenceBatch]):
    """Iterates over sequences in batches that depend on nothing but `seed` and the step.

    These are the `Batches` of a source whose factors have names, which the metrics ask for.

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

    source: SequenceSource
