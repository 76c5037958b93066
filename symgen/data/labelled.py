"""Single images of one's own, of which all, some or none have a label, as a source."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from numpy import ndarray
from torch import Tensor

from symgen.data.batches import Source, require_items
from symgen.data.recordings.scale import Levels

__all__ = [
    "LabelledBatch",
    "OwnImages",
    "Repeated",
    "Stack",
    "deal_images",
    "hashes",
    "labelled_kind",
    "repeats",
]

Labelled = Literal["all", "some", "none"]
SHARE = 5  # every so many images of an epoch, at least, one has a label
_SOME = 200  # images whose edges are looked at
_AT_ONCE = 2**26  # bytes that are hashed together


class LabelledBatch(NamedTuple):
    """Images with their classes, and with what a training knows of these."""

    images: Float32[Tensor, "B channels height width"]
    labels: Int64[Tensor, " B"]  # -1 where none is known
    known: Int64[Tensor, " B"]  # the same, or -1 where labels are hidden

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        """What the `forward` of ACE takes: images, and labels or -1."""
        return self.images, self.known


@runtime_checkable
class ImageReader(Protocol):
    """What reads images by number."""

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of an image, (channels, height, width)."""
        ...

    def read(self, frames: Int64[ndarray, " n"]) -> Shaped[ndarray, " n *data"]:
        """Copy images out of where they are."""
        ...


@dataclass(frozen=True, eq=False)
class Stack:
    """Images in memory, (n, channels, height, width)."""

    images: Shaped[ndarray, "n channels height width"]

    @property
    def data_shape(self) -> tuple[int, ...]:
        """Shape of an image."""
        return self.images.shape[1:]

    def read(self, frames: Int64[ndarray, " n"]) -> Shaped[ndarray, " n *data"]:
        """Copy images out."""
        return self.images[frames]


@dataclass(eq=False, repr=False)
class OwnImages:
    """Single images, some of them or all with a class, which `open_images` makes a source of.

    Attributes:
        reader: reads images by number.
        numbers: which of its images are in this split.
        classes_of: class of every image of the reader, -1 for none.
        class_names: of the classes, in their order; empty where nothing is labelled.
        image_names: of every image of the reader.
        splits: split of every image of the reader: 0 train, 1 validation, 2 test.
        record: see `split_record`.
        levels: levels that become 0 and 1; None leaves images as they are.
        classes: number of classes, or of clusters to find.
        hidden: whether a training knows no labels.
        balanced: whether labelled images come up again and again, see `repeats`.
        notes: what should be said.
        device: where batches are made.
    """

    reader: ImageReader
    numbers: Int64[ndarray, " n"]
    classes_of: Int64[ndarray, " all"]
    class_names: tuple[str, ...]
    image_names: Sequence[str]
    splits: Int64[ndarray, " all"]
    record: dict[str, str]
    levels: Levels | None
    classes: int
    hidden: bool = False
    balanced: bool = False
    notes: tuple[str, ...] = ()
    device: torch.device | str = "cpu"

    frames = 1

    def __post_init__(self) -> None:
        self.data_shape = tuple(self.reader.data_shape)
        known = self.known
        self.labelled: Labelled = labelled_kind(known)
        places = np.arange(len(known))
        if self.balanced and self.labelled == "some":
            places = repeats(known)
        self._items = self.numbers[places]

    @property
    def known(self) -> Int64[ndarray, " n"]:
        """What a training knows of the classes in this split, -1 for nothing."""
        labels = self.classes_of[self.numbers]
        return np.full_like(labels, -1) if self.hidden else labels

    @property
    def scale(self) -> tuple[float, float] | None:
        """The numbers that become 0 and 1; None where numbers stay as they are."""
        return None if self.levels is None else (self.levels.low, self.levels.high)

    def __len__(self) -> int:
        return len(self._items)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> LabelledBatch:
        """Read the images with these numbers; nothing is drawn from the generator."""
        numbers = self._items[require_items(self, indices).numpy()]
        labels = torch.from_numpy(self.classes_of[numbers]).to(self.device)
        known = torch.full_like(labels, -1) if self.hidden else labels
        return LabelledBatch(self.scaled(self.reader.read(numbers)), labels, known)

    def scaled(self, raw: Shaped[ndarray, "..."]) -> Float32[Tensor, "..."]:
        """Turn images as they were read into scaled floats on the device."""
        images = torch.from_numpy(raw).to(self.device)
        return images.float() if self.levels is None else self.levels.applied(images)

    @cached_property
    def ground(self) -> float:
        """The level at the edges of images, in the middle of some of them."""
        images = self._some()
        rows, columns = images[..., [0, -1], :].flatten(), images[..., [0, -1]].flatten()
        return float(torch.cat([rows, columns]).median())

    @cached_property
    def spread(self) -> float:
        """The standard deviation of images from their mean, over some of them."""
        images = self._some()
        return float((images - images.mean(0)).square().mean().sqrt())

    def _some(self) -> Float32[Tensor, "n channels height width"]:
        some = self.numbers[:: max(1, len(self.numbers) // _SOME)]
        return self.scaled(self.reader.read(some))

    def split_record(self) -> dict[str, dict[str, str]]:
        """Return what the splits follow from: a hash of all images, and one of their labels."""
        return {"all": self.record}

    def numbers_of(self, indices: Int64[Tensor, " B"]) -> Int64[ndarray, " B"]:
        """Return the numbers of items among all images, by which they have names and splits."""
        return self._items[indices.numpy()]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the images and labels of this split."""
        content = hashlib.sha256(self.classes_of[self.numbers].tobytes())
        for value in hashes(self.reader, self.numbers):
            content.update(value)
        return content.hexdigest()[:16]

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.data_shape))
        labels = f"labels of {self.labelled}, {self.classes} classes"
        return f"OwnImages({len(self)} of {shape}, {labels}, fingerprint={self.fingerprint!r})"


class Repeated:
    """A source of some of another's items, any of them several times.

    Example:
        >>> from symgen.data import DistortedImages, load
        >>> source = Repeated(DistortedImages(load("digits")), torch.tensor([5, 7, 5]))
        >>> len(source), source.batch(torch.tensor([0, 2]), torch.Generator()).labels.tolist()
        (3, [4, 4])
    """

    def __init__(self, source: Source[Any], places: Int64[Tensor, " n"]) -> None:
        self.source, self.places = source, places
        self.frames, self.data_shape = source.frames, source.data_shape

    def __getattr__(self, name: str) -> Any:
        if name == "source":  # not there yet, as in a copy that is being made
            raise AttributeError(name)
        return getattr(self.source, name)

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: Int64[Tensor, " B"], generator: torch.Generator) -> Any:
        """Make the batch of the items with these numbers."""
        return self.source.batch(self.places[require_items(self, indices)], generator)

    def __repr__(self) -> str:
        return f"{len(self)} items of {self.source!r}"


def labelled_kind(known: Int64[ndarray, " n"]) -> Labelled:
    """Tell whether all, some or no labels are known.

    Example:
        >>> labelled_kind(np.array([0, -1, 2])), labelled_kind(np.array([-1, -1]))
        ('some', 'none')
    """
    if not len(known) or (known >= 0).all():
        return "all"
    return "some" if (known >= 0).any() else "none"


def repeats(known: Int64[ndarray, " n"]) -> Int64[ndarray, " items"]:
    """Number items so that a fifth of them, at least, has a label: labelled ones come again.

    A hundred labels among sixty thousand images would hardly ever be in a batch.

    Example:
        >>> repeats(np.array([-1, -1, 3, -1, -1, -1, -1, -1, -1])).tolist()
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 2]
    """
    sure = np.flatnonzero(known >= 0)
    missing = max(0, -(-(len(known) - len(sure)) // (SHARE - 1)) - len(sure))
    return np.concatenate([np.arange(len(known)), np.resize(sure, missing)])


def hashes(reader: ImageReader, numbers: Int64[ndarray, " n"]) -> list[bytes]:
    """Hash images one by one."""
    found: list[bytes] = []
    size = 4 * int(np.prod(reader.data_shape))
    for part in np.array_split(numbers, max(1, -(-len(numbers) * size // _AT_ONCE))):
        images = np.ascontiguousarray(reader.read(part))
        found += [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images]
    return found


def deal_images(
    content: Sequence[bytes],
    labels: Int64[ndarray, " n"],
    validation: float,
    test: float,
    seed: int,
) -> Int64[ndarray, " n"]:
    """Deal images out to splits, class by class: 0 train, 1 validation, 2 test.

    Their place in the deal follows from their content, whose `hashes` are given, so that equal
    images are in one split.
    """
    key = seed.to_bytes(9, "little", signed=True)
    ranks = np.array(
        [hashlib.blake2b(c, key=key, digest_size=8).hexdigest() for c in content], dtype="U16"
    )
    splits = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        values, place = np.unique(ranks[mine], return_inverse=True)
        share = (place + 0.5) / len(values)
        splits[mine] = np.where(share < test, 2, np.where(share < test + validation, 1, 0))
    return splits
