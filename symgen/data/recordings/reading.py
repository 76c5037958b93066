"""Finding out what recordings are, and reading them in place or decoding them."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symgen.data.recordings.arrays import (
    array_footage,
    array_recordings,
    lies_in_place,
    locate,
)
from symgen.data.recordings.folders import bytes_of, film_frames, find_files, image_frames
from symgen.data.recordings.footage import Footage, stamp_of
from symgen.data.recordings.frames import prepared
from symgen.data.recordings.items import item_recordings
from symgen.data.recordings.keeping import kept, require_room
from symgen.data.recordings.lists import BadFrames
from symgen.data.recordings.readers import Located
from symgen.data.recordings.writing import Recording, write_footage

__all__ = ["Decoding", "find_footage"]


class Decoding(NamedTuple):
    """How frames are read: see `symgen.data.open`."""

    axes: str | None = None
    key: str | None = None
    files: str | None = None
    size: tuple[int, int] | None = None
    gray: bool = False
    rate: float | None = None
    background: float = 0.0
    bad_frames: str | None = None
    skip_broken: bool = False


def find_footage(data: Any, decoding: Decoding, cache: Path | None) -> Footage:
    """Find out what data are, and decode them into the cache unless they can be read in place."""
    data = [data] if isinstance(data, str | Path) else data
    if not (isinstance(data, Sequence) and data and isinstance(data[0], str | Path)):
        _require_unused(decoding, "tensors", "rate", "files")
        name = f"tensors-{np.random.default_rng().bytes(8).hex()}"
        recordings, axes = item_recordings(data, decoding.axes, decoding.key)
        return _decoded(recordings, "tensors", name, decoding, cache, [], axes)
    paths = [Path(path).absolute() for path in data]
    for given in paths:
        if not given.exists():
            raise FileNotFoundError(f"{given} is not there: name a file or folder of recordings")
    found = find_files(paths, decoding.files)
    files = [file for each in found.files.values() for file in each]
    notes = list(found.notes)
    if found.kind == "arrays":
        _require_unused(decoding, f"{paths[0]}, an array,", "rate")
        return _of_arrays(files, found.told, notes, decoding, cache)
    _require_unused(decoding, f"{paths[0]}, {found.told},", "axes", "key")
    if found.kind == "frames":
        _require_unused(decoding, f"{paths[0]}, {found.told},", "rate")
        if files and decoding.size is None:
            require_room(bytes_of(files[0]) * len(files), cache)
    background, broken = decoding.background, decoding.skip_broken
    recordings = (
        (
            name,
            image_frames(name, inside, broken, background, notes)
            if found.kind == "frames"
            else film_frames(inside[0], decoding.rate, background),
        )
        for name, inside in found.files.items()
    )
    places = [Path(name) for name in found.files]
    name = _named([*places, *files], decoding)
    return _decoded(recordings, found.told, name, decoding, cache, notes)


def _of_arrays(
    files: Sequence[Path], kind: str, notes: list[str], decoding: Decoding, cache: Path | None
) -> Footage:
    """Read arrays in place, or decode them."""
    identity = tuple((path, *stamp_of(path)) for path in files)
    arrays, more = _located(identity, decoding.key, decoding.axes)
    notes += more
    *_, data_shape = (each.data_shape for each in arrays)
    asked = decoding.gray and data_shape[0] != 1
    asked |= decoding.size is not None and data_shape[1:] != decoding.size
    if lies_in_place(arrays) and not asked:
        if decoding.bad_frames is None:
            return _in_place(identity, decoding.key, decoding.axes, kind, tuple(notes))
        bad = BadFrames(Path(decoding.bad_frames))
        footage = array_footage(arrays, kind, notes, bad)
        bad.require_used(len(footage.totals))
        return footage
    if decoding.size is None:
        sizes = (each.array.dtype.itemsize * np.prod(each.array.shape) for each in arrays)
        require_room(int(sum(sizes)), cache)
    axes = arrays[0].axes
    name = _named(files, decoding)
    return _decoded(array_recordings(arrays), kind, name, decoding, cache, notes, axes)


@lru_cache(maxsize=8)
def _located(
    identity: tuple[tuple[Path, int, int], ...], key: str | None, axes: str | None
) -> tuple[list[Located], list[str]]:
    found = [locate(path, key, axes) for path, *_ in identity]
    return [located for located, _ in found], [note for _, notes in found for note in notes]


@lru_cache(maxsize=8)
def _in_place(identity: Any, key: Any, axes: Any, kind: str, notes: tuple[str, ...]) -> Footage:
    """Look through arrays once, however many splits of them are opened."""
    return array_footage(_located(identity, key, axes)[0], kind, notes, None)


def _decoded(
    recordings: Iterable[Recording],
    kind: str,
    name: str,
    decoding: Decoding,
    cache: Path | None,
    notes: list[str],
    axes: str | None = None,
) -> Footage:
    """Open recordings that were decoded before, or decode them."""
    bad = None if decoding.bad_frames is None else BadFrames(Path(decoding.bad_frames))

    def ready() -> Iterator[Recording]:
        count = 0
        for recording, frames in recordings:
            count += 1
            good = frames if bad is None else bad.taken_out(recording, frames)
            yield recording, prepared(good, decoding.size, decoding.gray)
        if bad is not None:
            bad.require_used(count)

    def write(path: Path) -> Footage:
        return write_footage(ready(), kind, path, decoding.skip_broken, notes, axes)

    return kept(name, cache, write)


def _named(files: Sequence[Path], decoding: Decoding) -> str:
    """Name decoded recordings by their files, as far as size and date tell, and by the options."""
    listed = [] if decoding.bad_frames is None else [Path(decoding.bad_frames)]
    identity = json.dumps([[*map(_identity, [*files, *listed])], decoding])
    return f"recordings-{hashlib.sha256(identity.encode()).hexdigest()[:24]}"


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        return os.path.realpath(path), *stamp_of(path)
    except OSError:  # a link to nothing, or in a loop: whoever reads it says so
        return str(path), 0, 0


def _require_unused(decoding: Decoding, what: str, *names: str) -> None:
    """Refuse options that mean nothing for a kind of recordings."""
    why = {
        "rate": "has no frames per second, only videos have; take every k-th frame with every=k",
        "axes": "is read frame by frame, only arrays have axes",
        "key": "has no arrays by name",
        "files": "are no files",
    }
    for name in names:
        value = getattr(decoding, name)
        if value is not None:
            shown = f"{value:g}" if isinstance(value, float) else repr(value)
            raise ValueError(f"{name}={shown}: {what} {why[name]}")
