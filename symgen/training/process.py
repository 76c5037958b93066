"""The process of a training: signals that stop it, memory that it keeps."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from symgen._signals import handled

__all__ = ["keep_freed_memory", "stop_signals"]

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
