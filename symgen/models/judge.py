"""An independent classifier, to say which class a generated image shows."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from symgen.groups import affine, warp
from symgen.models.pretrained import Pretrained

__all__ = ["Judge"]

_CHANNELS = (32, 32, 64, 64)
_HIDDEN = 128
_DROPOUT = 0.4
_WOBBLE = (0.1, 0.07, 0.05, 0.05)  # deviations of rotation, scale, stretch and shear
_SHIFT = 0.04  # deviation of shifts, as part of the side


class JudgeTerms(NamedTuple):
    """What a judge learns from: -log of the labelled class's probability, nats per image."""

    cross_entropy: Float[Tensor, " B"]


class Judge(Pretrained):
    """A small convolutional classifier that shares nothing with the models it judges.

    Four convolutions of 3 × 3 with batch normalisation, the first and the third with pooling.

    Args:
        data_shape: channels, height and width.
        classes: number of classes.
        pool: side of an average pooling of the image.
        wobble: move training images that the data do not move a little, by random affine maps.

    Example:
        >>> judge = Judge((1, 42, 42), pool=2)
        >>> judge.scores(torch.rand(3, 1, 42, 42)).shape
        torch.Size([3, 10])
    """

    def __init__(
        self, data_shape: Sequence[int], classes: int = 10, *, pool: int = 1, wobble: bool = False
    ) -> None:
        super().__init__()
        inputs, height, width = data_shape
        self.data_shape = (inputs, height, width)
        self.classes, self.pool, self.wobble = classes, pool, wobble
        layers: list[nn.Module] = []
        for number, outputs in enumerate(_CHANNELS):
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(outputs)]
            layers += [nn.MaxPool2d(2), nn.ReLU()] if number % 2 == 0 else [nn.ReLU()]
            inputs = outputs
        self.convolutions = nn.Sequential(*layers)
        seen = math.prod((inputs, height // pool // 4, width // pool // 4))
        self.hidden = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(seen, _HIDDEN), nn.ReLU())
        self.head = nn.Sequential(nn.Dropout(_DROPOUT), nn.Linear(_HIDDEN, classes))

    def features(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B features"]:
        """Return the activities of the last hidden layer."""
        x = functional.avg_pool2d(x, self.pool).contiguous(memory_format=torch.channels_last)
        return self.hidden(self.convolutions(x).flatten(1))

    def scores(self, x: Float[Tensor, "B channels height width"]) -> Float[Tensor, "B classes"]:
        """Return log-odds of the classes."""
        return self.head(self.features(x))

    def forward(
        self, x: Float[Tensor, "B channels height width"], y: Int64[Tensor, " B"]
    ) -> JudgeTerms:
        """Return what to minimise."""
        if self.wobble and self.training:
            deviations = x.new_tensor([*_WOBBLE, *[_SHIFT * x.shape[-1]] * 2])
            x = warp(x, affine.exp(deviations * torch.randn(len(x), 6, device=x.device)))
        return JudgeTerms(functional.cross_entropy(self.scores(x).float(), y, reduction="none"))
