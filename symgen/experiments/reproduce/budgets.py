"""What the reproduction of the Topographic VAE's tables may spend: three budgets as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from symgen.experiments.experiment import DataConfig, Experiment
from symgen.experiments.presets import preset
from symgen.experiments.reproduce.plan import planned, train_command

__all__ = ["BUDGETS", "Spending"]

Kind = Literal["digits", "sprites", "still"]


@dataclass(frozen=True)
class Spending:
    """How much work goes into each run of a table."""

    faithful: bool = False
    """Whether to train the paper's own presets, in both editions, instead of our recipe."""
    training: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    """Numbers of the training to replace, by what moves: digits, sprites, or nothing."""
    model: Mapping[Kind, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of the models to replace, likewise."""
    images: Literal["digits"] | None = None
    """Images to take in place of MNIST; None leaves it."""
    sequences: int | None = None
    """Held-out sequences of the evaluation; None stands for all."""
    samples: int = 10
    """Importance samples of the likelihood."""

    def experiment(self, name: str, seed: int, root: Path | None = None) -> Experiment:
        """Return the experiment of a preset with a seed, within the budget.

        Example:
            >>> BUDGETS["laptop"].experiment("vae-mnist", 2).training.sequences
            48000
        """
        return planned(
            name,
            Experiment,
            model=self.model.get(_kind(name), {}),
            data=self._data(name),
            training={**self.training.get(_kind(name), {}), "seed": seed},
            root=root,
        )

    def command(self, name: str, seed: int, folder: Path) -> str:
        """Return the words that train a preset with a seed, within the budget.

        Example:
            >>> BUDGETS["laptop"].command("vae-mnist", 2, Path("runs/vae-mnist-2"))
            'symgen train vae-mnist --sequences 48000 ... --seed 2 --out runs/vae-mnist-2'
        """
        kind = _kind(name)
        changed = {**self._data(name), **self.training.get(kind, {}), **self.model.get(kind, {})}
        return train_command(name, {**changed, "seed": seed}, folder)

    def _data(self, name: str) -> dict[str, Any]:
        digits = self.images is not None and _kind(name) != "sprites"
        return {"images": self.images} if digits else {}


def _kind(name: str) -> Kind:
    data = preset(name).data
    assert isinstance(data, DataConfig)
    return "still" if data.mode == "still" else data.scene


_BRIEF = {"sequences": 32, "batch_size": 8, "warmup": 0}
_NARROW = {"hidden": (16, 16)}
_SMALL = {"hidden": (324, 324)}

BUDGETS: dict[str, Spending] = {
    # Every path of the code in seconds and without files, to no claim.
    "smoke": Spending(
        training={"digits": _BRIEF, "sprites": _BRIEF, "still": _BRIEF},
        model={"digits": _NARROW, "sprites": _NARROW, "still": _NARROW},
        images="digits",
        sequences=16,
        samples=2,
    ),
    # Minutes a run on two cores: 864,000 frames of MNIST and 360,000 of dSprites, 1/100 and 1/211
    # of the paper's, and smaller nets.
    "laptop": Spending(
        training={
            "digits": {"sequences": 48_000, "batch_size": 16, "learning_rate": 1.5e-3},
            "sprites": {"sequences": 24_000},
        },
        model={"digits": _SMALL, "sprites": _SMALL},
        sequences=1_000,
    ),
    # As printed: 100 epochs of the authors' recipes, evaluated on everything that is held out.
    "paper": Spending(faithful=True),
}
"""Budgets by name."""
