"""Activations by name."""

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from symgen._errors import require_choice

__all__ = ["Activation"]

Activation = Literal["relu", "silu", "gelu", "tanh"]
_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "tanh": torch.tanh,
}


def activation_function(name: Activation) -> Callable[[Tensor], Tensor]:
    """Return an activation by its name.

    Example:
        >>> activation_function("relu")(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    require_choice("activation", name, get_args(Activation))
    return _FUNCTIONS[name]
