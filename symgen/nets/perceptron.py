"""Multilayer perceptrons, alone or several side by side on the same input."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from symgen.nets.linear import Linear

__all__ = ["Perceptron", "TwinPerceptron"]


class Perceptron(nn.Module):
    """Linear layers with rectifiers between them.

    Args:
        sizes: number of inputs, of units in every hidden layer, and of outputs.
        make: how to make a layer from its inputs and outputs.

    Example:
        >>> import torch
        >>> Perceptron((6, 4, 2))(torch.zeros(3, 6)).shape
        torch.Size([3, 2])
    """

    def __init__(self, sizes: Sequence[int], make: Callable[[int, int], Linear] = Linear) -> None:
        super().__init__()
        pairs = pairwise(sizes)
        self.layers = nn.ModuleList(make(inputs, outputs) for inputs, outputs in pairs)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layers."""
        first, *rest = self.layers
        h = first(x)
        for layer in rest:
            h = layer(h.relu())
        return h


class TwinPerceptron(nn.Module):
    """Several independent perceptrons that read the same input.

    Their first layers are one wide product, so the input, by far the largest operand, is read
    once.

    Args:
        sizes: sizes of each perceptron, with at least one hidden layer.
        count: number of perceptrons.
        make: how to make a layer from its inputs and outputs.

    Example:
        >>> import torch
        >>> z, u = TwinPerceptron((6, 4, 2), count=2)(torch.zeros(3, 6))
        >>> z.shape
        torch.Size([3, 2])
    """

    def __init__(
        self, sizes: Sequence[int], count: int, make: Callable[[int, int], Linear] = Linear
    ) -> None:
        super().__init__()
        inputs, hidden, *rest = sizes
        self.first = make(inputs, hidden * count)
        self.branches = nn.ModuleList(Perceptron((hidden, *rest), make) for _ in range(count))

    def forward(
        self, x: Float[Tensor, "*batch inputs"]
    ) -> tuple[Float[Tensor, "*batch outputs"], ...]:
        """Return the output of every perceptron."""
        shared = self.first(x).relu().chunk(len(self.branches), dim=-1)
        return tuple(branch(h) for branch, h in zip(self.branches, shared, strict=True))
