"""What models refuse: shapes, values and nets that do not fit."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["check_data_shape", "check_net", "check_sequences"]

_AXES = {1: ("features",), 3: ("channels", "height", "width")}
_AXES[4] = ("channels", "depth", "height", "width")
_ITEMS = 2  # rows of the trial run of a net


def check_data_shape(data_shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of an item of the data.

    Raises:
        ValueError: if it is not that of a vector, an image or a volume.

    Example:
        >>> check_data_shape([3, 61, 83])
        (3, 61, 83)
    """
    shape = tuple(int(size) for size in data_shape)
    if len(shape) not in _AXES or min(shape) < 1:
        kinds = " or ".join(
            f"({', '.join(axes)}{',' * (len(axes) == 1)})" for axes in _AXES.values()
        )
        raise ValueError(f"data_shape={tuple(data_shape)}: give positive numbers, {kinds}")
    return shape


def axes_of(data_shape: Sequence[int]) -> str:
    """Name the axes of an item of the data."""
    return ", ".join(_AXES[len(data_shape)])


def check_sequences(model: Any, x: Tensor) -> None:
    """Refuse sequences that a model cannot take.

    Raises:
        ValueError: for another shape or type and, on the CPU, values outside the support.
    """
    open_ended = model.topography.open_ended
    shape = model.data_shape
    frames = x.shape[1] if open_ended and x.dim() > 1 else model.frames
    fits = x.dim() == 2 + len(shape) and tuple(x.shape[1:]) == (frames, *shape)
    if not fits or not x.is_floating_point():
        sizes = ", ".join(map(str, ("B", "S" if open_ended else frames, *shape)))
        raise ValueError(
            f"x of shape {tuple(x.shape)} and {x.dtype} does not fit the model: expected floats "
            f"(batch, frames, {axes_of(shape)}) = ({sizes})"
        )
    if x.device.type == "cpu" and not torch.compiler.is_compiling():
        model.likelihood.require_support("x", x)  # on a GPU looking at the values means waiting


@torch.no_grad()
def check_net(
    name: str, net: nn.Module, inputs: Sequence[int], outputs: Sequence[int], what: str
) -> None:
    """Try a net on two items of zeros and refuse it if what comes out does not fit.

    The net is in evaluation mode meanwhile, and the random generators are left as they were.

    Args:
        name: argument that the net was given as.
        net: the net.
        inputs: shape of an item that goes in.
        outputs: shape of what must come out for an item.
        what: what that is, in words.

    Raises:
        ValueError: with the shape that came out and the one that is expected.
    """
    parameter = next(net.parameters(), torch.zeros(()))
    x = torch.zeros(_ITEMS, *inputs, device=parameter.device, dtype=parameter.dtype)
    modes = {module: module.training for module in net.modules()}
    expected = (_ITEMS, *outputs)
    call = f"{name} of {_ITEMS} items {tuple(x.shape)}"
    try:
        with torch.random.fork_rng(devices=[]):
            found = net.eval()(x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{call} fails: {error}; it should give {expected}, {what}") from error
    finally:
        for module, training in modes.items():
            module.training = training
    given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
    if given != expected:
        raise ValueError(f"{call} gives {given}: it should give {expected}, {what}")
