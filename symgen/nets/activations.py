"""Activations by name."""

from collections.abc import Callable
from typing import Literal, get_args

from torch import Tensor
from torch.nn import functional

from symgen._errors import require_choice

__all__ = ["Activation"]

Activation = Literal["relu", "silu", "gelu", "tanh"]


def activation_function(name: Activation) -> Callable[[Tensor], Tensor]:
    """Return the function of `torch.nn.functional` with a name that we offer."""
    require_choice("activation", name, get_args(Activation))
    return getattr(functional, name)
