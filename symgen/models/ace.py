"""ACE, the auto-classifier-encoder with symmetry statistics (Georgiev 2016)."""

import math
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
from symgen.models.ace_latents import (
    ACEElbo,
    ACELatents,
    ACEPosterior,
    ClassTerms,
    PoseReadings,
    even_shares,
    mixed_elbo,
)
from symgen.models.ace_parts import ACEParts
from symgen.models.checks import check_data, check_floats, check_labels
from symgen.models.symmetry_statistics import Pose

__all__ = ["ACE"]

Data = Float[Tensor, " B *data"]
Labels = Int64[Tensor, " B"]
PoseDraw = Literal["identity", "prior"]


class ACE(ACEParts):
    """Classifier and one auto-encoder per class, behind a pose that is factored out and in again.

    A net infers the pose of the image. Its canonical form goes to the classifier and to the
    auto-encoders, one for each class; what they decode goes back to the pose of the image, where
    its likelihood is taken (Georgiev 2016, Fig. 5). Of an image with a label only that class's
    auto-encoder learns. Without one all learn, as much as the classifier says. Parts are given by
    name, and then made with the sizes below, or as modules and values of your own.

    Args:
        data_shape: (channels, height, width); without a pose also (features,) or (channels, depth,
            height, width).
        classes: number of classes, or of clusters to find.
        ground: gray level of images where there is nothing, from which decoders and background
            start; None for that of the likelihood, which is dark.
        spread: deviation of images from their mean, from which a learned scale of the likelihood
            starts; None for 0.3.
        labelled: which training images have a label: "all", "some" or "none".
        label_weight: of the cross-entropy of an image with a label (the α of Kingma et al. 2014,
            arXiv 1406.5298); None for 1 where all have a label and 20 where only some have.
        balanced: images at the start of a training without any labels that are dealt out evenly
            to the classes, by the bounds of these; from then on by the classifier. Otherwise the
            class that is best by chance takes all before others have learned anything.
        latents: style latents of each class.
        latent: density of styles and poses, "gaussian" or "laplace".
        pose: group of the pose: "rotation", "rigid" (with shifts), "similarity" (with a size,
            too), "affine", "matrix" or "centroid" (see `SymmetryStatistics`), a
            `SymmetryStatistics` of your own, or None for no map.
        colour_pose: also factor out a colour matrix of SL(3, R).
        variational_pose: sample the pose and count its KL, which bounds log p(x); otherwise, as in
            the paper, log p(x | pose).
        padding_mode: what lies outside an image: "background", which is learned, or "border" to
            repeat the edge, for photographs.
        classifier: "conv-pooling" (3 × 3 convolutions with pooling), "dense", "residual", or a
            module (n, *data_shape) -> (n, classes); None for "conv-pooling" of images and "dense"
            of other data, and for no net where there is one class.
        classifier_channels: of its convolutions.
        classifier_hidden: units between its features and its classes.
        classifier_window: side of the middle of the canonical image that it sees; None for all.
        classifier_pool: side of an average pooling of what it sees.
        dropout: probability of dropping a hidden unit of the classifier.
        encoder: what styles are inferred from: "dense" (tanh layers of `hidden` units),
            "residual", "conv" (strided), "conv-pooling" (two convolutions of 5 × 5, Fig. 4), or a
            module (n, *data_shape) -> (n, features).
        hidden: units of the dense encoder's layers; the last is the number of features of others.
        decoder: of every class: "dense", "conv-transposed" (two of them at its end, Fig. 4);
            "residual" or "conv" (shared by all classes behind an input layer each); or a module
            of styles (n, latents) and classes (n,) -> (n, likelihood.parameters, *data_shape).
        decoder_hidden: units of each class's dense decoder.
        width: of residual and strided nets, see `TVAE`.
        depth: of residual and strided nets.
        activation: of residual and strided nets.
        likelihood: what the decoder's outputs parametrise, by name or as a value.
        likelihood_scale: scale of "gaussian" and "discretised-logistic", see `TVAE`.
        pose_channels: of the pose net's 5 × 5 convolutions.
        pose_hidden: units between the pose net's features and the pose.
        pose_pool: side of an average pooling of what the pose net sees.
        pose_iterations: how often it infers, from the second time on from the canonical form.
        pose_starts: rotations around the circle that the pose is read from, weighed by their
            bounds: for objects that lie at any angle; 8 for the full circle.
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
        chances = self._weigh_starts(x, y, one_class=y is not None)
        start = _choose(chances, sampled)
        statistics, h, pose, features, log_probs = self._infer(x, sampled, start)
        y = log_probs.argmax(1) if y is None else y
        z = self._styles(self.heads(features, y))
        return ACEPosterior(statistics, h, pose, z, y, log_probs, chances)

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

    # --- bounds ----------------------------------------------------------------------------

    @property
    def takes_labels(self) -> bool:
        """Whether it is trained with labels."""
        return self.labelled != "none"

    def forward(self, x: Data, y: Labels | None = None) -> ACEElbo:
        """Estimate the training objective with one sample of the posterior.

        A variational pose is sampled, another taken at its mean. Of several starts one is drawn,
        by their weights; of a pose that is not variational and has labels, the best is taken.

        Args:
            x: images, or other data of the model's shape.
            y: their labels; of a model that is not labelled "all" -1 or None for none.
        """
        if self.labelled == "all":
            if y is None:
                raise ValueError("no labels: give them, or make the model with labelled='none'")
            return self._labelled_elbo(x, y)
        check_data(self, "x", x)
        y = x.new_full(x.shape[:1], -1, dtype=torch.int64) if y is None else y
        check_labels(y, x.shape[0], self.classes, least=-1)
        terms = self._class_terms(x, y, sampled=True)
        mixture = mixed_elbo(terms, y, label_weight=self.label_weight)
        if not (self.training and self.balanced and self.labelled == "none"):
            return mixture
        evenly = mixed_elbo(terms, y, even_shares((terms.nll + terms.kl_z).detach()))
        early = self.dealt < self.balanced
        self.dealt += (y < 0).sum()
        return ACEElbo(*(torch.where(early, *pair) for pair in zip(evenly, mixture, strict=True)))

    def _labelled_elbo(self, x: Tensor, y: Tensor) -> ACEElbo:
        """Take the bound of each label's class, and the classifier's cross-entropy."""
        posterior = self.encode(x, y, sampled=self.variational_pose)
        nll = -self.decode(self.latents(posterior, sampled=True)).log_prob(x)
        log_omega = posterior.class_log_probs.gather(1, y[:, None])[:, 0]
        kl_pose = self._kl_pose(posterior.statistics, posterior.start_log_probs, nll)
        return ACEElbo(
            nll,
            posterior.z.kl().sum(-1),
            kl_pose,
            torch.zeros_like(nll),
            -self.label_weight * log_omega,
        )

    def class_terms(self, x: Data, sampled: bool = True) -> ClassTerms:
        """Bound every class's likelihood with one sample: all auto-encoders, no labels.

        Without `sampled` posteriors are taken at their means: no bound, but what a picture shows.
        """
        check_data(self, "x", x)
        return self._class_terms(x, None, sampled)

    def _class_terms(self, x: Tensor, y: Tensor | None, sampled: bool) -> ClassTerms:
        """Bound every class's likelihood, with the start of the pose that suits labels, if any."""
        chances = self._weigh_starts(x, y)
        drawn = sampled and self.variational_pose
        start = _choose(chances, sampled)
        statistics, _, pose, features, log_probs = self._infer(x, drawn, start)
        z = self._styles(self._every_head(features))
        nll = -self._every_class(z.rsample() if sampled else z.mean, pose).log_prob(x[:, None])
        kl_pose = self._kl_pose(statistics, chances, nll[:, 0])
        return ClassTerms(nll, z.kl().sum(-1).t(), kl_pose, log_probs)

    def readings(self, x: Data, y: Labels | None = None) -> PoseReadings:
        """Read the pose from every start, and weigh these by their bounds.

        The weights are those of the posterior that makes the bound least, for posteriors at their
        means; of images with labels by the bound of that class, of others, whose label may be -1,
        by the tight bound of the mixture. An object that looks the same from two sides has two
        starts of equal weight: `PoseReadings.rotations` counts them.
        """
        check_data(self, "x", x)
        if y is not None:
            check_labels(y, x.shape[0], self.classes, least=-1)
        return self._readings(x, y, one_class=False)

    @torch.no_grad()
    def _readings(self, x: Tensor, y: Tensor | None, one_class: bool) -> PoseReadings:
        """Read the pose from every start; of `one_class` for each image, no others are decoded."""
        bounds, maps = [], []
        starts = 1 if self.pose is None else self.pose.starts
        for number in range(starts):  # one by one: each is a batch
            start = torch.full(x.shape[:1], number, device=x.device) if starts > 1 else None
            statistics, _, pose, seen = self._look(x, False, start)
            features = self.encoder(seen)
            if y is not None and one_class:
                z = self._styles(self.heads(features, y))
                nll = -self.decode(ACELatents(z.mean, y, pose)).log_prob(x)
                bound = nll + z.kl().sum(-1)
            else:
                z = self._styles(self._every_head(features))
                nll = -self._every_class(z.mean, pose).log_prob(x[:, None])
                every = nll + z.kl().sum(-1).t()
                bound = -(-every).logsumexp(1)
                if y is not None:
                    own = every.gather(1, y.clamp(min=0)[:, None])[:, 0]
                    bound = torch.where(y < 0, bound, own)
            bounds.append(bound + self._kl_pose(statistics, None, bound))
            maps.append(pose.affine)
        return PoseReadings(torch.stack(bounds, 1).neg().log_softmax(1), torch.stack(maps, 1))

    def _weigh_starts(self, x: Tensor, y: Tensor | None, one_class: bool = False) -> Tensor | None:
        """Return log-probabilities of the starts of the pose, None of a single one."""
        if self.pose is None or self.pose.starts == 1:
            return None
        return self._readings(x, y, one_class).log_probs

    @torch.no_grad()
    def log_prob(self, x: Data, samples: int = 10) -> Float[Tensor, " B"]:
        """Bound log p(x) from below by importance sampling, in nats per item.

        p(x) is the mixture of all classes with equal weights, which is summed exactly; styles are
        sampled, and a variational pose: `log mean_k Σ_c π_c w_kc`. With another pose this bounds
        log p(x | pose) instead.
        """
        check_data(self, "x", x)
        samples = typed("samples", samples, Draws)
        chances = self._weigh_starts(x, None)
        weights = []
        for _ in range(samples):
            start = _choose(chances, self.variational_pose)
            statistics, h, pose, features, _ = self._infer(x, self.variational_pose, start)
            z = self._styles(self._every_head(features))
            styles = z.rsample()  # (classes, B, latents)
            weight = self._every_class(styles, pose).log_prob(x[:, None])
            weight = weight + z.log_ratio(styles).sum(-1).t()
            if statistics is not None and self.variational_pose:
                weight = weight + statistics.log_ratio(h).sum(-1, keepdim=True)
                if start is not None and chances is not None:  # p(start) / q(start|x)
                    own = chances.gather(1, start[:, None])
                    weight = weight - math.log(chances.shape[1]) - own
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
        weight = next(self.parameters())
        device, like = weight.device, {"dtype": weight.dtype, "device": weight.device}
        if y is None:
            y = torch.randint(self.classes, (count,), device=device)
        z = self.density.standard((count, self.latent_count), **like).rsample()
        h, start = self._identity(count), None
        if self.pose is not None and pose == "prior":
            h = self.pose.density.standard(h.shape, **like).rsample()
            if self.pose.starts > 1:
                start = torch.randint(self.pose.starts, (count,), device=device)
        return ACELatents(z, y, self._element(h, start))

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
        self, x: Tensor, sampled: bool, start: Tensor | None
    ) -> tuple[Density | None, Tensor, Pose, Tensor, Tensor]:
        """Infer the pose, the features that the heads take, and the classes' log-probabilities."""
        statistics, h, pose, seen = self._look(x, sampled, start)
        scores = full_precision(self.classifier(self._middle(seen)))
        return statistics, h, pose, self.encoder(seen), scores.log_softmax(1)

    def _look(
        self, x: Tensor, sampled: bool, start: Tensor | None
    ) -> tuple[Density | None, Tensor, Pose, Tensor]:
        """Infer the pose, and return the canonical image with it."""
        if self.pose is None:
            statistics, h = None, self._identity(x.shape[0])
        else:
            statistics = self.pose(x, start, self.outside)
            h = statistics.rsample() if sampled else statistics.mean
        pose = self._element(h, start)
        return statistics, h, pose, self.canonical(x, pose)

    def _every_head(self, features: Tensor) -> Tensor:
        """Return what the heads of all classes infer from the same features."""
        return self.heads.every(features.expand(self.classes, *features.shape))

    def _styles(self, outputs: Tensor) -> Density:
        """Take the outputs of the heads for means and log-variances of styles."""
        return self.density(*full_precision(outputs).chunk(2, -1))

    def _kl_pose(self, statistics: Density | None, chances: Tensor | None, like: Tensor) -> Tensor:
        if statistics is None or not self.variational_pose:
            return torch.zeros_like(like)
        kl = statistics.kl().sum(-1)
        if chances is not None:
            kl = kl + math.log(chances.shape[1]) + (chances.exp() * chances).sum(1)
        return kl


def _choose(chances: Tensor | None, sampled: bool) -> Tensor | None:
    """Draw starts of poses by their log-probabilities, or take the most probable ones."""
    if chances is None:
        return None
    if sampled:
        return torch.multinomial(chances.exp(), 1)[:, 0]
    return chances.argmax(1)
