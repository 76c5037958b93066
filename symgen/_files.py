"""Files that are replaced in one act, errors that name them, and files of the package."""

import hashlib
import json
import os
import secrets
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any

from symgen._locks import POSIX, held, lock

__all__ = [
    "claimed",
    "file_to_write",
    "naming",
    "read_json",
    "read_text",
    "read_toml",
    "remove_stale",
    "require_file",
    "write_atomically",
    "write_json",
]

_PARTIAL, _TOKEN = ".partial.", 8  # bytes
_LONG_AGO = 60.0  # seconds


def file_to_write(path: Path) -> Path:
    """Make the folder of a file, before the work whose result it is to hold and not after.

    Raises:
        ValueError: if the path is a folder itself, or a device, or is in no folder.
    """
    require_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Give an error of the system in writing a file its path and the space that is free there."""
    try:
        yield
    except OSError as error:
        named = Path(str(path if error.filename is None else error.filename))
        if error.errno is None or not (named == path or named.name.startswith(_PARTIAL)):
            raise  # of another file
        try:
            free = f"{shutil.disk_usage(path.parent).free / 1e6:,.1f} MB"
        except OSError:
            free = "an unknown space"
        what = error.strerror or os.strerror(error.errno)
        raise OSError(error.errno, f"cannot be written: {what}, {free} free", str(path)) from error


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Keep other processes from beginning to write the same file, in a folder that is there.

    Raises:
        ValueError: if another process is writing it.
    """
    token = hashlib.blake2b(path.name.encode(), digest_size=_TOKEN).hexdigest()
    with ExitStack() as stack:
        try:
            with naming(path):
                mark = path.with_name(f"{_PARTIAL}{token}.lock")
                stack.enter_context(held(mark, wait=False, needed=False))
        except BlockingIOError as error:
            raise ValueError(
                f"{path} is being written by another process: wait for it, or name another file"
            ) from error
        yield


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one act: whoever opens it finds the old or the new one, always whole.

    What processes that were killed left beside it is removed.

    Args:
        path: file to replace or create.
        write: writes the new content to the path that it is given, an empty sibling of `path` of
            the same suffix, whose name nobody can foresee.

    Raises:
        OSError: with the path and the free space, if the system cannot write; the old file stays.
    """
    require_file(path)
    with naming(path):
        remove_stale(path.parent)
        partial, descriptor = _new_sibling(path)
        try:
            try:
                write(partial)
                os.fsync(descriptor)  # the content must be on disk before the name points to it
                if POSIX:
                    os.replace(partial, path)
            finally:
                os.close(descriptor)
            if not POSIX:
                os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        if POSIX:  # elsewhere a folder cannot be opened
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)


def require_file(path: Path) -> None:
    """Refuse to put a file where something else is: renaming would replace even a device."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is no regular file: name another file to write")
    if not (there := next(each for each in path.absolute().parents if each.exists())).is_dir():
        raise ValueError(f"{path}: {there} is a file: name a folder")


def _new_sibling(path: Path) -> tuple[Path, int]:
    """Open a file that was not there before, neither as a link, and hold it as not stale."""
    while True:
        partial = path.with_name(f"{_PARTIAL}{secrets.token_hex(_TOKEN)}{path.suffix}")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        with suppress(OSError):  # some network folders have no locks
            lock(descriptor)
        if os.fstat(descriptor).st_nlink:  # else taken for stale between the two lines
            return partial, descriptor
        os.close(descriptor)


def remove_stale(folder: Path) -> None:
    """Remove what processes that were killed left of files that they wrote into a folder."""
    for partial in folder.glob(f"{_PARTIAL}{2 * _TOKEN * '[0-9a-f]'}*"):
        with suppress(OSError):  # which fails while somebody writes it, on whatever machine
            if not POSIX:
                if partial.stat().st_mtime < time.time() - _LONG_AGO:  # not just being renamed
                    partial.unlink()
                continue
            descriptor = os.open(partial, os.O_RDWR | os.O_NOFOLLOW)
            try:
                lock(descriptor, wait=False)
                partial.unlink()
            finally:
                os.close(descriptor)


def write_json(path: Path, values: Any) -> None:
    """Replace a file in one act with values as indented JSON."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        OSError: if it cannot be read.
        ValueError: with its path, if it is not JSON in UTF-8.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} is not JSON in UTF-8 ({error}): put back a copy of it"
        ) from error


def read_text(name: str, module: str) -> str:
    """Read a file of the package that lies next to a module, such as `__name__`."""
    place = resources.files(module.rpartition(".")[0])
    return place.joinpath(name).read_text(encoding="utf-8")


def read_toml(name: str, module: str) -> dict[str, Any]:
    """Read a TOML file of the package, see `read_text`."""
    return tomllib.loads(read_text(name, module))
