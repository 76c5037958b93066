"""One process at a time in a run folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symgen._files import naming

__all__ = ["RunBusy", "hold"]


class RunBusy(OSError):
    """Another process, or another thread of this one, trains in the run folder."""


@contextmanager
def hold(folder: Path | None, wait: bool = False) -> Iterator[None]:
    """Keep a run folder for oneself.

    The file `lock` in it carries the number of the process that holds it. The operating system
    releases it when that process ends, however it ends: the lock of a dead one is taken over.

    Args:
        folder: the run folder, made if it is not there; None holds nothing.
        wait: wait for somebody else who holds it.

    Raises:
        RunBusy: if somebody else holds it and `wait` is off.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "lock"
    descriptor = _lock(path, wait)
    try:
        with naming(path):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is still held
        os.close(descriptor)


def _lock(path: Path, wait: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode().strip() or "another"
            os.close(descriptor)
            raise RunBusy(
                f"process {holder} is training in {path.parent}: wait for it, stop it, or choose "
                "another folder"
            ) from None
        # Its last holder may have removed the file between our opening and locking it.
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
