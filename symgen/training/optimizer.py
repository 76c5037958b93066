"""The optimiser of a training run, its learning rates and its weight decay."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from symgen._errors import nearest
from symgen.training.settings import Training, learning_rate_factor

__all__ = ["make_optimizer", "set_rates"]

_FUSED = ("Adam", "AdamW", "SGD")  # one kernel for all tensors, on the CPU as on CUDA
_LEAST_RATE = 1e-30  # too small to move a weight
_REST = ""  # no part can have this name


def set_rates(optimizer: Optimizer, training: Training, step: int, items: int) -> float:
    """Set rates and decay of a step, from 0, in an epoch of `items`; return the main rate."""
    factor = learning_rate_factor(training, step)
    shrinkage = training.decay * training.batch_size / items
    for group in optimizer.param_groups:
        rate = factor * group["initial_lr"]
        if training.decay:
            # AdamW shrinks by lr · weight_decay, so even a rate that is nil must not be zero.
            rate = max(rate, _LEAST_RATE)
            group["weight_decay"] = shrinkage / rate
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
    return factor * training.learning_rate


def make_optimizer(model: nn.Module, training: Training) -> Optimizer:
    """Build the optimiser, with a parameter group for every part that has a rate of its own.

    Every group keeps its full learning rate as `initial_lr`, to which the schedule refers, and
    the name of what it trains as `part`, which is empty for what has no rate of its own.
    Parameters that need no gradient are left out.
    """
    kind = _optimizer_class(training.optimizer)
    accepted = set(inspect.signature(kind).parameters) - {"params", "lr"}
    for name in training.optimizer_options:
        if name == "lr":
            raise ValueError("optimizer_options names 'lr': give it as learning_rate")
        if name not in accepted:
            raise ValueError(f"{kind.__name__} knows no {name!r}: {nearest(name, accepted)}")
    groups = _parameter_groups(model, training)
    options = dict(training.optimizer_options)
    chosen = options.keys() & {"fused", "foreach", "differentiable"}
    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    if training.optimizer in _FUSED and devices <= {"cpu", "cuda"} and not chosen:
        options["fused"] = True
    capturable = training.capture and not training.decay and devices == {"cuda"}
    if capturable and not chosen and {"capturable", "fused"} & accepted:
        options |= {"capturable": True} if "capturable" in accepted else {}
        for group in groups:  # where a CUDA graph reads it
            group["lr"] = torch.tensor(group["lr"], device="cuda")
    try:
        optimizer = kind(groups, lr=training.learning_rate, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        given = training.optimizer_options
        raise ValueError(f"{kind.__name__} refuses {given}: {error}") from error
    for group in optimizer.param_groups:
        group["initial_lr"] = float(group["lr"])
    return optimizer


def _parameter_groups(model: nn.Module, training: Training) -> list[dict[str, Any]]:
    """Sort the trained parameters by the parts that have a learning rate of their own."""
    rates = training.learning_rates
    trained = [(n.split(".")[0], p) for n, p in model.named_parameters() if p.requires_grad]
    parts = {part for part, _ in trained}
    kind = type(model).__name__
    if not parts:
        raise ValueError(f"{kind} has no parameter that needs a gradient")
    for part in rates:
        if part not in parts:
            mend = nearest(part, parts)
            raise ValueError(f"learning_rates={rates} but {kind} trains no {part!r}: {mend}")
    groups: dict[str, list[nn.Parameter]] = {part: [] for part in (_REST, *sorted(rates))}
    for part, parameter in trained:
        groups[part if part in rates else _REST].append(parameter)
    return [
        {"params": members, "part": part, "lr": rates.get(part, training.learning_rate)}
        for part, members in groups.items()
        if members
    ]


def _optimizer_class(name: str) -> Any:
    """Look up a class of torch.optim by its name."""
    known = {
        key: kind
        for key, kind in vars(torch.optim).items()
        if inspect.isclass(kind) and issubclass(kind, Optimizer) and kind is not Optimizer
        # LBFGS calls the loss by itself, several times a step: not this loop
        if inspect.signature(kind.step).parameters["closure"].default is None
    }
    if name not in known:
        raise ValueError(f"torch.optim has no optimiser {name!r}: {nearest(name, known)}")
    return known[name]
