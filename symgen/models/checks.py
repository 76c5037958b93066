"""What models refuse: data, latents, labels and nets that do not fit."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from symgen._typed import Range, typed
from symgen.latents import AxesTopography, Topographic, Topography
from symgen.likelihoods import Likelihood

__all__ = [
    "check_data",
    "check_data_shape",
    "check_element",
    "check_floats",
    "check_labels",
    "check_likelihood",
    "check_net",
    "check_sizes",
    "check_tensor",
    "check_topographic",
]

_AXES = {1: "features", 3: "channels, height, width", 4: "channels, depth, height, width"}
_REPEATED = ("depth", "pose_iterations")  # what is not seen in the size of any tensor
_MOST_REPEATED = 1000
_ITEMS = 2  # rows of the trial run of a net
_MOST_FRAMES = 10**6
_FARTHEST = 1e6  # from 0, of μ and eps
_FAILURES = (RuntimeError, ValueError, TypeError, IndexError, AttributeError)
_Steps = Annotated[int | float, Range(-(2**31), 2**31)]  # of a roll


def check_data_shape(data_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an item of the data, or raise ValueError where it cannot be one."""
    shape = tuple(int(size) for size in data_shape)
    if len(shape) not in _AXES or min(shape) < 1:
        raise ValueError(
            f"data_shape={tuple(data_shape)}: give positive numbers, (features,) or (channels, "
            "height, width) or (channels, depth, height, width)"
        )
    return shape


def check_data(model: Any, name: str, x: Tensor, *frames: int | str) -> None:
    """Raise ValueError for data of another shape or type and, on the CPU, outside the support.

    The data are (batch, *frames, *data_shape), where a letter stands for any number of frames.
    """
    axes = f"batch{', frames' * len(frames)}, {_AXES[len(model.data_shape)]}"
    check_floats(name, x, axes, "B", *frames, *model.data_shape)
    check_type(model, name, x)
    if _can_be_read(x):
        model.likelihood.require_support(name, x)


def check_sizes(**sizes: int | Sequence[int] | None) -> None:
    """Raise ValueError for what is no size: a number of units, or several, each 1 or more."""
    for name, given in sizes.items():
        every = given if isinstance(given, Sequence) else () if given is None else (given,)
        if not all(type(size) is int and size >= 1 for size in every):
            raise ValueError(f"{name}={given!r}: give whole numbers of 1 or more")
        if name in _REPEATED and max(every, default=0) > _MOST_REPEATED:
            raise ValueError(f"{name}={given!r}: give {_MOST_REPEATED:,} at most")


def check_type(model: Any, name: str, x: Tensor) -> None:
    """Raise ValueError for floats of another precision than the model's weights."""
    if torch.compiler.is_compiling() or torch.is_autocast_enabled(x.device.type):
        return
    weights = next(model.parameters()).dtype
    if x.dtype != weights:
        raise ValueError(
            f"{name} is of {x.dtype}, the weights of {weights}: give {name}.to({weights}), or "
            f"model.to({x.dtype})"
        )


def check_tensor(name: str, x: Any, then: str = "") -> None:
    """Raise ValueError for what is no tensor, such as an array, with what makes one."""
    if not isinstance(x, Tensor):
        raise ValueError(
            f"{name} is a {type(x).__name__}: give a tensor, such as torch.as_tensor({name}){then}"
        )


def check_floats(name: str, x: Tensor, axes: str, *expected: int | str) -> None:
    """Raise ValueError for a tensor of other sizes, a letter for any size, or of another type."""
    check_tensor(name, x, ".float()")
    if not (_fits(x.shape, expected) and x.is_floating_point()):
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} and {x.dtype} does not fit the model: expected "
            f"floats ({axes}) = {_shown(expected)}"
        )


def check_labels(y: Tensor, count: int, classes: int, least: int = 0) -> None:
    """Raise ValueError for labels of another number or type and, on the CPU, out of range.

    With -1 as `least` that stands for no label.
    """
    check_tensor("y", y)
    if y.shape != (count,) or y.dtype != torch.int64:
        raise ValueError(
            f"y of shape {tuple(y.shape)} and {y.dtype} for {count} items: give one int64 "
            "label for each"
        )
    if _can_be_read(y) and len(y) and not (y.min() >= least and y.max() < classes):
        unknown = ", or -1 for none" if least < 0 else ""
        raise ValueError(
            f"labels reach from {int(y.min())} to {int(y.max())} but the model has "
            f"{classes} classes, 0 to {classes - 1}{unknown}"
        )


@torch.no_grad()
def check_net(
    name: str,
    net: nn.Module,
    inputs: Sequence[int],
    outputs: Sequence[int | str],
    what: str,
    like: Tensor,
    labelled: bool = False,
) -> Tensor:
    """Try a net on two items of zeros, and raise ValueError if what comes out does not fit.

    The net is in evaluation mode meanwhile, and the random generators are left as they were.

    Args:
        name: argument that the net was given as.
        net: the net, which takes a label for each item as well if it is `labelled`.
        inputs: shape of an item that goes in.
        outputs: shape of what must come out for an item, a letter for any size; for both items
            it is returned.
        what: what that is, in words.
        like: a weight of the model, of whose precision the items are.
    """
    own = next(net.parameters(), like)
    x = torch.zeros(_ITEMS, *inputs, device=own.device, dtype=like.dtype)
    labels = (torch.zeros(_ITEMS, dtype=torch.int64, device=x.device),) if labelled else ()
    modes = {module: module.training for module in net.modules()}
    call, expected = f"{name} of {_ITEMS} items {tuple(x.shape)}", (_ITEMS, *outputs)
    wanted = f"it should give {_shown(expected)}, {what}"
    try:
        with torch.random.fork_rng(devices=[]):
            found = net.eval()(x, *labels)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if own.dtype != like.dtype:
            raise ValueError(
                f"{name} has weights of {own.dtype} in a model of {like.dtype}: give "
                f"{name}.to({like.dtype}), and model.to({own.dtype}) makes all so afterwards"
            ) from error
        raise ValueError(f"{call} fails: {error}; {wanted}") from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(found, Tensor) or not _fits(found.shape, expected):
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{call} gives {given}: {wanted}")
    return found


@torch.no_grad()
def check_likelihood(
    likelihood: Likelihood, outputs: Tensor, data_shape: Sequence[int], learned: Mapping[str, Any]
) -> None:
    """Raise ValueError for a likelihood of which an item's log-probability is not one number.

    The outputs are those of a decoder for two items.
    """
    items, name = (_ITEMS, *data_shape), type(likelihood).__name__
    wanted = (
        f"data {items} should have log-probabilities ({_ITEMS},), one for each item: return "
        f"Independent(…, dims)"
    )
    try:
        named = {name: value.to(outputs.device) for name, value in learned.items()}
        density = likelihood(outputs, len(data_shape), **named)
        shapes = (getattr(density, f"{kind}_shape", None) for kind in ("batch", "event"))
        if tuple(shapes) == (items[:1], items[1:]):
            return
        with torch.random.fork_rng(devices=[]):
            data = density.sample()
            found = density.log_prob(data)
    except _FAILURES as error:
        raise ValueError(
            f"{name} of outputs {tuple(outputs.shape)} fails: {error}; {wanted}"
        ) from error
    if (data.shape, found.shape) != (items, items[:1]):
        given = f"data {tuple(data.shape)} and log-probabilities {tuple(found.shape)}"
        raise ValueError(f"{name} of outputs {tuple(outputs.shape)} gives {given}: {wanted}")


@torch.no_grad()
def _check_scales(topography: Topographic, eps: float) -> None:
    """Raise ValueError for a topography of one's own whose scales are not one for each unit."""
    if topography.is_none or isinstance(topography, Topography | AxesTopography):
        return
    weights = topography.parameters() if isinstance(topography, nn.Module) else iter(())
    own = next(weights, torch.zeros(()))
    sizes = (_ITEMS, topography.frames, topography.capsules, topography.units)
    energy = torch.ones(sizes, device=own.device)
    for method, given in {"inverse_scale": (), "expected_inverse_scale": (0 * energy,)}.items():
        call = f"{type(topography).__name__}.{method} of energy {sizes}"
        try:
            found = getattr(topography, method)(energy, *given, eps)
        except _FAILURES as error:
            raise ValueError(f"{call} fails: {error}; it should give {sizes}") from error
        if not isinstance(found, Tensor) or found.shape != sizes:
            shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ValueError(
                f"{call} gives {shown}: it should give {sizes}, a scale for each variable, such "
                "as by .expand_as(energy)"
            )


def check_element(element: Any, t: Tensor) -> None:
    """Raise ValueError for a roll by what is no number, or by numbers that do not broadcast."""
    if torch.compiler.is_compiling():
        return
    if not isinstance(element, Tensor):
        typed("element", element, _Steps)
        return
    if element.dtype == torch.bool or element.is_complex():
        raise ValueError(f"element is of {element.dtype}: give whole or real numbers of steps")
    try:
        torch.broadcast_shapes(element.shape, t.shape[:-2])
    except RuntimeError as error:
        raise ValueError(
            f"element of shape {tuple(element.shape)} does not broadcast against the leading "
            f"dimensions {tuple(t.shape[:-2])} of t: give one number of steps, or one for each"
        ) from error


def _fits(shape: torch.Size, expected: Sequence[int | str]) -> bool:
    """Compare sizes with those expected, where a letter stands for any, and "…" for any number."""
    if expected[0] == "…":
        expected = expected[1:]
        shape = shape[-len(expected) :]
    return len(shape) == len(expected) and all(
        isinstance(want, str) or size == want for size, want in zip(shape, expected, strict=True)
    )


def _shown(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"


def _can_be_read(x: Tensor) -> bool:
    """Tell whether looking at values is cheap: on a GPU it would mean waiting."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def check_topographic(topography: Topographic, mu: float, eps: float, ahead: int) -> None:
    """Raise ValueError for a topography and constants that a Topographic VAE cannot have."""
    frames, units = topography.frames, topography.units
    if not (abs(mu) <= _FARTHEST and 0 <= eps <= _FARTHEST):
        limits = f"{_FARTHEST:,.0f} at most, and an eps of 0 or more"
        raise ValueError(f"mu={mu}, eps={eps}: give a mu that is ±{limits}")
    if frames > _MOST_FRAMES:
        raise ValueError(f"frames={frames}: give {_MOST_FRAMES:,} at most")
    if frames > 1 and units < 2:
        raise ValueError(f"units={units}: capsules that roll need 2 units or more")
    if not 0 <= ahead < frames:
        raise ValueError(f"ahead={ahead}: choose 0 to {frames - 1} frames")
    _check_scales(topography, eps)
