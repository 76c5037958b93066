"""The nets of ACE by name: classifier, encoder, heads and decoders of every class."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Literal, get_args

from jaxtyping import Int64
from torch import Tensor, nn
from torch.nn import functional

from symgen import nets
from symgen._errors import require_choice

__all__ = ["StyleHeads", "check_sharing", "make_classifier", "make_decoder", "make_encoder"]

ClassifierName = Literal["conv-pooling", "dense", "residual"]
EncoderName = Literal["dense", "residual", "conv", "conv-pooling", "shared"]
DecoderName = Literal["dense", "residual", "conv", "conv-transposed"]
_OUTLOOK = 4  # shallow latents see the first features averaged to 4 × 4
_INPUTS = 64  # units of the input layer of a class, where decoders share the rest


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
) -> nn.Module | None:
    """Make what styles are inferred from: features of what it sees; None for the classifier's."""
    if isinstance(encoder, nn.Module):
        return encoder
    require_choice("encoder", encoder, get_args(EncoderName))
    if encoder == "shared":
        return None
    if encoder == "dense":
        pairs = pairwise((math.prod(seen), *hidden))
        layers = chain.from_iterable((nets.Linear(*pair), nn.Tanh()) for pair in pairs)
        return nn.Sequential(nn.Flatten(), *layers)
    if encoder == "conv-pooling":
        sizes = {"kernel": 5, "pool_last": True, "initialisation": initialisation}
        return nn.Sequential(nets.Convolutions(seen, channels=(32, 64), **sizes), nn.Flatten())
    features = hidden[-1] if hidden else 128
    return nn.Sequential(nets.make_encoder(encoder, seen, features, **sizes), nn.Tanh())


def check_sharing(
    trunk: nn.Module | None, encoder: Any, decoder: Any, decoder_hidden: Any, shallow: int
) -> None:
    """Refuse nets between which a trunk cannot be shared as they say."""
    shared = encoder == "shared"
    if (shared or shallow) and trunk is None:
        raise ValueError(
            f"encoder={encoder!r}, shallow_latents={shallow}: the classifier's trunk can be "
            "shared only of classifier='conv-pooling'"
        )
    if shallow and not (shared and decoder == "dense" and decoder_hidden):
        raise ValueError(
            f"shallow_latents={shallow} are inferred from a shared trunk and join a dense "
            "decoder's last hidden layer: take encoder='shared', decoder='dense' and at least one "
            "size in decoder_hidden"
        )


class StyleHeads(nn.Module):
    """Heads of every class: one infers deep latents from features, one shallow ones from maps."""

    def __init__(
        self,
        classes: int,
        latents: tuple[int, int],
        features: int,
        shallow_channels: int,
        initialisation: nets.InitialWeights,
    ) -> None:
        super().__init__()
        deep, shallow = latents
        self.features, self.sees_maps = features, shallow > 0
        made = [nets.GroupedLinear(classes, features, 2 * deep, initialisation)]
        if shallow:
            seen = shallow_channels * _OUTLOOK**2
            made.append(nets.GroupedLinear(classes, seen, 2 * shallow, initialisation))
        self.heads = nn.ModuleList(made)

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
        pairs: Any = zip(self.heads, inputs, strict=True)
        return [head.every(seen.expand(classes, *seen.shape)) for head, seen in pairs]


def make_decoder(
    decoder: DecoderName | nn.Module,
    classes: int,
    latents: tuple[int, int],
    hidden: Sequence[int],
    shape: tuple[int, ...],
    start: tuple[float, float],
    initialisation: nets.InitialWeights,
    **sizes: Any,
) -> nn.Module:
    """Make the decoders of every class, which paint `shape`, from deep and shallow latents.

    They start at an output, give or take the usual weights times a factor: `start`.
    """
    if isinstance(decoder, nn.Module):
        return decoder
    require_choice("decoder", decoder, get_args(DecoderName))
    if decoder == "dense":
        return nets.ClassDenseDecoder(classes, *latents, hidden, shape, initialisation, *start)
    if decoder == "conv-transposed":
        _require_image("decoder", decoder, shape[1:])
        return nets.ClassConvDecoder(classes, sum(latents), hidden, shape, initialisation, *start)
    net = nets.make_decoder(decoder, _INPUTS, shape, **sizes)
    return nets.ClassInputDecoder(classes, sum(latents), _INPUTS, net)


def _require_image(part: str, name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise ValueError(
            f"{part}={name!r} of data {shape}: it is for images (channels, height, width); take "
            "'dense' or 'residual'"
        )
