"""Where decoded recordings are kept: a folder that is named, or one until this process ends."""

import atexit
import os
import secrets
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from symgen._locks import held, hold_folder
from symgen.data.recordings.footage import Footage
from symgen.data.recordings.writing import open_footage

__all__ = ["kept", "require_room"]

_TEMPORARY = "symgen-footage-"
_SPARE = 2**26  # bytes that are left free


def kept(name: str, cache: Path | None, write: Callable[[Path], Footage]) -> Footage:
    """Open recordings that were decoded before by their name, or decode them."""
    folder = _temporary_folder() if cache is None else cache.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npy"
    with held(path.with_suffix(".lock"), needed=False):
        if path.is_file():
            try:
                return open_footage(path)
            except ValueError as damage:
                warnings.warn(f"{damage}: the recordings are decoded again", stacklevel=2)
        return write(path)


def require_room(size: int, cache: Path | None) -> None:
    """Refuse to decode what does not fit on the disk.

    Raises:
        ValueError: with the sizes and how to decode elsewhere.
    """
    folder = Path(tempfile.gettempdir()) if cache is None else cache.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if size + _SPARE > free:
        raise ValueError(
            f"the recordings take {size / 1e9:,.1f} GB decoded, but {folder} has "
            f"{free / 1e9:,.1f} GB free: name a folder with more room by --cache FOLDER, or make "
            "frames smaller with --size or --gray"
        )


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    """Make a folder that is removed when this process ends, and remove those of killed ones."""
    for left in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - 60:  # not just being made
                os.close(hold_folder(left))  # fails where its process lives
                shutil.rmtree(left)
    folder = Path(tempfile.gettempdir()) / f"{_TEMPORARY}{secrets.token_hex(8)}"
    owner = os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # and not a fork of it
            shutil.rmtree(folder, ignore_errors=True)

    def stop(number: int, _: object) -> None:
        remove()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    atexit.register(remove)
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)
    folder.mkdir(0o700)  # once it will be removed
    with suppress(OSError):  # some file systems have no locks
        hold_folder(folder)
    return folder
