"""Locks on files and folders, which the system opens when their process ends, however it ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["POSIX", "held", "hold_folder", "lock"]

POSIX = fcntl is not None
"""Whether a file that is open can be renamed and removed, as Windows refuses."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_FOLDER_LOCK = ".held"
_FAR = 2**31 - 2  # Windows keeps others from reading the byte that is locked: none of the content
_AGAIN = 0.05  # seconds


@contextmanager
def held(path: Path, *, wait: bool = True, needed: bool = True) -> Iterator[int]:
    """Hold a lock file, made if it is not there and removed in the end; give its descriptor.

    Args:
        path: the lock file, whose folder is there; a link is refused.
        wait: wait for another thread or process that holds it.
        needed: fail where the file system has no locks, rather than go on without one.

    Raises:
        BlockingIOError: if another holds it and `wait` is off.
        OSError: if it cannot be opened, or cannot be locked though that is needed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "lock"
        ...     with held(file):
        ...         try:
        ...             with held(file, wait=False):
        ...                 pass
        ...         except BlockingIOError:
        ...             print("held by another")
        ...     file.exists()
        held by another
        False
    """
    descriptor = _opened(path, wait, needed)
    try:
        yield descriptor
    finally:
        if POSIX:
            path.unlink(missing_ok=True)  # while it is still held
        os.close(descriptor)
        if not POSIX:
            with suppress(OSError):  # whoever opened it since removes it
                path.unlink()


def hold_folder(folder: Path) -> int:
    """Hold a folder until the descriptor that is returned is closed, without waiting.

    A file in it is locked, which stays there; Windows removes it, and so the folder, only once
    the descriptor is closed.

    Raises:
        BlockingIOError: if another thread or process holds it.
        OSError: if the folder is not there, is a link, or its file system has no locks.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     os.close(hold_folder(Path(folder)))
    """
    if folder.is_symlink():
        raise OSError(f"{folder} is a link: name the folder itself")
    return _opened(folder / _FOLDER_LOCK, wait=False, needed=True)


def lock(descriptor: int, wait: bool = True) -> None:
    """Lock a file that is open for writing, until its descriptor is closed.

    Raises:
        BlockingIOError: if another holds it and `wait` is off.
        OSError: where the file system has no locks.
    """
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    while not _lock_byte(descriptor):
        if not wait:
            raise BlockingIOError("another process holds the file")
        time.sleep(_AGAIN)


def _opened(path: Path, wait: bool, needed: bool) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
        try:
            lock(descriptor, wait)
        except BaseException as error:
            lacking = isinstance(error, OSError) and not isinstance(error, BlockingIOError)
            if needed or not lacking:
                os.close(descriptor)
                raise
        # Its last holder may have removed the file between our opening and locking it.
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _lock_byte(descriptor: int) -> bool:
    """Lock a byte of a file, as Windows does, and tell whether nobody else has."""
    import msvcrt

    place = os.lseek(descriptor, 0, os.SEEK_CUR)
    os.lseek(descriptor, _FAR, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # pyright: ignore[reportAttributeAccessIssue]
    except PermissionError:
        return False
    finally:
        os.lseek(descriptor, place, os.SEEK_SET)
    return True
