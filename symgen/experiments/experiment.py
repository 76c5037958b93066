"""An experiment as one value: builder, options, data and training."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from symgen._memory import MEMORY
from symgen.data.batches import Batches
from symgen.experiments.builders import FROM_DATA, builder, complete, takes
from symgen.experiments.datasets import DataConfig, SpritesData, data_from_json, data_to_json
from symgen.models import Pretrained
from symgen.training import Training


def validation_batches(data: DataConfig, training: Training, device: str) -> Batches[Any] | None:
    """Open the validation data of a training, None where there are none or nobody measures."""
    source = data.validation_source(device) if training.validate_every else None
    if source is None:
        return None
    size = min(training.batch_size, len(source))
    return Batches(source, size, training.seed, device=device)


@dataclass(frozen=True)
class Experiment:
    """A model trained on data.

    Attributes:
        builder: name of the builder, such as "TVAE".
        model: its options; those that are not given have their defaults.
        data: what it is trained on.
        training: how.

    Raises:
        ValueError: if there is no such builder or option.

    Example:
        >>> experiment = Experiment("TVAE", {"window": 10})
        >>> experiment.model["mu"], experiment.changed(training={"seed": 2}).training.seed
        (-30.0, 2)
    """

    builder: str
    model: dict[str, Any] = field(default_factory=dict)
    data: DataConfig = field(default_factory=SpritesData)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", complete(self.kind, self.model))

    @property
    def kind(self) -> type[Pretrained]:
        """Class of the model."""
        return builder(self.builder)

    def changed(
        self,
        model: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        place: Path | None = None,
    ) -> "Experiment":
        """Return this experiment with some settings replaced, refusing names that are unknown.

        Args:
            model: options of the builder.
            data: settings of the data.
            training: settings of the training.
            place: where the files of the data are, if not where they are said to be.
        """
        values = data_to_json(self.data) | dict(data or {})
        return replace(
            self,
            model=self.model | dict(model or {}),
            data=data_from_json(values).located(place),
            training=self.training.changed(training or {}),
        )

    def build(self, device: str = "cpu") -> tuple[Any, Batches[Any]]:
        """Make the untrained model and its training data on a device.

        The seed is the training's; initial weights are drawn on the CPU, the same everywhere.
        """
        source = self.data.source(train=True, device=device)
        size = self.training.batch_size
        numbers = size * source.frames * math.prod(source.data_shape)
        if 4 * numbers > MEMORY // 4:  # there are its reconstruction and the gradients, too
            raise ValueError(
                f"batch_size={size}: a batch of {4 * numbers / 2**30:,.1f} GiB is more than a "
                f"quarter of {MEMORY / 2**30:,.0f} GiB of memory: give a smaller one"
            )
        names = [name for name in FROM_DATA[1:] if takes(self.kind, name)]
        given = {name: getattr(source, name) for name in names if hasattr(source, name)}
        with torch.random.fork_rng():
            torch.manual_seed(self.training.seed)
            model: Any = self.kind(source.data_shape, **given, **self.model)  # pyright: ignore
        return model.to(device), Batches(source, size, self.training.seed, device=device)

    def validation(self, device: str = "cpu") -> Batches[Any] | None:
        """Open what chooses the best weights; None if the data have none, or nobody measures."""
        return validation_batches(self.data, self.training, device)

    def to_json(self) -> dict[str, Any]:
        """Return the experiment as plain JSON values."""
        return {
            "builder": self.builder,
            "model": dict(self.model),
            "data": data_to_json(self.data),
            "training": asdict(self.training),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Experiment":
        """Read what `to_json` returned."""
        names = ("builder", "model", "data", "training")
        try:
            name, model, data, training = (values[name] for name in names)
        except KeyError as error:
            raise ValueError(f"no experiment, it lacks {error}") from error
        for part in (model, data, training):
            if not isinstance(part, Mapping):
                raise ValueError(f"no experiment, settings are {part!r}: give them by name")
        return cls(name, dict(model), data_from_json(dict(data)), Training().changed(training))
