"""Topographic VAEs: every metric of a trained model on held-out sequences."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen import metrics
from symgen.data.batches import Batches, factor_names
from symgen.experiments.families.family import Family, Notes, Row, own_rows
from symgen.latents import AxesTopography
from symgen.models import TopographicVAE

_MEAN_OF = 2_000  # sequences whose mean frame is a baseline
_ASSIGNED_ON = 4  # batches


class _Baseline(NamedTuple):
    """What predictions are compared with, and along which axes capsules roll.

    Attributes:
        mean: mean frame of the training data.
        axes: the axis that every capsule has assigned to every factor, if there are several.
    """

    mean: Float[Tensor, "*data"]
    axes: metrics.AxisAssignment | None


class TopographicFamily(Family):
    """Models of sequences whose capsules roll, and plain VAEs."""

    kind = TopographicVAE
    name = "topographic"
    examples = "sequences"
    per = "frame"
    samples = "importance samples"
    bound = "log_p_bound"
    batch_size = 50
    verbs = ("traverse",)

    def prepare(self, model: Any, test: Batches[Any], train: Batches[Any]) -> _Baseline:
        """Average training frames, and find the axis that every capsule rolls along."""
        axes = _assigned(model, test) if isinstance(model.topography, AxesTopography) else None
        return _Baseline(mean_frame(train).to(next(model.parameters()).device), axes)

    def measure(
        self, model: Any, batch: Any, source: Any, baseline: Any, samples: int, notes: Notes
    ) -> None:
        """Note likelihood, equivariance, rolls and the roll prediction of sequences.

        Likelihood, equivariance error and CapCorr use sampled latents, as the paper does; the roll
        prediction uses the mean of z and the expected energy. Capsules of several axes are rolled
        along the axis that each has assigned to the moving factor, or to the time where factors
        are not known.
        """
        x = batch.inputs[0].to(baseline.mean.device)
        posterior = model.encode(x)
        t = model.latents(posterior, sampled=True)
        weights = model.log_weights(x, samples, posterior)
        elbo = model.elbo(x, posterior)
        notes.note(
            elbo=-(elbo.nll + elbo.kl).mean(1),
            nll=elbo.nll.mean(1),
            kl_z=elbo.kl_z.mean(1),
            kl_u=elbo.kl_u.mean(1),
            log_p_paper=metrics.paper_estimate(weights),
            log_p_bound=metrics.sequence_bound(weights),
            entropy_floor=metrics.entropy_floor(x, model.likelihood),
        )
        factors, moved = (part.to(x.device) for part in _followed(batch, source))
        parts: list[tuple[Any, Any]] = [(slice(None), 0)]
        roll: dict[str, Any] = _roll(model)
        if baseline.axes is not None:
            parts, roll = baseline.axes.parts(moved), {"speed": 0}
            t = baseline.axes.unrolled(model, t, moved)
        elif factor_names(source):
            canonical = getattr(source, "canonical", 0)
            rolls = metrics.observed_and_true(t, factors, moved, canonical, **roll)
            notes.note("rolls/", **rolls._asdict())
        notes.note(
            e_eq=metrics.equivariance_error(t, **roll),
            e_eq_centred=metrics.equivariance_error(t, centred=True, **roll),
        )
        for chosen, axis in parts if model.frames > 1 else ():
            predicted = metrics.roll_prediction(
                model, x[chosen], baseline.mean, axis=axis, posterior=_of(posterior, chosen)
            )
            notes.note("by_frame/", nll=predicted.nll, squared_error=predicted.squared_error)
            notes.note("inside/", **predicted.inside())
            notes.note("outside/", **predicted.outside())

    def summed(self, model: Any, source: Any, baseline: Any, notes: Notes) -> dict[str, Any]:
        """Average over sequences, each with the same weight.

        The prediction of frames outside a window of all frames is None. Sequences whose factors
        are not known have no CapCorr. Models whose windows differ are compared by
        `roll_prediction_by_frame`, at the frames that none of them sees.
        """
        found: dict[str, Any] = {**notes.means(), "speed": model.speed}
        if model.likelihood.bits_per_dimension:
            bits = -found["log_p_bound"] / math.log(2)
            found["bits_per_dimension"] = bits / math.prod(model.data_shape)
        if baseline.axes is not None:
            found["axes"] = baseline.axes.described(factor_names(source))
        else:
            found["capcorr"] = _capcorr(model, source, notes) if "rolls/factor" in notes else {}
        if model.frames == 1:
            return found
        sizes = (model.frames, model.capsules, model.units)
        for name, centred in (("e_eq", False), ("e_eq_centred", True)):
            chance = metrics.equivariance_chance(*sizes, centred=centred, **_roll(model))
            found[f"{name}_percent_of_chance"] = 100 * found[name] / chance
        found["roll_prediction"] = {
            part: notes.means(f"{part}/") for part in ("inside", "outside")
        }
        found["roll_prediction_by_frame"] = {
            name: notes.values(f"by_frame/{name}").double().mean(0).tolist()
            for name in ("nll", "squared_error")
        }
        return found

    def encoded(self, model: Any, x: Tensor) -> dict[str, Tensor]:
        """Return t of sequences, (B, S, C, D)."""
        return {"t": model.latents(x)}

    def rows(self, model: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
        """Say what an evaluation found."""
        bound, floor = measured["log_p_bound"], measured.get("entropy_floor")
        nats = "nats/frame"
        reference = nats if floor is None else f"{nats}; the data's floor {0 - floor:.1f}"
        yield "log p(x), paper's convention", f"{measured['log_p_paper']:.1f}", reference
        away = nats if floor is None else f"{-floor - bound:.1f} {nats} from the floor"
        yield "log p(x), bound", f"{bound:.1f}", away
        if "bits_per_dimension" in measured:
            yield "bits per dimension", f"{measured['bits_per_dimension']:.3f}", "of the bound"
        if "roll_prediction" in measured:
            for key, name in (("e_eq", "E_eq, as printed"), ("e_eq_centred", "E_eq, centred")):
                share = measured[f"{key}_percent_of_chance"]
                yield name, f"{measured[key]:.0f}", f"{share:.1f} % of chance"
        for factor, values in measured.get("capcorr", {}).items():
            value, circular, chance = (
                "undefined" if values[key] is None else f"{values[key]:.2f}"
                for key in ("value", "circular", "chance")
            )
            yield f"CapCorr {factor}", value, f"chance {chance}; circular {circular}"
        for factor, values in measured.get("axes", {}).items():
            axes = ", ".join(str(axis) for axis in values["assigned"])
            name = f"rolls along the axis of {factor}"
            yield name, f"{values['mean']:.2f}", f"chance 0; axis of each capsule {axes}"
        for place, errors in measured.get("roll_prediction", {}).items():
            if errors["nll"] is None:  # no frame lies outside a full window
                continue
            name = "unseen" if place == "outside" else "seen"
            for key, unit in (("squared_error", "squared error"), ("nll", "NLL")):
                repeat, mean = (errors[f"{other}_{key}"] for other in ("repeat", "mean"))
                reference = "no baseline of this likelihood"
                if repeat is not None:
                    reference = f"repeat last frame {repeat:.1f}; mean frame {mean:.1f}"
                yield f"roll prediction, {name} frames, {unit}", f"{errors[key]:.1f}", reference
        yield from own_rows(measured)


def mean_frame(data: Batches[Any]) -> Float[Tensor, "*data"]:
    """Average training frames, a baseline of predictions."""
    batches = math.ceil(min(_MEAN_OF, len(data.source)) / data.batch_size)
    means = [data.batch(step).inputs[0].mean((0, 1)) for step in range(batches)]
    return torch.stack(means).mean(0)


def _followed(batch: Any, source: Any) -> tuple[Int64[Tensor, "B S F"], Int64[Tensor, " B"]]:
    """Return the factors that rolls are compared with, and which of them moves.

    Where nobody knows the factors, as in recordings, it is the time that every roll follows.
    """
    if factor_names(source):
        return batch.factors, batch.moved
    count, frames = batch.inputs[0].shape[:2]
    return torch.arange(frames).expand(count, -1)[..., None], torch.zeros(count, dtype=torch.int64)


def _assigned(model: TopographicVAE, data: Batches[Any]) -> metrics.AxisAssignment:
    """Find the axis that every capsule has assigned to every factor, from a few batches."""
    device = next(model.parameters()).device
    batches = [data.batch(step) for step in range(min(_ASSIGNED_ON, len(data)))]
    t = torch.cat([model.latents(b.inputs[0].to(device)) for b in batches])
    factors = torch.cat([_followed(b, data.source)[0] for b in batches]).to(device)
    shape = cast(AxesTopography, model.topography).shape
    return metrics.AxisAssignment(metrics.axis_correlation(t, factors, shape, period=model.frames))


def _roll(model: TopographicVAE) -> dict[str, Any]:
    """Return how the capsules of a model should roll, in the words of the metrics."""
    return {"speed": model.speed, "boundary": model.topography.capsule_boundary}


def _of(posterior: Any, chosen: Any) -> Any:
    """Return the posteriors of some of the sequences."""
    if isinstance(chosen, slice):
        return posterior
    parts = (
        None if q is None else type(q)(q.mean[chosen], q.log_variance[chosen]) for q in posterior
    )
    return posterior._make(parts)


def _capcorr(model: TopographicVAE, source: Any, notes: Notes) -> dict[str, dict[str, Any]]:
    """Return CapCorr of every factor that moved, its chance level and the circular variant."""
    names = metrics.ObservedRolls._fields
    observed, true, factor = (notes.values(f"rolls/{name}") for name in names)
    turn = model.units * metrics.roll_resolution(model.speed)
    cyclic = model.topography.capsule_boundary == "cyclic"
    table = {}
    for index, name in enumerate(source.factor_names):
        chosen = factor == index
        if not chosen.any():
            continue
        pair = observed[chosen], true[chosen]
        size = (turn, model.capsules, source.factor_sizes[index], model.frames)
        table[name] = {
            "value": _defined(metrics.correlation(*pair)),
            "chance": metrics.capcorr_chance(*size) if cyclic else None,
            "circular": _defined(metrics.correlation(*pair, period=turn)) if cyclic else None,
            "sequences": int(chosen.sum()),
        }
    return table


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
