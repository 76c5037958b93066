"""Roll prediction: the frames of a sequence predicted by rolling the capsules of the first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.distributions import Distribution

from symgen.metrics.inputs import require_shapes

__all__ = ["RollPrediction", "roll_prediction"]


@dataclass(frozen=True, eq=False)
class RollPrediction:
    """Errors of predicted frames, of the model and of two baselines, frame by frame.

    Attributes:
        nll: negative log-likelihood of frame l under `decode(roll(t_0, l))`, nats per frame.
        squared_error: squared error of its mean, summed over the values of a frame.
        repeat_nll, repeat_squared_error: the same for a baseline that repeats the last frame
            before l of those that t_0 depends on; nan at l = 0, which has none before it.
        mean_nll, mean_squared_error: the same for a baseline that always predicts the mean frame.
            The nll of both is nan where the likelihood has no baseline.
        seen: which frames t_0 depends on.
    """

    nll: Float[Tensor, "B S"]
    squared_error: Float[Tensor, "B S"]
    repeat_nll: Float[Tensor, "B S"]
    repeat_squared_error: Float[Tensor, "B S"]
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
        sampled: draw t_0 from the posterior instead of inferring it from the mean of z and the
            expected energy.
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
    steps = torch.arange(x.shape[1], device=x.device)
    posterior = model.encode(x) if posterior is None else posterior
    first = model.latents(posterior, sampled=sampled)[:, :1]  # (B, 1, C, D)
    predicted = model.decode(model.act(first, steps, axis))
    seen = model.topography.receptive_field().to(x.device)

    last_seen = torch.where(seen, steps, 0).cummax(0).values[:-1]  # of frames 0 .. l-1
    repeated, mean, later = x[:, last_seen], mean_frame.expand_as(x), x[:, 1:]
    repeat = frame_errors(model.baseline(repeated, later), repeated, later)
    nll, error = (torch.nn.functional.pad(errors, (1, 0), value=torch.nan) for errors in repeat)
    own, of_mean = (predicted, predicted.mean, x), (model.baseline(mean, x), mean, x)
    return RollPrediction(*frame_errors(*own), nll, error, *frame_errors(*of_mean), seen)


def frame_errors(
    around: Distribution | None, predicted: Tensor, x: Tensor
) -> tuple[Tensor, Tensor]:
    """Return nll under a distribution, nan without one, and squared error of frames, (B, S)."""
    squared_error = (predicted - x).square().flatten(2).sum(-1)
    nll = torch.full_like(squared_error, torch.nan) if around is None else -around.log_prob(x)
    return nll, squared_error
