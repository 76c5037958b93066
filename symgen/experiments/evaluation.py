"""Every metric of a trained model on held-out sequences, in one pass."""

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data import Sequences
from symgen.experiments.axes import assign_axes, followed
from symgen.latents import AxesTopography
from symgen.metrics import (
    RollReadings,
    capcorr_chance,
    correlation,
    entropy_floor,
    equivariance_chance,
    equivariance_error,
    observed_and_true,
    paper_estimate,
    reading_resolution,
    roll_prediction,
    sequence_bound,
)
from symgen.models import TopographicVAE

__all__ = ["evaluate"]


@torch.no_grad()
def evaluate(
    model: TopographicVAE,
    data: Sequences,
    mean_image: Float[Tensor, "channels height width"],
    *,
    sequences: int | None = None,
    samples: int = 10,
    seed: int = 0,
    observe: Callable[[int, int], None] | None = None,
    canonical: int = 0,
) -> dict[str, Any]:
    """Measure likelihood, equivariance, CapCorr and roll prediction.

    Likelihood, equivariance error and CapCorr use sampled latents, as the paper does; the roll
    prediction uses the mean of z and the expected energy. Every sequence has the same weight.
    Capsules of several axes are rolled along the axis that each has assigned to the moving factor,
    or to the time where factors are not known; `axes` holds how that correlates in place of
    CapCorr.

    Args:
        model: a trained model.
        data: held-out sequences, not shuffled.
        mean_image: mean image of the training data, the baseline of the roll prediction.
        sequences: measure that many sequences; None stands for all.
        samples: importance samples of the likelihood.
        seed: seed of the posterior's samples.
        observe: is told how many batches of how many are done.
        canonical: value of the moving factor in the reference frame of CapCorr.

    Returns:
        Numbers by name; likelihoods in nats per frame; None where a number is not defined, such
        as the prediction of frames outside a window of all frames. No CapCorr of sequences whose
        factors are not known. Models whose windows differ are compared by
        `roll_prediction_by_frame`, at the frames that none of them sees.

    Example:
        >>> from symgen import TVAE
        >>> from symgen.data import TransformingDigits, load
        >>> test = Sequences(TransformingDigits(load("digits", split="test").pixels), 8)
        >>> model = TVAE(image_shape=(3, 28, 28), capsules=2, units=18, frames=18, window=13)
        >>> measured = evaluate(model, test, torch.full((3, 28, 28), 0.1), sequences=8)
        >>> sorted(measured["roll_prediction"]["outside"])
        ['mean_nll', 'mean_squared_error', 'nll', 'repeat_nll', 'repeat_squared_error', ...]
    """
    if sequences is not None and not 0 < sequences <= len(data.source):
        raise ValueError(
            f"sequences={sequences}: there are {len(data.source)} held-out sequences; "
            "choose a number up to that"
        )
    count = len(data.source) if sequences is None else sequences
    batches = -(-count // data.batch_size)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    reading: dict[str, Any] = {"speed": model.speed, "boundary": model.topography.capsule_boundary}
    several_axes = isinstance(model.topography, AxesTopography)
    values: dict[str, list[Tensor]] = {}
    by_frame: dict[str, list[Tensor]] = {"nll": [], "squared_error": []}
    readings: list[RollReadings] = []

    def note(**measured: Tensor) -> None:
        for name, value in measured.items():
            values.setdefault(name, []).append(value.double().cpu())

    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        assignment = assign_axes(model, data) if several_axes else None
        for step in range(batches):
            left = count - step * data.batch_size
            batch = data.batch(step)
            x = batch.frames[:left].to(device)
            factors, moved = (part[:left].to(device) for part in followed(batch, data))
            t = model.latents(model.encode(x))
            weights = model.log_weights(x, samples)
            elbo = model.elbo(x)
            note(
                elbo=-(elbo.nll + elbo.kl).mean(1),
                nll=elbo.nll.mean(1),
                kl_z=elbo.kl_z.mean(1),
                kl_u=elbo.kl_u.mean(1),
                log_p_paper=paper_estimate(weights),
                log_p_bound=sequence_bound(weights),
                entropy_floor=entropy_floor(x),
            )
            roll: dict[str, Any] = reading
            if assignment is None:
                rolling, parts = t, [(slice(None), 0)]
                if data.source.factor_names:
                    readings.append(observed_and_true(t, factors, moved, canonical, **reading))
            else:
                parts, roll = assignment.parts(moved), {"speed": 0}
                rolling = assignment.unrolled(model, t, moved)
            note(
                e_eq=equivariance_error(rolling, **roll),
                e_eq_centred=equivariance_error(rolling, centred=True, **roll),
            )
            for chosen, axis in parts if model.topography.frames > 1 else ():
                prediction = roll_prediction(model, x[chosen], mean_image.to(device), axis=axis)
                for name, errors in by_frame.items():
                    errors.append(getattr(prediction, name).double().cpu())
                for place in ("inside", "outside"):
                    for name, error in getattr(prediction, place)().items():
                        note(**{f"{place}/{name}": error})
            if observe is not None:
                observe(step + 1, batches)
    model.train(was_training)

    means = {name: _defined(float(torch.cat(parts).mean())) for name, parts in values.items()}
    result: dict[str, Any] = {
        "sequences": count,
        "samples": samples,
        "seed": seed,
        **{name: value for name, value in means.items() if "/" not in name},
    }
    if assignment is None:
        result["capcorr"] = _capcorr(model, data, readings) if readings else {}
    else:
        result["axes"] = assignment.described(data.source.factor_names)
    if model.topography.frames > 1:
        size = (model.frames, model.capsules, model.units)
        for name, centred in (("e_eq", False), ("e_eq_centred", True)):
            error = torch.cat(values[name]).mean()
            chance = equivariance_chance(
                *size, centred=centred, boundary=reading["boundary"], speed=reading["speed"]
            )
            result[f"{name}_percent_of_chance"] = float(100 * error / chance)
        result["roll_prediction"] = {
            place: {
                name.removeprefix(f"{place}/"): value
                for name, value in means.items()
                if name.startswith(place)
            }
            for place in ("inside", "outside")
        }
        result["roll_prediction_by_frame"] = {
            name: torch.cat(errors).mean(0).tolist() for name, errors in by_frame.items()
        }
    return result


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _capcorr(
    model: TopographicVAE, data: Sequences, readings: list[RollReadings]
) -> dict[str, dict[str, Any]]:
    """CapCorr of every factor that moved, beside its chance level and the circular variant."""
    observed, true, factor = (torch.cat(parts).cpu() for parts in zip(*readings, strict=True))
    table = {}
    for index, name in enumerate(data.source.factor_names):
        chosen = factor == index
        if not chosen.any():
            continue
        pair = observed[chosen], true[chosen]
        turn = model.units * reading_resolution(model.speed)
        size = (turn, model.capsules, data.source.factor_sizes[index], model.frames)
        cyclic = model.topography.capsule_boundary == "cyclic"
        table[name] = {
            "value": _defined(correlation(*pair)),
            "chance": capcorr_chance(*size) if cyclic else None,
            "circular": _defined(correlation(*pair, period=turn)) if cyclic else None,
            "sequences": int(chosen.sum()),
        }
    return table
