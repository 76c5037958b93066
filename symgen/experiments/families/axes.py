"""Capsules of several axes under evaluation: which factor each has assigned to which axis."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from symgen.data.batches import Batches, factor_names
from symgen.latents import AxesTopography
from symgen.metrics import axis_correlation
from symgen.models import TopographicVAE

__all__ = ["AxisAssignment", "assign_axes", "followed"]

_BATCHES = 4


class AxisAssignment(NamedTuple):
    """How the rolls along every axis correlate with every factor, see `axis_correlation`."""

    correlation: Float[Tensor, "F C axes"]

    def axes(self, factor: int) -> list[int]:
        """Return the axis of every capsule that follows a factor best."""
        return self.correlation[factor].argmax(-1).tolist()

    def parts(self, moved: Int64[Tensor, " B"]) -> list[tuple[Bool[Tensor, " B"], list[int]]]:
        """Part sequences by the factor that moves; name the axis of every capsule for each.

        Raises:
            ValueError: if several factors move in a sequence.
        """
        factors = moved.unique().tolist()
        if -1 in factors:
            raise ValueError(
                "capsules of several axes are evaluated on sequences in which one factor moves, "
                "but in some several do: choose another test_mode"
            )
        return [(moved == factor, self.axes(factor)) for factor in factors]

    def unrolled(
        self, model: TopographicVAE, t: Float[Tensor, "B S C D"], moved: Int64[Tensor, " B"]
    ) -> Float[Tensor, "B S C D"]:
        """Roll every frame back to frame 0, each capsule along the axis of the moving factor."""
        back = -torch.arange(t.shape[1], device=t.device)
        still = torch.empty_like(t)
        for chosen, axes in self.parts(moved):
            still[chosen] = model.act(t[chosen], back, axes)
        return still

    def described(self, names: Sequence[str]) -> dict[str, Any]:
        """Return, for every factor that moved, the correlations and the axes of the capsules.

        Without names of factors there is one, the time.
        """
        return {
            name: {
                "correlation": table.tolist(),
                "assigned": table.argmax(-1).tolist(),
                "mean": float(table.amax(-1).mean()),
            }
            for name, table in zip(names or ["time"], self.correlation, strict=True)
            if table.any()
        }


def followed(batch: Any, source: Any) -> tuple[Int64[Tensor, "B S F"], Int64[Tensor, " B"]]:
    """Return the factors that rolls are compared with, and which of them moves.

    Where nobody knows the factors, as in recordings, it is the time that every roll follows.
    """
    if factor_names(source):
        return batch.factors, batch.moved
    count, frames = batch.inputs[0].shape[:2]
    return torch.arange(frames).expand(count, -1)[..., None], torch.zeros(count, dtype=torch.int64)


@torch.no_grad()
def assign_axes(model: TopographicVAE, data: Batches[Any]) -> AxisAssignment:
    """Find the axis that every capsule has assigned to every factor, from a few batches."""
    device = next(model.parameters()).device
    batches = [data.batch(step) for step in range(min(_BATCHES, len(data)))]
    t = torch.cat([model.latents(b.inputs[0].to(device)) for b in batches])
    factors = torch.cat([followed(b, data.source)[0] for b in batches]).to(device)
    shape = cast(AxesTopography, model.topography).shape
    return AxisAssignment(axis_correlation(t, factors, shape, period=model.frames))
