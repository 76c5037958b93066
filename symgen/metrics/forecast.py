"""Forecasts of the frames after a context: by rolling capsules, and alternatives to compare."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from symgen._inputs import checked
from symgen._typed import Count, Seed
from symgen.likelihoods import Likelihood, LikelihoodName, make_likelihood
from symgen.likelihoods.base import full_precision
from symgen.metrics.inputs import require_shapes, takes_arrays
from symgen.metrics.roll_prediction import frame_errors

__all__ = ["ForecastErrors", "GRUForecast", "forecast_errors", "linear_forecast", "roll_forecast"]


class ForecastErrors(NamedTuple):
    """Negative log-likelihood, in nats, and squared error of frames at each horizon 1 … H.

    Returned by `forecast_errors`.

    Attributes:
        nll: nats per frame.
        squared_error: summed over a frame.
    """

    nll: Float[Tensor, "B H"]
    squared_error: Float[Tensor, "B H"]


@takes_arrays
def forecast_errors(
    predicted: Float[Tensor, "B H *data"],
    true: Float[Tensor, "B H *data"],
    likelihood: LikelihoodName | Likelihood = "bernoulli",
) -> ForecastErrors:
    """Measure predicted frames against the true ones.

    All forecasts are measured alike, with a likelihood of their own or not: in nats around what
    they predict under a `likelihood`, by name or as a value, see `Likelihood.baseline`. Bernoulli
    probabilities are held within [0.001, 0.999].

    Args:
        predicted, true: frames at the horizons 1 … H.
        likelihood: by name or as a value.

    Example:
        >>> forecast_errors(torch.rand(3, 4, 1, 8, 8), torch.rand(3, 4, 1, 8, 8)).nll.shape
        torch.Size([3, 4])
    """
    require_shapes(("predicted", predicted, "B H *data"), ("true", true, "B H *data"))
    around = make_likelihood(likelihood).baseline(predicted, true, true.dim() - 2)
    return ForecastErrors(*frame_errors(around, predicted, true))


@checked
@torch.no_grad()
def roll_forecast(
    model: Any,
    context: Float[Tensor, "B L *data"],
    horizon: Count,
    elements: Real[Tensor, " B"] | None = None,
    autoregressive_every: Count | None = None,
) -> Float[Tensor, "B H *data"]:
    """Forecast means by rolling the capsules of a frame l: `decode(act(t_l, L - 1 - l + h))`.

    With a causal window (Keller & Welling 2021, eq. 22) l is the last of the L frames, L - 1.
    Otherwise it is the last one whose window lies within them, so that t depends on nothing but
    the context. In cyclic time the first frames are taken to follow the last: a forecast of data
    that do not wrap around needs a model of boundary="zero".

    Args:
        model: see `roll_prediction`.
        context: the frames so far; at least as many as the window has fill it. In cyclic time as
            many as the model has.
        horizon: number of frames to forecast, H.
        elements: steps that each sequence makes per frame, if not 1: operators that were inferred
            from other sequences.
        autoregressive_every: roll by at most so many frames, then encode the forecast as the
            context of the next ones; None rolls through. A model forecasts well by as many frames
            as it was rolled by in training, `model.rolls[-1]`. Means of counts are not counts,
            and cannot be encoded.

    Example:
        >>> from symgen.models.tvae import TVAE
        >>> model = TVAE((1, 8, 8), capsules=2, frames=6, window=3, causal=True, boundary="zero")
        >>> roll_forecast(model, torch.rand(5, 4, 1, 8, 8), horizon=9).shape
        torch.Size([5, 9, 1, 8, 8])
        >>> model.rolls[-1]
        3
        >>> x = torch.rand(5, 4, 1, 8, 8)
        >>> roll_forecast(model, x, horizon=9, autoregressive_every=3).shape
        torch.Size([5, 9, 1, 8, 8])
    """
    if not context.shape[1]:
        raise ValueError(f"context of shape {tuple(context.shape)}: give one frame at least")
    forecast, known, farthest = [], context, autoregressive_every or horizon
    for begin in range(0, horizon, farthest):
        frame = known_frame(model, known.shape[1])
        t = model.latents(known)[:, frame : frame + 1]  # (B, 1, C, D)
        passed = known.shape[1] - 1 - frame
        steps = torch.arange(1, min(farthest, horizon - begin) + 1, device=t.device) + passed
        steps = steps if elements is None else elements[:, None] * steps  # (h,) or (B, h)
        forecast.append(model.decode(model.act(t, steps, 0)).mean)
        known = torch.cat([known, forecast[-1]], 1)[:, -context.shape[1] :]
    return torch.cat(forecast, 1)


def known_frame(model: Any, length: int) -> int:
    """Return the frame that a context of so many is forecast from, see `roll_forecast`.

    Of contexts that are shorter than a window it is the middle one.
    """
    topography = model.topography
    later = 0 if topography.causal else topography.window // 2
    return max(length - 1 - later, (length - 1) // 2)


@takes_arrays
def linear_forecast(
    codes: Float[Tensor, "B L N"],
    horizon: Count,
    ridge: float = 1e-2,
    others: Float[Tensor, "B L N"] | None = None,
) -> Float[Tensor, "B H N"]:
    """Forecast codes by a linear operator of each sequence, fitted to its context.

    The operator `M = argmin sum_l |M z_l - z_{l+1}|² + λ |M|²` is applied over and over to the
    last code: the idea of meta-sequential prediction (Miyato, Koyama & Fukumizu 2022), without
    training the codes for it. With fewer frames than dimensions the dual form is smaller,
    `M = Z₁ᵀ (Z₀ Z₀ᵀ + λ)⁻¹ Z₀` with a row per frame: no N × N matrix is made.

    Args:
        codes: codes of the context, one row for each of at least two frames.
        horizon: number of frames to forecast, H.
        ridge: λ as a fraction of the mean diagonal of Z₀ Z₀ᵀ.
        others: contexts to fit the operators to instead, which transfers them to `codes`.

    Example:
        >>> angle = torch.arange(8.0) * 0.5 + torch.rand(3, 1)
        >>> circle = torch.stack([angle.cos(), angle.sin()], -1)  # turns by half a radian
        >>> torch.dist(linear_forecast(circle[:, :5], 3, ridge=1e-6), circle[:, 5:]) < 1e-3
        tensor(True)
    """
    if codes.shape[1] < 2:
        raise ValueError(f"codes of shape {tuple(codes.shape)}: an operator needs two frames")
    if not ridge > 0:
        raise ValueError(f"ridge={ridge}: give a positive number")
    kind, codes = codes.dtype, full_precision(codes)
    fitted = codes if others is None else others.to(codes)
    before, after = fitted[:, :-1], fitted[:, 1:]  # (B, L-1, N)
    gram = before @ before.transpose(1, 2)  # (B, L-1, L-1)
    diagonal = gram.diagonal(dim1=1, dim2=2)
    loading = ridge * diagonal.mean(1, keepdim=True).expand_as(diagonal)
    factor, failed = torch.linalg.cholesky_ex(gram + torch.diag_embed(loading + 1e-12))
    if failed.any():
        raise ValueError(
            f"ridge={ridge} is too little for {int((failed > 0).sum())} of {len(codes)} sequences "
            "of codes, which are huge or say the same in every frame: give more, or float64"
        )
    forecast = [codes[:, -1]]
    for _ in range(horizon):  # each step needs the one before
        weights = torch.cholesky_solve(before @ forecast[-1][:, :, None], factor)  # (B, L-1, 1)
        forecast.append((after.transpose(1, 2) @ weights)[:, :, 0])
    return torch.stack(forecast[1:], 1).to(kind)


class GRUForecast(nn.Module):
    """Predicts the next code from those before, and goes on from its own predictions.

    Args:
        size, hidden: entries of a code, N, and units of the GRU.
        seed: seed of its initial weights.

    Example:
        >>> gru = GRUForecast(6, hidden=8)
        >>> gru.fit([torch.randn(4, 9, 6)], context=5)
        >>> gru(torch.randn(2, 5, 6), horizon=3).shape
        torch.Size([2, 7, 6])
    """

    @checked
    def __init__(self, size: Count, hidden: Count = 256, seed: Seed = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.gru = nn.GRU(size, hidden, batch_first=True)
            self.readout = nn.Linear(hidden, size)

    @checked
    def forward(self, codes: Float[Tensor, "B L N"], horizon: Count) -> Float[Tensor, "B L_H N"]:
        """Return codes (B, L - 1 + H, N): each next one of the context, then the forecast."""
        states, state = self.gru(codes)
        predicted = [self.readout(states)]
        for _ in range(horizon - 1):
            states, state = self.gru(predicted[-1][:, -1:], state)
            predicted.append(self.readout(states))
        return torch.cat(predicted, 1)

    @checked
    @torch.enable_grad()
    def fit(self, sequences: Iterable[Tensor], context: Count, rate: float = 1e-3) -> None:
        """Train with Adam to forecast after a context, a step per batch of (B, S, N) codes."""
        optimizer = torch.optim.Adam(self.parameters(), lr=rate)
        for codes in sequences:
            if codes.dim() != 3 or not 1 <= context < codes.shape[1]:
                given = f"context={context} with codes of shape {tuple(codes.shape)}"
                raise ValueError(
                    f"{given}: give (B, S, N) codes with more frames than the context"
                )
            predicted = self(codes[:, :context], codes.shape[1] - context)
            loss = (predicted - codes[:, 1:]).square().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        self.eval().requires_grad_(False)
