"""Functions, models and settings called from Python with odd arguments, one at a time.

A call works as it should; then one of its arguments is changed. The axes that a function names in
its annotations tell whether the changed tensors still fit together. What does not fit must be a
clear ValueError or TypeError, and so must be values that are not finite where something is
measured, and wrong types of settings. What is taken must give finite values, and those of the
whole call where the argument means the same as before. Parts of models may raise torch's own
errors of shapes and types, and may hand on NaN as NaN.
"""

import copy
import inspect
import math
import re
import traceback
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Case, Verdict
from jaxtyping import AbstractArray, jaxtyped
from torch import Tensor

_SCALES = {"1e20": 1e20, "1e-20": 1e-20, "1e30": 1e30}
_KINDS = {"f64": torch.float64, "f16": torch.float16, "i64": torch.int64, "c64": torch.complex64}
_NUMBERS = (float("nan"), float("inf"), -1, 0, 2.5, 1e30, -(10**6))
_FOR_MAKERS = ("x", None, True, [], (2,), (-1, 3), (), 10**12)  # models and settings, as of JSON
_MAY_BE_NEGATIVE = {"mu", "shift", "seed", "split_seed", "element", "speed", "background", "first"}
_MAY_BE_NEGATIVE |= {"threshold", "rotate", "shear", "hue", "canonical"}
_OF_NO_PROBABILITY = {("weights", "-inf"), ("class_log_probs", "-inf"), ("bounds", "inf")}
_OF_PYTHON = re.compile(r"unpack|not iterable|unsupported operand|not supported between")
_TOLERANCE = {"f16": 0.1}


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


def prepare(base: Path) -> None:
    """Nothing is shared."""


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every argument of every call, changed in every way or in some."""
    made = []
    for name, call in _calls().items():
        for argument, value in call.arguments.items():
            changes = list(dict(_changes(value, call)))
            few = min(5 if call.made else 9, len(changes))
            for change in Random(f"{seed} {name} {argument}").sample(changes, few):
                run = partial(_tried, name, argument, change)
                made.append(Case(f"{name}-{argument}-{change}", run))
    return made


def _tried(name: str, argument: str, change: str, folder: Path) -> Verdict:
    call = _calls()[name]
    torch.manual_seed(0)
    whole = call.use(copy.deepcopy(call.function)(**call.arguments))  # which may train a model
    given = dict(_changes(call.arguments[argument], call))[change]
    arguments = {**call.arguments, argument: given}
    torch.manual_seed(0)
    try:
        found = call.use(call.function(**arguments))
    except (ValueError, TypeError, FileNotFoundError) as error:
        return _refused(call, argument, given, error)
    except (MemoryError, RuntimeError) as error:
        if re.search("allocate|memory", repr(error), re.IGNORECASE):  # refused by the system
            return Verdict("memory" if call.made else "detected", repr(error))
        return _unexpected(call, error)
    except Exception as error:
        return _unexpected(call, error)
    return _taken(call, argument, change, arguments, whole, found)


def _unexpected(call: Call, error: Exception) -> Verdict:
    """Judge an error that is none of a wrong argument."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()
    of_torch = isinstance(error, RuntimeError | IndexError) and len(text) == 1
    return Verdict("detected" if call.part and of_torch else "traceback", text[0])


def _refused(call: Call, argument: str, given: Any, error: Exception) -> Verdict:
    """Judge an error: one line that names an argument, or gives its shape or value."""
    names = {argument, *inspect.signature(call.function).parameters} - {"kwargs", "arguments"}
    shown = str(tuple(given.shape)) if isinstance(given, Tensor) else repr(given)
    text = str(error).replace(shown, argument)
    if "\n" in text.strip():
        return Verdict("traceback", f"{len(text.splitlines())} lines: {text.splitlines()[0]}")
    *_, last = traceback.extract_tb(error.__traceback__)
    own = "symgen" in Path(last.filename).parts and type(error) is ValueError
    if (own or call.part) and not _OF_PYTHON.search(text):
        return Verdict("detected", text)
    if not any(re.search(rf"(?<![a-z]){re.escape(n)}(?![a-z])", text) for n in names):
        return Verdict("traceback", f"names nothing: {type(error).__name__}: {text}")
    return Verdict("detected", text)


def _taken(
    call: Call, argument: str, change: str, arguments: dict[str, Any], whole: Any, found: Any
) -> Verdict:
    """Judge a result: finite, and that of the whole call where it should be."""
    before, after = _values(whole), _values(found)
    was_finite, given = all(map(math.isfinite, before)), arguments[argument]
    if (argument, change) in _OF_NO_PROBABILITY:
        return Verdict("silent" if any(map(math.isnan, after)) else "fine")
    if change.startswith(("nan", "inf", "-inf", "half")):
        handed_on = isinstance(given, Tensor) and not all(map(math.isfinite, after))
        handed_on |= isinstance(given, float) and not math.isnan(given)  # a limit
        fine = handed_on and (call.part or not was_finite)
        return Verdict("fine" if fine else "silent", f"{change} taken")
    if isinstance(given, Tensor) and change.startswith("1e"):
        if call.invariant:
            return _same(before, after, 1e-2)
        bad = was_finite and any(map(math.isnan, after))  # infinite may be the right answer
        bad &= not call.overflows
        return Verdict("silent", "not a number") if bad else Verdict("fine")
    if was_finite and not all(map(math.isfinite, after)):
        return Verdict("silent", "not finite")
    if isinstance(call.arguments[argument], Tensor):
        return _tensor_taken(call, argument, change, arguments, before, after)
    hint = inspect.signature(call.function).parameters[argument].annotation
    if (call.made or not isinstance(given, bool)) and not _is_of(given, hint):
        return Verdict("silent", f"{given!r} taken for {hint}")
    if _negative(given) and argument not in _MAY_BE_NEGATIVE:
        return Verdict("silent", f"{given!r} taken")
    return Verdict("fine")


def _tensor_taken(
    call: Call, argument: str, change: str, arguments: dict, before: list, after: list
) -> Verdict:
    if change == "c64":
        return Verdict("fine" if call.part else "silent", f"{change} taken")
    if change == "i64":
        floats = {**arguments, argument: arguments[argument].to(torch.float32)}
        torch.manual_seed(0)
        return _same(_values(call.use(call.function(**floats))), after, 1e-3)
    if change in ("numpy", "strided", *_KINDS):
        return _same(before, after, _TOLERANCE.get(change, 1e-3))
    broadcast = call.part and change in ("fewer-axes", "more-axes")
    if not (broadcast or _fit(call, arguments)) or (
        call.fixed and not change.endswith(("-0", "empty"))
    ):
        return Verdict("silent", f"{tuple(arguments[argument].shape)} taken")
    return Verdict("fine")


def _same(before: list[float], after: list[float], tolerance: float) -> Verdict:
    same = len(before) == len(after) and np.allclose(before, after, tolerance, tolerance, True)
    return Verdict("fine") if same else Verdict("silent", f"{before[:2]} became {after[:2]}")


def _fit(call: Call, arguments: dict[str, Any]) -> bool:
    """Tell whether tensors are what the annotations of a function ask for, all together."""
    with jaxtyped("context"):
        for name, parameter in inspect.signature(call.function).parameters.items():
            hint, value = parameter.annotation, arguments.get(name)
            kinds = [h for h in (hint, *typing.get_args(hint)) if _is_array(h)]
            if kinds and isinstance(value, Tensor) and not isinstance(value, kinds[0]):
                return False
    return True


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _is_of(value: Any, hint: Any) -> bool:
    """Tell whether a plain value is of a type; True where that cannot be told."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is_of(value, members[0])
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, member) for member in members)
    if origin is typing.Literal:
        return value in members
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and value is not True
    if hint in (bool, str, types.NoneType, None):
        return value is None if hint in (types.NoneType, None) else isinstance(value, hint)
    if origin is tuple or origin in (list, typing.get_origin(typing.Sequence[int])):
        return isinstance(value, tuple | list)
    return origin is not None or not isinstance(hint, type) or isinstance(value, hint)


def _negative(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0


def _values(result: Any) -> list[float]:
    """Return the numbers in a result, in order."""
    if isinstance(result, Tensor | np.ndarray):
        return [float(v) for v in torch.as_tensor(result).detach().double().flatten().tolist()]
    if isinstance(result, bool | int | float):
        return [float(result)]
    if isinstance(result, Mapping):
        result = list(result.values())
    if hasattr(result, "__dataclass_fields__"):
        result = list(vars(result).values())
    if isinstance(result, torch.distributions.Distribution):
        result = [result.mean]
    return (
        [v for part in result for v in _values(part)] if isinstance(result, list | tuple) else []
    )


def _changes(value: Any, call: Call) -> Iterator[tuple[str, Any]]:
    """List what an argument may be changed into."""
    if not isinstance(value, Tensor):
        if isinstance(value, str):
            yield from ((repr(v), v) for v in ("x", "", value.upper(), value[:-1], f"{value} "))
            yield from ((repr(v), v) for v in (None, 3, []) if call.made)
        elif isinstance(value, tuple):
            yield from ((repr(odd), odd) for odd in ((0, 0), (-1, 3), (2,), (1, 2, 3), ()))
            yield from ((repr(odd), odd) for odd in ("x", 3, None) if call.made)
        elif isinstance(value, bool) and not call.made:
            return
        elif isinstance(value, bool | int | float) or value is None:
            yield from ((repr(odd), odd) for odd in _NUMBERS)
            yield from ((repr(odd), odd) for odd in _FOR_MAKERS if call.made)
        return
    if value.is_floating_point():
        for odd in ("nan", "inf", "-inf"):
            changed = value.clone()
            changed.view(-1)[value.numel() // 2] = float(odd)
            yield odd, changed
        half = value.clone()
        half[: (len(half) + 1) // 2] = torch.nan
        yield "half-nan", half
        yield from ((scale, value * factor) for scale, factor in _SCALES.items())
        yield from ((kind, value.to(dtype)) for kind, dtype in _KINDS.items())
    else:
        yield from (("huge", value + 10**12), ("negative", value - 10**6), ("f32", value.float()))
    yield from (("fewer-axes", value[0]), ("more-axes", value[None]), ("empty", value[:0]))
    for axis in (axis for axis in range(value.dim()) if value.shape[axis] > 1):
        yield f"fewer-{axis}", value.narrow(axis, 0, value.shape[axis] - 1)
        yield f"twice-{axis}", torch.cat([value, value], axis)
    if "metrics" in getattr(call.function, "__module__", ""):  # which take arrays, too
        yield "numpy", value.numpy()
    yield "strided", value.repeat_interleave(2, -1)[..., ::2]


# --- the calls that work -------------------------------------------------------------------------


def _calls() -> dict[str, Call]:
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

    t, kernel = torch.randn(3, 6, 4, 6), torch.rand(1, 3, 6)
    density = {"mean": t[0, 0], "log_variance": torch.rand(4, 6)}
    calls = {
        "roll": {"t": t, "shift": 2, "method": "linear", "boundary": "cyclic"},
        "observed_roll": {"t_ref": t[:, 0], "t": t[:, 1], "resolution": 1, "boundary": "cyclic"},
        "observed_rolls": {"t_ref": t[:, 0], "t": t[:, 1], "shape": (2, 3)},
        "pool_kernel": {"energy": t.square(), "kernel": kernel, "first": -1, "boundary": "zero"},
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
    films |= {"validation": 0.1, "test": 0.1, "split_seed": 0, "split": "train"}
    opened = partial(symgen.open, [torch.rand(14, 1, 4, 4) for _ in range(6)])
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
