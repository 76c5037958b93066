"""What metrics take: tensors whose shapes fit together, or arrays of numpy in their place."""

import math
from collections.abc import Callable, Mapping
from functools import partial, wraps
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen._inputs import Asked, require_finite, require_shapes

__all__ = ["of_ordinary_size", "one_hot", "require_shapes", "takes_arrays"]

_LOGARITHMS = {"weights": -math.inf, "class_log_probs": -math.inf, "bounds": math.inf}
"""Logarithms of what may have no probability, and what these are then."""
_ORDINARY = 32  # powers of two that squares and sums may take without harm
Metric = TypeVar("Metric", bound=Callable[..., Any])


def takes_arrays(metric: Metric) -> Metric:
    """Check what a metric is given, and let it take arrays too; given any, it returns arrays.

    Arguments must be what the annotations of the metric say, see `Asked`, but integers may be of
    any size. Tensors must be finite, but for logarithms of probabilities and bounds on these.
    """
    asked = Asked(metric)
    whole = [name for name, array in asked.arrays.items() if array.dtypes == ("int64",)]

    @wraps(metric)
    def called(*arguments: Any, **named: Any) -> Any:
        arrays: list[np.ndarray] = []

        def to_tensor(name: str, array: np.ndarray) -> Tensor:
            arrays.append(array)  # copied if torch cannot share it: reversed, or read-only
            return _to_tensor(name, array)

        given = asked.named(*arguments, **named)
        for name, value in given.items():
            given[name] = _converted(value, np.ndarray, partial(to_tensor, name))
        given |= {name: _widened(given[name]) for name in whole if name in given}
        given = asked.required(given)
        for name, value in given.items():
            finite = partial(require_finite, name, but=_LOGARITHMS.get(name, 0.0))
            _converted(value, Tensor, finite)
        found = metric(**given)
        return _converted(found, Tensor, partial(Tensor.numpy, force=True)) if arrays else found

    return cast(Metric, called)


def _to_tensor(name: str, array: np.ndarray) -> Tensor:
    try:
        return torch.from_numpy(np.require(array, requirements=["C", "W"]))
    except TypeError:
        shape = f"{name} of shape {array.shape} holds {array.dtype}"
        raise ValueError(f"{shape}: give numbers of a type that torch has") from None


def _widened(value: Any) -> Any:
    """Return integers of fewer bytes as int64, and anything else as it is."""
    if isinstance(value, Mapping):
        return {name: _widened(entry) for name, entry in value.items()}
    if not isinstance(value, Tensor) or value.dtype == torch.bool:
        return value
    return value if value.is_floating_point() or value.is_complex() else value.long()


def _converted(value: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    """Convert what is of a type, in dictionaries, lists and tuples too."""
    if isinstance(value, dict):
        return {name: _converted(entry, kind, convert) for name, entry in value.items()}
    if isinstance(value, tuple | list):
        entries = [_converted(entry, kind, convert) for entry in value]
        return getattr(value, "_make", type(value))(entries)
    return convert(value) if isinstance(value, kind) else value


def one_hot(labels: Int64[Tensor, " n"]) -> tuple[Int64[Tensor, " classes"], Tensor]:
    """Return the classes that there are, sorted, and which of them each label is, as doubles.

    Labels may be any integers: memory is taken for the classes that there are, not up to the last.
    """
    classes, index = labels.unique(return_inverse=True)
    return classes, torch.nn.functional.one_hot(index, len(classes)).double()


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
