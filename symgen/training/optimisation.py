"""The numbers of a training run, and the optimiser and schedules that follow from them."""

import difflib
import inspect
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

import torch
from torch import nn

from symgen.training.lazy_adam import LazyAdam, is_per_class

__all__ = [
    "Training",
    "kl_weight",
    "learning_rate_factor",
    "make_optimizer",
    "nearest",
    "set_rates",
]

_FUSED = ("Adam", "AdamW", "SGD")  # one kernel for all tensors, on the CPU as on CUDA
_AT_LEAST = {
    "sequences": 1,
    "batch_size": 1,
    "learning_rate": 0,
    "mu_learning_rate": 0,
    "pose_learning_rate": 0,
    "pose_warmup": 0,
    "warmup": 0,
    "half_life": 1,
    "decay": 0,
    "kl_warmup": 0,
    "beta": 0,
    "checkpoint_every": 0,
    "log_every": 1,
}
_CHOICES = {
    "schedule": ("constant", "cosine", "half-life"),
    "precision": ("float32", "bfloat16", "auto"),
}
_PARTS = {  # settings that refer to one parameter or submodule, by its name
    "mu_learning_rate": "mu",
    "pose_learning_rate": "pose",
    "pose_warmup": "pose",
}
_POSE_WARMUP_FACTOR = 0.1
_LEAST_RATE = 1e-30  # too small to move a weight


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
    """Length of the training, in items seen: sequences, or single images for ACE."""
    batch_size: int = 32
    """Items in a batch."""
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
    pose_learning_rate: float | None = None
    """Learning rate of the net that infers the pose; None: that of the network."""
    pose_warmup: int = 0
    """Items during which the learning rate of the pose net is a tenth of what it is later."""
    decay: float = 0.0
    """Part of every weight that is lost in an epoch, whatever the learning rate; needs AdamW. 0
    leaves the decay to optimizer_options."""
    sparse: bool = False
    """Update, and decay, only the decoders of the classes that a batch holds; needs AdamW. It pays
    off where most classes are absent from a batch."""
    clip_norm: float | None = None
    """Largest norm of the gradient; a longer one is scaled down. None: no clipping."""
    warmup: int = 0
    """Items over which the learning rate grows linearly to its full value."""
    schedule: Literal["constant", "cosine", "half-life"] = "constant"
    """Learning rate after the warm-up: constant, half a cosine down to 0 at the end, or halved
    over every half_life."""
    half_life: int | None = None
    """Items over which the learning rate halves, smoothly, under the schedule half-life."""
    kl_warmup: int = 0
    """Items over which the weights of the KL terms go linearly from their start to 1."""
    kl_start: dict[str, float] = field(default_factory=dict)
    """Where the weight of a KL term starts, by name, such as kl_z 20: the style waits until the
    pose is learned. 0 for those that are not named."""
    beta: float = 1.0
    """Weight of all KL terms: 1 trains the bound, more a β-VAE (Higgins et al. 2017)."""
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
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: choose one of {', '.join(choices)}"
                )
        if (self.schedule == "half-life") != (self.half_life is not None):
            raise ValueError(
                f"schedule={self.schedule!r} with half_life={self.half_life}: give a half_life "
                "with the schedule 'half-life', and with no other"
            )
        if self.decay >= 1:
            raise ValueError(f"decay={self.decay!r}: give a number below 1, such as 1e-4")
        for name, start in self.kl_start.items():
            if not (name.startswith("kl_") and 0 <= start < math.inf and self.kl_warmup):
                raise ValueError(
                    f"kl_start={self.kl_start} with kl_warmup={self.kl_warmup}: name KL terms, "
                    "such as kl_z, with finite weights from 0 on, and give a kl_warmup"
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
        """Updates of the weights: the least number that sees `sequences` items."""
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

        How often to save does not, and neither does the length unless the schedule refers to it:
        such a run may be resumed with a greater `sequences`.
        """
        values = asdict(self)
        del values["checkpoint_every"]
        if self.schedule != "cosine":
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
        constant, or `(1 + cos(pi x)) / 2` with x the part of the rest that is done, or
        `0.5 ** (n / half_life)` with n the items seen since.

    Example:
        >>> training = Training(sequences=60, batch_size=10, warmup=20, schedule="cosine")
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
    """Evaluate the weight of a KL term at a step, counted from 0.

    Example:
        >>> training = Training(batch_size=10, kl_warmup=40, kl_start={"kl_z": 9.0})
        >>> [kl_weight(training, step, "kl_z") for step in range(6)]
        [9.0, 7.0, 5.0, 3.0, 1.0, 1.0]
        >>> [kl_weight(training, step, "kl_pose") for step in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
        >>> kl_weight(Training(beta=4.0), 0, "kl_z")
        4.0
    """
    if training.kl_warmup == 0:
        return training.beta
    start = training.kl_start.get(term, 0.0)
    done = min(1.0, step * training.batch_size / training.kl_warmup)
    return training.beta * (start + (1 - start) * done)


def set_rates(
    optimizer: torch.optim.Optimizer, training: Training, step: int, items: int
) -> float:
    """Set the learning rates, and with them the weight decay, of a step counted from 0.

    Args:
        optimizer: what `make_optimizer` made.
        training: the schedule.
        step: updates done.
        items: items in an epoch, to which the decay refers.

    Returns:
        The learning rate of the network.

    Example:
        >>> training = Training(optimizer="AdamW", batch_size=10, decay=0.01, learning_rate=0.5)
        >>> optimizer = make_optimizer(nn.Linear(2, 1), training)
        >>> set_rates(optimizer, training, step=0, items=100)
        0.5
        >>> optimizer.param_groups[0]["weight_decay"]  # times 0.5: a tenth of 0.01
        0.002
    """
    factor = learning_rate_factor(training, step)
    shrinkage = training.decay * training.batch_size / items
    for group in optimizer.param_groups:
        group["lr"] = factor * group["initial_lr"]
        if group["part"] == "pose" and step * training.batch_size < training.pose_warmup:
            group["lr"] *= _POSE_WARMUP_FACTOR
        if training.decay:
            # AdamW shrinks by lr · weight_decay, so even a rate that is nil must not be zero.
            group["lr"] = max(group["lr"], _LEAST_RATE)
            group["weight_decay"] = shrinkage / group["lr"]
    return factor * training.learning_rate


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Build the optimiser, with parameter groups for the network, its offset `mu` and its `pose`.

    Every group keeps its full learning rate as `initial_lr`, to which the schedule refers, and
    the name of what it trains as `part`.

    Args:
        model: what is trained; parameters that need no gradient are left out.
        training: names the class of `torch.optim` and its keywords.

    Raises:
        ValueError: if the class or a keyword is unknown or refused, if the class cannot work
            without a closure, or if the training names what the model does not have: a `mu`, a
            `pose`, parameters per class.

    Example:
        >>> optimizer = make_optimizer(nn.Linear(2, 1), Training(optimizer="SGD"))
        >>> type(optimizer).__name__, optimizer.param_groups[0]["initial_lr"]
        ('SGD', 0.001)
    """
    kind: Any = LazyAdam if training.sparse else _optimizer_class(training.optimizer)
    accepted = set(inspect.signature(kind).parameters) - {"params", "lr"}
    for name in training.optimizer_options:
        if name == "lr":
            raise ValueError("optimizer_options names 'lr': give it as learning_rate")
        if name not in accepted:
            raise ValueError(f"{kind.__name__} knows no {name!r}: {nearest(name, accepted)}")
    groups = _parameter_groups(model, training)
    parameters = [parameter for group in groups for parameter in group["params"]]
    if training.sparse and not any(map(is_per_class, parameters)):
        raise ValueError(
            f"sparse=True but {type(model).__name__} trains no parameter marked per_class: "
            "leave it False"
        )
    options = dict(training.optimizer_options)
    chosen = options.keys() & {"fused", "foreach", "differentiable"}
    devices = {parameter.device.type for parameter in parameters}
    if training.optimizer in _FUSED and devices <= {"cpu", "cuda"} and not chosen:
        options["fused"] = True
    try:
        optimizer = kind(groups, lr=training.learning_rate, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{kind.__name__} refuses {training.optimizer_options}: {error}"
        ) from error
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer


def _parameter_groups(model: nn.Module, training: Training) -> list[dict[str, Any]]:
    """Sort the trained parameters into the network and its parts, each with its learning rate."""
    members: dict[str, list[nn.Parameter]] = {"network": [], "mu": [], "pose": []}
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        if parameter.requires_grad:
            members[part if part in members else "network"].append(parameter)
    if not any(members.values()):
        raise ValueError(f"{type(model).__name__} has no parameter that needs a gradient")
    for name, part in _PARTS.items():
        value, default = getattr(training, name), getattr(Training, name)
        if value != default and not members[part]:
            raise ValueError(
                f"{name}={value} but {type(model).__name__} trains no {part}: leave it {default}"
            )
    rates = {"mu": training.mu_learning_rate, "pose": training.pose_learning_rate}
    groups = []
    for part, parameters in members.items():
        rate = rates.get(part)
        if parameters:
            lr = training.learning_rate if rate is None else rate
            groups.append({"params": parameters, "part": part, "lr": lr})
    return groups


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
