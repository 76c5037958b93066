"""Control of a trained ACE: a motion, and what becomes of an image under it."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symgen._devices import seeded
from symgen._typed import type_fields
from symgen.groups import affine, colour
from symgen.metrics.likelihood import mixture_bounds
from symgen.models.ace import ACE
from symgen.models.ace_latents import ACELatents, ACEPosterior
from symgen.models.symmetry_statistics import Pose

__all__ = ["Motion", "bounds", "canonical_images", "draw_poses", "far_outside", "move"]

_SCALES = (0.01, 100.0)
_FARTHEST = 10_000.0  # pixels or degrees; beyond it single precision has no image left to read


@dataclass(frozen=True)
class Motion:
    """What to do to an object, in this order and about the middle of the image.

    Attributes:
        rotate: degrees, counter-clockwise.
        scale: enlargement, a positive number.
        shear: slant to the right: pixels along x for each pixel above the middle.
        shift: pixels to the right and down.
        hue: degrees of hue, red towards green.

    Example:
        >>> str(Motion(rotate=30.0, shift=(5.0, 0.0)))
        'rotate 30°, shift 5 0'
    """

    rotate: float = 0.0
    scale: float = 1.0
    shear: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    hue: float = 0.0

    def __post_init__(self) -> None:
        type_fields(self)
        for name, value in vars(self).items():
            least, most = _SCALES if name == "scale" else (-_FARTHEST, _FARTHEST)
            values = value if isinstance(value, tuple) else (value,)
            if not all(least <= part <= most for part in values):  # written so that NaN fails
                limits = f"from {least:,g} to {most:,g}"
                raise ValueError(f"{name}={value}: give finite numbers {limits}")

    def element(self, fraction: Float[Tensor, "*batch"] | None = None) -> Pose:
        """Return the group element after a fraction of the motion, all of it for None.

        Every part runs along its own one-parameter group, exp(fraction · log part), and the parts
        are composed: one logarithm of the whole would not exist for half turns and would undo all
        turns but the last. There is a colour matrix only if the hue moves.
        """
        s = torch.tensor(1.0) if fraction is None else fraction
        slant = -self.shear / 2  # shear and rotation together leave rows in their place
        parts = (
            (math.radians(self.rotate), 0, 0, 0, 0, 0),
            (0, math.log(self.scale), 0, 0, 0, 0),
            (slant, 0, 0, slant, 0, 0),
            (0, 0, 0, 0, *self.shift),
        )
        matrix = torch.eye(3, dtype=s.dtype, device=s.device)
        for generators in parts:
            matrix = affine.compose(affine.exp(s[..., None] * s.new_tensor(generators)), matrix)
        hue = colour.hue_rotation(s * self.hue) if self.hue else None
        return Pose(matrix, hue)

    def __str__(self) -> str:
        parts = {
            f"rotate {self.rotate:g}°": self.rotate != 0,
            f"scale {self.scale:g}": self.scale != 1,
            f"shear {self.shear:g}": self.shear != 0,
            f"shift {self.shift[0]:g} {self.shift[1]:g}": any(self.shift),
            f"hue {self.hue:g}°": self.hue != 0,
        }
        return ", ".join(text for text, moves in parts.items() if moves)


@torch.no_grad()
def move(
    model: ACE,
    latents: ACELatents,
    motion: Motion,
    fraction: Float[Tensor, " n"],
    style: Float[Tensor, " latents"] | None = None,
) -> Float[Tensor, "n channels height width"]:
    """Decode latents at fractions of a motion to means.

    Args:
        model: a trained model, whose pose moves, or ValueError.
        latents: those of one image, or of one for each fraction.
        motion: how the object moves.
        fraction: 0 for the start, 1 for the end.
        style: style to reach at the end, in a straight line; None leaves that of the latents.

    Example:
        >>> from symgen import ACE
        >>> model = ACE((1, 28, 28))
        >>> one = model.latents(torch.rand(1, 1, 28, 28))
        >>> move(model, one, Motion(rotate=30.0), torch.linspace(0, 1, 4)).shape
        torch.Size([4, 1, 28, 28])
    """
    z = latents.z.expand(len(fraction), -1)
    if style is not None:
        if len(style) != model.latent_count or not style.isfinite().all():
            raise ValueError(
                f"style {style.tolist()}: give a finite number for each latent, of which a class "
                f"of this model has {model.latent_count}"
            )
        z = torch.lerp(z, style.expand_as(z), fraction[:, None])
    path = latents._replace(z=z, y=latents.y.expand(len(fraction)))
    if motion != Motion():
        path = cast(ACELatents, model.act(path, motion.element(fraction)))
    return model.decode(path).mean


@torch.no_grad()
def draw_poses(model: ACE, posterior: ACEPosterior, count: int, seed: int = 0) -> Pose:
    """Draw poses from q(h|x), the posterior that a variational pose has been fitted with.

    The posterior is what the model inferred from one image; without a variational pose, or for a
    `count` that is not positive, this raises ValueError.

    Args:
        model: a trained model with a variational pose.
        posterior: what it inferred from one image.
        count: number of poses.
        seed: seed of the draws.

    Example:
        >>> from symgen import ACE
        >>> model = ACE((1, 28, 28), variational_pose=True)
        >>> draw_poses(model, model.encode(torch.rand(1, 1, 28, 28)), 5).affine.shape
        torch.Size([5, 3, 3])
    """
    if count < 1:
        raise ValueError(f"draws={count}: give a positive number")
    if model.pose is None or posterior.statistics is None:
        raise ValueError("this model has no symmetry statistics: there is no pose to draw")
    if not model.variational_pose:
        missing = (
            "the pose of this model is no latent variable, so it has no posterior to draw from"
        )
        raise ValueError(f"{missing}: train with variational_pose=True (--variational-pose)")
    with seeded(seed, next(model.parameters()).device):
        return model.pose.element(posterior.statistics.rsample(count)[:, 0])


@torch.no_grad()
def canonical_images(
    model: ACE, x: Float[Tensor, "B channels height width"], pose: Pose
) -> Float[Tensor, "B channels height width"]:
    """Return images with their pose factored out, to be looked at.

    Args:
        model: a trained model.
        x: images.
        pose: what the model inferred from them.

    Example:
        >>> from symgen import ACE
        >>> model, x = ACE((1, 28, 28)), torch.rand(3, 1, 28, 28)
        >>> canonical_images(model, x, model.latents(x).pose).shape
        torch.Size([3, 1, 28, 28])
    """
    return pose.factor_out(x, model.padding_mode, model.outside)


@torch.no_grad()
def bounds(
    model: ACE, x: Float[Tensor, "B channels height width"], samples: int = 4, seed: int = 0
) -> Float[Tensor, " B"]:
    """Bound -log p(x) of images from above without a label: U_valid, averaged over samples.

    Args:
        model: a trained model.
        x: images.
        samples: draws of the posterior that are averaged.
        seed: seed of the draws.

    Example:
        >>> from symgen import ACE
        >>> bounds(ACE((1, 28, 28)), torch.rand(3, 1, 28, 28)).shape
        torch.Size([3])
    """
    with seeded(seed, next(model.parameters()).device):
        terms = [model.class_terms(x) for _ in range(samples)]
    found = [
        mixture_bounds(nll + kl_z + kl_pose[:, None], log_probs).valid
        for nll, kl_z, kl_pose, log_probs in terms
    ]
    return torch.stack(found).mean(0)


def far_outside(bound: Float[Tensor, " B"], reference: Float[Tensor, " n"]) -> Bool[Tensor, " B"]:
    """Tell which bounds on -log p(x) are far above those of images like the training's.

    Farther above the greatest of the reference than this is above their median.

    Args:
        bound: bounds to judge, in nats.
        reference: bounds of images like the training's, in nats.

    Example:
        >>> far_outside(torch.tensor([14.0, 40.0]), torch.tensor([8.0, 10.0, 12.0]))
        tensor([False,  True])
    """
    greatest = reference.max()
    return bound > 2 * greatest - reference.median()
