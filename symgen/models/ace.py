"""ACE, the auto-classifier-encoder with symmetry statistics (Georgiev 2016)."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import nn

from symgen._errors import require_choice
from symgen.likelihoods import Likelihood, LikelihoodName, Scale, make_likelihood
from symgen.models import ace_nets
from symgen.models.ace_base import ACEBase
from symgen.models.checks import check_data_shape, check_net
from symgen.models.symmetry_statistics import PaddingMode, Statistics, SymmetryStatistics, density
from symgen.nets import Activation, ConvReadout

__all__ = ["ACE"]


class ACE(ACEBase):
    """Classifier and one auto-encoder per class, behind a pose that is factored out and in again.

    A net infers the pose of the image. The image, brought to its canonical form, goes to the
    classifier and to the auto-encoders, one for each class; what they decode goes back to the pose
    of the image, where its likelihood is taken (Georgiev 2016, Fig. 5). Trained with labels, of
    which only the labelled class's auto-encoder learns. Parts are given by name, and then made
    with the sizes below, or as modules and values of one's own.

    Args:
        data_shape: (channels, height, width); without a pose also (features,) or (channels, depth,
            height, width).
        classes: number of classes.
        latents: style latents of each class.
        latent: density of styles and poses, "gaussian" or "laplace".
        pose: "affine", "matrix", "centroid" (see `SymmetryStatistics`), a `SymmetryStatistics`,
            or None for no map.
        colour_pose: also factor out a colour matrix of SL(3, R).
        pose_groups: number of maps, each with feature maps and a decoded layer of its own.
        stem_channels: feature maps of each group.
        variational_pose: sample the pose and count its KL, so that the bound is one on log p(x);
            otherwise, as in the paper, on log p(x | pose).
        padding_mode: what lies outside an image: "background" (black going in, a learned output
            coming out), or "border" to repeat the edge, for photographs.
        classifier: "conv-pooling" (3 × 3 convolutions with pooling), "dense", "residual", or a
            module (n, *seen) -> (n, classes); None for "conv-pooling" of images, else "dense".
        classifier_channels: of its convolutions.
        classifier_hidden: units between its features and its classes.
        classifier_window: side of the middle of the canonical image that it sees; None for all.
        classifier_pool: side of an average pooling of what it sees.
        dropout: probability of dropping a hidden unit of the classifier.
        encoder: what styles are inferred from: "dense" (tanh layers of `hidden` units),
            "residual", "conv" (strided), "conv-pooling" (two convolutions of 5 × 5, Fig. 4),
            "shared" (the classifier's features), or a module (n, *seen) -> (n, features).
        hidden: units of the dense encoder's layers; the last is the number of features of others.
        decoder: of every class: "dense", "conv-transposed" (two of them at its end, Fig. 4);
            "residual" or "conv" (shared by all classes behind an input layer each); or a module
            of styles (n, latents) and classes (n,) -> (n, likelihood.parameters, *data_shape).
        decoder_hidden: units of each class's dense decoder.
        shallow_latents: of `latents`, those that are inferred from the shared trunk's first
            features and join the dense decoder at its last hidden layer: latents at two depths.
        width: of residual and strided nets, see `TVAE`.
        depth: of residual and strided nets.
        activation: of residual and strided nets.
        likelihood: what the decoder's outputs parametrise, by name or as a value.
        likelihood_scale: scale of "gaussian" and "discretised-logistic", see `TVAE`.
        pose_channels: of the pose net's 5 × 5 convolutions.
        pose_hidden: units between the pose net's features and the pose.
        pose_pool: side of an average pooling of what the pose net sees.
        pose_iterations: how often it infers, from the second time on from the canonical form.
        initialisation: "fan_in" for weights that keep the scale of activations, or "paper" for
            those of the paper and its author's code.

    Raises:
        ValueError: if a name is unknown or parts do not fit together.

    Example:
        >>> model = ACE((1, 28, 28), pose="affine")
        >>> x, y = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
        >>> model(x, y).nll.shape, model.decode(model.latents(x)).mean.shape
        (torch.Size([4]), torch.Size([4, 1, 28, 28]))
    """

    _replaceable: ClassVar[tuple[str, ...]] = ("classifier", "encoder", "decoder")
    _fixed: ClassVar[tuple[str, ...]] = ("pose", "likelihood", "data_shape")

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
        initialisation: ace_nets.ACEInitialisation = "fan_in",
    ) -> None:
        super().__init__()
        self.data_shape = check_data_shape(data_shape)
        if classes < 1 or latents < 1 or not 0 <= shallow_latents < latents:
            raise ValueError(
                f"classes={classes}, latents={latents}, shallow_latents={shallow_latents}: give "
                "at least one class and one latent that is not shallow"
            )
        require_choice("padding_mode", padding_mode, ("background", "border"))
        require_choice("initialisation", initialisation, ("fan_in", "paper"))
        self.classes, self.latent_count = classes, latents
        self.density = density(latent)
        self.variational_pose = variational_pose
        self.padding_mode: PaddingMode = padding_mode
        self.likelihood = make_likelihood(likelihood, likelihood_scale)
        self.pose: SymmetryStatistics | None = None
        if isinstance(pose, SymmetryStatistics):
            self.pose = pose
        elif pose is not None or colour_pose:
            self.pose = SymmetryStatistics(
                self._image_shape("pose"),
                pose,
                colour_pose=colour_pose,
                groups=pose_groups,
                latent=latent,
                learn_scale=variational_pose,
                channels=pose_channels,
                hidden=pose_hidden,
                pool=pose_pool,
                iterations=pose_iterations,
                padding_mode=padding_mode,
                initialisation=initialisation,
            )
        groups = self._add_stem(pose_groups, stem_channels)
        dark = self.likelihood.background / groups if padding_mode == "background" else 0.0
        self.window = self._window(classifier_window)
        readout = (classifier_channels, classifier_hidden, classifier_pool, dropout)
        self.classifier = ace_nets.make_classifier(
            classifier, self._looked_at, classes, *readout, initialisation
        )
        trunk = self.classifier if isinstance(self.classifier, ConvReadout) else None
        ace_nets.check_sharing(trunk, encoder, decoder, decoder_hidden, shallow_latents)
        sizes = {"width": width, "depth": depth, "activation": activation}
        self.encoder = ace_nets.make_style_encoder(
            encoder, self.seen, hidden, initialisation, **sizes
        )
        split = (latents - shallow_latents, shallow_latents)
        maps = trunk.convolutions.shapes[0][0] if trunk is not None else 0
        features = self._features_of(self.encoder)
        self.heads = ace_nets.StyleHeads(classes, split, features, maps, initialisation)
        bias = dark if initialisation == "fan_in" else 0.0
        self.decoder = ace_nets.make_class_decoder(
            decoder, classes, split, decoder_hidden, self.painted, bias, initialisation, **sizes
        )
        self.background: nn.Parameter | None = None
        if self.pose is not None and padding_mode == "background":
            start = torch.zeros(self.likelihood.parameters, groups, self.data_shape[0])
            start[0] = dark
            self.background = nn.Parameter(start)
        self.shared = nn.ParameterDict(self.likelihood.learned(self.data_shape))
        self._seal()

    def _image_shape(self, option: str) -> tuple[int, ...]:
        if len(self.data_shape) != 3:
            raise ValueError(
                f"{option} with data_shape={self.data_shape}: poses are of images (channels, "
                "height, width); take pose=None for other data"
            )
        return self.data_shape

    def _window(self, side: int | None) -> tuple[int, int] | None:
        """Return height and width of the middle of the image that the classifier sees."""
        if side is None:
            return None
        _, height, width = self._image_shape("classifier_window")
        if not 0 < side <= max(height, width):
            raise ValueError(
                f"classifier_window={side} of images of {height} × {width}: give a number of "
                "pixels up to their side, or None"
            )
        return min(side, height), min(side, width)

    @property
    def _looked_at(self) -> tuple[int, ...]:
        """Shape of what the classifier sees."""
        return (self.seen[0], *(self.window or self.seen[1:]))

    def _add_stem(self, groups: int, stem_channels: int) -> int:
        """Give every group of the pose feature maps of its own; return the number of groups."""
        groups = groups if self.pose is None else self.pose.groups
        if groups < 1 or (self.pose is None and groups > 1):
            statistics = None if self.pose is None else self.pose.statistics
            raise ValueError(
                f"pose_groups={groups} with pose={statistics!r}: give at least 1, and for more a "
                "pose such as 'affine'"
            )
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
            raise ValueError(
                f"{name} cannot be replaced where shallow latents tie it to the others: build a "
                "new model"
            )
        features = self.heads.features
        if name == "classifier":
            check_net(name, module, self._looked_at, (self.classes,), "the classes' scores")
            if self.encoder is None and _hidden_of(module) != features:
                raise ValueError(
                    f"classifier is a {type(module).__name__}, but styles are inferred from its "
                    f"trunk: give a ConvReadout with {features} hidden units"
                )
        elif name == "decoder":
            what = "the likelihood's parameters, for styles (n, latents) and classes (n,)"
            check_net(name, module, (self.latent_count,), self.painted, what, labelled=True)
        elif (found := self._features_of(module)) != features:
            raise ValueError(
                f"encoder gives {found} features: the heads of this model take {features}"
            )


def _hidden_of(classifier: nn.Module) -> int:
    """Count the features of a trunk that can be shared; 0 of another classifier."""
    return len(classifier.hidden.weight) if isinstance(classifier, ConvReadout) else 0
