"""DataLoaders and other iterables as batches that can be reached again after a stop."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import torch

from symgen.data.batches import mix
from symgen.data.items import Inputs, Wanted, choose_inputs, stack_inputs

__all__ = ["LoaderBatches"]


class _Exhausted(ValueError):
    """An iterable has come to its end and does not begin again."""


def _raising(error: Exception) -> Iterator[Inputs]:
    raise error
    yield


@dataclass(eq=False, repr=False)
class LoaderBatches:
    """Takes batches from an iterable, over and over, one epoch after the other.

    The iterable draws from its own stream of torch's random numbers, seeded for every epoch:
    training does not depend on how it shuffles, and a resumed run sees the batches that it would
    have seen. What draws from elsewhere, such as numpy, or in several worker processes, is not
    reproduced.

    Args:
        loader: gives batches, as a torch `DataLoader` does, or single items, which are gathered.
        batch_size: items in a batch, whether given or gathered.
        wanted: what is taken of an item.

    Example:
        >>> loader = torch.utils.data.DataLoader(torch.rand(8, 4, 3), batch_size=4, shuffle=True)
        >>> one, two = (LoaderBatches(loader, 4, Wanted((4, 3))) for _ in range(2))
        >>> one.batch(0).x.shape, one.batch(1).x.equal(two.batch(1).x)
        (torch.Size([4, 4, 3]), True)
    """

    loader: Iterable[Any]
    batch_size: int
    wanted: Wanted
    seed: int = 0

    def __post_init__(self) -> None:
        self._step = 0  # of the batch that comes next
        self._kept: dict[int, Inputs] = {}  # batches that were asked for ahead
        self._batches = self._epochs()
        self._state = torch.get_rng_state()

    def batch(self, step: int) -> Inputs:
        """Return the batch of a training step; steps are asked for in order, or skipped."""
        if step in self._kept:
            return self._kept.pop(step)
        if step < self._step:
            self._step, self._batches = 0, self._epochs()
        skipped, self._step = step - self._step, step + 1
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._state)
            batch = next(islice(self._batches, skipped, None))
            self._state = torch.get_rng_state()
        return batch

    def ahead(self, step: int) -> Inputs | None:
        """Return the batch of a step before its turn, and keep it until then; None at the end."""
        try:
            batch = self._kept[step] = self.batch(step)
        except _Exhausted as error:
            self._step, self._batches = step, _raising(error)
            return None
        return batch

    def _epochs(self) -> Iterator[Inputs]:
        """Go through the iterable again and again."""
        taken = 0
        for epoch in count():
            torch.default_generator.manual_seed(mix(self.seed, epoch, 3))
            before = taken
            for batch in self._epoch():
                taken += 1
                yield batch
            if taken == before:
                raise _Exhausted(
                    f"{type(self.loader).__name__} gives no batch of {self.batch_size} in epoch "
                    f"{epoch}, after {taken} batches: give data that fill one and can be gone "
                    "through again and again, such as a list or a DataLoader, or train for fewer "
                    "examples"
                )

    def _epoch(self) -> Iterator[Inputs]:
        """Go through the iterable once; a smaller last batch is left out."""
        entries = enumerate(self.loader)
        for number, entry in entries:
            batch = self._read(number, entry, entries)
            size = len(batch.x)
            if size > self.batch_size or (size < self.batch_size and next(entries, None)):
                raise ValueError(
                    f"{self._name(number)} is a batch of {size}, but batch_size="
                    f"{self.batch_size}: only the last one may be smaller, give both the same"
                )
            if size == self.batch_size:
                yield batch

    def _read(self, number: int, entry: Any, entries: Iterator[tuple[int, Any]]) -> Inputs:
        """Read an entry that is a batch, or gather a batch from it and the next ones."""
        try:
            return choose_inputs(entry, self.wanted, self._name(number), batched=True)
        except ValueError as error:
            try:
                first = choose_inputs(entry, self.wanted, self._name(number))
            except ValueError:
                raise error from None
        rest = islice(entries, self.batch_size - 1)
        others = (choose_inputs(item, self.wanted, self._name(index)) for index, item in rest)
        return stack_inputs([first, *others])

    def _name(self, number: int) -> str:
        return f"entry {number} of {type(self.loader).__name__}"

    def __repr__(self) -> str:
        return f"{type(self.loader).__name__} in batches of {self.batch_size}, {self.wanted}"
