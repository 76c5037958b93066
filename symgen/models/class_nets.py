"""A classifier and one auto-encoder per class, on canonical images: ACE less its pose."""

import math
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from symgen.latents import Density
from symgen.models.pretrained import Pretrained
from symgen.models.symmetry_statistics import density, precise
from symgen.nets import (
    ConvDecoder,
    Convolutions,
    DenseDecoder,
    GroupedLinear,
    ImageReader,
    Linear,
)

__all__ = ["ClassNets"]

_OUTLOOK = 4  # shallow latents see the first features averaged to 4 × 4


class ClassNets(Pretrained):
    """The nets behind a pose; `ACE` says what their sizes mean.

    Attributes:
        classes: number of classes.
        density: kind of the styles' posteriors.
        window: height and width of the middle of the image that the classifier sees.
        classifier: reads the class; its convolutions may be the encoder's too.
        encoder: what the styles are read off; None for the classifier's features.
        heads: for every class, reads its style off the features, deep and shallow.
        decoder: for every class, paints logits.
    """

    classes: int

    def _build(
        self,
        seen: tuple[int, int, int],
        painted: tuple[int, int, int],
        *,
        latents: tuple[int, int],
        latent: str,
        encoder: str,
        hidden: Sequence[int],
        decoder: str,
        decoder_hidden: Sequence[int],
        decoder_bias: float,
        channels: Sequence[int],
        classifier_hidden: int,
        window: int | None,
        pool: int,
        dropout: float,
        initialisation: Literal["fan_in", "paper"],
    ) -> None:
        """Make the nets for canonical images `seen` that paint layers of logits `painted`."""
        deep, shallow = latents
        for name, given, known in (
            ("encoder", encoder, ("dense", "conv", "shared")),
            ("decoder", decoder, ("dense", "conv")),
            ("initialisation", initialisation, ("fan_in", "paper")),
        ):
            if given not in known:
                raise ValueError(f"{name}={given!r}: choose {' or '.join(known)}")
        if shallow and (encoder != "shared" or decoder != "dense" or not decoder_hidden):
            raise ValueError(
                f"shallow_latents={shallow} are read off a shared trunk and join a dense "
                "decoder's last hidden layer: take encoder='shared', decoder='dense' and at least "
                "one size in decoder_hidden"
            )
        _, height, width = seen
        side = max(height, width) if window is None else window
        if not 0 < side <= max(height, width):
            raise ValueError(
                f"classifier_window={window} of images of {height} × {width}: give a "
                "number of pixels up to their side, or None"
            )
        classes = self.classes
        self.density = density(latent)
        self.window = (min(side, height), min(side, width))
        trunk = Convolutions(
            (seen[0], *self.window),
            channels=channels,
            kernel=3,
            pool=pool,
            initialisation=initialisation,
        )
        self.classifier = ImageReader(trunk, classifier_hidden, classes, dropout)
        self.encoder: nn.Module | None = None
        features = classifier_hidden
        if encoder == "dense":
            sizes = (math.prod(seen), *hidden)
            layers = [(Linear(*pair), nn.Tanh()) for pair in pairwise(sizes)]
            self.encoder = nn.Sequential(nn.Flatten(), *chain.from_iterable(layers))
            features = sizes[-1]
        elif encoder == "conv":
            net = Convolutions(
                seen, channels=(32, 64), kernel=5, pool_last=True, initialisation=initialisation
            )
            self.encoder = nn.Sequential(net, nn.Flatten())
            features = math.prod(net.shape)
        self.heads = nn.ModuleList([GroupedLinear(classes, features, 2 * deep, initialisation)])
        if shallow:
            outlook = trunk.shapes[0][0] * _OUTLOOK**2
            head = GroupedLinear(classes, outlook, 2 * shallow, initialisation)
            self.heads.append(head)
        self.decoder: DenseDecoder | ConvDecoder
        if decoder == "conv":
            self.decoder = ConvDecoder(
                classes, deep + shallow, decoder_hidden, painted, initialisation, decoder_bias
            )
        else:
            self.decoder = DenseDecoder(
                classes, deep, shallow, decoder_hidden, painted, initialisation, decoder_bias
            )

    def _features(self, seen: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what the style is read off, deepest first, and the classes' log-probabilities."""
        maps = self.classifier.convolutions.layers(_middle(seen, self.window))
        hidden, scores = self.classifier.read(maps[-1])
        features = [hidden if self.encoder is None else self.encoder(seen)]
        if len(self.heads) == 2:
            features.append(functional.adaptive_avg_pool2d(maps[0], _OUTLOOK).flatten(1))
        return features, precise(scores).log_softmax(1)

    def _posterior_of(self, features: Sequence[Tensor], y: Tensor) -> Density:
        """Return the posterior of the given classes, (B, latents)."""
        outputs = [head(read, y) for head, read in zip(self.heads, features, strict=True)]
        return self._posterior(outputs)

    def _posteriors(self, features: Sequence[Tensor]) -> Density:
        """Return the posteriors of every class, (classes, B, latents)."""
        outputs = [
            cast(GroupedLinear, head).every(read.expand(self.classes, *read.shape))
            for head, read in zip(self.heads, features, strict=True)
        ]
        return self._posterior(outputs)

    def _posterior(self, outputs: Sequence[Tensor]) -> Density:
        parts = [precise(output).chunk(2, -1) for output in outputs]
        mean, log_variance = (torch.cat(part, -1) for part in zip(*parts, strict=True))
        return self.density(mean, log_variance)


def _middle(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the middle of this height and width out of images."""
    top, left = (x.shape[2] - size[0]) // 2, (x.shape[3] - size[1]) // 2
    return x[:, :, top : top + size[0], left : left + size[1]]
