"""DataLoaders and other iterables as batches that can be reached again after a stop."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch

from symgen.data.batches import mix
from symgen.data.items import Inputs, Wanted, choose_inputs

__all__ = ["LoaderBatches"]


class LoaderBatches:
    """Takes batches from an iterable, over and over, one epoch after the other.

    The iterable draws from a stream of torch's random numbers of its own, seeded for every epoch:
    training does not depend on how it shuffles, and a resumed run sees the batches that it would
    have seen, by going through those of its epoch again. What draws from elsewhere, such as numpy,
    or from several worker processes, is not reproduced.

    Args:
        loader: gives batches, as a torch `DataLoader` does, or single items, which are gathered.
        batch_size: items in a batch, those that the loader gives and those that are gathered.
        wanted: what is taken of an item.
        seed: seed of the iterable's random numbers.

    Example:
        >>> loader = torch.utils.data.DataLoader(torch.rand(8, 4, 3), batch_size=4, shuffle=True)
        >>> batches = LoaderBatches(loader, 4, Wanted((4, 3)))
        >>> again = LoaderBatches(loader, 4, Wanted((4, 3)))
        >>> batches.batch(0).x.shape, batches.batch(1).x.equal(again.batch(1).x)
        (torch.Size([4, 4, 3]), True)
    """

    def __init__(
        self, loader: Iterable[Any], batch_size: int, wanted: Wanted, seed: int = 0
    ) -> None:
        self.loader = loader
        self.batch_size = batch_size
        self.wanted = wanted
        self.seed = seed
        self._epoch = -1
        self._step = 0
        self._state = torch.get_rng_state()
        self._batches: Iterator[Inputs] = iter(())

    def batch(self, step: int) -> Inputs:
        """Return the batch of a training step; steps are asked for in order, or skipped.

        Raises:
            ValueError: if the iterable ends before the first batch of an epoch, or gives batches
                of another size, but for a smaller last one.
        """
        if step < self._step:
            self._epoch, self._step, self._batches = -1, 0, iter(())
        while True:
            found = self._next()
            if found is None:
                self._start_epoch()
                continue
            self._step += 1
            if self._step > step:
                return found

    def _start_epoch(self) -> None:
        self._epoch += 1
        self._state = torch.Generator().manual_seed(mix(self.seed, self._epoch, 3)).get_state()
        self._batches = self._all()
        first = self._next()
        if first is None:
            raise ValueError(
                f"{type(self.loader).__name__} gives no batch of {self.batch_size} in epoch "
                f"{self._epoch}, after {self._step} batches: give data that fill one and can be "
                "gone through again and again, such as a list or a DataLoader, or train for fewer "
                "examples"
            )
        rest = self._batches
        self._batches = _chain(first, rest)

    def _next(self) -> Inputs | None:
        """Take the next batch with the random numbers of the iterable."""
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._state)
            found = next(self._batches, None)
            self._state = torch.get_rng_state()
        return found

    def _all(self) -> Iterator[Inputs]:
        """Go through the iterable once; a smaller last batch is left out."""
        entries = enumerate(self.loader)
        last = None
        for number, entry in entries:
            if last is not None:
                raise self._other_size(*last)
            try:
                batch = choose_inputs(entry, self.wanted, self._name(number), batched=True)
            except ValueError as error:
                try:
                    first = choose_inputs(entry, self.wanted, self._name(number))
                except ValueError:
                    raise error from None
                rest = [
                    choose_inputs(other, self.wanted, self._name(index))
                    for index, other in islice(entries, self.batch_size - 1)
                ]
                batch = _gathered([first, *rest])
            size = len(batch.x)
            if size > self.batch_size:
                raise self._other_size(number, size)
            if size == self.batch_size:
                yield batch
            else:
                last = number, size

    def _other_size(self, number: int, size: int) -> ValueError:
        return ValueError(
            f"{self._name(number)} is a batch of {size}, but batch_size={self.batch_size}: only "
            "the last one may be smaller, give both the same"
        )

    def _name(self, number: int) -> str:
        return f"entry {number} of {type(self.loader).__name__}"

    def __repr__(self) -> str:
        return f"{type(self.loader).__name__} in batches of {self.batch_size}, {self.wanted}"


def _gathered(items: list[Inputs]) -> Inputs:
    labels = [item.y for item in items if item.y is not None]
    return Inputs(torch.stack([item.x for item in items]), torch.stack(labels) if labels else None)


def _chain(first: Inputs, rest: Iterator[Inputs]) -> Iterator[Inputs]:
    yield first
    yield from rest
