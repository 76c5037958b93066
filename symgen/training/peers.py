"""The processes that train one model together, each on its share of every batch."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from symgen.data.batches import Batches
from symgen.training.draws import SharedDraws
from symgen.training.heartbeat import lost
from symgen.training.trainable import Feed

__all__ = ["Peers"]

Value = TypeVar("Value")
_SMALL = 2**16  # numbers of a gradient that is summed with others: each sum takes its time


class Peers:
    """The processes of torch's process group; one process alone if there is none.

    All of them hold the same weights, take the same steps and draw the same random numbers. Of a
    batch each computes its rows, and gradients are added up: what they learn is what one process
    would, but for the order in which numbers are added. Gradients are summed in place while the
    backward pass makes further ones, without the copies and buckets of DistributedDataParallel;
    the weight of a share, 1 / `world`, is part of the loss.

    Attributes:
        rank: number of this process; 0 writes and prints.
        world: how many there are.
    """

    def __init__(self) -> None:
        grouped = distributed.is_available() and distributed.is_initialized()
        self.rank = distributed.get_rank() if grouped else 0
        self.world = distributed.get_world_size() if grouped else 1
        self._works: list[Any] = []
        self._small: list[Tensor] = []
        # A group over which the processors agree, while a GPU goes on computing.
        self._host = distributed.new_group(backend="gloo") if self.world > 1 else None

    def require_shares(self, batch_size: int) -> None:
        """Refuse a batch that cannot be shared equally."""
        if batch_size % self.world:
            raise ValueError(
                f"batch_size={batch_size} over {self.world} processes: give a batch size that "
                f"{self.world} divides, such as {self.world * max(1, batch_size // self.world)}"
            )

    def feed(self, feed: Feed) -> Feed:
        """Return what makes this process's rows of every batch, the same rows as of the whole."""
        if self.world == 1:
            return feed
        if isinstance(feed, Batches):
            shared: Any = copy.copy(feed)
            shared.source = _SharedSource(feed.source, self)
            return shared
        return _SharedLoader(feed, self)  # pyright: ignore[reportReturnType]

    def rows(self, count: int) -> slice:
        """Return which of so many rows are this process's."""
        share = count // self.world
        return slice(self.rank * share, (self.rank + 1) * share)

    def draws(self, examples: int) -> Any:
        """Let random draws for so many examples be their part of the draws of the whole batch."""
        return nullcontext() if self.world == 1 else SharedDraws(self.rank, self.world, examples)

    @contextmanager
    def summing(self, model: nn.Module) -> Iterator[None]:
        """Begin to sum each gradient as soon as the backward pass has made it; see `wait`."""
        hooks = []
        if self.world > 1:
            hooks = [
                weight.register_post_accumulate_grad_hook(self._sum)
                for weight in model.parameters()
                if weight.requires_grad
            ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _sum(self, weight: Tensor) -> None:
        assert weight.grad is not None
        if weight.grad.numel() < _SMALL or not weight.grad.is_contiguous():
            self._small.append(weight.grad)
        else:
            with lost(self.rank, self.world):
                self._works.append(distributed.all_reduce(weight.grad, async_op=True))

    def wait(self) -> None:
        """Wait for the sums of all gradients."""
        if self.world == 1:
            return
        with lost(self.rank, self.world):
            if self._small:
                flat = torch.cat([each.flatten() for each in self._small])
                distributed.all_reduce(flat)
                parts = flat.split([each.numel() for each in self._small])
                for gradient, part in zip(self._small, parts, strict=True):
                    gradient.copy_(part.view_as(gradient))
            for work in self._works:
                work.wait()
        self._works.clear()
        self._small.clear()

    def means(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Average single numbers over the processes."""
        if self.world == 1:
            return values
        stacked = torch.stack([value.detach() for value in values.values()])
        with lost(self.rank, self.world):
            distributed.all_reduce(stacked)
        return dict(zip(values, (stacked / self.world).unbind(), strict=True))

    def largest(self, values: Sequence[int]) -> list[int]:
        """Return the largest of each of the numbers that the processes give."""
        if self.world == 1:
            return [*values]
        found = torch.tensor(values)
        with lost(self.rank, self.world):
            distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self._host)
        return found.tolist()

    def agreed(self, value: Value) -> Value:
        """Return what the first process gives."""
        return self.gathered(value)[0]

    def gathered(self, value: Value) -> list[Value]:
        """Return what every process gives, in order."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        with lost(self.rank, self.world):
            distributed.all_gather_object(found, value, group=self._host)
        return found


class _SharedSource:
    """The items of a source, of whose batches it makes a share."""

    def __init__(self, source: Any, peers: Peers) -> None:
        self._source, self._peers = source, peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Tensor, generator: torch.Generator) -> Any:
        rows = self._peers.rows(len(indices))
        with self._peers.draws(rows.stop - rows.start):
            return self._source.batch(indices[rows], generator)


class _SharedLoader:
    """Batches of an iterable, which has to give all of them to every process."""

    def __init__(self, feed: Any, peers: Peers) -> None:
        self._feed, self._peers = feed, peers

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)

    def batch(self, step: int) -> Any:
        batch = self._feed.batch(step)
        rows = self._peers.rows(len(batch.inputs[0]))
        return batch._make(None if part is None else part[rows] for part in batch)
