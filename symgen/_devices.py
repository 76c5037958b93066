"""Devices to compute on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

__all__ = ["best_device", "placed", "seeded", "usable_device"]

Module = TypeVar("Module", bound=nn.Module)


def usable_device(name: str) -> str:
    """Return the name of a device that computes.

    Raises:
        ValueError: if there is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} does not compute here ({reason}): take cpu") from error
    if device.type == "meta":
        raise ValueError(f"device={name!r} holds no values: take cpu")
    return name


def best_device() -> str:
    """Name the device to compute on unless another is asked for."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def placed(model: Module, device: str | None) -> Module:
    """Move a model to a device, or leave it where it is."""
    return model if device is None else model.to(usable_device(device))


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from a seed on a device, and leave its generator and the CPU's as they were."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        if device.type == "cpu":  # `torch.manual_seed` would seed those of all devices
            torch.default_generator.manual_seed(seed)
        else:
            torch.manual_seed(seed)
        yield
