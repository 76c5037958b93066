"""The numbers of a training run, and the optimiser and schedules that follow from them."""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import nn

__all__ = ["Training", "kl_weight", "learning_rate_factor", "make_optimizer", "nearest"]

_FUSED = ("Adam", "AdamW", "SGD")  # one kernel for all tensors, on the CPU as on CUDA
_AT_LEAST = {
    "sequences": 1,
    "batch_size": 1,
    "learning_rate": 0,
    "mu_learning_rate": 0,
    "warmup": 0,
    "kl_warmup": 0,
    "checkpoint_every": 0,
    "log_every": 1,
}
_CHOICES = {"schedule": ("constant", "cosine"), "precision": ("float32", "bfloat16")}


@dataclass(frozen=True)
class Training:
    """All numbers of a training run.

    Raises:
        ValueError: if a number is out of range or a choice is unknown.

    Example:
        >>> training = Training(sequences=1000, batch_size=32)
        >>> training.steps
        32
    """

    sequences: int = 480_000
    """Length of the training, in sequences seen."""
    batch_size: int = 32
    """Sequences in a batch."""
    optimizer: str = "Adam"
    """Name of a class of torch.optim."""
    learning_rate: float = 1e-3
    """Step size of the optimiser after the warm-up."""
    optimizer_options: dict[str, bool | int | float | tuple[float, float]] = field(
        default_factory=dict
    )
    """Further keywords of the optimiser, such as momentum 0.9."""
    mu_learning_rate: float | None = None
    """Learning rate of the offset mu of the topographic latents; None: that of the network."""
    clip_norm: float | None = None
    """Largest norm of the gradient; a longer one is scaled down. None: no clipping."""
    warmup: int = 0
    """Sequences over which the learning rate grows linearly to its full value."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Learning rate after the warm-up: constant, or half a cosine down to 0 at the end."""
    kl_warmup: int = 0
    """Sequences over which the weight of the KL terms grows linearly from 0 to 1."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the matrix products; weights stay as they are."""
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
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}"
                )

    @property
    def steps(self) -> int:
        """Updates of the weights: the least number that sees `sequences` sequences."""
        return -(-self.sequences // self.batch_size)

    def changed(self, settings: Mapping[str, Any]) -> "Training":
        """Return this training with some numbers replaced, refusing names that are unknown.

        Example:
            >>> Training().changed({"learning_rates": 0.1})
            Traceback (most recent call last):
            ValueError: unknown setting 'learning_rates': did you mean learning_rate, ...?
        """
        names = [entry.name for entry in fields(self)]
        for name in settings:
            if name not in names:
                raise ValueError(f"unknown setting {name!r}: {nearest(name, names)}")
        return replace(self, **settings)

    def trajectory(self) -> dict[str, Any]:
        """Return the numbers that shape the weights after a given step, ready for JSON.

        How often to save does not, and neither does the length under a constant learning rate:
        such a run may be resumed with a greater `sequences`.
        """
        values = asdict(self)
        del values["checkpoint_every"]
        if self.schedule == "constant":
            del values["sequences"]
        return values


def nearest(name: str, names: Iterable[str]) -> str:
    """Phrase the end of an error about an unknown name: the names it may have meant.

    Example:
        >>> nearest("adam", ["Adam", "SGD"])
        'did you mean Adam?'
    """
    names = sorted(names)
    spelled = {known.lower(): known for known in names}
    near = difflib.get_close_matches(name.lower(), spelled, n=3, cutoff=0.5)
    if near:
        return f"did you mean {', '.join(spelled[found] for found in near)}?"
    return f"choose one of {', '.join(names)}"


def learning_rate_factor(training: Training, step: int) -> float:
    """Evaluate the schedule of the learning rate at a step, counted from 0.

    Returns:
        Factor in 0 .. 1 of all learning rates: linear over the warm-up, which ends with 1, then
        constant or `(1 + cos(pi x)) / 2` with x the part of the rest that is done.

    Example:
        >>> training = Training(sequences=60, batch_size=10, warmup=20, schedule="cosine")
        >>> [round(learning_rate_factor(training, step), 3) for step in range(7)]
        [0.5, 1.0, 1.0, 0.854, 0.5, 0.146, 0.0]
    """
    warmup = -(-training.warmup // training.batch_size)
    if step < warmup:
        return (step + 1) / warmup
    if training.schedule == "constant":
        return 1.0
    done = (step - warmup) / max(training.steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * done))


def kl_weight(training: Training, step: int) -> float:
    """Evaluate the weight of the KL terms at a step, counted from 0.

    Example:
        >>> training = Training(batch_size=10, kl_warmup=40)
        >>> [kl_weight(training, step) for step in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """
    if training.kl_warmup == 0:
        return 1.0
    return min(1.0, step * training.batch_size / training.kl_warmup)


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Build the optimiser, the offset `mu` of the model in a parameter group of its own.

    Every group keeps its full learning rate as `initial_lr`, to which the schedule refers.

    Args:
        model: what is trained; parameters that need no gradient are left out.
        training: names the class of `torch.optim` and its keywords.

    Raises:
        ValueError: if the class or a keyword is unknown or refused, if the class cannot work
            without a closure, or if a rate is given for a `mu` that the model has not.

    Example:
        >>> optimizer = make_optimizer(nn.Linear(2, 1), Training(optimizer="SGD"))
        >>> type(optimizer).__name__, optimizer.param_groups[0]["initial_lr"]
        ('SGD', 0.001)
    """
    kind = _optimizer_class(training.optimizer)
    accepted = set(inspect.signature(kind).parameters) - {"params", "lr"}
    for name in training.optimizer_options:
        if name == "lr":
            raise ValueError("optimizer_options names 'lr': give it as learning_rate")
        if name not in accepted:
            raise ValueError(
                f"torch.optim.{training.optimizer} knows no {name!r}: {nearest(name, accepted)}"
            )
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError(f"{type(model).__name__} has no parameter that needs a gradient")
    mu = trained.pop("mu", None)
    if mu is None and training.mu_learning_rate is not None:
        raise ValueError(
            f"mu_learning_rate={training.mu_learning_rate} but {type(model).__name__} trains no "
            "parameter mu: leave it None"
        )
    groups = [{"params": list(trained.values()), "lr": training.learning_rate}] if trained else []
    if mu is not None:
        rate = training.mu_learning_rate
        groups.append({"params": [mu], "lr": training.learning_rate if rate is None else rate})
    devices = {p.device.type for group in groups for p in group["params"]}
    options = dict(training.optimizer_options)
    chosen = options.keys() & {"fused", "foreach", "differentiable"}
    if training.optimizer in _FUSED and devices <= {"cpu", "cuda"} and not chosen:
        options["fused"] = True
    try:
        optimizer = kind(groups, lr=training.learning_rate, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"torch.optim.{training.optimizer} refuses {training.optimizer_options}: {error}"
        ) from error
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _optimizer_class(name: str) -> Any:
    """Look up a class of torch.optim by its name."""
    known = {
        key: kind
        for key, kind in vars(torch.optim).items()
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer)
        if kind is not torch.optim.Optimizer
        # LBFGS calls the loss by itself, several times a step: not this loop
        if inspect.signature(kind.step).parameters["closure"].default is None
    }
    if name not in known:
        raise ValueError(f"torch.optim has no optimiser {name!r}: {nearest(name, known)}")
    return known[name]
