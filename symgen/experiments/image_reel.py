"""Reels of one's own images: all of them, with what is known of each."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray

from symgen.data.batches import Batches, fitting
from symgen.data.labelled import LabelledBatch, OwnImages
from symgen.data.recordings import unlike
from symgen.experiments.image_data import OwnImageData
from symgen.experiments.reel import NONE, SPLITS, Blocks, Reel

__all__ = ["batches_of", "of_own_images"]

_TOGETHER = 250
_LOOKED_AT = 1000  # images, for what their numbers are


def of_own_images(
    data: OwnImageData, data_shape: Sequence[int], split: str | None, items: int | None
) -> Reel:
    """Return images in their order, with label, class names and split.

    Args:
        data_shape: of the images that the run was trained on, or ValueError.
        split: "train", "validation" or "test"; None or "all" for all of them.
        items: how many, from the first one on; None for all.

    Images that lie elsewhere may be others than those of the training, and are in no split then.
    """
    source, foreign = data.open_any(split)
    if source.data_shape != tuple(data_shape):
        given, wanted = (" × ".join(map(str, each)) for each in (source.data_shape, data_shape))
        raise ValueError(
            f"{data.data} has images of {given}, but the run was trained on {wanted}: give images "
            "with as many channels and pixels"
        )
    count = len(source) if items is None else items
    if not 0 < count <= len(source):
        raise ValueError(f"examples={items}: give 1 to {len(source):,}, the number of images")

    def blocks() -> Blocks:
        for batch, numbers in batches_of(source, count):
            splits = np.full_like(numbers, NONE) if foreign else source.splits[numbers]
            known = {"image": torch.from_numpy(numbers), "split": torch.from_numpy(splits)}
            if source.class_names:
                none = len(source.class_names)
                known["label"] = batch.labels.where(batch.labels >= 0, none).cpu()
            yield batch.images, known

    names = {"split": [*SPLITS], "image": [*source.image_names]}
    if source.class_names:
        names["label"] = [*source.class_names, ""]
        if not data.ignore_labels:
            names["class"] = names["probabilities"] = [*source.class_names]
    notes = (*source.notes, *_unlike(data, source, count)) if foreign else ()
    return Reel(np.ones(count, np.int64), blocks(), names, notes=notes)


def _unlike(data: OwnImageData, source: OwnImages, count: int) -> tuple[str, ...]:
    """Say of images that the run has not seen if their numbers are unlike those it has."""
    if source.levels is None:
        return ()
    some = source.reader.read(source.numbers[:count][:: max(1, count // _LOOKED_AT)])
    said = unlike(source.levels, (float(some.min()), float(some.max())))
    return () if said is None else (f"{data.data}: {said}",)


def batches_of(
    source: OwnImages, count: int
) -> Iterator[tuple[LabelledBatch, Int64[ndarray, " B"]]]:
    """Iterate over the first images of a source in batches, with their numbers among all."""
    batches = Batches(source, fitting(source, _TOGETHER), shuffle=False)
    done = 0
    for step in range(len(batches)):
        indices = batches.indices(step)[: count - done]
        if not len(indices):
            return
        yield source.batch(indices, torch.Generator()), source.numbers_of(indices)
        done += len(indices)
