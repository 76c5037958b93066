"""Convolutions with pooling, the classifier and pose net of ACE (Georgiev 2016)."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from symgen.nets.grouped import InitialWeights
from symgen.nets.linear import Linear

__all__ = ["ConvReadout", "Convolutions"]

Images = Float[Tensor, "rows channels height width"]


class Convolutions(nn.Module):
    """Convolutions that keep the size, with 2 × 2 max-pooling between them and rectifiers.

    Attributes:
        size: height and width that the first convolution sees.
        shape: channels, height and width of the result.

    Args:
        data_shape: channels, height and width of the input.
        channels: output channels of each convolution.
        kernel: side of the kernels, odd.
        pool: side of an average pooling of the input, 1 for none; its pixels divide the cost.
        pool_last: whether to pool after the last convolution too.
        initialisation: "fan_in" draws weights from N(0, 2/fan-in) (He et al. 2015); "paper" draws
            them from U(-1, 1) divided by the root of the product of all four dimensions
            (Georgiev 2016, appendix A). Biases are zero.

    Example:
        >>> net = Convolutions((1, 28, 28), channels=(32, 64, 128), kernel=3)
        >>> net.shape, net(torch.rand(5, 1, 28, 28)).shape
        ((128, 7, 7), torch.Size([5, 128, 7, 7]))
    """

    def __init__(
        self,
        data_shape: Sequence[int],
        *,
        channels: Sequence[int],
        kernel: int,
        pool: int = 1,
        pool_last: bool = False,
        initialisation: InitialWeights = "fan_in",
    ) -> None:
        super().__init__()
        inputs, height, width = data_shape
        self.size = height, width = height // pool, width // pool
        self.pool = pool
        self.pools = [True] * (len(channels) - 1) + [pool_last]
        self.convolutions = nn.ModuleList()
        for outputs, pools in zip(channels, self.pools, strict=True):
            layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
            fan_in = inputs * kernel**2
            with torch.no_grad():
                if initialisation == "paper":
                    layer.weight.uniform_(-1, 1).div_(math.sqrt(outputs * fan_in))
                else:
                    layer.weight.normal_(0, math.sqrt(2 / fan_in))
                layer.bias.zero_()  # pyright: ignore[reportOptionalMemberAccess]
            self.convolutions.append(layer)
            height, width = (height // 2, width // 2) if pools else (height, width)
            inputs = outputs
        if min(height, width) < 1:
            raise ValueError(
                f"images of {tuple(data_shape)} are too small for {len(channels)} convolutions "
                f"with pooling (pool={pool}): take fewer, or a smaller pool"
            )
        self.shape = inputs, height, width

    def forward(self, x: Images) -> Float[Tensor, "rows features height2 width2"]:
        """Return the result of the last convolution."""
        # Channels last, the layout in which the CPU convolves and pools at full speed; with one
        # input channel the strides do not say it, so it is asked for at every step.
        layout: Any = {"memory_format": torch.channels_last}
        h = functional.avg_pool2d(x, self.pool) if self.pool > 1 else x
        steps: Any = zip(self.convolutions, self.pools, strict=True)
        last = self.convolutions[-1]
        for layer, pools in steps:
            weight, bias = layer.weight.contiguous(**layout), layer.bias
            h = functional.conv2d(h.contiguous(**layout), weight, bias, padding="same")
            h = h.contiguous(**layout)
            h = functional.max_pool2d(h, 2) if pools else h
            # Rectified in the layout in which it goes on, and in which its gradient comes back.
            h = (h.contiguous() if layer is last else h).relu()
        return h


class ConvReadout(nn.Module):
    """Convolutions, one hidden layer and a linear one: from an image to a vector.

    Args:
        convolutions: what sees the image.
        hidden, outputs: sizes of the hidden layer and of the result.
        dropout: probability of dropping a hidden unit during training.

    Example:
        >>> net = Convolutions((1, 28, 28), channels=(20, 20), kernel=5)
        >>> ConvReadout(net, hidden=50, outputs=6)(torch.rand(4, 1, 28, 28)).shape
        torch.Size([4, 6])
    """

    def __init__(
        self, convolutions: Convolutions, hidden: int, outputs: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.hidden = Linear(math.prod(convolutions.shape), hidden)
        self.head = Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Images) -> Float[Tensor, "rows outputs"]:
        """Return the outputs."""
        hidden = self.hidden(self.convolutions(x).flatten(1)).relu()
        return self.head(self.dropout(hidden))
