"""The optimiser of a training run, its learning rates and its weight decay."""

import inspect
from typing import Any

import torch
from torch import nn

from symgen._errors import nearest
from symgen.training.lazy_adam import LazyAdam, is_per_class
from symgen.training.settings import Training, learning_rate_factor

__all__ = ["make_optimizer", "set_rates"]

_FUSED = ("Adam", "AdamW", "SGD")  # one kernel for all tensors, on the CPU as on CUDA
_LEAST_RATE = 1e-30  # too small to move a weight
_REST = ""  # no part can have this name


def set_rates(
    optimizer: torch.optim.Optimizer, training: Training, step: int, items: int
) -> float:
    """Set the learning rates, and with them the weight decay, of a step counted from 0.

    Args:
        optimizer: what `make_optimizer` made.
        training: the schedule.
        step: updates done.
        items: examples in an epoch, to which the decay refers.

    Returns:
        The learning rate of what has none of its own.

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
        if training.decay:
            # AdamW shrinks by lr · weight_decay, so even a rate that is nil must not be zero.
            group["lr"] = max(group["lr"], _LEAST_RATE)
            group["weight_decay"] = shrinkage / group["lr"]
    return factor * training.learning_rate


def make_optimizer(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Build the optimiser, with a parameter group for every part that has a rate of its own.

    Every group keeps its full learning rate as `initial_lr`, to which the schedule refers, and
    the name of what it trains as `part`, which is empty for what has no rate of its own.

    Args:
        model: what is trained; parameters that need no gradient are left out.
        training: names the class of `torch.optim` and its keywords.

    Raises:
        ValueError: if the class or a keyword is unknown or refused, if the class cannot work
            without a closure, or if the training names what the model does not have: a part, or
            parameters per class.

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
    """Sort the trained parameters by the parts that have a learning rate of their own."""
    rates = training.learning_rates
    members: dict[str, list[nn.Parameter]] = {part: [] for part in (_REST, *sorted(rates))}
    parts = []
    for name, parameter in model.named_parameters():
        part = name.split(".")[0]
        if parameter.requires_grad:
            parts.append(part)
            members[part if part in rates else _REST].append(parameter)
    if not parts:
        raise ValueError(f"{type(model).__name__} has no parameter that needs a gradient")
    for part in rates:
        if part not in parts:
            raise ValueError(
                f"learning_rates={rates} but {type(model).__name__} trains no {part!r}: "
                f"{nearest(part, set(parts))}"
            )
    return [
        {"params": parameters, "part": part, "lr": rates.get(part, training.learning_rate)}
        for part, parameters in members.items()
        if parameters
    ]


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
