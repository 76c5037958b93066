"""ACE, the auto-classifier-encoder with symmetry statistics (Georgiev 2016)."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.distributions import Distribution

from symgen._errors import require_choice
from symgen._inputs import require_finite
from symgen._typed import Draws, typed
from symgen.latents import Density
from symgen.likelihoods.base import full_precision
from symgen.models.ace_latents import ACELatents, ACEPosterior, ClassTerms, SupervisedElbo
from symgen.models.ace_parts import ACEParts
from symgen.models.checks import check_data, check_floats, check_labels
from symgen.models.symmetry_statistics import Pose
from symgen.nets import ConvReadout

__all__ = ["ACE"]

Data = Float[Tensor, " B *data"]
Labels = Int64[Tensor, " B"]
PoseDraw = Literal["identity", "prior"]


class ACE(ACEParts):
    """Classifier and one auto-encoder per class, behind a pose that is factored out and in again.

    A net infers the pose of the image. Its canonical form goes to the classifier and to the
    auto-encoders, one for each class; what they decode goes back to the pose of the image, where
    its likelihood is taken (Georgiev 2016, Fig. 5). With labels, only the labelled class's
    auto-encoder learns. Parts are given by name, and then made with the sizes below, or as modules
    and values of your own.

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
        variational_pose: sample the pose and count its KL, which bounds log p(x); otherwise, as in
            the paper, log p(x | pose).
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
        shallow_latents: those `latents` that are inferred from the shared trunk's first features
            and join the dense decoder at its last hidden layer: latents at two depths.
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

    Unknown names and parts that do not fit together raise ValueError.

    Example:
        >>> model = ACE((1, 28, 28), pose="affine")
        >>> x, y = torch.rand(4, 1, 28, 28), torch.tensor([3, 1, 4, 1])
        >>> model(x, y).nll.shape, model.decode(model.latents(x)).mean.shape
        (torch.Size([4]), torch.Size([4, 1, 28, 28]))
    """

    # --- inference -------------------------------------------------------------------------

    def encode(self, x: Data, y: Labels | None = None, sampled: bool = False) -> ACEPosterior:
        """Infer pose, class and the style's posterior of images.

        Args:
            x: images, or other data of the model's shape; ValueError for another shape or type
                or, on the CPU, for values that the likelihood gives no probability to.
            y: class whose auto-encoder to use; None for the most probable one.
            sampled: draw the pose from its density instead of taking its mean.
        """
        check_data(self, "x", x)
        if y is not None:
            check_labels(y, x.shape[0], self.classes)
        statistics, h, pose, inputs, log_probs = self._infer(x, sampled)
        y = log_probs.argmax(1) if y is None else y
        return ACEPosterior(statistics, h, pose, self._styles(self.heads(inputs, y)), y, log_probs)

    def latents(
        self, x: Data | ACEPosterior, y: Labels | None = None, sampled: bool = False
    ) -> ACELatents:
        """Infer style, class and pose of images.

        Args:
            x: images, or what `encode` returned for them, which has class and pose already.
            y: as of `encode`.
            sampled: draw the style from its posterior, and a variational pose from its own;
                otherwise take their means, so that two calls agree.
        """
        if not isinstance(x, ACEPosterior):
            x = self.encode(x, y, sampled=sampled and self.variational_pose)
        return ACELatents(x.z.rsample() if sampled else x.z.mean, x.y, x.pose)

    def decode(self, latents: ACELatents) -> Distribution:
        """Return the likelihood p(x|z, y, pose) of an image for each of these latents."""
        check_floats("z", latents.z, "batch, latents", "B", self.latent_count)
        check_labels(latents.y, latents.z.shape[0], self.classes)
        outputs = self.decoder(latents.z, latents.y)[:, None]
        return self._likelihood(self._show(outputs, latents.pose)[:, 0])

    def canonical(self, x: Data, pose: Pose) -> Float[Tensor, " B *seen"]:
        """Factor the pose out of images; with pose groups, out of their feature maps."""
        return x if self.pose is None else pose.factor_out(x, self.padding_mode, self.stem)

    # --- bounds ----------------------------------------------------------------------------

    def forward(self, x: Data, y: Labels) -> SupervisedElbo:
        """Estimate the training objective with one sample of the posterior.

        A variational pose is sampled, another taken at its mean.
        """
        posterior = self.encode(x, y, sampled=self.variational_pose)
        nll = -self.decode(self.latents(posterior, sampled=True)).log_prob(x)
        cross_entropy = -posterior.class_log_probs.gather(1, y[:, None])[:, 0]
        kl_pose = self._kl_pose(posterior.statistics, nll)
        return SupervisedElbo(nll, posterior.z.kl().sum(-1), kl_pose, cross_entropy)

    def class_terms(self, x: Data, sampled: bool = True) -> ClassTerms:
        """Bound every class's likelihood with one sample: all auto-encoders, no labels.

        Without `sampled` posteriors are taken at their means: no bound, but what a picture shows.
        """
        check_data(self, "x", x)
        statistics, _, pose, inputs, log_probs = self._infer(x, sampled and self.variational_pose)
        z = self._styles(self.heads.every(inputs, self.classes))
        nll = -self._every_class(z.rsample() if sampled else z.mean, pose).log_prob(x[:, None])
        return ClassTerms(nll, z.kl().sum(-1).t(), self._kl_pose(statistics, nll[:, 0]), log_probs)

    @torch.no_grad()
    def log_prob(self, x: Data, samples: int = 10) -> Float[Tensor, " B"]:
        """Bound log p(x) from below by importance sampling, in nats per item.

        p(x) is the mixture of all classes with equal weights, which is summed exactly; styles are
        sampled, and a variational pose: `log mean_k Σ_c π_c w_kc`. With another pose this bounds
        log p(x | pose) instead.
        """
        check_data(self, "x", x)
        samples = typed("samples", samples, Draws)
        weights = []
        for _ in range(samples):
            statistics, h, pose, inputs, _ = self._infer(x, self.variational_pose)
            z = self._styles(self.heads.every(inputs, self.classes))
            styles = z.rsample()  # (classes, B, latents)
            weight = self._every_class(styles, pose).log_prob(x[:, None])
            weight = weight + z.log_ratio(styles).sum(-1).t()
            if statistics is not None and self.variational_pose:
                weight = weight + statistics.log_ratio(h).sum(-1, keepdim=True)
            weights.append(weight.logsumexp(1) - math.log(self.classes))
        return torch.stack(weights).logsumexp(0) - math.log(samples)

    # --- control ---------------------------------------------------------------------------

    def act(self, what: ACELatents | Data, element: Pose | Tensor) -> ACELatents | Tensor:
        """Move an object: act on its pose with an element of the group.

        Args:
            what: latents, or images, which are encoded, moved and decoded again to means.
            element: affine map(s) (3, 3) or (B, 3, 3) in pixels from the middle of the image, as
                `symgen.groups.affine` makes them, or a `Pose` with a colour matrix as well. On
                latents this is a group action: a and then b are b∘a.

        Raises:
            ValueError: if the map is singular or not finite, or the model infers no such pose.

        Example:
            >>> from symgen import ACE
            >>> from symgen.groups import affine
            >>> model = ACE((1, 28, 28))
            >>> shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, 0.0]))
            >>> model.act(torch.rand(2, 1, 28, 28), shift).shape
            torch.Size([2, 1, 28, 28])
        """
        if self.pose is None:
            missing = "this model has no symmetry statistics, so there is no pose to act on"
            raise ValueError(f"{missing}: train one with pose='affine'")
        latents = what if isinstance(what, ACELatents) else self.latents(what)
        moved = latents._replace(pose=latents.pose.after(element))
        return moved if isinstance(what, ACELatents) else self.decode(moved).mean

    @torch.no_grad()
    def sample_latents(
        self, count: int, y: Labels | None = None, pose: PoseDraw = "identity"
    ) -> ACELatents:
        """Draw latents from the prior: classes too without `y`, poses too from the "prior"."""
        require_choice("pose", pose, ("identity", "prior"))
        count = typed("count", count, Draws)
        device = next(self.parameters()).device
        if y is None:
            y = torch.randint(self.classes, (count,), device=device)
        z = self.density.standard((count, self.latent_count), device=device).rsample()
        h = self._identity(count)
        if self.pose is not None and pose == "prior":
            h = self.density.standard(h.shape, device=device).rsample()
        return ACELatents(z, y, self._element(h))

    @torch.no_grad()
    def sample(self, count: int, y: Labels | None = None, pose: PoseDraw = "identity") -> Data:
        """Draw images from the model; `decode(sample_latents(…)).mean` shows their means."""
        return self.decode(self.sample_latents(count, y, pose)).sample()

    @torch.no_grad()
    def manifold(self, z: Float[Tensor, "points N"]) -> Float[Tensor, "classes points *data"]:
        """Decode styles by every class in the canonical pose, and return the means (Figs 1-4)."""
        check_floats("z", z, "points, latents", "P", self.latent_count)
        require_finite("z", z)
        pose = self._element(self._identity(len(z)))
        return self._every_class(z.expand(self.classes, *z.shape), pose).mean.transpose(0, 1)

    # --- inside ----------------------------------------------------------------------------

    def _infer(
        self, x: Tensor, sampled: bool
    ) -> tuple[Density | None, Tensor, Pose, list[Tensor], Tensor]:
        """Infer the pose, what the heads take, and the classes' log-probabilities."""
        if self.pose is None:
            statistics, h = None, self._identity(x.shape[0])
        else:
            statistics = self.pose(x)
            h = statistics.rsample() if sampled else statistics.mean
        pose = self._element(h)
        seen = self.canonical(x, pose)
        looked_at = self._middle(seen)
        maps = hidden = None
        if isinstance(self.classifier, ConvReadout):
            layers = self.classifier.convolutions.layers(looked_at)
            maps, (hidden, scores) = layers[0], self.classifier.readout(layers[-1])
        else:
            scores = self.classifier(looked_at)
        features = hidden if self.encoder is None else self.encoder(seen)
        assert features is not None  # an encoder, or a trunk that is shared
        inputs = self.heads.inputs(features, maps)
        return statistics, h, pose, inputs, full_precision(scores).log_softmax(1)

    def _styles(self, outputs: Sequence[Tensor]) -> Density:
        """Take the outputs of the heads for means and log-variances of styles."""
        parts = [full_precision(output).chunk(2, -1) for output in outputs]
        mean, log_variance = (torch.cat(part, -1) for part in zip(*parts, strict=True))
        return self.density(mean, log_variance)

    def _element(self, h: Tensor) -> Pose:
        return Pose.identity(h) if self.pose is None else self.pose.element(h)

    def _identity(self, count: int | torch.SymInt) -> Tensor:
        like = next(self.parameters())
        return like.new_zeros(count, 0 if self.pose is None else len(self.pose.log_scale))

    def _kl_pose(self, statistics: Density | None, like: Tensor) -> Tensor:
        if statistics is None or not self.variational_pose:
            return torch.zeros_like(like)
        return statistics.kl().sum(-1)

    def _every_class(self, styles: Tensor, pose: Pose) -> Distribution:
        """Decode styles (classes, B, latents) in poses: a batch (B, classes)."""
        if hasattr(self.decoder, "every"):
            outputs = self.decoder.every(styles)  # pyright: ignore[reportCallIssue]
        else:
            y = torch.arange(self.classes, device=styles.device)
            y = y.repeat_interleave(styles.shape[1])
            outputs = self.decoder(styles.flatten(0, 1), y).unflatten(0, styles.shape[:2])
        return self._likelihood(self._show(outputs.transpose(0, 1), pose))

    def _show(self, outputs: Tensor, pose: Pose) -> Tensor:
        """Show canonical outputs (B, stack, parameters, painted, H, W) in a pose."""
        outputs = full_precision(outputs)
        if self.pose is None:
            return outputs
        return pose.factor_in(outputs, self.background, self.padding_mode)

    def _likelihood(self, outputs: Tensor) -> Distribution:
        return self.likelihood(outputs, len(self.data_shape), **dict(self.shared.items()))

    def _middle(self, x: Tensor) -> Tensor:
        """Cut out of images what the classifier sees of them."""
        if self.window is None:
            return x
        (height, width), (tall, wide) = self.window, x.shape[2:]
        top, left = (tall - height) // 2, (wide - width) // 2
        return x[:, :, top : top + height, left : left + width]
