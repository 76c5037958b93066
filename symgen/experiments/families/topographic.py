"""Topographic VAEs: every metric of a trained model on held-out sequences."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen import metrics
from symgen.data.batches import Batches, factor_names
from symgen.experiments.families.comparison import by_recording, gains
from symgen.experiments.families.family import Family, Notes, Row, defined, own_rows
from symgen.experiments.reel import Reel
from symgen.experiments.verdict import BASELINES, baselines_of, verdict
from symgen.latents import AxesTopography, Phase, capsule_phase
from symgen.metrics.roll_prediction import frame_errors
from symgen.models import SlidingLatents, TopographicVAE

_BY_FRAME = ("nll", "squared_error", *(f"{name}_squared_error" for name in BASELINES))
_JUDGED = 200  # sequences whose rolled frames are judged
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
        prediction uses the mean of t. Capsules of several axes are rolled along the axis that each
        has assigned to the moving factor, or to the time where factors are not known.
        """
        x = batch.inputs[0].to(baseline.mean.device)
        posterior = model.encode(x)
        t = model.latents(posterior, sampled=True)
        weights = model.log_weights(x, samples, posterior)
        self.require_finite(weights.sum((0, -1)))
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
        if model.frames > 1:
            predicted = _predicted(model, x, baseline.mean, parts, posterior)
            notes.note("by_frame/", **{name: getattr(predicted, name) for name in _BY_FRAME})
            notes.note("inside/", **predicted.inside())
            notes.note("outside/", **predicted.outside())
            if baseline.axes is None:
                told = _told_right(model, x, factors, source, notes)
                notes.note("told_right/", **told)
                notes.note("forecast/", **_forecast(model, x, baseline.mean))
            errors = ("squared_error", "mean_squared_error")
            notes.note("first/", **{name: getattr(predicted, name)[:, 0] for name in errors})

    def summed(self, model: Any, source: Any, baseline: Any, notes: Notes) -> dict[str, Any]:
        """Average over sequences, each with the same weight.

        `roll_prediction` has the errors of frames that t_0 sees, `inside`, and of those that it
        does not see, `outside`, which is None where it sees all; `roll_prediction_deviation` has
        their standard deviations over sequences. Models whose windows differ are compared by
        `roll_prediction_by_frame`, at the frames that none of them sees. `first_frame` is frame 0
        decoded from t_0. `told_right` has the shares of rolled unseen frames that look right to
        the data. `forecast` is what a causal model in open time predicts from the first frames
        that fill its window: t_0 has seen one frame alone. `gains` compares squared errors with
        those of the baselines, see `symgen.experiments.families.comparison`. `recordings` has the
        means of each recording by name, where recordings have names. Sequences whose factors are
        not known have no CapCorr.
        """
        found: dict[str, Any] = {**notes.means(), "speed": model.speed}
        latents = model.capsules * model.units
        found["kl_per_latent"] = (found["kl_z"] + found["kl_u"]) / latents
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
        found["roll_prediction_deviation"] = {
            part: notes.deviations(f"{part}/") for part in ("inside", "outside")
        }
        found["roll_prediction_by_frame"] = {
            name: list(map(defined, notes.values(f"by_frame/{name}").double().mean(0)))
            for name in _BY_FRAME
        }
        found["first_frame"] = notes.means("first/")
        if told := notes.means("told_right/"):
            judged = len(notes.values(f"told_right/{next(iter(told))}"))
            found["told_right"] = {**told, "sequences": judged}
        if forecast := notes.means("forecast/"):
            horizon = model.rolls[-1]
            found["forecast"] = forecast | {"context": model.frames - horizon, "horizon": horizon}
        found["frames"] = model.frames
        found["frames_seen"] = int(model.topography.receptive_field().sum())
        return found | _compared(source, notes)

    def encoded(
        self, model: Any, reel: Reel, posterior: bool = False, phase: bool = False
    ) -> Iterator[dict[str, Tensor]]:
        """Infer t of every frame, see `symgen.models.SlidingLatents`."""
        like = next(model.parameters())
        sliding = SlidingLatents(model, reel.lengths, closed=reel.closed, posterior=posterior)
        for frames, known in reel.blocks:
            found = sliding.push(frames.to(like), known)
            if phase:
                found |= _phase(model, found["t"])._asdict()
            yield found

    def decodes(self, model: Any) -> dict[str, tuple[int, ...]]:
        """Ask for t of a frame."""
        return {"t": (model.capsules, model.units)}

    def decoded(self, model: Any, latents: Mapping[str, Tensor]) -> Tensor:
        """Decode t to the means of frames."""
        return model.decode(latents["t"]).mean

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
                known = baselines_of(errors, key)
                reference = "; ".join(f"{other} {value:.1f}" for other, value in known.items())
                reference = reference or "no baseline of this likelihood"
                yield f"roll prediction, {name} frames, {unit}", f"{errors[key]:.1f}", reference
        if forecast := measured.get("forecast"):
            name = f"forecast of frames {forecast['context']} to {measured['frames'] - 1}"
            repeat, mean = (forecast[f"{other}_squared_error"] for other in ("repeat", "mean"))
            reference = f"repeat last {repeat:.1f}; mean image {mean:.1f}"
            yield f"{name}, squared error", f"{forecast['squared_error']:.2f}", reference
        for name, share in measured.get("told_right", {}).items():
            if name != "sequences":
                seen = (
                    f"by the nearest true image; {measured['told_right']['sequences']} sequences"
                )
                yield f"{name} told right, rolled unseen frames", f"{100 * share:.0f} %", seen
        yield from own_rows(measured)

    def verdict(self, measured: Mapping[str, Any]) -> list[str]:
        """Say what the roll prediction means."""
        return verdict(measured)


def _told_right(
    model: TopographicVAE, x: Tensor, factors: Tensor, source: Any, notes: Notes
) -> dict[str, Tensor]:
    """Judge the rolled unseen frames of the first sequences, where the source can."""
    judge = getattr(source, "told_right", None)
    unseen = ~model.topography.receptive_field().to(x.device)
    done = len(notes.values("told_right/shape")) if "told_right/shape" in notes else 0
    x, factors = x[: _JUDGED - done], factors[: _JUDGED - done]
    if judge is None or len(x) == 0 or not unseen.any():
        return {}
    rolled = model.traverse(x, steps=model.frames)[:, unseen]
    told = judge(rolled.flatten(0, 1), factors[:, unseen].flatten(0, 1))
    return {name: each.view(len(x), -1).float().mean(1) for name, each in told.items()}


def _forecast(model: TopographicVAE, x: Tensor, mean: Tensor) -> dict[str, Tensor]:
    """Return squared errors of frames that follow a full window of several, rolled and guessed."""
    horizon = model.rolls[-1]
    if not (model.topography.causal and model.topography.open_ended) or horizon + 1 == len(x[0]):
        return {}
    context, true = x[:, :-horizon], x[:, -horizon:]
    guesses = {
        "": metrics.roll_forecast(model, context, horizon),
        "repeat_": context[:, -1:],
        "mean_": mean,
    }
    errors = {name: frame_errors(None, guess, true)[1] for name, guess in guesses.items()}
    return {f"{name}squared_error": each.mean(1) for name, each in errors.items()}


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


def _phase(model: TopographicVAE, t: Tensor) -> Phase:
    """Return phase and amplitude of every capsule, along each of its axes."""
    topography = model.topography
    if topography.capsule_boundary != "cyclic":
        raise ValueError(
            "phase of capsules whose ends do not meet (capsule_boundary='zero'): leave it out"
        )
    shape = topography.shape if isinstance(topography, AxesTopography) else None
    return capsule_phase(t, shape)


def _of(posterior: Any, chosen: Any) -> Any:
    """Return the posteriors of some of the sequences."""
    if isinstance(chosen, slice):
        return posterior
    parts = (
        None if q is None else type(q)(q.mean[chosen], q.log_variance[chosen]) for q in posterior
    )
    return posterior._make(parts)


def _predicted(
    model: TopographicVAE, x: Tensor, mean: Tensor, parts: Any, posterior: Any
) -> metrics.RollPrediction:
    """Predict sequences, part by part along the axes of each, and return them in their order."""
    found = [
        metrics.roll_prediction(
            model, x[chosen], mean, axis=axis, posterior=_of(posterior, chosen)
        )
        for chosen, axis in parts
    ]
    if len(found) == 1:
        return found[0]
    numbers = torch.arange(len(x), device=x.device)
    order = torch.cat([numbers[chosen] for chosen, _ in parts]).argsort()
    errors = {
        name: torch.cat([vars(part)[name] for part in found])[order]
        for name in vars(found[0])
        if name != "seen"
    }
    return metrics.RollPrediction(**errors, seen=found[0].seen)


def _compared(source: Any, notes: Notes) -> dict[str, Any]:
    """Compare the prediction of unseen frames with baselines, over all and by recording."""
    names = getattr(source, "recording_names", None)
    recordings = None if names is None else names(notes.values("item/number"))
    errors = {
        name: notes.values(f"outside/{name}").double()
        for name in ("squared_error", *(f"{b}_squared_error" for b in BASELINES))
    }
    found: dict[str, Any] = {"gains": gains(errors, recordings)}
    return found if recordings is None else found | by_recording(errors, recordings)


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
            "value": defined(metrics.correlation(*pair)),
            "chance": metrics.capcorr_chance(*size) if cyclic else None,
            "circular": defined(metrics.correlation(*pair, period=turn)) if cyclic else None,
            "sequences": int(chosen.sum()),
        }
    return table
