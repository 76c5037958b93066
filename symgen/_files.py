"""Files that are replaced in one act, and files of the package."""

import json
import os
import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

__all__ = ["file_to_write", "read_text", "read_toml", "write_atomically", "write_json"]


def file_to_write(path: Path) -> Path:
    """Make the folder of a file, before the work whose result it is to hold and not after.

    Raises:
        ValueError: if the path is a folder itself.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one act: whoever opens it finds the old or the new one, always whole.

    Args:
        path: file to replace or create.
        write: writes the new content to the path that it is given, a sibling of `path`.
    """
    partial = path.with_name(f".partial.{os.getpid()}.{path.name}")  # of the same suffix
    try:
        write(partial)
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())  # the content must be on disk before the name points to it
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)


def write_json(path: Path, values: Any) -> None:
    """Replace a file in one act with values as indented JSON."""
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def read_text(name: str, module: str) -> str:
    """Read a file of the package that lies next to a module, such as `__name__`."""
    place = resources.files(module.rpartition(".")[0])
    return place.joinpath(name).read_text(encoding="utf-8")


def read_toml(name: str, module: str) -> dict[str, Any]:
    """Read a TOML file of the package, see `read_text`."""
    return tomllib.loads(read_text(name, module))
