"""The nets of ACE by name: classifier, encoder, heads and decoders of every class."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Literal, get_args

from torch import Tensor, nn

from symgen import nets
from symgen._errors import require_choice

__all__ = ["make_classifier", "make_decoder", "make_encoder"]

ClassifierName = Literal["conv-pooling", "dense", "residual"]
EncoderName = Literal["dense", "residual", "conv", "conv-pooling"]
DecoderName = Literal["dense", "residual", "conv", "conv-transposed"]
_INPUTS = 64  # units of the input layer of a class, where decoders share the rest


class _OneClass(nn.Module):
    """Gives all data the same score: of a single class there is nothing to tell."""

    def forward(self, x: Tensor) -> Tensor:
        return x.new_zeros(x.shape[0], 1)


def make_classifier(
    classifier: ClassifierName | nn.Module | None,
    seen: tuple[int, ...],
    classes: int,
    channels: Sequence[int],
    hidden: int,
    pool: int,
    dropout: float,
    initialisation: nets.InitialWeights,
) -> nn.Module:
    """Make a classifier of what it sees; without a name that of images or of other data."""
    if isinstance(classifier, nn.Module):
        return classifier
    if classes == 1 and classifier is None:
        return _OneClass()
    by_shape = "conv-pooling" if len(seen) == 3 else "dense"
    name = by_shape if classifier is None else classifier
    require_choice("classifier", name, get_args(ClassifierName))
    if name == "conv-pooling":
        _require_image("classifier", name, seen)
        trunk = nets.Convolutions(
            seen, channels=channels, kernel=3, pool=pool, initialisation=initialisation
        )
        return nets.ConvReadout(trunk, hidden, classes, dropout)
    inputs = math.prod(seen)
    layers: dict[str, nn.Module] = {"flat": nn.Flatten()}
    if name == "residual":
        layers["trunk"] = nets.ResidualStack(inputs, hidden, hidden, depth=2)
    else:
        layers["trunk"] = nets.Linear(inputs, hidden)
    layers |= {"rectifier": nn.ReLU(), "dropout": nn.Dropout(dropout)}
    return nn.Sequential(OrderedDict(layers, head=nets.Linear(hidden, classes)))


def make_encoder(
    encoder: EncoderName | nn.Module,
    seen: tuple[int, ...],
    hidden: Sequence[int],
    initialisation: nets.InitialWeights,
    **sizes: Any,
) -> nn.Module:
    """Make what styles are inferred from: features of what it sees."""
    if isinstance(encoder, nn.Module):
        return encoder
    require_choice("encoder", encoder, get_args(EncoderName))
    if encoder == "dense":
        pairs = pairwise((math.prod(seen), *hidden))
        layers = chain.from_iterable((nets.Linear(*pair), nn.Tanh()) for pair in pairs)
        return nn.Sequential(nn.Flatten(), *layers)
    if encoder == "conv-pooling":
        sizes = {"kernel": 5, "pool_last": True, "initialisation": initialisation}
        return nn.Sequential(nets.Convolutions(seen, channels=(32, 64), **sizes), nn.Flatten())
    features = hidden[-1] if hidden else 128
    return nn.Sequential(nets.make_encoder(encoder, seen, features, **sizes), nn.Tanh())


def make_decoder(
    decoder: DecoderName | nn.Module,
    classes: int,
    latents: int,
    hidden: Sequence[int],
    shape: tuple[int, ...],
    start: tuple[float, float],
    initialisation: nets.InitialWeights,
    **sizes: Any,
) -> nn.Module:
    """Make the decoders of every class, which paint `shape`.

    They start at an output, give or take the usual weights times a factor: `start`.
    """
    if isinstance(decoder, nn.Module):
        return decoder
    require_choice("decoder", decoder, get_args(DecoderName))
    if decoder == "dense":
        return nets.ClassDenseDecoder(classes, latents, hidden, shape, initialisation, *start)
    if decoder == "conv-transposed":
        _require_image("decoder", decoder, shape[1:])
        return nets.ClassConvDecoder(classes, latents, hidden, shape, initialisation, *start)
    net = nets.make_decoder(decoder, _INPUTS, shape, **sizes)
    return nets.ClassInputDecoder(classes, latents, _INPUTS, net)


def _require_image(part: str, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"{part}={name!r} of data {shape}: it is for images (channels, height, width); take "
            "'dense' or 'residual'"
        )
