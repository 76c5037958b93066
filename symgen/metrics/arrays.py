"""Arrays of numpy where tensors are expected."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = ["takes_arrays"]

P = ParamSpec("P")
R = TypeVar("R")


def takes_arrays(metric: Callable[P, R]) -> Callable[P, R]:
    """Let a function of tensors take arrays too; given any, it returns arrays.

    Example:
        >>> double = takes_arrays(lambda t: 2 * t)
        >>> double(np.ones(2)), double(torch.ones(2))
        (array([2., 2.]), tensor([2., 2.]))
    """

    @wraps(metric)
    def called(*arguments: P.args, **named: P.kwargs) -> R:
        values = (*arguments, *named.values())
        if not any(map(_holds_array, values)):
            return metric(*arguments, **named)
        tensors: Callable[..., Any] = metric
        result = tensors(
            *map(_to_tensor, arguments), **{name: _to_tensor(v) for name, v in named.items()}
        )
        return _to_array(result)

    return called


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
