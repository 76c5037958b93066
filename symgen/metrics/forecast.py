"""Forecasts of the frames after a context: by rolling capsules, and what to compare that with."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn import functional

from symgen.metrics.roll_prediction import RollsFrames
from symgen.metrics.shapes import require_shapes

__all__ = ["ForecastErrors", "forecast_errors", "linear_forecast", "roll_forecast"]

# Predicted images are sure of no pixel: probabilities stay in this range.
_LEAST, _MOST = 1e-3, 1 - 1e-3


@dataclass(frozen=True, eq=False)
class ForecastErrors:
    """Errors of a forecast at each horizon 1 … H, one row per sequence.

    Attributes:
        nll: negative log-likelihood of the true frame, nats per image, with probabilities held
            within [0.001, 0.999].
        squared_error: squared error of the predicted image, summed over its pixels.
    """

    nll: Float[Tensor, "B H"]
    squared_error: Float[Tensor, "B H"]


def forecast_errors(
    predicted: Float[Tensor, "B H channels height width"],
    true: Float[Tensor, "B H channels height width"],
) -> ForecastErrors:
    """Measure predicted images against the frames that came.

    Every forecast is measured alike, whether it comes with a likelihood of its own or not: as
    independent Bernoulli pixels whose probabilities stay away from 0 and 1.

    Args:
        predicted: pixel probabilities of the frames at horizons 1 … H.
        true: the frames, in [0, 1].

    Raises:
        ValueError: if the shapes differ.

    Example:
        >>> true = torch.rand(3, 4, 1, 8, 8)
        >>> errors = forecast_errors(true[:, :1].expand_as(true), true)
        >>> errors.squared_error.shape, float(errors.squared_error[:, 0].sum())
        (torch.Size([3, 4]), 0.0)
    """
    require_shapes(
        ("predicted", predicted, "B H channels height width"),
        ("true", true, "B H channels height width"),
    )
    probability = predicted.clamp(_LEAST, _MOST)
    nll = functional.binary_cross_entropy(probability, true, reduction="none")
    return ForecastErrors(
        nll=nll.flatten(2).sum(-1),
        squared_error=(predicted - true).square().flatten(2).sum(-1),
    )


@torch.no_grad()
def roll_forecast(
    model: RollsFrames,
    context: Float[Tensor, "B L channels height width"],
    horizon: int,
    elements: Shaped[Tensor, " B"] | None = None,
) -> Float[Tensor, "B H channels height width"]:
    """Forecast by rolling the capsules of the last frame: `decode(act(t_L, h))`, h = 1 … H.

    Only a model that does not see the future has a t of the last frame that depends on nothing
    but the context: one with a causal window (Keller & Welling 2021, eq. 22).

    Args:
        model: a model with a causal topography and time without end.
        context: the frames so far, in [0, 1]; at least a window of them fills the window.
        horizon: number of frames to forecast, H.
        elements: steps that each sequence makes from a frame to the next, where they are not 1:
            for operators that were read off other sequences.

    Returns:
        Pixel probabilities.

    Raises:
        ValueError: if the model sees the future, or the horizon is not positive.

    Example:
        >>> from symgen.models.tvae import TVAE
        >>> model = TVAE(
        ...     image_shape=(1, 8, 8), capsules=2, units=6, frames=6, window=3,
        ...     causal=True, boundary="zero",
        ... )
        >>> roll_forecast(model, torch.rand(5, 4, 1, 8, 8), horizon=9).shape
        torch.Size([5, 9, 1, 8, 8])
    """
    if horizon < 1:
        raise ValueError(f"horizon={horizon}: forecast at least one frame")
    topography = model.topography
    if not (topography.causal and topography.open_ended):
        raise ValueError(
            f"{topography} sees the future, so the t of the last frame of a context is not "
            "known: forecast with a model of causal=True and boundary='zero'"
        )
    last = model.latents(model.encode(context), sampled=False)[:, -1:]  # (B, 1, C, D)
    steps = torch.arange(1, horizon + 1, device=last.device)
    if elements is None:
        return model.decode(model.act(last, steps, 0)).mean
    return model.decode(model.act(last, elements[:, None] * steps, 0)).mean


def linear_forecast(
    codes: Float[Tensor, "B L N"],
    horizon: int,
    ridge: float = 1e-2,
    others: Float[Tensor, "B L N"] | None = None,
) -> Float[Tensor, "B H N"]:
    """Forecast codes by a linear operator of each sequence, fitted to its context.

    The operator is `M = argmin sum_l |M z_l - z_{l+1}|² + λ |M|²`, the same idea as in
    meta-sequential prediction (Miyato, Koyama & Fukumizu 2022), here without training the codes
    for it. It is applied over and over to the last code. There are usually fewer frames than
    dimensions, so it is held in its dual form, `M = Z₁ᵀ (Z₀ Z₀ᵀ + λ)⁻¹ Z₀` with a row per frame:
    no N × N matrix is made.

    Args:
        codes: codes of the context, one row per frame.
        horizon: number of frames to forecast, H.
        ridge: λ, as a part of the mean of the diagonal of Z₀ Z₀ᵀ.
        others: the contexts to fit the operators to, if not `codes`: the transfer of an operator
            from one sequence to another.

    Returns:
        Codes at horizons 1 … H.

    Raises:
        ValueError: if there are fewer than two frames, or horizon or ridge are not positive.

    Example:
        >>> angle = torch.arange(8.0)[None, :] * 0.5 + torch.rand(3, 1)
        >>> circle = torch.stack([angle.cos(), angle.sin()], -1)  # turns by half a radian
        >>> ahead = linear_forecast(circle[:, :5], horizon=3, ridge=1e-6)
        >>> bool(((ahead - circle[:, 5:]).abs() < 1e-3).all())
        True
    """
    if codes.shape[1] < 2:
        raise ValueError(f"codes of shape {tuple(codes.shape)}: an operator needs two frames")
    if horizon < 1 or not ridge > 0:
        raise ValueError(f"horizon={horizon}, ridge={ridge}: both must be positive")
    fitted = codes if others is None else others
    before, after = fitted[:, :-1], fitted[:, 1:]  # (B, L-1, N)
    gram = before @ before.transpose(1, 2)  # (B, L-1, L-1)
    diagonal = gram.diagonal(dim1=1, dim2=2)
    loading = ridge * diagonal.mean(1, keepdim=True).expand_as(diagonal)
    factor = torch.linalg.cholesky(gram + torch.diag_embed(loading + 1e-12))
    code, forecast = codes[:, -1], []
    for _ in range(horizon):  # each step needs the one before
        weights = torch.cholesky_solve(before @ code[:, :, None], factor)  # (B, L-1, 1)
        code = (after.transpose(1, 2) @ weights)[:, :, 0]
        forecast.append(code)
    return torch.stack(forecast, 1)
