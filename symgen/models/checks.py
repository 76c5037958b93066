"""What models refuse: data, latents, labels and nets that do not fit."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "check_data",
    "check_data_shape",
    "check_floats",
    "check_labels",
    "check_net",
    "check_sizes",
    "check_topographic",
]

_AXES = {1: "features", 3: "channels, height, width", 4: "channels, depth, height, width"}
_REPEATED = ("depth", "pose_iterations")  # what is not seen in the size of any tensor
_MOST_REPEATED = 1000
_ITEMS = 2  # rows of the trial run of a net
_MOST_FRAMES = 10**6
_FARTHEST = 1e6  # from 0, of μ and eps


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


def check_floats(name: str, x: Tensor, axes: str, *expected: int | str) -> None:
    """Raise ValueError for a tensor of other sizes, a letter for any size, or of another type."""
    if not (_fits(x.shape, expected) and x.is_floating_point()):
        raise ValueError(
            f"{name} of shape {tuple(x.shape)} and {x.dtype} does not fit the model: expected "
            f"floats ({axes}) = {_shown(expected)}"
        )


def check_labels(y: Tensor, count: int, classes: int, least: int = 0) -> None:
    """Raise ValueError for labels of another number or type and, on the CPU, out of range.

    With -1 as `least` that stands for no label.
    """
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
    labelled: bool = False,
) -> tuple[int, ...]:
    """Try a net on two items of zeros, and raise ValueError if what comes out does not fit.

    The net is in evaluation mode meanwhile, and the random generators are left as they were.

    Args:
        name: argument that the net was given as.
        net: the net, which takes a label for each item as well if it is `labelled`.
        inputs: shape of an item that goes in.
        outputs: shape of what must come out for an item, a letter for any size; it is returned.
        what: what that is, in words.
    """
    parameter = next(net.parameters(), torch.zeros(()))
    x = torch.zeros(_ITEMS, *inputs, device=parameter.device, dtype=parameter.dtype)
    labels = (torch.zeros(_ITEMS, dtype=torch.int64, device=x.device),) if labelled else ()
    modes = {module: module.training for module in net.modules()}
    call, expected = f"{name} of {_ITEMS} items {tuple(x.shape)}", (_ITEMS, *outputs)
    wanted = f"it should give {_shown(expected)}, {what}"
    try:
        with torch.random.fork_rng(devices=[]):
            found = net.eval()(x, *labels)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{call} fails: {error}; {wanted}") from error
    finally:
        for module, training in modes.items():
            module.training = training
    if not isinstance(found, Tensor) or not _fits(found.shape, expected):
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"{call} gives {given}: {wanted}")
    return tuple(found.shape[1:])


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


def check_topographic(frames: int, units: int, mu: float, eps: float, ahead: int) -> None:
    """Raise ValueError for sizes and constants that a Topographic VAE cannot have."""
    if not (abs(mu) <= _FARTHEST and 0 <= eps <= _FARTHEST):
        limits = f"{_FARTHEST:,.0f} at most, and an eps of 0 or more"
        raise ValueError(f"mu={mu}, eps={eps}: give a mu that is ±{limits}")
    if frames > _MOST_FRAMES:
        raise ValueError(f"frames={frames}: give {_MOST_FRAMES:,} at most")
    if frames > 1 and units < 2:
        raise ValueError(f"units={units}: capsules that roll need 2 units or more")
    if not 0 <= ahead < frames:
        raise ValueError(f"ahead={ahead}: choose 0 to {frames - 1} frames")
