"""How much of held-out data an evaluation takes: all, a number, or what a time allows."""

import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from symgen.data.batches import Batches, mix

ObserveBatches = Callable[[int, int], object]
"""Is given how many batches of how many are done."""
Limit = Callable[[int, int], int]
"""Is given how many batches are done, 0 before the first, and how many there are, and says at how
many to stop."""

_TIMED = 3  # batches that tell the speed
_GOLDEN = (math.sqrt(5) - 1) / 2


class TimeLimit:
    """As many batches as a time allows by the speed of the first ones, and at least one.

    Args:
        seconds: the time.
        clock: tells the time in seconds.

    Example:
        >>> limit = TimeLimit(60, clock=iter((0.0, 9.0, 12.0, 15.0)).__next__)
        >>> [limit(done, 100) for done in range(5)]
        [100, 6, 18, 18, 18]
    """

    def __init__(self, seconds: int | float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._times: list[float] = []
        self._stop = 0

    def __call__(self, done: int, batches: int) -> int:
        """Say at how many batches to stop."""
        if done <= _TIMED:
            self._times.append(self._clock())
            self._stop = self._fitting() if done else batches
        return min(batches, self._stop)

    def _fitting(self) -> int:
        """Return how many batches fit; the first is not like the others, once there are others."""
        begin, first, *_ = times = self._times
        done, now = len(times) - 1, times[-1]
        each = (now - first) / (done - 1) if done > 1 else first - begin
        return done + int(max(0.0, self._seconds - (now - begin)) / max(each, 1e-6))


class EvenBatches(Batches[Any]):
    """Batches whose first items are evenly spread over a source, however many are taken.

    Sources may be sorted by recording or by class. Of n items, the one at place k is that whose
    number is the rank of k g mod 1 among all n of them, with the golden ratio g, whose multiples
    leave no gap much wider than another.

    Example:
        >>> from symgen.data import Batches, DistortedImages, load
        >>> data = DistortedImages(load("digits"), "rts")
        >>> EvenBatches(data, 6, shuffle=False).numbers(0).tolist()
        [0, 889, 340, 1228, 679, 130]
    """

    @cached_property
    def _order(self) -> Int64[Tensor, " n"]:
        places = torch.arange(len(self.source), dtype=torch.float64)
        return (places * _GOLDEN % 1).argsort().argsort()

    def numbers(self, step: int) -> Int64[Tensor, " B"]:
        """Return the numbers of the items of a batch."""
        return self._order[numbers_in_order(self, step)]

    def batch(self, step: int) -> Any:
        """Make a batch; what it draws depends on the seed and the step alone."""
        generator = torch.Generator().manual_seed(mix(self.seed, step, 2))
        batch = self.source.batch(self.numbers(step), generator)
        return batch._make(None if part is None else part.to(self.device) for part in batch)


def evenly_spread(data: Batches[Any]) -> EvenBatches:
    """Return data in an order in which any first items stand for all."""
    return EvenBatches(data.source, data.batch_size, data.seed, shuffle=False, device=data.device)


def numbers_in_order(data: Batches[Any], step: int) -> Int64[Tensor, " B"]:
    """Return the numbers of the items of a batch of data in order."""
    begin = step * data.batch_size
    return torch.arange(begin, min(begin + data.batch_size, len(data.source)))


def numbers_of(data: Batches[Any], step: int) -> Int64[Tensor, " B"]:
    """Return the numbers of the items of a batch of data that are not shuffled."""
    return data.numbers(step) if isinstance(data, EvenBatches) else numbers_in_order(data, step)


def first_items(
    data: Batches[Any],
    items: int | None = None,
    observe: ObserveBatches | None = None,
    limit: Limit | None = None,
) -> Iterator[Any]:
    """Iterate over the batches of the first items of data; None stands for all."""
    count = len(data.source) if items is None else items
    if not 0 < count <= len(data.source):
        raise ValueError(
            f"examples={items}: give 1 to {len(data.source):,}, the number of held-out items"
        )

    def batches() -> Iterator[Any]:
        every, done = -(-count // data.batch_size), 0
        steps = every if limit is None else limit(0, every)
        while done < steps:
            left = count - done * data.batch_size
            batch = data.batch(done)
            yield batch._make(None if part is None else part[:left] for part in batch)
            done += 1
            steps = every if limit is None else limit(done, every)
            if observe is not None:
                observe(done, max(done, steps))

    return batches()
