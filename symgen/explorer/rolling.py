"""What rolling capsules does to a clip: it is encoded once, then only rolled and decoded."""

import math
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.latents import observed_rolls
from symgen.latents import roll as roll_units
from symgen.metrics import RollPrediction, roll_prediction

__all__ = ["Clip", "apply_rolls", "farthest_roll", "read_rolls", "rolled"]


class Clip:
    """A sequence with all that a model infers from it.

    Attributes:
        x: frames, (S, *data_shape).
        t: latents of every frame, (S, C, D).
        bounds: the least and the greatest of them.
        reconstruction: decoded latents, (S, *data_shape).
        errors: those of the roll prediction and of its baselines; None of a single frame.
        told: what is to be said of the clip.
        own_mean: whether the mean image is that of this clip, since nobody knows another.
    """

    @torch.no_grad()
    def __init__(
        self,
        model: Any,
        x: Float[Tensor, " S *data"],
        mean: Float[Tensor, "*data"] | None = None,
        told: str = "",
    ) -> None:
        self.x, self.told, self.own_mean = x, told, mean is None
        posterior = model.encode(x[None])
        self.t = model.latents(posterior)[0]
        self.bounds = float(self.t.min()), float(self.t.max())
        self.reconstruction = model.decode(self.t).mean
        self.errors: RollPrediction | None = None
        if len(x) > 1:
            mean = x.mean(0) if mean is None else mean
            self.errors = roll_prediction(model, x[None], mean, posterior=posterior)


def farthest_roll(model: Any) -> float:
    """Return the steps after which cyclic capsules are back, or which a sequence has."""
    cyclic = model.topography.capsule_boundary == "cyclic"
    return (model.units if cyclic else model.frames - 1) / abs(model.speed or 1)


@torch.no_grad()
def rolled(
    model: Any,
    t: Float[Tensor, "*batch C D"],
    steps: int | float,
    capsule: int | None = None,
) -> Float[Tensor, "*batch C D"]:
    """Roll all capsules, or one alone, by a number of steps that may be a fraction.

    Whole steps are `model.act`. What is left of a fraction shifts the phases of cyclic capsules,
    so that two halves make a whole; capsules with ends roll by linear interpolation.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=3, units=5, frames=5)
        >>> t = torch.randn(3, 5)
        >>> torch.allclose(rolled(model, rolled(model, t, 0.5), 0.5), model.act(t, 1), atol=1e-5)
        True
        >>> (rolled(model, t, 1.0, capsule=2) == t).all(1)
        tensor([ True,  True, False])
    """
    topography = model.topography
    if topography.capsule_boundary == "cyclic":
        whole = math.floor(steps)
        moved = model.act(t, whole)
        if part := steps - whole:
            axes = _axes(model)
            grid = moved.unflatten(-1, axes).movedim(-len(axes), -1)
            grid = roll_units(grid, part * topography.speed, method="fourier")
            moved = grid.movedim(-1, -len(axes)).flatten(-len(axes))
    else:
        moved = model.act(t, steps)
    if capsule is None:
        return moved
    alone = torch.arange(t.shape[-2]) == capsule
    return torch.where(alone[:, None], moved, t)


@torch.no_grad()
def read_rolls(
    model: Any, t_ref: Float[Tensor, "C D"], t: Float[Tensor, "C D"]
) -> Int64[Tensor, "C axes"]:
    """Infer by how many units each capsule is rolled between two frames, along every axis.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, units=5, frames=5)
        >>> t = torch.randn(2, 5)
        >>> read_rolls(model, t, model.act(t, 3)).tolist()
        [[3], [3]]
    """
    return observed_rolls(t_ref, t, _axes(model))


@torch.no_grad()
def apply_rolls(
    model: Any, t: Float[Tensor, "C D"], rolls: Int64[Tensor, "C axes"]
) -> Float[Tensor, "C D"]:
    """Roll every capsule by as many units as were inferred elsewhere.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, units=5, frames=5)
        >>> t = torch.randn(2, 5)
        >>> apply_rolls(model, t, torch.tensor([[0], [2]]))[1].equal(t[1].roll(2))
        True
    """
    axes = _axes(model)
    for axis in range(len(axes)):
        place = axis - len(axes)
        grid = t.unflatten(-1, axes).movedim(place, -1)
        shifts = rolls[:, axis].reshape(-1, *[1] * (len(axes) - 1))
        t = roll_units(grid, shifts).movedim(-1, place).flatten(-len(axes))
    return t


def _axes(model: Any) -> tuple[int, ...]:
    """Return the units along each axis of a capsule."""
    return getattr(model.topography, "shape", (model.units,))
