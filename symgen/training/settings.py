"""The settings of a training run, and the schedules that follow from them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

from symgen._errors import nearest, require_choice

__all__ = ["Training", "kl_weight", "learning_rate_factor"]

_AT_LEAST = {
    "examples": 1,
    "batch_size": 1,
    "learning_rate": 0,
    "warmup": 0,
    "half_life": 1,
    "decay": 0,
    "kl_warmup": 0,
    "beta": 0,
    "rolled": 0,
    "checkpoint_every": 0,
    "log_every": 1,
}
_CHOICES = {
    "schedule": ("constant", "cosine", "half-life"),
    "precision": ("float32", "bfloat16", "auto"),
}


@dataclass(frozen=True)
class Training:
    """All settings of a training run.

    Raises:
        ValueError: if a number is out of range or a choice is unknown.

    Example:
        >>> training = Training(examples=1000, batch_size=32)
        >>> training.steps
        32
    """

    examples: int = 64_000
    """Length of the training, in examples seen: sequences, or single images for ACE."""
    batch_size: int = 32
    """Examples in a batch."""
    optimizer: str = "Adam"
    """Name of a class of torch.optim."""
    learning_rate: float = 1e-3
    """Step size of the optimiser after the warm-up."""
    optimizer_options: dict[str, bool | int | float | tuple[float, float]] = field(
        default_factory=dict
    )
    """Further keywords of the optimiser, such as momentum 0.9."""
    learning_rates: dict[str, float] = field(default_factory=dict)
    """Learning rates of parts of the model in place of that of the rest, such as mu 1e-3: the part
    is a submodule or a parameter by its name."""
    decay: float = 0.0
    """Part of every weight that is lost in an epoch, whatever the learning rate; needs AdamW. 0
    leaves the decay to optimizer_options."""
    sparse: bool = False
    """Update, and decay, only the decoders of the classes that a batch holds; needs AdamW. It pays
    off where most classes are absent from a batch."""
    clip_norm: float | None = None
    """Largest norm of the gradient; a longer one is scaled down. None: no clipping."""
    warmup: int = 0
    """Examples over which the learning rate grows linearly to its full value."""
    schedule: Literal["constant", "cosine", "half-life"] = "constant"
    """Learning rate after the warm-up: constant, half a cosine down to 0 at the end, or halved
    over every half_life."""
    half_life: int | None = None
    """Examples over which the learning rate halves, smoothly, under the schedule half-life."""
    kl_warmup: int = 0
    """Examples over which the weights of the KL terms go linearly from their start to 1."""
    kl_start: float | dict[str, float] = 0.0
    """Where the weights of the KL terms start, such as 0.05; or by name, such as kl_z 20, 0 for
    those that are not named: the style waits until the pose is learned."""
    beta: float = 1.0
    """Weight of all KL terms: 1 trains the bound, more a β-VAE (Higgins et al. 2017)."""
    rolled: float = 0.0
    """Share of steps in which the capsules of every frame are rolled by a random number of steps
    and decoded into the frame so much later, where there is one. 0 is the paper."""
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Number format of the matrix products; weights stay as they are. "auto" takes bfloat16 where
    the device has units for it and float32 elsewhere."""
    checkpoint_every: float = 60.0
    """Seconds between checkpoints."""
    log_every: int = 50
    """Steps between lines of the log."""
    seed: int = 0
    """Seed of the noise of the training."""

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:
                raise ValueError(f"{name}={value!r}: give a finite number, {least} or more")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r}: give a number above 0, or None")
        for name, choices in _CHOICES.items():
            require_choice(name, getattr(self, name), choices)
        if (self.schedule == "half-life") != (self.half_life is not None):
            raise ValueError(
                f"schedule={self.schedule!r} with half_life={self.half_life}: give a half_life "
                "with the schedule 'half-life', and with no other"
            )
        if self.decay >= 1:
            raise ValueError(f"decay={self.decay!r}: give a number below 1, such as 1e-4")
        if self.rolled > 1:
            raise ValueError(f"rolled={self.rolled!r}: give a share of the steps, 0 to 1")
        for part, rate in self.learning_rates.items():
            if not 0 <= rate < math.inf:
                raise ValueError(f"learning_rates={self.learning_rates}: {part} needs 0 or more")
        starts = self.kl_start if isinstance(self.kl_start, dict) else {"kl_": self.kl_start}
        for name, start in starts.items():
            if not (name.startswith("kl_") and 0 <= start < math.inf) or (
                start and not self.kl_warmup
            ):
                raise ValueError(
                    f"kl_start={self.kl_start} with kl_warmup={self.kl_warmup}: give a finite "
                    "weight from 0 on, or one for KL terms by name, such as kl_z, and a kl_warmup"
                )
        if self.decay and "weight_decay" in self.optimizer_options:
            raise ValueError(
                f"decay={self.decay} beside weight_decay in optimizer_options: give only one"
            )
        for name in ("decay", "sparse"):
            if getattr(self, name) and self.optimizer != "AdamW":
                raise ValueError(
                    f"{name}={getattr(self, name)} with optimizer={self.optimizer!r}: it needs "
                    "'AdamW'"
                )

    @property
    def steps(self) -> int:
        """Updates of the weights: the least number that sees so many examples."""
        return -(-self.examples // self.batch_size)

    def changed(self, settings: Mapping[str, Any]) -> "Training":
        """Return this training with some settings replaced, refusing names that are unknown.

        Example:
            >>> Training().changed({"learning_rte": 0.1})
            Traceback (most recent call last):
            ValueError: unknown setting 'learning_rte': did you mean learning_rate, ...?
        """
        names = [entry.name for entry in fields(self)]
        for name in settings:
            if name not in names:
                raise ValueError(f"unknown setting {name!r}: {nearest(name, names)}")
        return replace(self, **settings)

    def resume_fingerprint(self) -> dict[str, Any]:
        """Return the settings that shape the weights after a given step, ready for JSON.

        How often to save does not, and neither does the length unless the schedule refers to it:
        such a run may be resumed for more `examples`.
        """
        values = asdict(self)
        del values["checkpoint_every"]
        if self.schedule != "cosine":
            del values["examples"]
        return values


def learning_rate_factor(training: Training, step: int) -> float:
    """Evaluate the schedule of the learning rate at a step, counted from 0.

    Returns:
        Factor in 0 .. 1 of all learning rates: linear over the warm-up, which ends with 1, then
        constant, or `(1 + cos(pi x)) / 2` with x the part of the rest that is done, or
        `0.5 ** (n / half_life)` with n the examples seen since.

    Example:
        >>> training = Training(examples=60, batch_size=10, warmup=20, schedule="cosine")
        >>> [round(learning_rate_factor(training, step), 3) for step in range(7)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
        >>> training = Training(batch_size=10, schedule="half-life", half_life=20)
        >>> [round(learning_rate_factor(training, step), 3) for step in range(5)]
        [1.0, 0.707, 0.5, 0.354, 0.25]
    """
    warmup = -(-training.warmup // training.batch_size)
    if step < warmup:
        return (step + 1) / warmup
    if training.schedule == "constant":
        return 1.0
    if training.half_life is not None:
        return 0.5 ** ((step - warmup) * training.batch_size / training.half_life)
    done = (step - warmup) / max(training.steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def kl_weight(training: Training, step: int, term: str) -> float:
    """Evaluate the weight of a term of the loss at a step, counted from 0.

    1 for all terms but those whose names begin with `kl_`.

    Example:
        >>> training = Training(batch_size=10, kl_warmup=40, kl_start={"kl_z": 9.0})
        >>> [kl_weight(training, step, "kl_z") for step in range(6)]
        [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]
        >>> [kl_weight(training, step, "kl_pose") for step in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
        >>> kl_weight(Training(beta=4.0), 0, "kl_z"), kl_weight(Training(beta=4.0), 0, "nll")
        (4.0, 1.0)
    """
    if not term.startswith("kl_"):
        return 1.0
    if training.kl_warmup == 0:
        return training.beta
    start = training.kl_start
    if isinstance(start, dict):
        start = start.get(term, 0.0)
    done = min(1.0, step * training.batch_size / training.kl_warmup)
    return training.beta * (start + (1 - start) * done)
