"""What experiments ask of a family of models, and the pass over held-out data that all share."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor

from symgen._devices import seeded
from symgen.data.batches import Batches, mix
from symgen.experiments.families.extent import Limit, ObserveBatches, first_items, numbers_of
from symgen.experiments.reel import Reel
from symgen.models import Pretrained
from symgen.training import Peers

Row = tuple[str, str, str]
"""A measure, its value, and what to compare it with."""
Metric = Callable[[Any, Any], Tensor]
"""Takes a model and a batch and returns a value for each of its items."""


class Notes:
    """Values of items, noted batch by batch and averaged at the end."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = defaultdict(list)

    def note(self, place: str = "", **measured: Tensor) -> None:
        """Add the values of a batch, under the name of a place if one is given."""
        for name, value in measured.items():
            self._values[place + name].append(value.cpu())

    @classmethod
    def joined(cls, noted: Sequence[Mapping[int, "Notes"]]) -> "Notes":
        """Join notes of single batches, by number of the batch, from several processes."""
        every = {step: notes for each in noted for step, notes in each.items()}
        joined = cls()
        for step in sorted(every):
            for name, values in every[step]._values.items():
                joined._values[name] += values
        return joined

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def values(self, name: str) -> Tensor:
        """Return the values of all items."""
        return torch.cat(self._values[name])

    def means(self, place: str = "") -> dict[str, float | None]:
        """Average what was noted under a place; None stands for what is not defined."""
        return {name: defined(values.mean()) for name, values in self._under(place)}

    def deviations(self, place: str = "") -> dict[str, float | None]:
        """Return standard deviations over items of what was noted under a place."""
        return {
            name: defined(values.std()) if len(values) > 1 else None
            for name, values in self._under(place)
        }

    def _under(self, place: str) -> Iterator[tuple[str, Tensor]]:
        for name in self._values:
            if name.startswith(place) and "/" not in name.removeprefix(place):
                yield name.removeprefix(place), self.values(name).double()


class Family(ABC):
    """A family of models: how they are measured and described. A new one is one class.

    Attributes:
        kind: class of the models.
        name: under which `cards.toml` tells of them.
        examples: what they are trained on, in the plural.
        per: what likelihoods are counted for.
        samples: what is drawn for them, in the plural.
        bound: the bound among what is noted, which must be finite.
        batch_size: items of a batch of the test.
        verbs: commands that draw a run, to be followed by its folder.
    """

    kind: ClassVar[type[Pretrained]]
    name: ClassVar[str]
    examples: ClassVar[str]
    per: ClassVar[str]
    samples: ClassVar[str]
    bound: ClassVar[str]
    batch_size: ClassVar[int]
    verbs: ClassVar[tuple[str, ...]]

    def evaluate(
        self,
        model: Any,
        test: Batches[Any],
        train: Batches[Any],
        *,
        items: int | None = None,
        samples: int = 10,
        seed: int = 0,
        metrics: Mapping[str, Metric] | None = None,
        observe: ObserveBatches | None = None,
        limit: Limit | None = None,
    ) -> dict[str, Any]:
        """Measure a model on held-out data, not shuffled, in one pass.

        Processes of a group of `torch.distributed` share the batches. Samples are then drawn for
        each batch anew: they are others than those of one process.

        Args:
            train: training data, for baselines such as the mean frame.
            items: how many to measure; None stands for all.
            samples: samples of the posteriors.
            seed: seed of the samples.
            metrics: further ones by name; their means join the result under `own`.
            observe: is given how many batches of how many are done.
            limit: says at how many batches to stop; see `TimeLimit`.

        Returns:
            Values by name; None where one is not defined. Likelihoods are the model's own.
            `examples` items of the `held_out` ones were measured.
        """
        if samples < 1:
            raise ValueError(f"samples={samples}: take at least one")
        noted: dict[int, Notes] = {}
        peers = Peers()
        with _measured(model, seed), torch.no_grad():
            batches = first_items(test, items, observe, limit)
            baseline = self.prepare(model, test, train)
            for step, batch in enumerate(batches):
                if step % peers.world != peers.rank:
                    continue
                if peers.world > 1:  # the samples of a batch are the same whoever draws them
                    torch.manual_seed(mix(seed, step, 4))
                notes = noted[step] = Notes()
                notes.note("item/", number=numbers_of(test, step)[: len(batch.inputs[0])])
                self.measure(model, batch, test.source, baseline, samples, notes)
                for name, metric in (metrics or {}).items():
                    notes.note("own/", **{name: _of_items(name, metric(model, batch), batch)})
            notes = Notes.joined(peers.gathered(noted))
            self.require_finite(notes.values(self.bound))
            found = {
                "examples": len(notes.values("item/number")),
                "held_out": len(test.source),
                "samples": samples,
                "seed": seed,
                "nats": f"per {self.per}, {type(model.likelihood).__name__}",
                **self.summed(model, test.source, baseline, notes),
            }
        return found | ({"own": notes.means("own/")} if metrics else {})

    def require_finite(self, bound: Tensor) -> None:
        """Refuse a model whose bound is not a number for some of the items."""
        wrong = int((~bound.isfinite()).sum())
        if wrong:
            raise ValueError(
                f"{self.bound} of {wrong} of {len(bound)} {self.examples} is not finite: the "
                "training diverged; train again with a lower learning_rate or a clip_norm"
            )

    @abstractmethod
    def prepare(self, model: Any, test: Batches[Any], train: Batches[Any]) -> Any:
        """Compute what every batch is compared with."""

    @abstractmethod
    def measure(
        self, model: Any, batch: Any, source: Any, baseline: Any, samples: int, notes: Notes
    ) -> None:
        """Note what a batch of a source shows, with a number of samples of the posteriors."""

    @abstractmethod
    def summed(self, model: Any, source: Any, baseline: Any, notes: Notes) -> dict[str, Any]:
        """Sum up what was noted, by name."""

    @abstractmethod
    def encoded(
        self, model: Any, reel: Reel, posterior: bool = False, phase: bool = False
    ) -> Iterator[dict[str, Tensor]]:
        """Infer latents without a draw, and return them by name with what is known, row by row.

        Args:
            reel: what to encode; a row stands for a frame or an image.
            posterior: add means and standard deviations of the posteriors.
            phase: add phase and amplitude of every capsule.
        """

    @abstractmethod
    def decodes(self, model: Any) -> dict[str, tuple[int, ...]]:
        """Return which latents it takes to decode a row, by name, and their shapes."""

    @abstractmethod
    def decoded(self, model: Any, latents: Mapping[str, Tensor]) -> Tensor:
        """Return the means of the likelihood of rows, (rows, *data_shape)."""

    @abstractmethod
    def rows(self, model: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
        """Say what an evaluation found, row by row.

        Args:
            model: arguments of the model.
            measured: what `evaluate` returned.
        """

    def verdict(self, measured: Mapping[str, Any]) -> list[str]:
        """Say in plain words what an evaluation means, in a few lines; none by default."""
        return []

    def counted(self, measured: Mapping[str, Any]) -> str:
        """Say how many items of how many an evaluation took, and how many samples."""
        items = f"{measured['examples']:,}"
        if measured["examples"] < measured.get("held_out", 0):
            items += f" of {measured['held_out']:,}"
        return f"{items} {self.examples}, {measured['samples']} {self.samples}"


def defined(value: Tensor | float) -> float | None:
    """Return a number, or None for one that is not defined."""
    number = float(value)
    return None if number != number else number


def own_rows(measured: Mapping[str, Any]) -> Iterator[Row]:
    """Say what metrics of one's own found."""
    for name, value in measured.get("own", {}).items():
        yield name, f"{value:.4g}", "your own"


def _of_items(name: str, values: Any, batch: Any) -> Tensor:
    """Return what a metric of one's own gave, once it is a value for each item of a batch."""
    values, items = torch.as_tensor(values), len(batch.inputs[0])
    if tuple(values.shape) != (items,):
        raise ValueError(
            f"the metric {name!r} gave {tuple(values.shape)} for a batch of {items} items: give a "
            f"value for each, ({items},)"
        )
    return values


@contextmanager
def _measured(model: Any, seed: int) -> Iterator[None]:
    """Hold a model in evaluation mode, with noise of its own."""
    was_training = model.training
    model.eval()
    with seeded(seed, next(model.parameters()).device):
        try:
            yield
        finally:
            model.train(was_training)
