"""Images, and sequences of images whose factors move."""

from symgen.data import dsprites
from symgen.data.dsprites_sequences import MovingSprites
from symgen.data.images import Images, load, paper_split, read_idx, require_unit_range
from symgen.data.sequences import SequenceBatch, Sequences, SequenceSource
from symgen.data.transforming_digits import TransformingDigits

__all__ = [
    "Images",
    "MovingSprites",
    "SequenceBatch",
    "SequenceSource",
    "Sequences",
    "TransformingDigits",
    "dsprites",
    "load",
    "paper_split",
    "read_idx",
    "require_unit_range",
]
