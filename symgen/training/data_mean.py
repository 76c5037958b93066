"""The mean of the data, which a model with `centre` subtracts from what its encoder sees."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from symgen.data.batches import Batches
from symgen.training.trainable import Feed, frames_of

__all__ = ["measure_data_mean", "taken_back_unless"]

_ITEMS, _BYTES = 256, 2**28  # of which the mean is taken, at most but for a batch


@torch.no_grad()
def measure_data_mean(model: Any, feed: Feed, stopped: Callable[[], bool]) -> None:
    """Give a model the mean of the first items, if it asks for one and has none yet.

    Training is given these items all the same. Once it is `stopped` the model is left without.

    Raises:
        ValueError: for data that are not finite.
    """
    mean = getattr(model, "data_mean", None)
    if mean is None or mean.any():
        return
    item = frames_of(model) * mean.numel() * mean.element_size()
    batches = -(-min(_ITEMS, max(1, _BYTES // item)) // feed.batch_size)
    total, count = torch.zeros_like(mean, dtype=torch.float64, device="cpu"), 0
    with torch.random.fork_rng(devices=[]):
        for step in range(batches):
            if stopped():
                return
            batch = feed.batch(step) if isinstance(feed, Batches) else feed.ahead(step)
            if batch is None:
                break
            x = batch.inputs[0].flatten(0, -mean.ndim - 1).to("cpu", torch.float64)
            if wrong := int((~x.isfinite()).sum()):
                raise ValueError(f"x holds {wrong} values that are not finite: give finite data")
            total += x.sum(0)
            count += len(x)
    if count:
        mean.copy_(total / count)


@contextmanager
def taken_back_unless(model: Any, begun: Callable[[], bool]) -> Iterator[None]:
    """Leave a model without the mean that it was given for a training that has not begun."""
    mean = getattr(model, "data_mean", None)
    fresh = mean is not None and not mean.any()
    try:
        yield
    finally:
        if fresh and not begun():
            model.data_mean.zero_()
