"""ACE, the auto-classifier-encoder with symmetry statistics (Georgiev 2016)."""

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from symgen.latents import Density
from symgen.models.class_nets import ClassNets
from symgen.models.likelihood import PixelBernoulli
from symgen.models.readings import (
    ClassTerms,
    Code,
    Reading,
    SupervisedElbo,
    check_batch,
    log_ratio,
)
from symgen.models.symmetry_statistics import (
    Outside,
    Pose,
    Statistics,
    SymmetryStatistics,
    precise,
)

__all__ = ["ACE"]

_BACKGROUND = -4.454  # logit of 0.0115, about the mean of a digit's surroundings


class ACE(ClassNets):
    """Classifier and one auto-encoder per class, behind a pose that is factored out and in again.

    A net reads the pose of the image. The image, brought to its canonical form, goes to the
    classifier and to the auto-encoders, one for each class; the decoded logits go back to the pose
    of the image, where its likelihood is taken (Georgiev 2016, Fig. 5). Trained with labels, of
    which only the labelled class's auto-encoder learns.

    Args:
        image_shape: channels, height and width.
        classes: number of classes.
        latents: style latents of each class.
        latent: density of styles and poses, "gaussian" or "laplace".
        encoder: "dense" has hyperbolic tangents of `hidden` units; "conv" two convolutions of
            5 × 5 (Fig. 4); "shared" reads the classifier's features, so that both have one trunk.
        hidden: units of the dense encoder's layers.
        decoder: "dense", or "conv" with two transposed convolutions at its end (Fig. 4).
        decoder_hidden: units of each class's decoder.
        shallow_latents: of `latents`, those that are read off the shared trunk's first features
            and join the decoder at its last hidden layer: latents at two depths.
        pose: "affine", "raw", "centre" (see `SymmetryStatistics`) or None for no map.
        colour_pose: also factor out a colour matrix of SL(3, R).
        pose_groups: number of maps, each for a group of feature maps of its own: `stem_channels`
            feature maps per group at the input, one layer of logits per group at the output.
        stem_channels: feature maps of each group.
        charged: count the KL of the pose and sample it, so that the bound is one on log p(x).
            Free of charge, as in the paper, it is one on log p(x | pose).
        outside: what lies outside an image: "background" (black in, a learned logit out), or
            "border" to repeat the edge, for photographs.
        classifier_channels: of its 3 × 3 convolutions.
        classifier_hidden: units between its features and its classes.
        classifier_window: side of the middle of the canonical image that it sees; None for all.
        classifier_pool: how much coarser it sees it.
        pose_channels: of the pose net's 5 × 5 convolutions.
        pose_hidden: units between the pose net's features and the pose.
        pose_pool: how much coarser the pose net sees the image.
        pose_readings: how often it reads, from the second time on the canonical form that the
            time before gave.
        dropout: probability to drop a hidden unit of the classifier.
        initialisation: "fan_in" for weights that keep the size of the numbers, or "paper" for
            those of the paper and its author's code.

    Raises:
        ValueError: if the numbers do not fit together.

    Example:
        >>> model = ACE(image_shape=(1, 28, 28), pose="affine")
        >>> x, y = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
        >>> model.elbo(x, y).nll.shape, model.decode(model.latents(model.encode(x))).mean.shape
        (torch.Size([4]), torch.Size([4, 1, 28, 28]))
    """

    terms: ClassVar[tuple[str, ...]] = SupervisedElbo._fields

    def __init__(
        self,
        *,
        image_shape: Sequence[int],
        classes: int = 10,
        latents: int = 1,
        latent: Literal["gaussian", "laplace"] = "gaussian",
        encoder: Literal["dense", "conv", "shared"] = "dense",
        hidden: Sequence[int] = (700,),
        decoder: Literal["dense", "conv"] = "dense",
        decoder_hidden: Sequence[int] = (700,),
        shallow_latents: int = 0,
        pose: Statistics | None = "affine",
        colour_pose: bool = False,
        pose_groups: int = 1,
        stem_channels: int = 4,
        charged: bool = False,
        outside: Outside = "background",
        classifier_channels: Sequence[int] = (32, 64, 128),
        classifier_hidden: int = 700,
        classifier_window: int | None = None,
        classifier_pool: int = 1,
        pose_channels: Sequence[int] = (20, 20),
        pose_hidden: int = 50,
        pose_pool: int = 1,
        pose_readings: int = 1,
        dropout: float = 0.5,
        initialisation: Literal["fan_in", "paper"] = "fan_in",
    ) -> None:
        super().__init__()
        if len(image_shape) != 3 or min(image_shape) < 1:
            raise ValueError(
                f"image_shape={tuple(image_shape)}: give three positive numbers, "
                "channels, height and width"
            )
        if classes < 1 or latents < 1 or not 0 <= shallow_latents < latents:
            raise ValueError(
                f"classes={classes}, latents={latents}, shallow_latents={shallow_latents}: give "
                "at least one class and one latent that is not shallow"
            )
        if outside not in ("background", "border"):
            raise ValueError(f"outside={outside!r}: choose background or border")
        if pose_groups < 1 or (pose is None and pose_groups > 1):
            raise ValueError(
                f"pose_groups={pose_groups} with pose={pose!r}: give at least 1, and for more a "
                "pose such as 'affine'"
            )
        channels, height, width = image_shape
        self.image_shape = (channels, height, width)
        self.classes = classes
        self.latent_count = latents
        self.charged = charged
        self.outside: Outside = outside

        self.pose: SymmetryStatistics | None = None
        if pose is not None or colour_pose:
            self.pose = SymmetryStatistics(
                image_shape,
                pose,
                colour_pose=colour_pose,
                groups=pose_groups,
                latent=latent,
                learn_scale=charged,
                channels=pose_channels,
                hidden=pose_hidden,
                pool=pose_pool,
                readings=pose_readings,
                outside=outside,
                initialisation=initialisation,
            )
        self.stem: nn.Module = nn.Identity()
        if pose_groups > 1:
            self.stem = nn.Conv2d(channels, pose_groups * stem_channels, 3, padding=1)
        seen = (channels if pose_groups == 1 else pose_groups * stem_channels, height, width)
        painted = (pose_groups * channels, height, width)
        dark = _BACKGROUND / pose_groups if outside == "background" else 0.0  # layers are added
        self._build(
            seen,
            painted,
            latents=(latents - shallow_latents, shallow_latents),
            latent=latent,
            encoder=encoder,
            hidden=hidden,
            decoder=decoder,
            decoder_hidden=decoder_hidden,
            decoder_bias=dark if initialisation == "fan_in" else 0.0,
            channels=classifier_channels,
            classifier_hidden=classifier_hidden,
            window=classifier_window,
            pool=classifier_pool,
            dropout=dropout,
            initialisation=initialisation,
        )
        self.background: nn.Parameter | None = None
        if self.pose is not None and outside == "background":
            self.background = nn.Parameter(torch.full((pose_groups, channels), dark))

    # --- reading ---------------------------------------------------------------------------

    def encode(
        self,
        x: Float[Tensor, "B channels height width"],
        y: Int64[Tensor, " B"] | None = None,
        sampled: bool = False,
    ) -> Reading:
        """Read pose, class and the style's posterior off images.

        Args:
            x: images in [0, 1].
            y: class whose auto-encoder to use; None for the most probable one.
            sampled: draw the pose from its density instead of taking its mean.

        Raises:
            ValueError: if `x` has another shape or type than the model takes, `y` another length
                or, on the CPU, values out of range.
        """
        check_batch(x, y, self.image_shape, self.classes)
        return self._encode(x, y, sampled)

    def latents(self, reading: Reading, sampled: bool = True) -> Code:
        """Make a code from a reading: style drawn from its posterior, or its mean."""
        z = reading.z.sample() if sampled else reading.z.mean
        return Code(z, reading.y, reading.pose)

    def decode(self, code: Code) -> PixelBernoulli:
        """Return the likelihood p(x|z, y, pose) of an image for each code."""
        return PixelBernoulli(self._show(self.decoder(code.z, code.y)[:, None], code.pose)[:, 0])

    def canonical(
        self, x: Float[Tensor, "B channels height width"], pose: Pose
    ) -> Float[Tensor, "B seen height width"]:
        """Factor the pose out of images; with pose groups, out of their feature maps."""
        return x if self.pose is None else pose.factor_out(x, self.outside, self.stem)

    # --- bounds ----------------------------------------------------------------------------

    def elbo(
        self, x: Float[Tensor, "B channels height width"], y: Int64[Tensor, " B"]
    ) -> SupervisedElbo:
        """Estimate the training objective with one sample of the posterior.

        The pose is sampled if it is charged, and taken at its mean if it is free. Only the
        labelled class's auto-encoder is computed.
        """
        check_batch(x, y, self.image_shape, self.classes)
        reading = self._encode(x, y, sampled=self.charged)
        nll = -self.decode(self.latents(reading)).log_prob(x)
        cross_entropy = -reading.log_omega.gather(1, y[:, None])[:, 0]
        return SupervisedElbo(
            nll, reading.z.kl().sum(-1), self._kl_pose(reading.statistics, nll), cross_entropy
        )

    def class_terms(
        self, x: Float[Tensor, "B channels height width"], sampled: bool = True
    ) -> ClassTerms:
        """Bound every class's likelihood with one sample: all auto-encoders, no labels.

        Args:
            x: images in [0, 1].
            sampled: draw styles, and the pose if it is charged, from their posteriors; otherwise
                take the means, which is no bound but what a picture shows.
        """
        check_batch(x, None, self.image_shape, self.classes)
        statistics, _, pose = self._read_pose(x, sampled and self.charged)
        features, log_omega = self._features(self.canonical(x, pose))
        z = self._posteriors(features)
        styles = z.sample() if sampled else z.mean
        logits = self._show(self.decoder.every(styles).transpose(0, 1), pose)
        nll = -PixelBernoulli(logits).log_prob(x[:, None])
        return ClassTerms(nll, z.kl().sum(-1).t(), self._kl_pose(statistics, nll[:, 0]), log_omega)

    @torch.no_grad()
    def log_prob(
        self, x: Float[Tensor, "B channels height width"], samples: int = 10
    ) -> Float[Tensor, " B"]:
        """Bound log p(x) from below by importance sampling, in nats per image.

        p(x) is the mixture of all classes with equal weights, which is summed exactly; styles are
        sampled, and the pose if it is charged: `log mean_k Σ_c π_c w_kc`. With a pose that is free
        of charge this bounds log p(x | pose) instead.
        """
        check_batch(x, None, self.image_shape, self.classes)
        if samples < 1:
            raise ValueError(f"samples={samples}: draw at least one")
        weights = []
        for _ in range(samples):
            statistics, h, pose = self._read_pose(x, self.charged)
            z = self._posteriors(self._features(self.canonical(x, pose))[0])
            styles = z.sample()  # (classes, B, latents)
            logits = self._show(self.decoder.every(styles).transpose(0, 1), pose)
            weight = PixelBernoulli(logits).log_prob(x[:, None])
            weight = weight + log_ratio(z, styles).t()
            if statistics is not None and self.charged:
                weight = weight + log_ratio(statistics, h)[:, None]
            weights.append(weight.logsumexp(1) - math.log(self.classes))
        return torch.stack(weights).logsumexp(0) - math.log(samples)

    # --- control ---------------------------------------------------------------------------

    def act(
        self, what: "Code | Float[Tensor, 'B channels height width']", element: Pose | Tensor
    ) -> "Code | Tensor":
        """Move an object: act on its pose with an element of the group.

        Args:
            what: a code, or images, which are read, moved and decoded again.
            element: affine map(s) (3, 3) or (B, 3, 3) in pixels from the middle of the image, as
                `symgen.groups.affine` makes them, or a `Pose` with a colour matrix as well.

        Returns:
            The moved code, or for images the moved reconstructions. On codes this is a group
            action: acting with a and then with b equals acting with b∘a.

        Raises:
            ValueError: if the map is singular or not finite, or a colour meets a model without.

        Example:
            >>> from symgen.groups import affine
            >>> model = ACE(image_shape=(1, 28, 28))
            >>> shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 0.0]))
            >>> model.act(torch.rand(2, 1, 28, 28), shift).shape
            torch.Size([2, 1, 28, 28])
        """
        if self.pose is None:
            raise ValueError(
                "this model has no symmetry statistics, so there is no pose to act on: "
                "train one with pose='affine'"
            )
        if isinstance(what, Code):
            return what._replace(pose=what.pose.after(element))
        code = self.latents(self.encode(what), sampled=False)
        return self.decode(code._replace(pose=code.pose.after(element))).mean

    @torch.no_grad()
    def sample(
        self,
        count: int,
        y: Int64[Tensor, " count"] | None = None,
        pose: Literal["identity", "prior"] = "identity",
    ) -> Float[Tensor, "count channels height width"]:
        """Generate images from the prior of the styles: pixel probabilities.

        Args:
            count: number of images.
            y: their classes; None draws them.
            pose: show the canonical form, or draw the pose from its prior.
        """
        if pose not in ("identity", "prior"):
            raise ValueError(f"pose={pose!r}: choose identity or prior")
        device = next(self.parameters()).device
        if y is None:
            y = torch.randint(self.classes, (count,), device=device)
        z = self.density.standard((count, self.latent_count), device=device).sample()
        h = self._identity(count)
        if self.pose is not None and pose == "prior":
            h = self.density.standard(h.shape, device=device).sample()
        return self.decode(Code(z, y, self._element(h))).mean

    @torch.no_grad()
    def manifold(
        self, z: Float[Tensor, "points latents"]
    ) -> Float[Tensor, "classes points channels height width"]:
        """Decode styles by every class in the canonical pose: pixel probabilities (Figs 1-4)."""
        logits = self.decoder.every(z.expand(self.classes, *z.shape))
        shown = self._show(logits.transpose(0, 1), self._element(self._identity(len(z))))
        return PixelBernoulli(shown.transpose(0, 1)).mean

    # --- inside ----------------------------------------------------------------------------

    def _encode(self, x: Tensor, y: Tensor | None, sampled: bool) -> Reading:
        statistics, h, pose = self._read_pose(x, sampled)
        features, log_omega = self._features(self.canonical(x, pose))
        y = log_omega.argmax(1) if y is None else y
        return Reading(statistics, h, pose, self._posterior_of(features, y), y, log_omega)

    def _read_pose(self, x: Tensor, sampled: bool) -> tuple[Density | None, Tensor, Pose]:
        if self.pose is None:
            h = self._identity(x.shape[0])
            return None, h, self._element(h)
        statistics = self.pose(x)
        h = statistics.sample() if sampled else statistics.mean
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
        if statistics is None or not self.charged:
            return torch.zeros_like(like)
        return statistics.kl().sum(-1)

    def _show(self, logits: Tensor, pose: Pose) -> Tensor:
        """Show canonical logits (B, stack, painted, H, W) in a pose."""
        logits = precise(logits)
        if self.pose is None:
            return logits
        return pose.factor_in(logits, self.background, self.outside)
