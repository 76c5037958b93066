"""Roll prediction: the frames of a sequence predicted by rolling the capsules of the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution

from symgen.metrics.inputs import require_finite, require_shapes

__all__ = ["RollPrediction", "roll_prediction"]


@dataclass(frozen=True, eq=False)
class RollPrediction:
    """Errors of predicted frames, of the model and of three baselines, frame by frame.

    The baselines learn no motion. Two of them are told the frames that t_0 sees. Let a be the
    nearest of those before frame l and b the nearest after it, frame l itself excluded; if time is
    cyclic, as it is to all models but those of `boundary="zero"`, counted around the end:

        nearest:        x_a if l - a <= b - l, else x_b
        interpolation:  ((b - l) x_a + (l - a) x_b) / (b - a)
        mean:           the mean frame of the training data

    Where there is only one of the two frames, it is the nearest and the interpolation is nan;
    without either, both are nan.

    Returned by `roll_prediction`.

    Attributes:
        nll: negative log-likelihood of frame l under `decode(roll(t_0, l))`, nats per frame.
        squared_error: squared error of its mean, summed over the values of a frame.
        nearest_nll, nearest_squared_error: the same for repeating the nearest seen frame.
        interpolation_nll, interpolation_squared_error: the same for interpolating linearly.
        mean_nll, mean_squared_error: the same for a baseline that always predicts the mean frame.
            The nll of all three is nan where the likelihood has no baseline.
        seen: which frames t_0 depends on, its receptive field.
    """

    nll: Float[Tensor, "B S"]
    squared_error: Float[Tensor, "B S"]
    nearest_nll: Float[Tensor, "B S"]
    nearest_squared_error: Float[Tensor, "B S"]
    interpolation_nll: Float[Tensor, "B S"]
    interpolation_squared_error: Float[Tensor, "B S"]
    mean_nll: Float[Tensor, "B S"]
    mean_squared_error: Float[Tensor, "B S"]
    seen: Bool[Tensor, " S"]

    def outside(self) -> dict[str, Float[Tensor, " B"]]:
        """Average each error over the frames that t_0 does not see; nan if it sees them all."""
        return self._average(~self.seen)

    def inside(self) -> dict[str, Float[Tensor, " B"]]:
        """Average each error over the predicted frames, l > 0, that t_0 sees; nan if none."""
        after_first = torch.arange(len(self.seen), device=self.seen.device) > 0
        return self._average(self.seen & after_first)

    def _average(self, frames: Tensor) -> dict[str, Tensor]:
        errors = {name: values for name, values in vars(self).items() if name != "seen"}
        return {name: values[:, frames].mean(1) for name, values in errors.items()}


@torch.no_grad()
def roll_prediction(
    model: Any,
    x: Float[Tensor, "B S *data"],
    mean_frame: Float[Tensor, "*data"],
    sampled: bool = False,
    axis: int | Sequence[int] = 0,
    posterior: Any = None,
) -> RollPrediction:
    """Predict every frame of a sequence by rolling the capsules of frame 0, and measure how well.

    Frame l is predicted as `decode(act(t_0, l))`, the paper's capsule traversal `roll(t_0, l)`
    (Keller & Welling 2021, section 6) at the speed of the model's capsules. The latents t_0 depend
    on the frames within half a window before and after frame 0, cyclically: a model can predict
    those beyond, see `outside()`, only if it has learned what a roll does. The likelihood measures
    the baselines too; the probabilities of a Bernoulli baseline are held within [0.001, 0.999].

    Args:
        model: a Topographic VAE, or another with its `encode`, `latents`, `act`, `decode`,
            `baseline` and `topography`.
        x, mean_frame: sequences of data, and the mean frame of the training data.
        sampled: draw t_0 from the posterior instead of taking its mean.
        axis: along which the capsules roll, if they have several; one for all or for each.
        posterior: what `encode` returned for x; None encodes.

    Example:
        >>> from symgen.models.tvae import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, units=6, frames=6, window=3)
        >>> x = torch.rand(5, 6, 1, 8, 8)
        >>> roll_prediction(model, x, mean_frame=x.mean((0, 1))).outside()["nll"].shape
        torch.Size([5])
    """
    require_shapes(("x", x, "B S *data"), ("mean_frame", mean_frame, "*data"))
    require_finite("mean_frame", mean_frame)
    steps = torch.arange(x.shape[1], device=x.device)
    posterior = model.encode(x) if posterior is None else posterior
    first = model.latents(posterior, sampled=sampled)[:, :1]  # (B, 1, C, D)
    predicted = model.decode(model.act(first, steps, axis))
    seen = model.topography.receptive_field().to(x.device)

    before, after = _distances(seen, cyclic=not model.topography.open_ended)
    nearest, between = _repeated(x, before, after), _interpolated(x, before, after)
    mean = mean_frame.expand_as(x)
    return RollPrediction(
        *frame_errors(predicted, predicted.mean, x),
        *_where(before.minimum(after).isfinite(), model, nearest, x),
        *_where(before + after < len(seen), model, between, x),
        *frame_errors(model.baseline(mean, x), mean, x),
        seen,
    )


def frame_errors(
    around: Distribution | None, predicted: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Return nll under a distribution, nan without one, and squared error of frames, (B, S)."""
    squared_error = (predicted - x).square().flatten(2).sum(-1)
    nll = torch.full_like(squared_error, torch.nan) if around is None else -around.log_prob(x)
    return nll, squared_error


def _where(
    known: Bool[Tensor, " S"], model: Any, predicted: Float[Tensor, "B S *data"], x: Tensor
) -> tuple[Tensor, Tensor]:
    """Return nll and squared error of the frames that a baseline predicts, nan for the others."""
    nll, squared_error = frame_errors(model.baseline(predicted, x), predicted, x)
    return nll.masked_fill(~known, torch.nan), squared_error.masked_fill(~known, torch.nan)


def _distances(
    seen: Bool[Tensor, " S"], cyclic: bool
) -> tuple[Float[Tensor, " S"], Float[Tensor, " S"]]:
    """Return how far before and after each frame the nearest other seen frame is; inf if none."""
    steps = torch.arange(len(seen), device=seen.device)
    back = steps[:, None] - steps  # (S, S): how far frame k comes before frame l
    ways = (back % len(seen), -back % len(seen)) if cyclic else (back, -back)
    before, after = (torch.where(seen & (way > 0), way.float(), torch.inf).amin(1) for way in ways)
    return before, after


def _frame(x: Tensor, distance: Tensor) -> Tensor:
    """Return the frame of x that comes so far after each; the first where there is none."""
    steps = torch.arange(x.shape[1], device=x.device)
    return x[:, (steps + distance.nan_to_num(0, 0, 0).long()) % x.shape[1]]


def _repeated(x: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Repeat the nearer of two frames, the earlier one where both are as near."""
    return _frame(x, torch.where(before <= after, -before, after))


def _interpolated(x: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """Interpolate linearly between two frames."""
    share = (before / (before + after)).nan_to_num(0)  # 0 too where there are not two
    shares = share.to(x.dtype).reshape(-1, *[1] * (x.ndim - 2))
    return torch.lerp(_frame(x, -before), _frame(x, after), shares)
