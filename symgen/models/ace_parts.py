"""The parts of ACE: its nets, its pose and how they fit together."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from torch import nn

from symgen._errors import require_choice
from symgen.likelihoods import Likelihood, LikelihoodName, Scale, make_likelihood
from symgen.models import ace_nets
from symgen.models.checks import check_data_shape, check_net, check_sizes
from symgen.models.pretrained import Pretrained
from symgen.models.symmetry_statistics import PaddingMode, Statistics, SymmetryStatistics, density
from symgen.nets import Activation, ConvReadout, InitialWeights

__all__ = ["ACEParts"]


class ACEParts(Pretrained):
    """What an `ACE` is made of."""

    _replaceable = ("classifier", "encoder", "decoder")
    _fixed = ("pose", "likelihood", "data_shape")

    def __init__(
        self,
        data_shape: Sequence[int],
        classes: int = 10,
        *,
        latents: int = 1,
        latent: Literal["gaussian", "laplace"] = "gaussian",
        pose: Statistics | SymmetryStatistics | None = "affine",
        colour_pose: bool = False,
        pose_groups: int = 1,
        stem_channels: int = 4,
        variational_pose: bool = False,
        padding_mode: PaddingMode = "background",
        classifier: ace_nets.ClassifierName | nn.Module | None = None,
        classifier_channels: Sequence[int] = (32, 64, 128),
        classifier_hidden: int = 700,
        classifier_window: int | None = None,
        classifier_pool: int = 1,
        dropout: float = 0.5,
        encoder: ace_nets.EncoderName | nn.Module = "dense",
        hidden: Sequence[int] = (700,),
        decoder: ace_nets.DecoderName | nn.Module = "dense",
        decoder_hidden: Sequence[int] = (700,),
        shallow_latents: int = 0,
        width: int | None = None,
        depth: int | None = None,
        activation: Activation = "silu",
        likelihood: LikelihoodName | Likelihood = "bernoulli",
        likelihood_scale: Scale | None = None,
        pose_channels: Sequence[int] = (20, 20),
        pose_hidden: int = 50,
        pose_pool: int = 1,
        pose_iterations: int = 1,
        initialisation: InitialWeights = "fan_in",
    ) -> None:
        super().__init__()
        self.data_shape = check_data_shape(data_shape)
        if classes < 1 or latents < 1 or not 0 <= shallow_latents < latents:
            wanted = "give at least one class and one latent that is not shallow"
            raise ValueError(f"{classes=}, {latents=}, {shallow_latents=}: {wanted}")
        check_sizes(
            pose_groups=pose_groups, stem_channels=stem_channels, pose_channels=pose_channels
        )
        check_sizes(pose_hidden=pose_hidden, pose_pool=pose_pool, pose_iterations=pose_iterations)
        check_sizes(hidden=hidden, decoder_hidden=decoder_hidden, width=width, depth=depth)
        check_sizes(classifier_channels=classifier_channels, classifier_hidden=classifier_hidden)
        check_sizes(classifier_pool=classifier_pool, classifier_window=classifier_window)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout}: give a probability below 1")
        require_choice("activation", activation, get_args(Activation))
        require_choice("padding_mode", padding_mode, ("background", "border"))
        require_choice("initialisation", initialisation, ("fan_in", "paper"))
        self.classes, self.latent_count, self.density = classes, latents, density(latent)
        self.variational_pose = variational_pose
        self.padding_mode: PaddingMode = padding_mode
        self.likelihood = make_likelihood(likelihood, likelihood_scale)
        looks = {"channels": pose_channels, "hidden": pose_hidden, "pool": pose_pool}
        others = {"iterations": pose_iterations, "groups": pose_groups, "latent": latent}
        both = {"colour_pose": colour_pose, "initialisation": initialisation}
        self.pose = self._make_pose(pose, **looks, **others, **both)
        groups = self._add_stem(pose_groups, stem_channels)
        dark = self.likelihood.background / groups if padding_mode == "background" else 0.0
        self.window = self._window(classifier_window)
        self.looked_at = (self.seen[0], *(self.window or self.seen[1:]))
        readout = (classifier_channels, classifier_hidden, classifier_pool, dropout)
        self.classifier = ace_nets.make_classifier(
            classifier, self.looked_at, classes, *readout, initialisation
        )
        trunk = self.classifier if isinstance(self.classifier, ConvReadout) else None
        ace_nets.check_sharing(trunk, encoder, decoder, decoder_hidden, shallow_latents)
        sizes = {"width": width, "depth": depth, "activation": activation}
        self.encoder = ace_nets.make_encoder(encoder, self.seen, hidden, initialisation, **sizes)
        split = (latents - shallow_latents, shallow_latents)
        maps = trunk.convolutions.shapes[0][0] if trunk is not None else 0
        features = self._features_of(self.encoder)
        self.heads = ace_nets.StyleHeads(classes, split, features, maps, initialisation)
        bias = dark if initialisation == "fan_in" else 0.0
        self.decoder = ace_nets.make_decoder(
            decoder, classes, split, decoder_hidden, self.painted, bias, initialisation, **sizes
        )
        start = torch.zeros(self.likelihood.parameters, groups, self.data_shape[0])
        start[0] = dark
        learned = self.pose is not None and padding_mode == "background"
        self.background = nn.Parameter(start) if learned else None
        self.shared = nn.ParameterDict(self.likelihood.learned(self.data_shape))
        self._seal()

    def _make_pose(self, pose: Any, **options: Any) -> SymmetryStatistics | None:
        if isinstance(pose, SymmetryStatistics):
            return pose
        if pose is None and not options["colour_pose"]:
            return None
        options |= {"learn_scale": self.variational_pose, "padding_mode": self.padding_mode}
        return SymmetryStatistics(self._image_shape("pose"), pose, **options)

    def _image_shape(self, option: str) -> tuple[int, ...]:
        if len(self.data_shape) != 3:
            poses = "poses are of images (channels, height, width); take pose=None for other data"
            raise ValueError(f"{option} with data_shape={self.data_shape}: {poses}")
        return self.data_shape

    def _window(self, side: int | None) -> tuple[int, int] | None:
        """Return height and width of the middle of the image that the classifier sees."""
        if side is None:
            return None
        _, height, width = self._image_shape("classifier_window")
        if not 0 < side <= max(height, width):
            given = f"classifier_window={side} of images of {height} × {width}"
            raise ValueError(f"{given}: give a number of pixels up to their side, or None")
        return min(side, height), min(side, width)

    def _add_stem(self, groups: int, stem_channels: int) -> int:
        """Give every group of the pose feature maps of its own; return the number of groups."""
        groups = groups if self.pose is None else self.pose.groups
        if groups < 1 or (self.pose is None and groups > 1):
            statistics = None if self.pose is None else self.pose.statistics
            given = f"pose_groups={groups} with pose={statistics!r}"
            raise ValueError(f"{given}: give at least 1, and for more a pose such as 'affine'")
        channels, *space = self.data_shape
        maps = channels if groups == 1 else groups * stem_channels
        self.stem = None if groups == 1 else nn.Conv2d(channels, maps, 3, padding=1)
        self.seen = (maps, *space)
        self.painted = (self.likelihood.parameters, groups * channels, *space)
        return groups

    def _features_of(self, encoder: nn.Module | None) -> int:
        """Count the features that styles are inferred from, by a trial run of the encoder."""
        if encoder is None:
            return _hidden_of(self.classifier)
        what = "features, from which the style of every class is inferred"
        return check_net("encoder", encoder, self.seen, ("F",), what)[0]

    def _check_part(self, name: str, module: nn.Module) -> None:
        if self._built and self.heads.sees_maps:
            tied = "cannot be replaced where shallow latents tie it to the others"
            raise ValueError(f"{name} {tied}: build a new model")
        features = self.heads.features
        if name == "classifier":
            check_net(name, module, self.looked_at, (self.classes,), "the classes' scores")
            if self.encoder is None and _hidden_of(module) != features:
                raise ValueError(
                    f"classifier is a {type(module).__name__}, but styles are inferred from its "
                    f"trunk: give a ConvReadout with {features} hidden units"
                )
        elif name == "decoder":
            what = "the likelihood's parameters, for styles (n, latents) and classes (n,)"
            check_net(name, module, (self.latent_count,), self.painted, what, labelled=True)
        elif (found := self._features_of(module)) != features:
            message = f"encoder gives {found} features: the heads of this model take {features}"
            raise ValueError(message)


def _hidden_of(classifier: nn.Module) -> int:
    """Count the features of a trunk that can be shared; 0 of another classifier."""
    return len(classifier.hidden.weight) if isinstance(classifier, ConvReadout) else 0
