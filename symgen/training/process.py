"""The process of a training: signals that stop it, generators and memory that it keeps."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from symgen._signals import handled

__all__ = [
    "generators",
    "generators_kept",
    "keep_freed_memory",
    "multiplying",
    "set_generators",
    "stop_signals",
]

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h


@contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Put the number of the first SIGINT or SIGTERM into a list; a second acts as before."""
    stop: list[int] = []

    def ask(number: int, _: object) -> None:
        restore()
        stop.append(number)

    with handled(ask) as restore:
        yield stop


def generators(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the states of torch's random generators that a model on a device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_generators(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put generators into the states that `generators` returned."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps":
        torch.mps.set_rng_state(states["mps"])


@contextmanager
def generators_kept(device: torch.device) -> Iterator[None]:
    """Leave torch's random generators, those of a device included, as they were found."""
    before = generators(device)
    try:
        yield
    finally:
        set_generators(before, device)


@contextmanager
def multiplying(precision: str) -> Iterator[None]:
    """Multiply float32 matrices on CUDA in tf32 until the end, if that is the precision."""
    before = torch.get_float32_matmul_precision()
    try:
        if precision == "tf32":
            torch.set_float32_matmul_precision("high")
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def keep_freed_memory() -> bool:
    """Ask the C library to keep large blocks that are freed, and tell whether it does.

    A training step frees and asks again for the same gradients. By default glibc gives blocks of
    this size back to the system at once, and every page of the next ones has to be mapped and
    cleared anew. The setting holds for the process; its memory does not shrink until it ends.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or none to ask
        return False
    return bool(mallopt(_MMAP_MAX, 0) and mallopt(_TRIM_THRESHOLD, 2**31 - 1))
