"""What ACE infers from images, and the terms of its bounds."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from symgen.groups import affine
from symgen.latents import Density
from symgen.models.symmetry_statistics import Pose

__all__ = ["ACEElbo", "ACELatents", "ACEPosterior", "ClassTerms", "PoseReadings"]


_SWEEPS = 10  # of Sinkhorn's iteration


class ACELatents(NamedTuple):
    """What an image becomes: the style z in its class's auto-encoder, the class y, the pose.

    Returned by `ACE.latents`.

    Attributes:
        z: style.
        y: number of the class.
        pose: map, and a colour matrix if one is inferred.
    """

    z: Float[Tensor, "B latents"]
    y: Int64[Tensor, " B"]
    pose: Pose


class ACEPosterior(NamedTuple):
    """What the model infers from images.

    Returned by `ACE.encode`.

    Attributes:
        statistics: q(h|x), the density of the pose's coordinates; None without a pose.
        h: coordinates that the rest was inferred with, (B, dimensions).
        pose: the pose with these coordinates.
        z: q(z|x, y) of the class y alone.
        y: class: the label if it was given, otherwise the most probable one.
        class_log_probs: log-probabilities of the classes, the paper's log ω.
        start_log_probs: where the pose is read from several starts, log-probabilities of these,
            (B, starts), by their bounds; None for one. The rest is inferred from the start that
            was chosen: the most probable one, or one that was drawn.
    """

    statistics: Density | None
    h: Float[Tensor, "B dimensions"]
    pose: Pose
    z: Density
    y: Int64[Tensor, " B"]
    class_log_probs: Float[Tensor, "B classes"]
    start_log_probs: Float[Tensor, "B starts"] | None = None


class PoseReadings(NamedTuple):
    """The poses that an image may be in, one read from each start.

    Returned by `ACE.readings`.

    Attributes:
        log_probs: log-probabilities of the starts.
        affine: the map read from each.
    """

    log_probs: Float[Tensor, "B starts"]
    affine: Float[Tensor, "B starts 3 3"]

    def rotations(self, within: float = 15.0) -> Float[Tensor, " B"]:
        """Count the rotations that are as good as one another: 1 where the pose is sure.

        The exponential of an entropy in which starts whose rotations differ by fewer degrees than
        `within` count as one (Leinster & Cobbold 2012). The number of an object's own rotational
        symmetries is the most that any reading can leave.

        Example:
            >>> from symgen.groups import affine
            >>> angle = torch.tensor([[0.0, torch.pi, 0.01]])
            >>> maps = affine.from_parameters(angle, torch.ones(1, 3))
            >>> PoseReadings(torch.tensor([[0.25, 0.5, 0.25]]).log(), maps).rotations()
            tensor([2.])
        """
        angle = affine.to_parameters(self.affine).angle
        apart = torch.remainder(angle[:, :, None] - angle[:, None] + torch.pi, 2 * torch.pi)
        alike = (apart - torch.pi).abs() < math.radians(within)
        shares = self.log_probs.exp()
        mass = (alike * shares[:, None]).sum(2)
        return (-(shares * mass.clamp(min=1e-30).log()).sum(1)).exp()


class ACEElbo(NamedTuple):
    """The terms of the training objective, nats per item.

    With a label, nll + kl_z + kl_pose is the bound U_y of its class on -log p(x|y). Without one
    the sum of all terms is U_valid, the bound of eq. 4.1's mixture on -log p(x), where ω weighs
    the bounds of the classes: Σ ω_c (U_c + log(C ω_c)).

    Returned by `ACE.forward`.

    Attributes:
        nll: one-sample estimate of -E[log p(x|z, y, pose)], the paper's R.
        kl_z: KL(q(z|x, y) ‖ p(z)), the paper's G.
        kl_pose: KL(q(h|x) ‖ p(h)), zero where the pose is no latent variable, and that of the
            choice among several starts.
        kl_class: of an image without a label KL(ω ‖ 1/C), 0 with a label.
        cross_entropy: -log ω_y of the classifier times the weight of a label. Without a label it
            is 0, or at the start of a training without any that of ω from the even shares of the
            classes.
    """

    nll: Float[Tensor, " B"]
    kl_z: Float[Tensor, " B"]
    kl_pose: Float[Tensor, " B"]
    kl_class: Float[Tensor, " B"]
    cross_entropy: Float[Tensor, " B"]

    @property
    def kl(self) -> Float[Tensor, " B"]:
        """All divergences together."""
        return self.kl_z + self.kl_pose + self.kl_class

    @property
    def loss(self) -> Float[Tensor, ""]:
        """The negative bound plus the cross-entropy, averaged."""
        return (self.nll + self.kl + self.cross_entropy).mean()


class ClassTerms(NamedTuple):
    """The bounds of every class for one sample of the posterior, nats per item.

    Returned by `ACE.class_terms`.

    Attributes:
        nll: -log p(x|z_c, c, pose), each class with its own z_c, the paper's R_c.
        kl_z: KL of each class's posterior, the paper's G_c.
        kl_pose: KL of the pose, and of the choice among starts, the same for all classes.
        class_log_probs: log-probabilities of the classes.
    """

    nll: Float[Tensor, "B classes"]
    kl_z: Float[Tensor, "B classes"]
    kl_pose: Float[Tensor, " B"]
    class_log_probs: Float[Tensor, "B classes"]


def even_shares(
    bounds: Float[Tensor, "B classes"], temperature: float = 4.0
) -> Float[Tensor, "B classes"]:
    """Deal images out to classes by their bounds, as many to each: balanced responsibilities.

    Of all shares whose rows sum to 1 and whose columns to B / C those of the least mean bound, but
    for an entropy times the `temperature`, by the iteration of Sinkhorn (Cuturi 2013).

    Example:
        >>> even_shares(torch.tensor([[0.0, 9.0], [0.0, 90.0]])).argmax(1)
        tensor([1, 0])
    """
    log_shares = -bounds / temperature
    for _ in range(_SWEEPS):
        log_shares = log_shares.log_softmax(0).log_softmax(1)
    return log_shares.exp()


def mixed_elbo(
    terms: ClassTerms,
    y: Int64[Tensor, " B"],
    shares: Float[Tensor, "B classes"] | None = None,
    label_weight: float = 1.0,
) -> ACEElbo:
    """Take the bounds of labelled classes, and that of the mixture of images without a label.

    Args:
        terms: bounds of every class.
        y: labels, -1 for none.
        shares: in place of ω the weights of classes for images without a label, which the
            classifier learns from then.
        label_weight: of the cross-entropy of images with a label.
    """
    log_omega, unknown = terms.class_log_probs, y < 0
    own = functional.one_hot(y.clamp(min=0), log_omega.shape[1]).to(log_omega)
    taken = log_omega.exp() if shares is None else shares
    weights = torch.where(unknown[:, None], taken, own)
    nll, kl_z = ((weights * each).sum(1) for each in (terms.nll, terms.kl_z))
    # Of ω that has underflowed to 0 the logarithm is still finite, and so is its gradient.
    log_taken = log_omega if shares is None else shares.clamp(min=1e-38).log()
    kl_class = (taken * log_taken).sum(1) + math.log(log_omega.shape[1])
    kl_class = torch.where(unknown, kl_class, 0.0)
    cross_entropy = -(weights * log_omega).sum(1)
    of_unknown = 0.0 if shares is None else cross_entropy
    cross_entropy = torch.where(unknown, of_unknown, label_weight * cross_entropy)
    return ACEElbo(nll, kl_z, terms.kl_pose, kl_class, cross_entropy)
