"""What ACE infers from images, and the terms of its bounds."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.latents import Density
from symgen.models.checks import axes_of
from symgen.models.symmetry_statistics import Pose

__all__ = [
    "ACELatents",
    "ACEPosterior",
    "ClassTerms",
    "SupervisedElbo",
    "check_images",
    "log_ratio",
]


class ACELatents(NamedTuple):
    """What an image becomes: its style, its class and its pose.

    Attributes:
        z: style, the latents of the class's own auto-encoder.
        y: class.
        pose: how the image shows the canonical form.
    """

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


def check_images(model: Any, x: Tensor, y: Tensor | None) -> None:
    """Refuse images, or other items, and labels that a model cannot take.

    Raises:
        ValueError: for another shape or type of `x`, another length or type of `y` and, on the
            CPU, values out of range.
    """
    shape, classes = model.data_shape, model.classes
    if tuple(x.shape[1:]) != shape or not x.is_floating_point():
        sizes = ", ".join(map(str, ("B", *shape)))
        raise ValueError(
            f"x of shape {tuple(x.shape)} and {x.dtype} does not fit the model: expected floats "
            f"(batch, {axes_of(shape)}) = ({sizes})"
        )
    if y is not None and (y.shape != x.shape[:1] or y.dtype != torch.int64):
        raise ValueError(
            f"y of shape {tuple(y.shape)} and {y.dtype} for {len(x)} items: give one int64 "
            "label for each"
        )
    if x.device.type != "cpu" or torch.compiler.is_compiling():
        return  # on a GPU looking at the values would mean waiting
    model.likelihood.require_support("x", x)
    if y is not None and len(y) and not (y.min() >= 0 and y.max() < classes):
        raise ValueError(
            f"labels reach from {int(y.min())} to {int(y.max())} but the model has "
            f"{classes} classes, 0 to {classes - 1}"
        )


def log_ratio(
    posterior: Density, sample: Float[Tensor, "*batch latents"]
) -> Float[Tensor, "*batch"]:
    """Return log p(sample) - log q(sample) in nats, p the prior, summed over the latents.

    Example:
        >>> from symgen.latents import Gaussian
        >>> prior = Gaussian.standard((2, 3))
        >>> log_ratio(prior, torch.ones(2, 3))
        tensor([0., 0.])
    """
    prior = posterior.standard(sample.shape, device=sample.device)
    return (prior.log_prob(sample) - posterior.log_prob(sample)).sum(-1)
