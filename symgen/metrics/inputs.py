"""What metrics take: tensors whose shapes fit together, or arrays of numpy in their place."""

import inspect
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["of_ordinary_size", "require_shapes", "takes_arrays"]

_LOGARITHMS = ("weights", "bounds", "class_log_probs")  # of what may have no probability
_ORDINARY = 32  # powers of two that squares and sums may take without harm
Metric = TypeVar("Metric", bound=Callable[..., Any])


def takes_arrays(metric: Metric) -> Metric:
    """Let a function of tensors take arrays too; given any, it returns arrays.

    What it is given must be finite, but for logarithms of probabilities and bounds on these.
    """
    parameters = tuple(inspect.signature(metric).parameters)

    @wraps(metric)
    def called(*arguments: Any, **named: Any) -> Any:
        arrays: list[np.ndarray] = []

        def to_tensor(array: np.ndarray) -> Tensor:
            arrays.append(array)  # copied if torch cannot share it: reversed, or read-only
            return torch.from_numpy(np.require(array, requirements=["C", "W"]))

        arguments, named = _converted((arguments, named), np.ndarray, to_tensor)
        for name, value in (*zip(parameters, arguments, strict=False), *named.items()):
            if name not in _LOGARITHMS:
                _converted(value, Tensor, partial(_require_finite, name))
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


def _require_finite(name: str, values: Tensor) -> None:
    wrong = values.numel() - int(values.isfinite().sum())
    if wrong:
        raise ValueError(
            f"{name} holds {wrong:,} values of {values.numel():,} that are not finite: leave "
            "these items out, or find where they come from"
        )


def of_ordinary_size(t: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
    """Divide items whose largest value is huge or tiny by a power of two, which rounds nothing.

    The squares of such values are beyond the range of their type.
    """
    largest = t.abs().flatten(1).amax(1) if t.numel() else t.new_zeros(len(t))
    exponent = torch.frexp(largest).exponent
    apart = torch.where(exponent.abs() > _ORDINARY, exponent, 0)
    for half in (apart // 2, apart - apart // 2):  # the whole might be beyond the range itself
        t = torch.ldexp(t, -half.view(-1, *[1] * (t.dim() - 1)))
    return t


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
