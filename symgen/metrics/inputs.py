"""What metrics take: tensors whose shapes fit together, or arrays of numpy in their place."""

from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

__all__ = ["require_shapes", "takes_arrays"]

Metric = TypeVar("Metric", bound=Callable[..., Any])


def takes_arrays(metric: Metric) -> Metric:
    """Let a function of tensors take arrays too; given any, it returns arrays."""

    @wraps(metric)
    def called(*arguments: Any, **named: Any) -> Any:
        arrays: list[np.ndarray] = []

        def to_tensor(array: np.ndarray) -> Tensor:
            arrays.append(array)  # copied if torch cannot share it: reversed, or read-only
            return torch.from_numpy(np.require(array, requirements=["C", "W"]))

        arguments, named = _converted((arguments, named), np.ndarray, to_tensor)
        found = metric(*arguments, **named)
        return _converted(found, Tensor, partial(Tensor.numpy, force=True)) if arrays else found

    return cast(Metric, called)


def _converted(value: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    """Convert what is of a type, in dictionaries, lists and tuples too."""
    if isinstance(value, dict):
        return {name: _converted(entry, kind, convert) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        entries = [_converted(entry, kind, convert) for entry in value]
        return getattr(value, "_make", type(value))(entries)
    return convert(value) if isinstance(value, kind) else value


def require_shapes(*named: tuple[str, Tensor, str]) -> None:
    """Require that tensors have the given axes, of equal size where axes have equal names.

    Each is given by its name, itself and the names of its axes in one string; a last name with a
    star stands for one axis or more, equal wherever it stands.

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
