"""Topographic VAEs: every metric of a trained model on held-out sequences, in one pass."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from symgen.data.batches import Batches
from symgen.experiments.families.axes import assign_axes, followed
from symgen.experiments.families.family import (
    CardText,
    Family,
    Metric,
    ObserveBatches,
    Row,
    mean_of_own,
)
from symgen.latents import AxesTopography
from symgen.metrics import (
    ObservedRolls,
    capcorr_chance,
    correlation,
    entropy_floor,
    equivariance_chance,
    equivariance_error,
    observed_and_true,
    paper_estimate,
    roll_prediction,
    roll_resolution,
    sequence_bound,
)
from symgen.models import TopographicVAE

__all__ = ["TopographicFamily", "evaluate", "mean_frame"]

_MEAN_OF = 2_000  # sequences whose mean frame is a baseline


class _Sums:
    """Values of sequences, batch by batch."""

    def __init__(self) -> None:
        self.values: dict[str, list[Tensor]] = defaultdict(list)

    def note(self, **measured: Tensor) -> None:
        for name, value in measured.items():
            self.values[name].append(value.double().cpu())

    def means(self, prefix: str = "") -> dict[str, float | None]:
        """Average all values whose names begin with a prefix and go on without a slash."""
        return {
            name.removeprefix(prefix): _defined(float(torch.cat(parts).mean()))
            for name, parts in self.values.items()
            if name.startswith(prefix) and "/" not in name.removeprefix(prefix)
        }


@torch.no_grad()
def evaluate(
    model: TopographicVAE,
    test: Batches[Any],
    mean: Float[Tensor, "*data"],
    *,
    items: int | None = None,
    samples: int = 10,
    seed: int = 0,
    canonical: int = 0,
    metrics: Mapping[str, Metric] | None = None,
    observe: ObserveBatches | None = None,
) -> dict[str, Any]:
    """Measure likelihood, equivariance, CapCorr and roll prediction.

    Likelihood, equivariance error and CapCorr use sampled latents, as the paper does; the roll
    prediction uses the mean of z and the expected energy. Every sequence has the same weight.
    Capsules of several axes are rolled along the axis that each has assigned to the moving factor,
    or to the time where factors are not known; `axes` holds how that correlates in place of
    CapCorr.

    Args:
        model: a trained model.
        test: held-out sequences, not shuffled.
        mean: mean frame of the training data, the baseline of the roll prediction.
        items: measure that many sequences; None stands for all.
        samples: importance samples of the likelihood.
        seed: seed of the posterior's samples.
        canonical: value of the moving factor in the reference frame of CapCorr.
        metrics: further ones by name, from model and batch to a value for each sequence.
        observe: is told how many batches of how many are done.

    Returns:
        Values by name; likelihoods in nats per frame, of the model's own likelihood; None where a
        value is not defined, such as the prediction of frames outside a window of all frames. No
        CapCorr of sequences whose factors are not known, no floor of a likelihood that has none.
        Models whose windows differ are compared by `roll_prediction_by_frame`, at the frames that
        none of them sees.

    Example:
        >>> from symgen import TVAE
        >>> from symgen.data import Sequences, TransformingDigits, load
        >>> test = Sequences(TransformingDigits(load("digits", split="test").pixels), 8)
        >>> model = TVAE((3, 28, 28), capsules=2, units=18, frames=18, window=13)
        >>> measured = evaluate(model, test, torch.full((3, 28, 28), 0.1), items=8)
        >>> sorted(measured["roll_prediction"]["outside"])
        ['mean_nll', 'mean_squared_error', 'nll', 'repeat_nll', 'repeat_squared_error', ...]
    """
    if items is not None and not 0 < items <= len(test.source):
        raise ValueError(
            f"examples={items}: there are {len(test.source)} held-out sequences; "
            "choose a number up to that"
        )
    count = len(test.source) if items is None else items
    batches = -(-count // test.batch_size)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    sums, rolls = _Sums(), []
    own: dict[str, list[Tensor]] = defaultdict(list)
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        several = isinstance(model.topography, AxesTopography)
        assignment = assign_axes(model, test) if several else None
        for step in range(batches):
            left = count - step * test.batch_size
            batch = test.batch(step)
            batch = batch._make(None if part is None else part[:left] for part in batch)
            x = batch.inputs[0].to(device)
            posterior = model.encode(x)
            t = model.latents(posterior, sampled=True)
            weights = model.log_weights(x, samples, posterior)
            elbo = model.elbo(x, posterior)
            sums.note(
                elbo=-(elbo.nll + elbo.kl).mean(1),
                nll=elbo.nll.mean(1),
                kl_z=elbo.kl_z.mean(1),
                kl_u=elbo.kl_u.mean(1),
                log_p_paper=paper_estimate(weights),
                log_p_bound=sequence_bound(weights),
                entropy_floor=entropy_floor(x, model.likelihood),
            )
            factors, moved = (part.to(device) for part in followed(batch, test.source))
            parts: list[tuple[Any, Any]] = [(slice(None), 0)]
            if assignment is None:
                rolling = t
                reading = _reading(model)
                if test.source.factor_names:
                    rolls.append(observed_and_true(t, factors, moved, canonical, **reading))
            else:
                parts, reading = assignment.parts(moved), {"speed": 0}
                rolling = assignment.unrolled(model, t, moved)
            sums.note(
                e_eq=equivariance_error(rolling, **reading),
                e_eq_centred=equivariance_error(rolling, centred=True, **reading),
            )
            for chosen, axis in parts if model.frames > 1 else ():
                of = _of(posterior, chosen)
                prediction = roll_prediction(
                    model, x[chosen], mean.to(device), axis=axis, posterior=of
                )
                sums.note(
                    **{
                        "by_frame/nll": prediction.nll,
                        "by_frame/squared_error": prediction.squared_error,
                    }
                )
                for place in ("inside", "outside"):
                    for name, error in getattr(prediction, place)().items():
                        sums.note(**{f"{place}/{name}": error})
            for name, metric in (metrics or {}).items():
                own[name].append(torch.as_tensor(metric(model, batch)).cpu())
            if observe is not None:
                observe(step + 1, batches)
    model.train(was_training)

    result: dict[str, Any] = {"examples": count, "samples": samples, "seed": seed} | sums.means()
    result["speed"] = model.speed
    result["nats"] = f"per frame, {type(model.likelihood).__name__}"
    if model.likelihood.bits_per_dimension and result["log_p_bound"] is not None:
        dimensions = math.prod(model.data_shape)
        result["bits_per_dimension"] = -result["log_p_bound"] / dimensions / math.log(2)
    if assignment is None:
        result["capcorr"] = _capcorr(model, test.source, rolls) if rolls else {}
    else:
        result["axes"] = assignment.described(test.source.factor_names)
    if model.frames > 1:
        result |= _equivariance(model, sums) | {
            "roll_prediction": {place: sums.means(f"{place}/") for place in ("inside", "outside")},
            "roll_prediction_by_frame": {
                name: torch.cat(sums.values[f"by_frame/{name}"]).mean(0).tolist()
                for name in ("nll", "squared_error")
            },
        }
    if own:
        result["own"] = mean_of_own(own)
    return result


def mean_frame(data: Batches[Any]) -> Float[Tensor, "*data"]:
    """Average training frames, a baseline of predictions."""
    batches = math.ceil(min(_MEAN_OF, len(data.source)) / data.batch_size)
    means = [data.batch(step).inputs[0].mean((0, 1)) for step in range(batches)]
    return torch.stack(means).mean(0)


def _reading(model: TopographicVAE) -> dict[str, Any]:
    return {"speed": model.speed, "boundary": model.topography.capsule_boundary}


def _of(posterior: Any, chosen: Any) -> Any:
    """Return the posteriors of some of the sequences."""
    if isinstance(chosen, slice):
        return posterior
    parts = (
        None if q is None else type(q)(q.mean[chosen], q.log_variance[chosen]) for q in posterior
    )
    return posterior._make(parts)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _equivariance(model: TopographicVAE, sums: _Sums) -> dict[str, float]:
    """Return the equivariance errors as percent of those of noise."""
    size = (model.frames, model.capsules, model.units)
    return {
        f"{name}_percent_of_chance": float(
            100
            * torch.cat(sums.values[name]).mean()
            / equivariance_chance(*size, centred=centred, **_reading(model))
        )
        for name, centred in (("e_eq", False), ("e_eq_centred", True))
    }


def _capcorr(
    model: TopographicVAE, source: Any, rolls: list[ObservedRolls]
) -> dict[str, dict[str, Any]]:
    """CapCorr of every factor that moved, beside its chance level and the circular variant."""
    observed, true, factor = (torch.cat(parts).cpu() for parts in zip(*rolls, strict=True))
    table = {}
    for index, name in enumerate(source.factor_names):
        chosen = factor == index
        if not chosen.any():
            continue
        pair = observed[chosen], true[chosen]
        turn = model.units * roll_resolution(model.speed)
        size = (turn, model.capsules, source.factor_sizes[index], model.frames)
        cyclic = model.topography.capsule_boundary == "cyclic"
        table[name] = {
            "value": _defined(correlation(*pair)),
            "chance": capcorr_chance(*size) if cyclic else None,
            "circular": _defined(correlation(*pair, period=turn)) if cyclic else None,
            "sequences": int(chosen.sum()),
        }
    return table


class TopographicFamily(Family):
    """Models of sequences whose capsules roll, and the plain VAE beside them."""

    kind = TopographicVAE
    examples = "sequences"
    batch_size = 50
    verbs = ("traverse",)
    card = CardText(
        described="a variational auto-encoder of the family of the Topographic VAE "
        "(Keller & Welling 2021)",
        programs="""\
t = encode(x)  # x (B, S, *data_shape) -> t (B, S, C, D)
mean = decode(t[:, 0])  # t (B, C, D) -> means (B, *data_shape)
mean = decode(t[:, 0].roll(1, -1))  # the same, one step on: every capsule rolled by a unit""",
        limits="""
* Its equivariance is learned, not built in: it holds as far as the results say, for the
  transformations of the training sequences.""",
        tag="topographic-vae",
        bibtex="""\
@inproceedings{keller2021topographic,
  title     = {Topographic {VAEs} learn Equivariant Capsules},
  author    = {Keller, T. Anderson and Welling, Max},
  booktitle = {Advances in Neural Information Processing Systems},
  volume    = {34},
  year      = {2021}
}""",
    )

    def evaluate(
        self,
        model: Any,
        test: Batches[Any],
        train: Batches[Any],
        *,
        items: int | None = None,
        samples: int = 10,
        seed: int = 0,
        canonical: int = 0,
        metrics: Mapping[str, Metric] | None = None,
        observe: ObserveBatches | None = None,
    ) -> dict[str, Any]:
        """Measure likelihood, equivariance, CapCorr and roll prediction, see `evaluate`."""
        return evaluate(
            model,
            test,
            mean_frame(train),
            items=items,
            samples=samples,
            seed=seed,
            canonical=canonical,
            metrics=metrics,
            observe=observe,
        )

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
                beside = "no baseline of this likelihood"
                if repeat is not None:
                    beside = f"repeat last frame {repeat:.1f}; mean frame {mean:.1f}"
                yield f"roll prediction, {name} frames, {unit}", f"{errors[key]:.1f}", beside
        for name, value in measured.get("own", {}).items():
            yield name, f"{value:.4g}", "your own"

    def counted(self, measured: Mapping[str, Any]) -> str:
        """Say how many sequences and samples an evaluation took."""
        return f"{measured['examples']:,} sequences, {measured['samples']} importance samples"
