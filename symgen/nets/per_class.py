"""Decoders of styles, one for every class."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from jaxtyping import Float, Int64
from torch import Tensor, nn

from symgen.nets.grouped import GroupedConvTranspose, GroupedLinear, InitialWeights

__all__ = ["ClassConvDecoder", "ClassDenseDecoder", "ClassInputDecoder"]

Apply = Callable[[Any, Tensor], Tensor]


class _PerClass(nn.Module):
    def forward(
        self, z: Float[Tensor, "B latents"], y: Int64[Tensor, " B"]
    ) -> Float[Tensor, " B *shape"]:
        """Decode every style by the decoder of its class."""
        return self._decode(z, lambda layer, h: layer(h, y))

    def every(self, z: Float[Tensor, "classes B latents"]) -> Float[Tensor, "classes B *shape"]:
        """Decode styles by all decoders, each its own styles."""
        return self._decode(z, lambda layer, h: layer.every(h))

    def _decode(self, z: Tensor, apply: Apply) -> Tensor:
        raise NotImplementedError


class ClassDenseDecoder(_PerClass):
    """Fully connected decoders, one for each class, with hyperbolic tangents between the layers.

    Args:
        classes: number of decoders.
        latents: size of a style.
        hidden: units of the hidden layers.
        shape: shape of the result.
        initialisation: of the weights, see `GroupedLinear`.
        bias: initial output everywhere; of mostly dark images a dark one, or what darkens them
            is learned as a style first.
        gain: factor of the last layer's initial weights: small where outputs are small numbers,
            or what is painted at random is moved off the canvas first.

    Example:
        >>> import torch
        >>> decoder = ClassDenseDecoder(10, latents=1, hidden=(20,), shape=(1, 8, 8))
        >>> decoder(torch.zeros(3, 1), torch.tensor([7, 0, 7])).shape
        torch.Size([3, 1, 8, 8])
    """

    def __init__(
        self,
        classes: int,
        latents: int,
        hidden: Sequence[int],
        shape: tuple[int, ...],
        initialisation: InitialWeights = "fan_in",
        bias: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.shape = shape
        sizes = (latents, *hidden, math.prod(shape))
        make = partial(GroupedLinear, classes, initialisation=initialisation)
        layers = [make(*pair) for pair in pairwise(sizes)]
        nn.init.constant_(layers[-1].bias, bias)
        layers[-1].weight.data.mul_(gain)
        self.layers = nn.ModuleList(layers)

    def _decode(self, z: Tensor, apply: Apply) -> Tensor:
        *hidden, last = self.layers
        for layer in hidden:
            z = apply(layer, z).tanh()
        return apply(last, z).unflatten(-1, self.shape)


class ClassConvDecoder(_PerClass):
    """Decoders that end in two transposed convolutions of 5 × 5, one net for each class.

    Args:
        classes: number of decoders.
        latents: size of a style.
        hidden: units of the fully connected layers that come first.
        shape: shape of the result, whose last two sizes are height and width, multiples of 4.
        initialisation, bias, gain: of a `ClassDenseDecoder`.

    Example:
        >>> import torch
        >>> decoder = ClassConvDecoder(10, latents=2, hidden=(20,), shape=(1, 3, 32, 32))
        >>> decoder.every(torch.zeros(10, 5, 2)).shape
        torch.Size([10, 5, 1, 3, 32, 32])
    """

    def __init__(
        self,
        classes: int,
        latents: int,
        hidden: Sequence[int],
        shape: tuple[int, ...],
        initialisation: InitialWeights = "fan_in",
        bias: float = 0.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        *channels, height, width = shape
        if height % 4 or width % 4:
            raise ValueError(
                f"decoder='conv-transposed' doubles the size twice, which cannot end at {height} "
                f"× {width}: give images whose sides are multiples of 4, or take decoder='dense'"
            )
        self.channels, small = tuple(channels), (64, height // 4, width // 4)
        self.dense = ClassDenseDecoder(classes, latents, hidden, small, initialisation)
        self.first = GroupedConvTranspose(classes, 64, 32, 5, initialisation)
        self.second = GroupedConvTranspose(classes, 32, math.prod(channels), 5, initialisation)
        nn.init.constant_(self.second.bias, bias)
        self.second.patches.weight.data.mul_(gain)

    def _decode(self, z: Tensor, apply: Apply) -> Tensor:
        h = apply(self.first, apply(self.dense, z).tanh()).tanh()
        return apply(self.second, h).unflatten(-3, self.channels)


class ClassInputDecoder(_PerClass):
    """One decoder for all classes behind an input layer for each.

    The cost hardly grows with the number of classes, and rare classes borrow from common ones.

    Args:
        classes: number of classes.
        latents: size of a style.
        width: units of the input layers.
        net: decoder of (n, width), shared by all classes.

    Example:
        >>> import torch
        >>> decoder = ClassInputDecoder(10, latents=2, width=16, net=nn.Linear(16, 12))
        >>> decoder.every(torch.zeros(10, 5, 2)).shape
        torch.Size([10, 5, 12])
    """

    def __init__(self, classes: int, latents: int, width: int, net: nn.Module) -> None:
        super().__init__()
        self.inputs = GroupedLinear(classes, latents, width)
        self.net = net

    def _decode(self, z: Tensor, apply: Apply) -> Tensor:
        h = apply(self.inputs, z).tanh()
        return self.net(h.flatten(0, -2)).unflatten(0, h.shape[:-1])
