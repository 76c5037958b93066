"""Validation: the loss on data that are not trained on, the best weights, and when to stop."""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from math import inf
from typing import Any

import torch
from torch import Tensor

from symgen.data.batches import Batches
from symgen.training.peers import Peers
from symgen.training.settings import Training
from symgen.training.trainable import Feed

__all__ = ["Validation"]

BEST = "best"  # folder in that of a run
_SHARE = 20  # training steps for each batch that is measured: it takes less than a step


class Validation:
    """Measures the loss on the same batches each time, and remembers the best.

    It is a twentieth as many batches as there are steps between two measurements, at least one:
    no more than a twentieth of the time is spent on them. KL terms have the weight that they have
    after the warm-up, so that measurements can be compared.

    Args:
        feed: data that are not trained on; of a source items are taken at random, once.
        settings: of the training, whose `validate_every` is not 0.

    Attributes:
        best: the least loss so far.
        best_step: updates that the weights had when it was measured.
        worse: measurements since then.
    """

    def __init__(self, feed: Feed, settings: Training) -> None:
        self.beta, self.patience = settings.beta, settings.patience
        count = max(1, settings.validate_every // _SHARE)
        if isinstance(feed, Batches):
            size = min(settings.batch_size, len(feed.source))
            feed = Batches(feed.source, size, settings.seed, device=feed.device)
            count = min(count, len(feed))
        self.feed, self.count = feed, count
        self.best, self.best_step, self.worse = inf, 0, 0

    @property
    def ended(self) -> bool:
        """Whether so many measurements in a row were no better that the training is to end."""
        return self.patience is not None and self.worse >= self.patience

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: what was found so far."""
        best = None if self.best == inf else self.best
        return {"best": best, "step": self.best_step, "worse": self.worse, "ended": self.ended}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from what `state` was."""
        if state is not None:
            self.best = inf if state["best"] is None else state["best"]
            self.best_step, self.worse = state["step"], state["worse"]

    def measure(
        self, model: Any, inputs_of: Callable[[Any], Sequence[Tensor]], peers: Peers
    ) -> dict[str, float]:
        """Return the loss and its terms without weights, in nats, averaged over the batches.

        Peers share every batch, unless their number does not divide its size.
        """
        shared = self.feed.batch_size % peers.world == 0
        feed = peers.feed(self.feed) if shared else self.feed
        sums: dict[str, float] = {}
        for step in range(self.count):
            inputs = inputs_of(feed.batch(step))
            with peers.draws(len(inputs[0])) if shared else nullcontext():
                terms = model(*inputs)._asdict()
            values = peers.means({name: term.mean() for name, term in terms.items()})
            for name, value in zip(values, torch.stack([*values.values()]).tolist(), strict=True):
                sums[name] = sums.get(name, 0.0) + value / self.count
        weighted = (value * self._weight(name) for name, value in sums.items())
        return {"loss": sum(weighted), **sums}

    def note(self, step: int, loss: float) -> bool:
        """Remember a measurement after a step, and tell whether it is the best one so far."""
        if loss < self.best:
            self.best, self.best_step, self.worse = loss, step, 0
            return True
        self.worse += 1
        return False

    def _weight(self, term: str) -> float:
        return self.beta if term.startswith("kl_") else 1.0
