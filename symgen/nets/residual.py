"""Fully connected encoders and decoders of pre-norm residual layers."""

import math
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symgen._errors import require_choice
from symgen.nets.linear import Linear

__all__ = ["Activation", "ResidualDecoder", "ResidualEncoder", "ResidualStack"]

Activation = Literal["relu", "silu", "gelu", "tanh"]
Shape = Sequence[int]


def activation_function(name: Activation) -> Callable[[Tensor], Tensor]:
    """Return the function of `torch.nn.functional` with a name that we offer."""
    require_choice("activation", name, get_args(Activation))
    return getattr(functional, name)


class _ResidualLayer(nn.Module):
    """`h + W₂ φ(W₁ norm(h))`, the second weight small enough for a stack of this depth."""

    def __init__(self, width: int, depth: int, activation: Activation) -> None:
        super().__init__()
        self.activation = activation_function(activation)
        self.norm = nn.LayerNorm(width)
        self.first = Linear(width, width)
        self.second = Linear(width, width)
        with torch.no_grad():
            self.second.weight /= math.sqrt(2 * depth)

    def forward(self, h: Float[Tensor, "n width"]) -> Float[Tensor, "n width"]:
        return h + self.second(self.activation(self.first(self.norm(h))))


class ResidualStack(nn.Module):
    """A linear layer, residual layers, and a linear layer behind a last normalisation.

    Args:
        inputs, outputs: sizes of input and output.
        width: size of the residual stream.
        depth: number of residual layers.
        activation: within each.

    Example:
        >>> ResidualStack(6, 2, width=8, depth=3)(torch.zeros(5, 6)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, inputs: int, outputs: int, width: int, depth: int, activation: Activation = "silu"
    ) -> None:
        super().__init__()
        self.first = Linear(inputs, width)
        layers = (_ResidualLayer(width, depth, activation) for _ in range(depth))
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(width)
        self.last = Linear(width, outputs)

    def forward(self, x: Float[Tensor, "n inputs"]) -> Float[Tensor, "n outputs"]:
        """Apply the layers."""
        return self.last(self.norm(self.layers(self.first(x))))


class ResidualEncoder(nn.Module):
    """Residual layers from data to latents.

    Args:
        data_shape: shape of one item of the data.
        outputs: size of the result.
        width, depth, activation: of a `ResidualStack`.

    Example:
        >>> ResidualEncoder((12,), outputs=6, width=16, depth=2)(torch.zeros(5, 12)).shape
        torch.Size([5, 6])
    """

    def __init__(
        self,
        data_shape: Shape,
        outputs: int,
        width: int,
        depth: int,
        activation: Activation = "silu",
    ) -> None:
        super().__init__()
        self.stack = ResidualStack(math.prod(data_shape), outputs, width, depth, activation)

    def forward(self, x: Float[Tensor, " n *data"]) -> Float[Tensor, "n outputs"]:
        """Encode data."""
        return self.stack(x.flatten(1))


class ResidualDecoder(nn.Module):
    """Residual layers from latents to data.

    Args:
        latents: number of latents.
        shape: shape of the result, the likelihood's parameters first.
        width, depth, activation: of a `ResidualStack`.

    Example:
        >>> ResidualDecoder(6, (1, 12), width=16, depth=2)(torch.zeros(5, 6)).shape
        torch.Size([5, 1, 12])
    """

    def __init__(
        self, latents: int, shape: Shape, width: int, depth: int, activation: Activation = "silu"
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.stack = ResidualStack(latents, math.prod(shape), width, depth, activation)

    def forward(self, z: Float[Tensor, "n latents"]) -> Float[Tensor, " n *shape"]:
        """Decode latents."""
        return self.stack(z).unflatten(-1, self.shape)
