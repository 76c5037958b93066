"""Images with labels, sequences of images whose factors move, and batches of both."""

from symgen.data import cifar10, dsprites
from symgen.data.batches import Batch, Batches, Source
from symgen.data.distorted import DistortedImages, Distortion, ImageBatch
from symgen.data.dsprites_sequences import MovingSprites
from symgen.data.images import Images, paper_split, read_idx
from symgen.data.loading import load
from symgen.data.ranges import require_unit_range
from symgen.data.recordings import Recordings, open
from symgen.data.sequences import SequenceBatch, Sequences, SequenceSource
from symgen.data.transforming_digits import TransformingDigits

__all__ = [
    "Batch",
    "Batches",
    "DistortedImages",
    "Distortion",
    "ImageBatch",
    "Images",
    "MovingSprites",
    "Recordings",
    "SequenceBatch",
    "SequenceSource",
    "Sequences",
    "Source",
    "TransformingDigits",
    "cifar10",
    "dsprites",
    "load",
    "open",
    "paper_split",
    "read_idx",
    "require_unit_range",
]
