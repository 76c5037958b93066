"""Strided, residual convolutions for images and volumes of any size."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from symgen.nets.linear import Linear
from symgen.nets.residual import Activation, activation_function

__all__ = ["ConvDecoder", "ConvEncoder"]

Shape = Sequence[int]
_SMALLEST = 4  # sides are halved until none is longer
_MOST = 4  # channels double from stage to stage, up to this many times the first stage's


class _Pyramid:
    """The sizes of the stages that an encoder goes down and a decoder goes up.

    Attributes:
        sizes: sides at every stage, the data's own first.
        channels: channels at every stage below the first.
        strides: steps between a stage and the next.
        features: values at the last stage.
    """

    def __init__(self, data_shape: Shape, width: int) -> None:
        sides = tuple(data_shape[1:])
        if len(sides) not in (2, 3):
            raise ValueError(
                f"net='conv' with data_shape={tuple(data_shape)}: convolutions are for images "
                "(channels, height, width) and volumes (channels, depth, height, width); take "
                "net='dense' or 'residual' for vectors"
            )
        self.sizes, self.channels, self.strides = [sides], [], []
        while not self.strides or max(sides) > _SMALLEST:
            stride = tuple(2 if side > _SMALLEST else 1 for side in sides)
            sides = tuple(-(-side // step) for side, step in zip(sides, stride, strict=True))
            self.sizes.append(sides)
            self.channels.append(width * min(2 ** len(self.channels), _MOST))
            self.strides.append(stride)
        self.features = self.channels[-1] * math.prod(sides)

    def convolution(self, inputs: int, outputs: int, stride: Any = 1) -> Any:
        """Make a convolution of side 3 that divides the size by a stride, rounded up."""
        kind = nn.Conv2d if len(self.sizes[0]) == 2 else nn.Conv3d
        return kind(inputs, outputs, 3, stride=stride, padding=1)

    def transposed(self, inputs: int, outputs: int, stride: Any, wide: bool) -> Any:
        """Make a transposed convolution that multiplies the size by a stride."""
        kind: Any = nn.ConvTranspose2d if len(stride) == 2 else nn.ConvTranspose3d
        # A kernel that is a multiple of the stride paints every place equally often.
        kernel = tuple((6 if wide else 4) if step == 2 else 3 for step in stride)
        padding = tuple((side - step) // 2 for side, step in zip(kernel, stride, strict=True))
        return kind(inputs, outputs, kernel, stride=stride, padding=padding)


class _ResidualConvolution(nn.Module):
    """`h + conv₂ φ(conv₁ φ(norm(h)))`, normalised within each item."""

    def __init__(self, pyramid: _Pyramid, depth: int, activation: Activation, channels: int):
        super().__init__()
        self.activation = activation_function(activation)
        self.norm = nn.GroupNorm(1, channels)
        self.first = pyramid.convolution(channels, channels)
        self.second = pyramid.convolution(channels, channels)
        with torch.no_grad():
            self.second.weight /= math.sqrt(2 * depth)

    def forward(self, h: Float[Tensor, "n channels *space"]) -> Float[Tensor, "n channels *space"]:
        inner = self.first(self.activation(self.norm(h)))
        return h + self.second(self.activation(inner))


def _layout(x: Tensor) -> Tensor:
    """Put channels last, the layout in which the CPU convolves fastest."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x


class ConvEncoder(nn.Module):
    """Convolutions of side 3 that halve the size, with residual layers at every size.

    Any side is halved, rounded up, until none is longer than 4. Normalisation is within each item.

    Args:
        data_shape: (channels, height, width) or (channels, depth, height, width), or ValueError.
        outputs: size of the result.
        width: channels at the first size; they double as the size halves, up to fourfold.
        depth: residual layers at every size.
        activation: within each.

    Example:
        >>> net = ConvEncoder((3, 61, 83), outputs=10, width=8, depth=1)
        >>> net(torch.zeros(2, 3, 61, 83)).shape
        torch.Size([2, 10])
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
        pyramid = _Pyramid(data_shape, width)
        self.activation = activation_function(activation)
        residual = partial(_ResidualConvolution, pyramid, depth, activation)
        layers: list[nn.Module] = []
        inputs = data_shape[0]
        for channels, stride in zip(pyramid.channels, pyramid.strides, strict=True):
            layers.append(pyramid.convolution(inputs, channels, stride))
            layers += (residual(channels) for _ in range(depth))
            inputs = channels
        self.layers = nn.Sequential(*layers)
        self.norm = nn.GroupNorm(1, inputs)
        self.last = Linear(pyramid.features, outputs)

    def forward(self, x: Float[Tensor, "n channels *space"]) -> Float[Tensor, "n outputs"]:
        """Encode images or volumes."""
        h = self.layers(_layout(x))
        return self.last(self.activation(self.norm(h)).flatten(1))


class ConvDecoder(nn.Module):
    """Transposed convolutions that double the size, cropped if odd, with residual layers.

    Args:
        latents: number of latents.
        shape: shape of the result, the likelihood's parameters first and then the data's.
        width, depth, activation: of the `ConvEncoder` that this one mirrors.

    Example:
        >>> net = ConvDecoder(10, (1, 3, 61, 83), width=8, depth=1)
        >>> net(torch.zeros(2, 10)).shape
        torch.Size([2, 1, 3, 61, 83])
    """

    def __init__(
        self, latents: int, shape: Shape, width: int, depth: int, activation: Activation = "silu"
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        pyramid = _Pyramid(self.shape[1:], width)
        self.sizes = pyramid.sizes[-2::-1]
        self.small = (pyramid.channels[-1], *pyramid.sizes[-1])
        self.activation = activation_function(activation)
        self.first = Linear(latents, pyramid.features)
        residual = partial(_ResidualConvolution, pyramid, depth, activation)
        self.stages, self.norms, self.ups = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        pairs = pairwise((*pyramid.channels[::-1], self.shape[0] * self.shape[1]))
        for (inputs, outputs), stride in zip(pairs, pyramid.strides[::-1], strict=True):
            self.stages.append(nn.Sequential(*(residual(inputs) for _ in range(depth))))
            self.norms.append(nn.GroupNorm(1, inputs))
            wide = len(self.ups) == len(pyramid.strides) - 1
            self.ups.append(pyramid.transposed(inputs, outputs, stride, wide))

    def forward(self, z: Float[Tensor, "n latents"]) -> Float[Tensor, " n *shape"]:
        """Decode latents."""
        h = _layout(self.first(z).unflatten(-1, self.small))
        steps = zip(self.stages, self.norms, self.ups, self.sizes, strict=True)
        for stage, norm, up, size in steps:
            h = up(self.activation(norm(stage(h))))
            for axis, side in enumerate(size, start=2):
                h = h.narrow(axis, 0, side)
        return h.contiguous().unflatten(1, self.shape[:2])
