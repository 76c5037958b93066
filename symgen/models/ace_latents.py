"""What ACE infers from images, and the terms of its bounds."""

from typing import NamedTuple

from jaxtyping import Float, Int64
from torch import Tensor

from symgen.latents import Density
from symgen.models.symmetry_statistics import Pose

__all__ = ["ACELatents", "ACEPosterior", "ClassTerms", "SupervisedElbo"]


class ACELatents(NamedTuple):
    """What an image becomes: the style z in its class's auto-encoder, the class y, the pose."""

    z: Float[Tensor, "B latents"]
    y: Int64[Tensor, " B"]
    pose: Pose


class ACEPosterior(NamedTuple):
    """What the model infers from images.

    Attributes:
        statistics: q(h|x), the density of the pose's coordinates; None without a pose.
        h: coordinates that the rest was inferred with, (B, dimensions).
        pose: the pose with these coordinates.
        z: q(z|x, y) of the class y alone.
        y: class: the label if it was given, otherwise the most probable one.
        class_log_probs: log-probabilities of the classes, the paper's log ω.
    """

    statistics: Density | None
    h: Float[Tensor, "B dimensions"]
    pose: Pose
    z: Density
    y: Int64[Tensor, " B"]
    class_log_probs: Float[Tensor, "B classes"]


class SupervisedElbo(NamedTuple):
    """The terms of the training objective, nats per item.

    Attributes:
        nll: one-sample estimate of -E[log p(x|z, y, pose)], the paper's R.
        kl_z: KL(q(z|x, y) ‖ p(z)), the paper's G.
        kl_pose: KL(q(h|x) ‖ p(h)), zero where the pose is no latent variable.
        cross_entropy: -log ω_y of the classifier.
    """

    nll: Float[Tensor, " B"]
    kl_z: Float[Tensor, " B"]
    kl_pose: Float[Tensor, " B"]
    cross_entropy: Float[Tensor, " B"]

    @property
    def kl(self) -> Float[Tensor, " B"]:
        """Both divergences together."""
        return self.kl_z + self.kl_pose

    @property
    def loss(self) -> Float[Tensor, ""]:
        """The negative bound on log p(x, pose | y) plus the cross-entropy, averaged."""
        return (self.nll + self.kl + self.cross_entropy).mean()


class ClassTerms(NamedTuple):
    """The bounds of every class for one sample of the posterior, nats per item.

    Attributes:
        nll: -log p(x|z_c, c, pose), each class with its own z_c, the paper's R_c.
        kl_z: KL of each class's posterior, the paper's G_c.
        kl_pose: KL of the pose, the same for all classes.
        class_log_probs: log-probabilities of the classes.
    """

    nll: Float[Tensor, "B classes"]
    kl_z: Float[Tensor, "B classes"]
    kl_pose: Float[Tensor, " B"]
    class_log_probs: Float[Tensor, "B classes"]
