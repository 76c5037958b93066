"""ACE, the auto-classifier-encoder with symmetry statistics (Georgiev 2016)."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.distributions import Distribution

from symgen._errors import require_choice
from symgen.latents import Density
from symgen.likelihoods import Likelihood, LikelihoodName, Scale, make_likelihood
from symgen.models.ace_latents import (
    ACELatents,
    ACEPosterior,
    ClassTerms,
    SupervisedElbo,
    check_images,
    log_ratio,
)
from symgen.models.ace_nets import (
    ACEInitialisation,
    ClassifierName,
    DecoderName,
    EncoderName,
    StyleHeads,
    check_class_decoder,
    every_class,
    features_of,
    make_class_decoder,
    make_classifier,
    make_style_encoder,
)
from symgen.models.checks import check_data_shape, check_net
from symgen.models.pretrained import Pretrained
from symgen.models.symmetry_statistics import (
    PaddingMode,
    Pose,
    Statistics,
    SymmetryStatistics,
    at_least_float32,
    density,
)
from symgen.nets import Activation, ConvReadout

__all__ = ["ACE"]


class ACE(Pretrained):
    """Classifier and one auto-encoder per class, behind a pose that is factored out and in again.

    A net infers the pose of the image. The image, brought to its canonical form, goes to the
    classifier and to the auto-encoders, one for each class; what they decode goes back to the pose
    of the image, where its likelihood is taken (Georgiev 2016, Fig. 5). Trained with labels, of
    which only the labelled class's auto-encoder learns.

    Pose, classifier, encoder, decoder and likelihood are given by name, and then made with the
    sizes below, or as modules and values of one's own.

    Args:
        data_shape: (channels, height, width); without a pose also (features,) or (channels, depth,
            height, width).
        classes: number of classes.
        latents: style latents of each class.
        latent: density of styles and poses, "gaussian" or "laplace".
        pose: "affine", "matrix", "centroid" (see `SymmetryStatistics`), a `SymmetryStatistics`,
            or None for no map.
        colour_pose: also factor out a colour matrix of SL(3, R).
        pose_groups: number of maps, each for a group of feature maps of its own: `stem_channels`
            feature maps per group at the input, one layer of outputs per group at the output.
        stem_channels: feature maps of each group.
        variational_pose: count the KL of the pose and sample it, so that the bound is one on log
            p(x). Otherwise, as in the paper, it is one on log p(x | pose).
        padding_mode: what lies outside an image: "background" (black going in, a learned output
            coming out), or "border" to repeat the edge, for photographs.
        classifier: "conv-pooling" (3 × 3 convolutions with pooling), "dense", "residual", or a
            module (n, *seen) -> (n, classes); None for "conv-pooling" of images, else "dense".
        classifier_channels: of its convolutions.
        classifier_hidden: units between its features and its classes.
        classifier_window: side of the middle of the canonical image that it sees; None for all.
        classifier_pool: how much coarser it sees it.
        dropout: probability to drop a hidden unit of the classifier.
        encoder: what styles are inferred from: "dense" (tanh layers of `hidden` units),
            "residual", "conv" (strided), "conv-pooling" (two convolutions of 5 × 5, Fig. 4),
            "shared" (the classifier's features, so that both have one trunk), or a module
            (n, *seen) -> (n, features).
        hidden: units of the dense encoder's layers; the last is the number of features of others.
        decoder: of every class: "dense", "conv-transposed" (two of them at its end, Fig. 4);
            "residual" or "conv" (shared by all classes behind an input layer each); or a module
            that takes styles (n, latents) and classes (n,) and gives
            (n, likelihood.parameters, *data_shape).
        decoder_hidden: units of each class's dense decoder.
        shallow_latents: of `latents`, those that are inferred from the shared trunk's first
            features and join the dense decoder at its last hidden layer: latents at two depths.
        width: of residual and strided nets, see `TVAE`.
        depth: of residual and strided nets.
        activation: of residual and strided nets.
        likelihood: what the decoder's numbers mean, by name or as a value.
        likelihood_scale: scale of "gaussian" and "discretised-logistic", see `TVAE`.
        pose_channels: of the pose net's 5 × 5 convolutions.
        pose_hidden: units between the pose net's features and the pose.
        pose_pool: how much coarser the pose net sees the image.
        pose_iterations: how often it infers, from the second time on with the canonical form that
            the time before gave.
        initialisation: "fan_in" for weights that keep the size of the numbers, or "paper" for
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
        classifier: ClassifierName | nn.Module | None = None,
        classifier_channels: Sequence[int] = (32, 64, 128),
        classifier_hidden: int = 700,
        classifier_window: int | None = None,
        classifier_pool: int = 1,
        dropout: float = 0.5,
        encoder: EncoderName | nn.Module = "dense",
        hidden: Sequence[int] = (700,),
        decoder: DecoderName | nn.Module = "dense",
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
        initialisation: ACEInitialisation = "fan_in",
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
        self.classes = classes
        self.latent_count = latents
        self.density = density(latent)
        self.variational_pose = variational_pose
        self.padding_mode: PaddingMode = padding_mode
        self.likelihood = make_likelihood(likelihood, likelihood_scale)
        sizes = {"width": width, "depth": depth, "activation": activation}

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
        groups = pose_groups if self.pose is None else self.pose.groups
        if groups < 1 or (self.pose is None and groups > 1):
            raise ValueError(
                f"pose_groups={groups} with pose={pose!r}: give at least 1, and for more a "
                "pose such as 'affine'"
            )
        channels, *space = self.data_shape
        self.stem: nn.Module = nn.Identity()
        if groups > 1:
            self.stem = nn.Conv2d(channels, groups * stem_channels, 3, padding=1)
        self.seen = (channels if groups == 1 else groups * stem_channels, *space)
        self.painted = (self.likelihood.parameters, groups * channels, *space)
        dark = self.likelihood.background / groups if padding_mode == "background" else 0.0

        self.window = self._window(classifier_window)
        if not isinstance(classifier, nn.Module):
            classifier = make_classifier(
                classifier,
                (self.seen[0], *(self.window or self.seen[1:])),
                classes,
                channels=classifier_channels,
                hidden=classifier_hidden,
                pool=classifier_pool,
                dropout=dropout,
                initialisation=initialisation,
            )
        self.classifier = classifier
        trunk = classifier if isinstance(classifier, ConvReadout) else None
        shared = encoder == "shared"
        if (shared or shallow_latents) and trunk is None:
            raise ValueError(
                f"encoder={encoder!r}, shallow_latents={shallow_latents}: the classifier's trunk "
                "can be shared only of classifier='conv-pooling'"
            )
        if shallow_latents and not (shared and decoder == "dense" and decoder_hidden):
            raise ValueError(
                f"shallow_latents={shallow_latents} are inferred from a shared trunk and join a "
                "dense decoder's last hidden layer: take encoder='shared', decoder='dense' and at "
                "least one size in decoder_hidden"
            )
        self.encoder: nn.Module | None = (
            encoder
            if isinstance(encoder, nn.Module)
            else make_style_encoder(encoder, self.seen, hidden, initialisation, **sizes)
        )
        deep = (latents - shallow_latents, shallow_latents)
        features = (
            _hidden_of(trunk) if self.encoder is None else features_of(self.encoder, self.seen)
        )
        maps = trunk.convolutions.shapes[0][0] if trunk is not None and shallow_latents else 0
        self.heads = StyleHeads(classes, deep, features, maps, initialisation)
        if not isinstance(decoder, nn.Module):
            bias = dark if initialisation == "fan_in" else 0.0
            decoder = make_class_decoder(
                decoder, classes, deep, decoder_hidden, self.painted, bias, initialisation, **sizes
            )
        self.decoder = decoder
        self.background: nn.Parameter | None = None
        if self.pose is not None and padding_mode == "background":
            start = torch.zeros(self.likelihood.parameters, groups, channels)
            start[0] = dark
            self.background = nn.Parameter(start)
        learned = self.likelihood.learned(self.data_shape)
        self.shared = nn.ParameterDict({n: nn.Parameter(v) for n, v in learned.items()})
        for name in self._replaceable:
            if (part := getattr(self, name)) is not None:
                self._check_part(name, part)
        self._built = True

    # --- inference -------------------------------------------------------------------------

    def encode(
        self,
        x: Float[Tensor, " B *data"],
        y: Int64[Tensor, " B"] | None = None,
        sampled: bool = False,
    ) -> ACEPosterior:
        """Infer pose, class and the style's posterior of images.

        Args:
            x: images, or other data of the model's shape.
            y: class whose auto-encoder to use; None for the most probable one.
            sampled: draw the pose from its density instead of taking its mean.

        Raises:
            ValueError: if `x` has another shape or type than the model takes, `y` another length
                or, on the CPU, values out of range.
        """
        check_images(self, x, y)
        statistics, h, pose = self._infer_pose(x, sampled)
        inputs, log_probs = self._features(self.canonical(x, pose))
        y = log_probs.argmax(1) if y is None else y
        z = self._styles(self.heads(inputs, y))
        return ACEPosterior(statistics, h, pose, z, y, log_probs)

    def latents(
        self,
        x: Float[Tensor, " B *data"] | ACEPosterior,
        y: Int64[Tensor, " B"] | None = None,
        sampled: bool = False,
    ) -> ACELatents:
        """Infer style, class and pose of images.

        Args:
            x: images, or what `encode` returned for them.
            y: class whose auto-encoder to use; None for the most probable one.
            sampled: draw the style from its posterior, and a variational pose from its own;
                otherwise take their means, so that two calls agree.
        """
        if not isinstance(x, ACEPosterior):
            x = self.encode(x, y, sampled=sampled and self.variational_pose)
        return ACELatents(x.z.rsample() if sampled else x.z.mean, x.y, x.pose)

    def decode(self, latents: ACELatents) -> Distribution:
        """Return the likelihood p(x|z, y, pose) of an image for each of these latents."""
        outputs = self.decoder(latents.z, latents.y)[:, None]
        return self._likelihood(self._show(outputs, latents.pose)[:, 0])

    def canonical(self, x: Float[Tensor, " B *data"], pose: Pose) -> Float[Tensor, " B *seen"]:
        """Factor the pose out of images; with pose groups, out of their feature maps."""
        if self.pose is None:
            return x
        stem = None if isinstance(self.stem, nn.Identity) else self.stem
        return pose.factor_out(x, self.padding_mode, stem)

    # --- bounds ----------------------------------------------------------------------------

    def forward(self, x: Float[Tensor, " B *data"], y: Int64[Tensor, " B"]) -> SupervisedElbo:
        """Estimate the training objective with one sample of the posterior.

        A variational pose is sampled, another taken at its mean. Only the labelled class's
        auto-encoder is computed.
        """
        posterior = self.encode(x, y, sampled=self.variational_pose)
        nll = -self.decode(self.latents(posterior, sampled=True)).log_prob(x)
        cross_entropy = -posterior.class_log_probs.gather(1, y[:, None])[:, 0]
        kl_pose = self._kl_pose(posterior.statistics, nll)
        return SupervisedElbo(nll, posterior.z.kl().sum(-1), kl_pose, cross_entropy)

    def class_terms(self, x: Float[Tensor, " B *data"], sampled: bool = True) -> ClassTerms:
        """Bound every class's likelihood with one sample: all auto-encoders, no labels.

        Args:
            x: images, or other data of the model's shape.
            sampled: draw styles, and a variational pose, from their posteriors; otherwise take
                the means, which is no bound but what a picture shows.
        """
        check_images(self, x, None)
        statistics, _, pose = self._infer_pose(x, sampled and self.variational_pose)
        inputs, log_probs = self._features(self.canonical(x, pose))
        z = self._styles(self.heads.every(inputs, self.classes))
        styles = z.rsample() if sampled else z.mean
        nll = -self._every_class(styles, pose).log_prob(x[:, None])
        return ClassTerms(nll, z.kl().sum(-1).t(), self._kl_pose(statistics, nll[:, 0]), log_probs)

    @torch.no_grad()
    def log_prob(self, x: Float[Tensor, " B *data"], samples: int = 10) -> Float[Tensor, " B"]:
        """Bound log p(x) from below by importance sampling, in nats per item.

        p(x) is the mixture of all classes with equal weights, which is summed exactly; styles are
        sampled, and a variational pose: `log mean_k Σ_c π_c w_kc`. With another pose this bounds
        log p(x | pose) instead.
        """
        check_images(self, x, None)
        if samples < 1:
            raise ValueError(f"samples={samples}: draw at least one")
        weights = []
        for _ in range(samples):
            statistics, h, pose = self._infer_pose(x, self.variational_pose)
            inputs, _ = self._features(self.canonical(x, pose))
            z = self._styles(self.heads.every(inputs, self.classes))
            styles = z.rsample()  # (classes, B, latents)
            weight = self._every_class(styles, pose).log_prob(x[:, None])
            weight = weight + log_ratio(z, styles).t()
            if statistics is not None and self.variational_pose:
                weight = weight + log_ratio(statistics, h)[:, None]
            weights.append(weight.logsumexp(1) - math.log(self.classes))
        return torch.stack(weights).logsumexp(0) - math.log(samples)

    # --- control ---------------------------------------------------------------------------

    def act(
        self, what: "ACELatents | Float[Tensor, ' B *data']", element: Pose | Tensor
    ) -> "ACELatents | Tensor":
        """Move an object: act on its pose with an element of the group.

        Args:
            what: latents, or images, which are encoded, moved and decoded again.
            element: affine map(s) (3, 3) or (B, 3, 3) in pixels from the middle of the image, as
                `symgen.groups.affine` makes them, or a `Pose` with a colour matrix as well.

        Returns:
            The moved latents, or for images the moved reconstructions. On latents this is a group
            action: acting with a and then with b equals acting with b∘a.

        Raises:
            ValueError: if the map is singular or not finite, or a colour meets a model without.

        Example:
            >>> from symgen.groups import affine
            >>> model = ACE((1, 28, 28))
            >>> shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 0.0]))
            >>> model.act(torch.rand(2, 1, 28, 28), shift).shape
            torch.Size([2, 1, 28, 28])
        """
        if self.pose is None:
            raise ValueError(
                "this model has no symmetry statistics, so there is no pose to act on: "
                "train one with pose='affine'"
            )
        if isinstance(what, ACELatents):
            return what._replace(pose=what.pose.after(element))
        latents = self.latents(what)
        return self.decode(latents._replace(pose=latents.pose.after(element))).mean

    @torch.no_grad()
    def sample_latents(
        self,
        count: int,
        y: Int64[Tensor, " count"] | None = None,
        pose: Literal["identity", "prior"] = "identity",
    ) -> ACELatents:
        """Draw latents from the prior.

        Args:
            count: how many.
            y: their classes; None draws them.
            pose: take the canonical form, or draw the pose from its prior.
        """
        require_choice("pose", pose, ("identity", "prior"))
        device = next(self.parameters()).device
        if y is None:
            y = torch.randint(self.classes, (count,), device=device)
        z = self.density.standard((count, self.latent_count), device=device).rsample()
        h = self._identity(count)
        if self.pose is not None and pose == "prior":
            h = self.density.standard(h.shape, device=device).rsample()
        return ACELatents(z, y, self._element(h))

    @torch.no_grad()
    def sample(
        self,
        count: int,
        y: Int64[Tensor, " count"] | None = None,
        pose: Literal["identity", "prior"] = "identity",
    ) -> Float[Tensor, " count *data"]:
        """Draw images from the model; `decode(sample_latents(…)).mean` shows their means."""
        return self.decode(self.sample_latents(count, y, pose)).sample()

    @torch.no_grad()
    def manifold(
        self, z: Float[Tensor, "points latents"]
    ) -> Float[Tensor, "classes points *data"]:
        """Decode styles by every class in the canonical pose, and return the means (Figs 1-4)."""
        styles = z.expand(self.classes, *z.shape)
        pose = self._element(self._identity(len(z)))
        return self._every_class(styles, pose).mean.transpose(0, 1)

    # --- inside ----------------------------------------------------------------------------

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
                f"classifier_window={side} of images of {height} × {width}: give a "
                "number of pixels up to their side, or None"
            )
        return min(side, height), min(side, width)

    def _check_part(self, name: str, module: nn.Module) -> None:
        if self._built and self.heads.sees_maps:
            raise ValueError(
                f"{name} cannot be replaced where shallow latents tie it to the others: build a "
                "new model"
            )
        if name == "classifier":
            seen = (self.seen[0], *(self.window or self.seen[1:]))
            check_net(name, module, seen, (self.classes,), "the classes' scores")
            if self.encoder is None and _hidden_of(module) != self.heads.features:
                raise ValueError(
                    f"classifier is a {type(module).__name__}, but styles are inferred from its "
                    f"trunk: give a ConvReadout with {self.heads.features} hidden units"
                )
        elif name == "decoder":
            check_class_decoder(module, self.latent_count, self.painted)
        elif self._built and features_of(module, self.seen) != self.heads.features:
            raise ValueError(
                f"encoder gives {features_of(module, self.seen)} features: the heads of this "
                f"model take {self.heads.features}"
            )

    def _features(self, seen: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return what styles are inferred from, and the classes' log-probabilities."""
        looked_at = seen if self.window is None else _middle(seen, self.window)
        maps = hidden = None
        if isinstance(self.classifier, ConvReadout):
            layers = self.classifier.convolutions.layers(looked_at)
            maps = layers[0]
            hidden, scores = self.classifier.readout(layers[-1])
        else:
            scores = self.classifier(looked_at)
        features = hidden if self.encoder is None else self.encoder(seen)
        assert features is not None  # an encoder, or a trunk that is shared
        return self.heads.inputs(features, maps), at_least_float32(scores).log_softmax(1)

    def _styles(self, outputs: Sequence[Tensor]) -> Density:
        """Take the outputs of the heads for means and log-variances of styles."""
        parts = [at_least_float32(output).chunk(2, -1) for output in outputs]
        mean, log_variance = (torch.cat(part, -1) for part in zip(*parts, strict=True))
        return self.density(mean, log_variance)

    def _infer_pose(self, x: Tensor, sampled: bool) -> tuple[Density | None, Tensor, Pose]:
        if self.pose is None:
            h = self._identity(x.shape[0])
            return None, h, self._element(h)
        statistics = self.pose(x)
        h = statistics.rsample() if sampled else statistics.mean
        return statistics, h, self.pose.element(h)

    def _element(self, h: Tensor) -> Pose:
        if self.pose is None:
            return Pose(
                torch.eye(3, dtype=h.dtype, device=h.device).expand(h.shape[0], 1, 3, 3), None
            )
        return self.pose.element(h)

    def _identity(self, count: int | torch.SymInt) -> Tensor:
        like = next(self.parameters())
        return like.new_zeros(count, 0 if self.pose is None else len(self.pose.log_scale))

    def _kl_pose(self, statistics: Density | None, like: Tensor) -> Tensor:
        if statistics is None or not self.variational_pose:
            return torch.zeros_like(like)
        return statistics.kl().sum(-1)

    def _every_class(self, styles: Tensor, pose: Pose) -> Distribution:
        """Decode styles (classes, B, latents) in poses: a batch (B, classes)."""
        outputs = every_class(self.decoder, styles).transpose(0, 1)
        return self._likelihood(self._show(outputs, pose))

    def _show(self, outputs: Tensor, pose: Pose) -> Tensor:
        """Show canonical outputs (B, stack, parameters, painted, H, W) in a pose."""
        outputs = at_least_float32(outputs)
        if self.pose is None:
            return outputs
        return pose.factor_in(outputs, self.background, self.padding_mode)

    def _likelihood(self, outputs: Tensor) -> Distribution:
        return self.likelihood(outputs, len(self.data_shape), **dict(self.shared.items()))


def _hidden_of(classifier: nn.Module | None) -> int:
    """Count the features of a trunk that can be shared; 0 of another classifier."""
    return len(classifier.hidden.weight) if isinstance(classifier, ConvReadout) else 0


def _middle(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut the middle of this height and width out of images."""
    top, left = (x.shape[2] - size[0]) // 2, (x.shape[3] - size[1]) // 2
    return x[:, :, top : top + size[0], left : left + size[1]]
