"""One process at a time in a run folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from symgen._files import naming
from symgen._locks import held

__all__ = ["RunBusy", "hold"]


class RunBusy(OSError):
    """Another process, or another thread of this one, trains in the run folder, or just has.

    Raised by `fit`.
    """


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
    path, entered = folder / "lock", False
    try:
        with held(path, wait=wait) as descriptor:
            entered = True
            with naming(path):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            yield
    except BlockingIOError:
        if entered:
            raise
        raise RunBusy(
            f"process {_holder(path)} is training in {folder}: wait for it, stop it, or choose "
            "another folder"
        ) from None


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() or "another"
    except OSError:  # it has ended by now
        return "another"
