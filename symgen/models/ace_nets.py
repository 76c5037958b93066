"""The nets of ACE by name: classifier, encoder, heads and decoders of every class."""

import math
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any, Literal, cast, get_args

from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from symgen import nets
from symgen._errors import require_choice

__all__ = [
    "ACEInitialisation",
    "ClassifierName",
    "DecoderName",
    "EncoderName",
    "StyleHeads",
    "check_sharing",
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
            nets.ResidualStack(inputs, hidden, hidden, depth=2)
            if residual
            else nets.Linear(inputs, hidden)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nets.Linear(hidden, classes)

    def forward(self, x: Float[Tensor, " n *data"]) -> Float[Tensor, "n classes"]:
        return self.head(self.dropout(self.trunk(x.flatten(1)).relu()))


def make_classifier(
    classifier: ClassifierName | nn.Module | None,
    seen: tuple[int, ...],
    classes: int,
    channels: Sequence[int],
    hidden: int,
    pool: int,
    dropout: float,
    initialisation: ACEInitialisation,
) -> nn.Module:
    """Make a classifier of what it sees; without a name that of images or of other data."""
    if isinstance(classifier, nn.Module):
        return classifier
    is_image = len(seen) == 3
    name = ("conv-pooling" if is_image else "dense") if classifier is None else classifier
    require_choice("classifier", name, get_args(ClassifierName))
    if name != "conv-pooling":
        return _DenseClassifier(seen, hidden, classes, dropout, residual=name == "residual")
    if not is_image:
        raise ValueError(
            f"classifier={name!r} of data {seen}: it is for images (channels, height, width); "
            "take 'dense' or 'residual'"
        )
    trunk = nets.Convolutions(
        seen, channels=channels, kernel=3, pool=pool, initialisation=initialisation
    )
    return nets.ConvReadout(trunk, hidden, classes, dropout)


def make_style_encoder(
    encoder: EncoderName | nn.Module,
    seen: tuple[int, ...],
    hidden: Sequence[int],
    initialisation: ACEInitialisation,
    **sizes: Any,
) -> nn.Module | None:
    """Make what styles are inferred from: features of what it sees; None for the classifier's."""
    if isinstance(encoder, nn.Module):
        return encoder
    require_choice("encoder", encoder, get_args(EncoderName))
    if encoder == "shared":
        return None
    if encoder == "dense":
        sizes_of_layers = pairwise((math.prod(seen), *hidden))
        layers = [(nets.Linear(*pair), nn.Tanh()) for pair in sizes_of_layers]
        return nn.Sequential(nn.Flatten(), *chain.from_iterable(layers))
    if encoder == "conv-pooling":
        net = nets.Convolutions(
            seen, channels=(32, 64), kernel=5, pool_last=True, initialisation=initialisation
        )
        return nn.Sequential(net, nn.Flatten())
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
        heads = [nets.GroupedLinear(classes, features, 2 * deep, initialisation)]
        if shallow:
            outlook = shallow_channels * _OUTLOOK**2
            heads.append(nets.GroupedLinear(classes, outlook, 2 * shallow, initialisation))
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
            cast(nets.GroupedLinear, head).every(seen.expand(classes, *seen.shape))
            for head, seen in zip(self.heads, inputs, strict=True)
        ]


def make_class_decoder(
    decoder: DecoderName | nn.Module,
    classes: int,
    latents: tuple[int, int],
    hidden: Sequence[int],
    shape: tuple[int, ...],
    bias: float,
    initialisation: ACEInitialisation,
    **sizes: Any,
) -> nn.Module:
    """Make the decoders of every class, which paint `shape`, from deep and shallow latents."""
    if isinstance(decoder, nn.Module):
        return decoder
    require_choice("decoder", decoder, get_args(DecoderName))
    deep, shallow = latents
    if decoder == "dense":
        return nets.ClassDenseDecoder(classes, deep, shallow, hidden, shape, initialisation, bias)
    if decoder == "conv-transposed":
        if len(shape) != 4:
            raise ValueError(
                f"decoder={decoder!r} of data {shape[1:]}: it is for images (channels, height, "
                "width); take 'dense' or 'residual'"
            )
        return nets.ClassConvDecoder(classes, deep + shallow, hidden, shape, initialisation, bias)
    net = nets.make_decoder(decoder, _INPUTS, shape, **sizes)
    return nets.ClassInputDecoder(classes, deep + shallow, _INPUTS, net)
