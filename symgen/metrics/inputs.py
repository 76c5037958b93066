"""What metrics take: tensors whose shapes fit together, or arrays of numpy in their place."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

__all__ = ["require_shapes", "takes_arrays"]

Metric = TypeVar("Metric", bound=Callable[..., Any])


def takes_arrays(metric: Metric) -> Metric:
    """Let a function of tensors take arrays too; given any, it returns arrays.

    Example:
        >>> double = takes_arrays(lambda t: 2 * t)
        >>> double(np.ones(2)), double(torch.ones(2))
        (array([2., 2.]), tensor([2., 2.]))
    """

    @wraps(metric)
    def called(*arguments: Any, **named: Any) -> Any:
        if not any(map(_holds_array, (*arguments, named))):
            return metric(*arguments, **named)
        return _to_array(metric(*map(_to_tensor, arguments), **_to_tensor(named)))

    return cast(Metric, called)


def _holds_array(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_array, value.values()))
    return isinstance(value, np.ndarray)


def _to_tensor(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_tensor(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray):  # copied if torch cannot share it: reversed, or read-only
        return torch.from_numpy(np.require(value, requirements=["C", "W"]))
    return value


def _to_array(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.numpy(force=True)
    if isinstance(value, tuple | list):
        return getattr(value, "_make", type(value))(map(_to_array, value))
    return value


def require_shapes(*named: tuple[str, Tensor, str]) -> None:
    """Require that tensors have the given axes, of equal size where axes have equal names.

    Args:
        named: name of a tensor, the tensor, and the names of its axes in one string; a last name
            with a star stands for one axis or more, equal wherever it stands.

    Example:
        >>> require_shapes(("t", torch.zeros(2, 3), "B S"), ("moved", torch.zeros(2), "B"))
    """
    sizes: dict[str, object] = {}
    fits = True
    for _, tensor, axes in named:
        names, shape = axes.split(), tuple(tensor.shape)
        last = len(names) - 1
        if names[last].startswith("*") and len(shape) > last:
            shape = (*shape[:last], shape[last:])
        pairs = zip(names, shape, strict=False)
        fits &= len(shape) == len(names)
        fits &= all(sizes.setdefault(name, size) == size for name, size in pairs)
    if not fits:
        given = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor, _ in named)
        expected = ", ".join(f"{name} ({', '.join(axes.split())})" for name, _, axes in named)
        raise ValueError(f"shapes do not fit: got {given}; expected {expected}")
