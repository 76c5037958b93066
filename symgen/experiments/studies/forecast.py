"""Forecasts of moving dSprites: rolled capsules compared with other ways to predict.

Eight frames of held-out sequences are given, the next seven are forecast. A model that was trained
to roll by fewer frames also forecasts autoregressively. The codes of a VAE are carried
on by a linear operator fitted to each sequence, or by a GRU that is trained here. Two more
questions: a model rolled for 32 frames (orbits are cyclic, so the true frames are known), and the
operator of one sequence applied to another in which the same factor moves, as the ratio of squared
errors to the sequence's own operator: at 1 it is the transformation's, not the sequence's.
"""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data import MovingSprites
from symgen.data.batches import Batches
from symgen.latents import observed_roll
from symgen.metrics import (
    ForecastErrors,
    GRUForecast,
    forecast_errors,
    linear_forecast,
    roll_forecast,
)
from symgen.metrics.forecast import known_frame

_CONTEXT, _LONG = 8, 32
_TESTED = 500


def forecast(measured: Any) -> dict[str, Any]:
    """Measure how well a model predicts frames 8 to 14 from frames 0 to 7, and further."""
    model = measured.model
    count = min(_TESTED, measured.budget.items or _TESTED)
    batch = Batches(MovingSprites("test"), count, shuffle=False).batch(0)
    x = batch.frames
    context, true = x[:, :_CONTEXT], x[:, _CONTEXT:]
    horizon, partner = true.shape[1], _partners(batch.moved)
    mean = Batches(MovingSprites("train"), 500).batch(0).frames.mean((0, 1))
    repeated = context[:, -1:]
    rows = {"repeat last frame": repeated.expand_as(true), "mean frame": mean.expand_as(true)}
    transfer = {}
    if model.topography.is_none:
        codes = model.latents(x).flatten(2)[:, :_CONTEXT]  # of every frame by itself
        own = _decoded(model, linear_forecast(codes, horizon))
        others = _decoded(model, linear_forecast(codes, horizon, others=codes[partner]))
        training = measured.experiment.training
        gru = GRUForecast(codes.shape[-1], seed=training.seed)
        gru.fit(_codes(model, training), _CONTEXT)
        carried_on = _decoded(model, gru(codes, horizon)[:, _CONTEXT - 1 :])
        rows |= {"linear operator": own, "GRU": carried_on}
        transfer = {"linear operator": _ratio(own, others, true)}
        length = None
    else:
        steps = _observed_steps(model, context)
        reach = model.rolls[-1] if measured.experiment.training.rolled else model.ahead
        ways = {"rolled": None} | ({"autoregressive": reach} if 0 < reach < horizon else {})
        for way, every in ways.items():
            rows[way] = roll_forecast(model, context, horizon, autoregressive_every=every)
        own, others = (roll_forecast(model, context, horizon, s) for s in (steps, steps[partner]))
        transfer = {"rolled": _ratio(own, others, true)}
        orbit = (_CONTEXT - 1 + torch.arange(1, _LONG + 1)) % x.shape[1]
        far = x[:, orbit]
        long = {
            way: roll_forecast(model, context, _LONG, autoregressive_every=every)
            for way, every in ways.items()
        }
        long["repeat last frame"] = repeated.expand_as(far)
        length = {way: _means(forecast_errors(frames, far)) for way, frames in long.items()}
    return {
        "sequences": count,
        "rows": {name: _means(forecast_errors(row, true)) for name, row in rows.items()},
        "transfer": transfer,
        "length": length,
    }


def _means(errors: ForecastErrors) -> dict[str, list[float]]:
    return {
        "squared_error": errors.squared_error.mean(0).tolist(),
        "nll": errors.nll.mean(0).tolist(),
    }


def _ratio(own: Tensor, transferred: Tensor, true: Tensor) -> float:
    errors = [forecast_errors(p, true).squared_error.mean().item() for p in (transferred, own)]
    return errors[0] / errors[1]


def _decoded(model: Any, codes: Float[Tensor, "B H N"]) -> Float[Tensor, "B H *data"]:
    return model.decode(codes.unflatten(-1, (model.capsules, model.units))).mean


def _observed_steps(model: Any, context: Tensor) -> Tensor:
    """Infer by how many units the capsules rolled in the last step known: the commonest."""
    t, last = model.latents(context), known_frame(model, context.shape[1])
    t = t - t.mean(-1, keepdim=True)
    rolled = observed_roll(t[:, last - 1], t[:, last]).mode(-1).values
    return torch.where(rolled > model.units // 2, rolled - model.units, rolled)


def _partners(moved: Tensor) -> Tensor:
    """Give each sequence the next one in which the same factor moves."""
    partner = torch.empty_like(moved)
    for factor in moved.unique():
        members = (moved == factor).nonzero()[:, 0]
        partner[members] = members.roll(-1)
    return partner


def _codes(model: Any, training: Any) -> Iterator[Float[Tensor, "B S N"]]:
    """Encode the batches of sequences that the model was trained on."""
    data = Batches(MovingSprites("train"), training.batch_size, training.seed)
    for step in range(training.steps):
        yield model.latents(data.batch(step).frames).flatten(2)
