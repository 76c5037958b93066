"""Finding out what recordings are, and reading them in place or decoding them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symgen.data.recordings.arrays import (
    array_footage,
    array_recordings,
    lies_in_place,
    locate,
)
from symgen.data.recordings.factors import read_factors
from symgen.data.recordings.folders import film_frames, find_files, image_frames
from symgen.data.recordings.footage import Footage, stamp_of
from symgen.data.recordings.frames import prepared
from symgen.data.recordings.frozen import FROZEN, thawed
from symgen.data.recordings.items import item_recordings
from symgen.data.recordings.keeping import kept, require_room
from symgen.data.recordings.lists import BadFrames
from symgen.data.recordings.readers import Located
from symgen.data.recordings.room import decoded_bytes, size_of_array, size_of_film, size_of_images
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
    frozen: int = FROZEN
    factors: tuple[str, ...] = ()


def find_footage(data: Any, decoding: Decoding, cache: Path | None) -> Footage:
    """Find out what data are, and decode them into the cache unless they can be read in place."""
    data = [data] if isinstance(data, str | Path) else data
    if not (isinstance(data, Sequence) and data and isinstance(data[0], str | Path)):
        _require_unused(decoding, "tensors", "rate", "files", "factors")
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
    _require_unused(decoding, f"{paths[0]}, {found.told},", "axes", "key", "factors")
    if found.kind == "frames":
        _require_unused(decoding, f"{paths[0]}, {found.told},", "rate")
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
    size_of = size_of_images if found.kind == "frames" else partial(size_of_film, decoding.rate)
    room = partial(
        decoded_bytes, size_of, list(found.files.values()), decoding.size, decoding.gray
    )
    return _decoded(recordings, found.told, name, decoding, cache, notes, room=room)


def _of_arrays(
    files: Sequence[Path], kind: str, notes: list[str], decoding: Decoding, cache: Path | None
) -> Footage:
    """Read arrays in place, or decode them, and the factors beside them."""
    identity = tuple((path, *stamp_of(path)) for path in files)
    arrays, more = _located(identity, decoding.key, decoding.axes, decoding.factors)
    notes += more
    footage = _of_located(identity, arrays, kind, notes, decoding, cache)
    if not decoding.factors:
        return footage
    if len(footage.totals) != sum(each.recordings for each in arrays):
        raise ValueError(
            f"factors={decoding.factors} of recordings of which some were left out as broken: "
            "give those that are good, or leave factors out"
        )
    return replace(footage, factors=read_factors(arrays, decoding.factors))


def _of_located(
    identity: Any,
    arrays: Sequence[Located],
    kind: str,
    notes: list[str],
    decoding: Decoding,
    cache: Path | None,
) -> Footage:
    *_, data_shape = (each.data_shape for each in arrays)
    asked = decoding.gray and data_shape[0] != 1
    asked |= decoding.size is not None and data_shape[1:] != decoding.size
    if lies_in_place(arrays) and not asked:
        if decoding.bad_frames is None:
            named = decoding.key, decoding.axes, decoding.factors
            return _in_place(identity, named, kind, tuple(notes), decoding.frozen)
        bad = BadFrames(Path(decoding.bad_frames))
        footage = array_footage(arrays, kind, notes, bad, decoding.frozen)
        bad.require_used(len(footage.totals))
        return footage
    axes = arrays[0].axes
    name = _named([path for path, *_ in identity], decoding)
    room = partial(decoded_bytes, size_of_array, arrays, decoding.size, decoding.gray)
    recordings = array_recordings(arrays)
    return _decoded(recordings, kind, name, decoding, cache, notes, axes, room)


@lru_cache(maxsize=8)
def _located(
    identity: tuple[tuple[Path, int, int], ...],
    key: str | None,
    axes: str | None,
    factors: tuple[str, ...],
) -> tuple[list[Located], list[str]]:
    found = [locate(path, key, axes, factors) for path, *_ in identity]
    return [located for located, _ in found], [note for _, notes in found for note in notes]


@lru_cache(maxsize=8)
def _in_place(
    identity: Any, named: Any, kind: str, notes: tuple[str, ...], frozen: int
) -> Footage:
    """Look through arrays once, however many splits of them are opened."""
    return array_footage(_located(identity, *named)[0], kind, notes, None, frozen)


def _decoded(
    recordings: Iterable[Recording],
    kind: str,
    name: str,
    decoding: Decoding,
    cache: Path | None,
    notes: list[str],
    axes: str | None = None,
    room: Callable[[], int] | None = None,
) -> Footage:
    """Open recordings that were decoded before, or decode them if there is room."""
    bad = None if decoding.bad_frames is None else BadFrames(Path(decoding.bad_frames))

    def ready() -> Iterator[Recording]:
        count = 0
        for recording, frames in recordings:
            count += 1
            good = frames if bad is None else bad.taken_out(recording, frames)
            if decoding.frozen and decoding.rate is None:  # which repeats frames in pauses
                good = thawed(good, decoding.frozen)
            yield recording, prepared(good, decoding.size, decoding.gray)
        if bad is not None:
            bad.require_used(count)

    def write(path: Path) -> Footage:
        if room is not None:
            require_room(room(), cache)
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
        "factors": "has no other arrays, only files of several arrays have",
    }
    for name in names:
        value = getattr(decoding, name)
        if value is not None and value != ():
            shown = f"{value:g}" if isinstance(value, float) else repr(value)
            raise ValueError(f"{name}={shown}: {what} {why[name]}")
