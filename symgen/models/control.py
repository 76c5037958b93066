"""Control of a trained ACE: a motion, and what becomes of an image under it."""

import math
from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.groups import affine, colour
from symgen.models.ace import ACE
from symgen.models.ace_latents import ACELatents, ACEPosterior
from symgen.models.symmetry_statistics import Pose

__all__ = ["Motion", "draw_poses", "move"]

_SCALES = (0.01, 100.0)
_FARTHEST = 10_000.0  # pixels or degrees; beyond it single precision has no image left to read


@dataclass(frozen=True)
class Motion:
    """What to do to an object, in this order and about the middle of the image.

    Example:
        >>> str(Motion(rotate=30.0, shift=(5.0, 0.0)))
        'rotate 30°, shift 5 0'
        >>> Motion(scale=2.0).element().affine[0]
        tensor([[2., 0., 0.],
                [0., 2., 0.],
                [0., 0., 1.]])
    """

    rotate: float = 0.0
    """Degrees, counter-clockwise."""
    scale: float = 1.0
    """Enlargement, a positive number."""
    shear: float = 0.0
    """Slant to the right: pixels along x for each pixel above the middle."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels to the right and down."""
    hue: float = 0.0
    """Degrees of hue, red towards green."""

    def __post_init__(self) -> None:
        least, most = _SCALES
        if not least <= self.scale <= most:  # written so that NaN fails
            raise ValueError(f"scale={self.scale}: give a number from {least:g} to {most:g}")
        for name in ("rotate", "shear", "shift", "hue"):
            value = getattr(self, name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(abs(number) <= _FARTHEST for number in numbers):
                limits = f"{-_FARTHEST:,.0f} to {_FARTHEST:,.0f}"
                raise ValueError(f"{name}={value}: give finite numbers from {limits}")

    def element(self, fraction: Float[Tensor, "*batch"] | None = None) -> Pose:
        """Return the group element after a fraction of the motion, all of it for None.

        Every part runs along its own one-parameter group, exp(fraction · log part), and the parts
        are composed. One logarithm of the whole would not exist for half turns and would undo all
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
        return Pose(matrix[..., None, :, :], hue)

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
        model: a trained model.
        latents: those of one image, or of one for each fraction.
        motion: how the object moves.
        fraction: 0 for the start, 1 for the end.
        style: style to reach at the end, in a straight line; None leaves that of the latents.

    Raises:
        ValueError: if the model has no pose to move or no hue to turn, or the style does not fit.
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

    Args:
        model: a trained model.
        posterior: what it inferred from one image.
        count: number of poses.
        seed: of the draws.

    Raises:
        ValueError: if there is no pose, or nothing fitted the width of its posterior, or `count`
            is not positive.
    """
    if count < 1:
        raise ValueError(f"draws={count}: give a positive number")
    if model.pose is None or posterior.statistics is None:
        raise ValueError("this model has no symmetry statistics: there is no pose to draw")
    if not model.variational_pose:
        raise ValueError(
            "the pose of this model is no latent variable, so it has no posterior to draw from: "
            "train with variational_pose=True (--variational-pose)"
        )
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return model.pose.element(posterior.statistics.rsample(count)[:, 0])
