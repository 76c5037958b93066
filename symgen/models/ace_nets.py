"""The nets of ACE by name: classifier, encoder, heads and decoders of every class."""

import math
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from symgen._errors import require_choice
from symgen.models.checks import check_net
from symgen.nets import (
    Activation,
    ClassConvDecoder,
    ClassDenseDecoder,
    ClassInputDecoder,
    Convolutions,
    ConvReadout,
    GroupedLinear,
    Linear,
    ResidualStack,
    make_decoder,
    make_encoder,
)

__all__ = [
    "ACEInitialisation",
    "ClassifierName",
    "DecoderName",
    "EncoderName",
    "StyleHeads",
    "check_class_decoder",
    "every_class",
    "features_of",
    "make_class_decoder",
    "make_classifier",
    "make_style_encoder",
]

ClassifierName = Literal["conv-pooling", "dense", "residual"]
EncoderName = Literal["dense", "residual", "conv", "conv-pooling", "shared"]
DecoderName = Literal["dense", "residual", "conv", "conv-transposed"]
ACEInitialisation = Literal["fan_in", "paper"]
_OUTLOOK = 4  # shallow latents see the first features averaged to 4 × 4
_INPUTS = 64  # units of the input layer of a class, where decoders share the rest


class _DenseClassifier(nn.Module):
    """One hidden layer, or residual layers, between data of any shape and the classes."""

    def __init__(
        self, seen: Sequence[int], hidden: int, classes: int, dropout: float, residual: bool
    ) -> None:
        super().__init__()
        inputs = math.prod(seen)
        self.trunk = (
            ResidualStack(inputs, hidden, hidden, depth=2) if residual else Linear(inputs, hidden)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = Linear(hidden, classes)

    def forward(self, x: Float[Tensor, " n *data"]) -> Float[Tensor, "n classes"]:
        return self.head(self.dropout(self.trunk(x.flatten(1)).relu()))


def make_classifier(
    name: ClassifierName | None,
    seen: tuple[int, ...],
    classes: int,
    *,
    channels: Sequence[int],
    hidden: int,
    pool: int,
    dropout: float,
    initialisation: ACEInitialisation,
) -> nn.Module:
    """Make a classifier of what it sees; without a name that of images or of other data."""
    is_image = len(seen) == 3
    name = ("conv-pooling" if is_image else "dense") if name is None else name
    require_choice("classifier", name, get_args(ClassifierName))
    if name != "conv-pooling":
        return _DenseClassifier(seen, hidden, classes, dropout, residual=name == "residual")
    if not is_image:
        raise ValueError(
            f"classifier={name!r} of data {seen}: it is for images (channels, height, width); "
            "take 'dense' or 'residual'"
        )
    trunk = Convolutions(
        seen, channels=channels, kernel=3, pool=pool, initialisation=initialisation
    )
    return ConvReadout(trunk, hidden, classes, dropout)


def make_style_encoder(
    name: EncoderName,
    seen: tuple[int, ...],
    hidden: Sequence[int],
    initialisation: ACEInitialisation,
    **sizes: Any,
) -> nn.Module | None:
    """Make what styles are inferred from: features of what it sees; None for the classifier's."""
    require_choice("encoder", name, get_args(EncoderName))
    if name == "shared":
        return None
    if name == "dense":
        layers = [(Linear(*pair), nn.Tanh()) for pair in pairwise((math.prod(seen), *hidden))]
        return nn.Sequential(nn.Flatten(), *chain.from_iterable(layers))
    if name == "conv-pooling":
        net = Convolutions(
            seen, channels=(32, 64), kernel=5, pool_last=True, initialisation=initialisation
        )
        return nn.Sequential(net, nn.Flatten())
    features = hidden[-1] if hidden else 128
    return nn.Sequential(make_encoder(name, seen, features, **sizes), nn.Tanh())


def features_of(encoder: nn.Module, seen: tuple[int, ...]) -> int:
    """Count the features that an encoder gives, by a trial run."""
    parameter = next(encoder.parameters(), torch.zeros(()))
    modes = {module: module.training for module in encoder.modules()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        x = torch.zeros(2, *seen, device=parameter.device, dtype=parameter.dtype)
        found = encoder.eval()(x)
    for module, training in modes.items():
        module.training = training
    if not isinstance(found, Tensor) or found.dim() != 2 or len(found) != 2:
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"encoder of 2 items {(2, *seen)} gives {given}: it should give features (2, F), from "
            "which the style of every class is inferred"
        )
    return found.shape[1]


class StyleHeads(nn.Module):
    """Infer the styles of every class from features, deep ones and shallow ones.

    Args:
        classes: number of classes.
        latents: number of deep and of shallow latents.
        features: size of the features that deep latents are inferred from.
        shallow_channels: of the feature maps that shallow latents are inferred from.
        initialisation: of the weights.
    """

    def __init__(
        self,
        classes: int,
        latents: tuple[int, int],
        features: int,
        shallow_channels: int,
        initialisation: ACEInitialisation,
    ) -> None:
        super().__init__()
        deep, shallow = latents
        self.features = features
        heads = [GroupedLinear(classes, features, 2 * deep, initialisation)]
        if shallow:
            outlook = shallow_channels * _OUTLOOK**2
            heads.append(GroupedLinear(classes, outlook, 2 * shallow, initialisation))
        self.heads = nn.ModuleList(heads)

    @property
    def sees_maps(self) -> bool:
        """Whether there are shallow latents."""
        return len(self.heads) == 2

    def inputs(self, features: Tensor, maps: Tensor | None) -> list[Tensor]:
        """Return what each head infers from."""
        if not self.sees_maps or maps is None:
            return [features]
        return [features, functional.adaptive_avg_pool2d(maps, _OUTLOOK).flatten(1)]

    def forward(self, inputs: Sequence[Tensor], y: Int64[Tensor, " B"]) -> list[Tensor]:
        """Return means and log-variances of the given classes, a tensor for every head."""
        return [head(seen, y) for head, seen in zip(self.heads, inputs, strict=True)]

    def every(self, inputs: Sequence[Tensor], classes: int) -> list[Tensor]:
        """Return those of every class."""
        return [
            cast(GroupedLinear, head).every(seen.expand(classes, *seen.shape))
            for head, seen in zip(self.heads, inputs, strict=True)
        ]


def make_class_decoder(
    name: DecoderName,
    classes: int,
    latents: tuple[int, int],
    hidden: Sequence[int],
    shape: tuple[int, ...],
    bias: float,
    initialisation: ACEInitialisation,
    *,
    width: int | None,
    depth: int | None,
    activation: Activation,
) -> nn.Module:
    """Make the decoders of every class, which paint `shape`."""
    require_choice("decoder", name, get_args(DecoderName))
    deep, shallow = latents
    if name == "dense":
        return ClassDenseDecoder(classes, deep, shallow, hidden, shape, initialisation, bias)
    if name == "conv-transposed":
        if len(shape) != 4:
            raise ValueError(
                f"decoder={name!r} of data {shape[1:]}: it is for images (channels, height, "
                "width); take 'dense' or 'residual'"
            )
        return ClassConvDecoder(classes, deep + shallow, hidden, shape, initialisation, bias)
    net = make_decoder(name, _INPUTS, shape, width, depth, activation)
    return ClassInputDecoder(classes, deep + shallow, _INPUTS, net)


def check_class_decoder(decoder: nn.Module, latents: int, shape: tuple[int, ...]) -> None:
    """Refuse decoders of one's own that do not fit."""

    class OfFirstClass(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.decoder = decoder

        def forward(self, z: Tensor) -> Tensor:
            return self.decoder(z, torch.zeros(len(z), dtype=torch.int64, device=z.device))

    what = "the likelihood's parameters of an item, for styles (n, latents) and classes (n,)"
    check_net("decoder", OfFirstClass(), (latents,), shape, what)


def every_class(
    decoder: nn.Module, z: Float[Tensor, "classes B latents"]
) -> Float[Tensor, "classes B *shape"]:
    """Decode styles by the decoders of all classes, each its own styles."""
    if hasattr(decoder, "every"):
        return decoder.every(z)  # pyright: ignore[reportCallIssue]
    classes, count = z.shape[:2]
    y = torch.arange(classes, device=z.device).repeat_interleave(count)
    return decoder(z.flatten(0, 1), y).unflatten(0, (classes, count))
