"""Fully connected encoders and decoders, the Topographic VAE's own."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.nets.linear import Linear
from symgen.nets.residual import Activation, activation_function

__all__ = ["DenseDecoder", "DenseEncoder", "Perceptron"]

MakeLayer = Callable[[int, int], Linear]


class Perceptron(nn.Module):
    """Linear layers with an activation between them.

    Args:
        sizes: number of inputs, of units in every hidden layer, and of outputs.
        activation: between the layers.
        make: how to make a layer from its inputs and outputs.

    Example:
        >>> Perceptron((6, 4, 2))(torch.zeros(3, 6)).shape
        torch.Size([3, 2])
    """

    def __init__(
        self, sizes: Sequence[int], activation: Activation = "relu", make: MakeLayer = Linear
    ) -> None:
        super().__init__()
        self.activation = activation_function(activation)
        self.layers = nn.ModuleList(make(*pair) for pair in pairwise(sizes))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Apply the layers."""
        first, *rest = self.layers
        h = first(x)
        for layer in rest:
            h = layer(self.activation(h))
        return h


class DenseEncoder(nn.Module):
    """Perceptrons side by side that see the same data, one for z and one for u.

    Their first layers are one wide product, so that the data, by far the largest operand, are read
    once (Keller & Welling 2021, appendix A: three layers each, rectifiers between).

    Args:
        data_shape: shape of one item of the data.
        outputs: size of the result, a multiple of `branches`.
        widths: units of each perceptron's hidden layers, at least one.
        branches: number of perceptrons; their outputs are joined.
        activation, make: of a `Perceptron`.

    Example:
        >>> net = DenseEncoder((1, 8, 8), outputs=12, widths=(20, 10), branches=2)
        >>> net(torch.zeros(3, 1, 8, 8)).shape
        torch.Size([3, 12])
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        outputs: int,
        widths: Sequence[int],
        branches: int = 1,
        activation: Activation = "relu",
        make: MakeLayer = Linear,
    ) -> None:
        super().__init__()
        self.activation = activation_function(activation)
        self.first = make(math.prod(data_shape), widths[0] * branches)
        sizes = (*widths, outputs // branches)
        self.branches = nn.ModuleList(Perceptron(sizes, activation, make) for _ in range(branches))

    def forward(self, x: Float[Tensor, " n *data"]) -> Float[Tensor, "n outputs"]:
        """Return the outputs of all perceptrons, one after the other."""
        # With a dimension more, torch multiplies the strided halves as they lie and adds the bias
        # afterwards: the rounding of the committed records.
        h = self.activation(self.first(x.flatten(1)))[None]
        shared = h.chunk(len(self.branches), dim=-1)
        outputs = [branch(part) for branch, part in zip(self.branches, shared, strict=True)]
        return torch.cat(outputs, -1)[0]


class DenseDecoder(Perceptron):
    """A perceptron from latents to data.

    Args:
        latents: number of latents.
        shape: shape of the result, the likelihood's parameters first.
        widths: units of the hidden layers.
        activation, make: of a `Perceptron`.
        make_last: how to make the last layer; None for `make`.

    Example:
        >>> DenseDecoder(6, (1, 3, 8, 8), widths=(10, 20))(torch.zeros(5, 6)).shape
        torch.Size([5, 1, 3, 8, 8])
    """

    def __init__(
        self,
        latents: int,
        shape: Sequence[int],
        widths: Sequence[int],
        activation: Activation = "relu",
        make: MakeLayer = Linear,
        make_last: MakeLayer | None = None,
    ) -> None:
        sizes = (latents, *widths)
        super().__init__(sizes, activation, make)
        self.shape = tuple(shape)
        self.layers.append((make_last or make)(sizes[-1], math.prod(shape)))

    def forward(self, z: Float[Tensor, "n latents"]) -> Float[Tensor, " n *shape"]:
        """Decode latents."""
        return super().forward(z).unflatten(-1, self.shape)
