"""Calls of the package that work, of which the campaign api_calls changes an argument."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Call(NamedTuple):
    """A call that works.

    Attributes:
        function: what is called.
        arguments: its arguments, by name.
        fixed: whether only the first axis of its tensors may have another size.
        invariant: whether the result does not depend on the scale of its floats.
        use: what to do with the result, to see whether it computes.
        made: whether it makes a model or settings, which check the types of their numbers.
        part: whether it is a part of models, which may raise errors of torch.
        overflows: whether it is a step of training, which looks at no value: huge ones, whose
            result no number can be, are NaN, at which training stops.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    fixed: bool = False
    invariant: bool = False
    use: Callable[[Any], Any] = lambda result: result
    made: bool = False
    part: bool = False
    overflows: bool = False


def working_calls() -> dict[str, Call]:
    """Return calls of metrics, densities, likelihoods, groups, models, settings and data."""
    torch.manual_seed(1)
    made: dict[str, Call] = {}
    for calls in (_metrics(), _latents(), _likelihoods(), _groups(), _models(), _makers()):
        made |= calls
    return made


def _named(module: Any, calls: dict[str, dict[str, Any]], **about: Any) -> dict[str, Call]:
    short = module.__name__.removeprefix("symgen.")
    return {f"{short}.{n}": Call(getattr(module, n), a, **about) for n, a in calls.items()}


def _metrics() -> dict[str, Call]:
    from symgen import TVAE, metrics

    t, factors = torch.randn(6, 6, 4, 6), torch.randint(0, 6, (6, 6, 2))
    moved, labels = torch.randint(0, 2, (6,)), torch.arange(40) % 4
    codes, grown = torch.randn(40, 5), torch.randint(0, 3, (40, 2))
    images, pose = torch.rand(6, 1, 8, 8), torch.eye(3).repeat(6, 1, 1)
    model = TVAE((1, 4, 4), capsules=2, units=6, frames=6, window=2, width=8).eval()
    x, weights, halves = torch.rand(4, 6, 1, 4, 4), torch.randn(5, 4, 6), torch.randn(40, 2, 6)
    rolls = {"t": t, "factors": factors, "moved": moved, "canonical": 0}
    probed = {"codes": codes, "labels": labels, "test_codes": codes, "test_labels": labels}
    turned = {"t": halves, "factor": labels, "test_t": halves + 1, "test_factor": labels}
    split = {"codes": codes, "factors": grown, "test_codes": codes, "test_factors": grown}
    fixed = {
        "roll_prediction": {"model": model, "x": x, "mean_frame": x.mean((0, 1))},
        "log_likelihood": {"model": model, "x": x, "samples": 3},
        "forecast_errors": {"predicted": x, "true": x * 0.9, "likelihood": "bernoulli"},
    }
    invariant = {
        "equivariance_error": {"t": t, "centred": True, "speed": 1, "boundary": "cyclic"},
        "capcorr": rolls,
        "observed_and_true": rolls,
        "correlation": {"observed": t[0, 0, 0], "true": t[0, 0, 0] * 2 + 1},
        "mutual_information_gap": {"codes": codes, "factors": grown, "bins": 5},
        "phases": {"t": t},
    }
    plain = {
        "linear_probe": {**probed, "sizes": (8, None), "draws": 2, "seed": 0},
        "phase_r2": {**turned, "period": 4},
        "entropy_floor": {"x": x, "likelihood": "bernoulli"},
        "dci": {**split, "trees": 3, "seed": 0},
        "axis_correlation": {"t": t, "factors": factors, "shape": (2, 3), "period": 6},
        "capcorr_chance": {"units": 6, "capsules": 4, "period": 6, "frames": 6},
        "equivariance_chance": {"frames": 6, "capsules": 4, "units": 6, "speed": 1},
        "class_selectivity": {"t": t[:, 0], "labels": moved, "threshold": 0.85},
        "frechet_distance": {"first": codes, "second": codes + 1},
        "linear_forecast": {"codes": torch.randn(9, 8, 3), "horizon": 2, "ridge": 0.01},
        "mixture_bounds": {"bounds": -torch.rand(6, 4), "class_log_probs": torch.rand(6, 4).log()},
        "paper_estimate": {"weights": weights},
        "sequence_bound": {"weights": weights},
        "pooled_capsules": {"t": t},
        "pose_recovery": {"statistics": codes, "true": torch.randn(40, 2), "labels": labels},
        "round_trip": {"pose": pose, "size": (8, 8)},
        "selectivity_summary": {"best": torch.randint(0, 3, (4, 5))},
        "sharpness": {"images": images},
        "height_and_slant": {"images": images},
    }
    found = _named(metrics, fixed, fixed=True) | _named(metrics, invariant, invariant=True)
    return found | _named(metrics, plain)


def _latents() -> dict[str, Call]:
    from symgen import latents

    t = torch.randn(3, 6, 4, 6)
    density = {"mean": t[0, 0], "log_variance": torch.rand(4, 6)}
    calls = {
        "roll": {"t": t, "shift": 2, "method": "linear", "boundary": "cyclic"},
        "observed_roll": {"t_ref": t[:, 0], "t": t[:, 1], "resolution": 1, "boundary": "cyclic"},
        "observed_rolls": {"t_ref": t[:, 0], "t": t[:, 1], "shape": (2, 3)},
        "standard_normal_log_prob": {"x": t},
    }
    densities = {"Gaussian": density, "Laplace": density}
    found = _named(latents, densities, use=lambda d: [d.kl(), d.std], part=True)
    return found | _named(latents, calls, part=True)


def _likelihoods() -> dict[str, Call]:
    from symgen.likelihoods import make_likelihood

    found = {}
    for name in (
        "bernoulli",
        "continuous-bernoulli",
        "gaussian",
        "poisson",
        "discretised-logistic",
    ):
        scale = 0.5 if name in ("gaussian", "discretised-logistic") else None
        arguments = {"likelihood": name, "scale": scale, "clamp": False}
        likelihood, x = make_likelihood(**arguments), (torch.rand(3, 1, 4, 4) * 255).round()
        outputs, x = (
            torch.rand(3, likelihood.parameters, 1, 4, 4),
            x if name == "poisson" else x / 255,
        )
        found[f"{name}.make"] = Call(make_likelihood, arguments, made=True)
        found[name] = Call(partial(_log_prob, likelihood), {"outputs": outputs, "x": x}, part=True)
    return found


def _log_prob(likelihood: Any, outputs: Tensor, x: Tensor) -> Tensor:
    """Evaluate log p(x) as a model does, which checks x first."""
    likelihood.require_support("x", x)
    return likelihood(outputs, 3).log_prob(x)


def _groups() -> dict[str, Call]:
    from symgen import groups
    from symgen.groups import affine, colour, projective

    raw, images = 0.1 * torch.randn(5, 6), torch.rand(5, 3, 8, 8)
    maps, shades = affine.exp(raw), colour.exp(0.1 * torch.randn(5, 8))
    degrees, similarity = torch.rand(5) * 360, (raw[:, 0], raw[:, 1].exp(), raw[:, :2])
    of_groups = {
        "centroid": {"images": images},
        "hue_vector": {"degrees": degrees},
        "warp": {"images": images, "pose": maps[:, :2], "background": 0.0},
    }
    of_matrices = ("has_log", "inverse", "log", "to_parameters")
    of_affine = {name: {"matrix": maps} for name in of_matrices} | {
        "check_pose": {"pose": maps},
        "compose": {"left": maps, "right": maps},
        "compose_generators": {"generators": raw, "further": raw},
        "exp": {"generators": raw},
        "from_parameters": dict(zip(("angle", "scale", "shift"), similarity, strict=True)),
        "from_raw": {"raw": raw, "least": 0.2, "greatest": 5.0},
    }
    of_colour = {name: {"matrix": shades} for name in ("hue_degrees", "inverse")} | {
        "act": {"images": images, "matrix": shades},
        "exp": {"generators": 0.1 * torch.randn(5, 8)},
        "hue_rotation": {"degrees": degrees},
    }
    tilt = {"tilt": {"angle": raw[:, 0], "diagonal": 8.0}}
    found = {}
    for room, calls in (groups, of_groups), (affine, of_affine), (colour, of_colour):
        found |= _named(room, calls, part=True)
    for name in ("affine.exp", "colour.exp", "colour.inverse"):
        found[f"groups.{name}"] = found[f"groups.{name}"]._replace(overflows=True)
    return found | _named(projective, tilt, part=True)


def _models() -> dict[str, Call]:
    from symgen import ACE, TVAE, VAE, TorusVAE

    found = {}
    sizes = {"width": 8, "frames": 6, "capsules": 2, "units": 6}
    torus = TorusVAE((1, 4, 4), capsules=3, units=3, neighbourhood=3, width=8)
    for model in (TVAE((1, 4, 4), window=2, **sizes), VAE((1, 4, 4), **sizes), torus):
        name, x = type(model.eval()).__name__, torch.rand(3, model.frames, 1, 4, 4)
        t = torch.randn(3, model.capsules, model.units)
        found[f"{name}.forward"] = Call(model.forward, {"x": x, "roll": 0}, fixed=True)
        found[f"{name}.latents"] = Call(model.latents, {"x": x}, fixed=True)
        found[f"{name}.log_prob"] = Call(model.log_prob, {"x": x, "samples": 2}, fixed=True)
        found[f"{name}.decode"] = Call(model.decode, {"t": t}, part=True)
        found[f"{name}.act"] = Call(model.act, {"t": t, "element": 1}, part=True)
        found[f"{name}.sample"] = Call(model.sample, {"count": 2})
    ace = ACE((1, 12, 12), classes=3, latents=2, hidden=(8,), decoder_hidden=(8,)).eval()
    x, y = torch.rand(3, 1, 12, 12), torch.arange(3)
    found["ACE.forward"] = Call(ace.forward, {"x": x, "y": y}, fixed=True)
    found["ACE.latents"] = Call(ace.latents, {"x": x, "y": y}, fixed=True)
    found["ACE.manifold"] = Call(ace.manifold, {"z": torch.randn(4, 2)}, fixed=True, part=True)
    found["ACE.sample"] = Call(ace.sample, {"count": 2, "y": torch.tensor([0, 1])})
    return found


def _makers() -> dict[str, Call]:
    """Return what makes models, topographies, settings, data and trainings."""
    import symgen
    from symgen.experiments.builders import options_of
    from symgen.latents import AxesTopography, Topography
    from symgen.models import ACE, TVAE, VAE, Motion, TorusVAE
    from symgen.training import Training

    small = {"width": 8, "capsules": 3, "units": 6, "neighbourhood": 3, "hidden": (8,)}
    small |= {"decoder_hidden": (8,), "window": 2}
    sizes = {ACE: {"classes": 3}, TorusVAE: {}}
    found = {}
    for kind in (TVAE, VAE, TorusVAE, ACE):
        options = {n: small.get(n, o.default) for n, o in options_of(kind).items()}
        shape = {"data_shape": (1, 12, 12), **sizes.get(kind, {"frames": 6})}
        found[kind.__name__] = Call(kind, shape | options, use=_first_step, made=True)
    extents = {"frames": 6, "window": 3, "neighbourhood": 1, "shift": 1, "boundary": "cyclic"}
    units, axes = (
        {"capsules": 4, "units": 6, **extents},
        {"capsules": 4, "shape": (2, 3), **extents},
    )
    films = {"length": 6, "stride": 2, "every": 1, "size": (4, 4), "gray": False, "rate": None}
    films |= {"validation": 0.1, "test": 0.1, "split_seed": 0, "split": "train", "frozen": 16}
    opened = partial(symgen.open, [torch.rand(14, 1, 4, 4) for _ in range(6)], axes="TCYX")
    model = TVAE((1, 4, 4), capsules=2, units=6, frames=6, window=2, width=8)
    trained = vars(Training(examples=8, batch_size=4)) | {"data": torch.rand(8, 6, 1, 4, 4)}
    found["Training"] = Call(Training, dict(vars(Training())), made=True)
    found["Topography"] = Call(Topography, units, use=lambda w: w.matrix(), made=True)
    found["AxesTopography"] = Call(
        AxesTopography,
        axes,
        use=lambda w: w.inverse_scale(torch.rand(2, 6, 4, 6), 1e-6),
        made=True,
    )
    found["Motion"] = Call(Motion, dict(vars(Motion())), made=True)
    found["open"] = Call(opened, films, use=lambda source: source.footage.sample, made=True)
    fit = partial(symgen.fit, model, progress=False)
    losses = lambda run: [line["loss"] for line in run.records if "loss" in line]  # noqa: E731
    found["fit"] = Call(fit, trained, fixed=True, use=losses, made=True)
    return found


def _first_step(model: Any) -> Any:
    """Compute the loss of two items, to see whether a model computes."""
    if hasattr(model, "classes"):
        return model(torch.rand(2, 1, 12, 12), torch.tensor([0, 1]))
    return model(torch.rand(2, model.frames, 1, 12, 12))
