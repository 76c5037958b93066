"""Libraries that read files: those of extras of the package, and what they say of damage."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["library", "readable"]

_EXTRAS = {"av": "video", "h5py": "formats", "imagecodecs": "formats"}
_EXTRAS |= {"tifffile": "formats", "zarr": "formats"}


def library(name: str, what: object) -> Any:
    """Import a library that something is read by, or a module of it.

    Raises:
        ModuleNotFoundError: with the extra that brings it, if it is not installed.

    Example:
        >>> library("tifffile", "cells.tif").__name__
        'tifffile'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        extra = _EXTRAS[name.partition(".")[0]]
        raise ModuleNotFoundError(
            f"{what} is read by {name}, which is not installed: pip install 'symgen[{extra}]'"
        ) from error


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Turn whatever a library says of a damaged file into one line, such as "PATH cannot be read".

    Raises:
        ValueError: with what is named and what was said.

    Example:
        >>> with readable("film.npy cannot be read"):
        ...     int("twelve")
        Traceback (most recent call last):
        ValueError: film.npy cannot be read: invalid literal for int() with base 10: 'twelve'
    """
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:  # libraries raise nearly any kind
        said = " ".join(f"{error}".split()) or type(error).__name__
        raise ValueError(f"{what}: {said}") from error
