"""What experiments ask of a family of models."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from symgen.data.batches import Batches
from symgen.models import Pretrained

__all__ = ["CardText", "Family", "Metric", "ObserveBatches", "Row", "mean_of_own"]

Row = tuple[str, str, str]
"""A measure, its value, and what to compare it with."""
Metric = Callable[[Any, Any], Tensor]
"""Takes a model and a batch and returns a value for each of its items."""
ObserveBatches = Callable[[int, int], object]
"""Is given how many batches of how many are done."""


class CardText(NamedTuple):
    """What a model card says of a family.

    Attributes:
        described: what a model is, to follow its name.
        programs: how the exported programs are called.
        limits: what it cannot do.
        tag: the family's tag on the hub.
        bibtex: what to cite.
    """

    described: str
    programs: str
    limits: str
    tag: str
    bibtex: str


class Family(ABC):
    """A family of models: how they are measured and described. A new one is one class.

    Attributes:
        kind: class of the models.
        examples: what they are trained on, in the plural.
        batch_size: items of a batch of the test.
        verbs: commands that draw a run, to be followed by its folder.
        card: texts of model cards.
    """

    kind: ClassVar[type[Pretrained]]
    examples: ClassVar[str]
    batch_size: ClassVar[int]
    verbs: ClassVar[tuple[str, ...]]
    card: ClassVar[CardText]

    @abstractmethod
    def evaluate(
        self,
        model: Any,
        test: Batches[Any],
        train: Batches[Any],
        *,
        items: int | None = None,
        samples: int = 10,
        seed: int = 0,
        canonical: int = 0,
        metrics: Mapping[str, Metric] | None = None,
        observe: ObserveBatches | None = None,
    ) -> dict[str, Any]:
        """Measure a model on held-out data.

        Args:
            model: a trained model.
            test: held-out data, not shuffled.
            train: training data, for baselines such as the mean frame.
            items: how many to measure; None stands for all.
            samples: samples of the posteriors.
            seed: seed of the samples.
            canonical: value of the moving factor in the reference frame of CapCorr.
            metrics: further ones by name; their means join the result under `own`.
            observe: is told how far it is.

        Returns:
            Values by name; None where one is not defined.
        """

    @abstractmethod
    def encoded(self, model: Any, x: Tensor) -> dict[str, Tensor]:
        """Return what a batch becomes, by name and without a draw."""

    @abstractmethod
    def rows(self, model: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
        """Say what an evaluation found, row by row.

        Args:
            model: arguments of the model.
            measured: what `evaluate` returned.
        """

    @abstractmethod
    def counted(self, measured: Mapping[str, Any]) -> str:
        """Say how many items and samples an evaluation took."""


def mean_of_own(values: Mapping[str, list[Tensor]]) -> dict[str, float]:
    """Average the values that metrics of one's own gave for every batch."""
    return {name: float(torch.cat(parts).double().mean()) for name, parts in values.items()}
