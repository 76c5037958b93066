"""Finding recordings: arrays, folders of frames, videos, tensors; and keeping what was decoded."""

import atexit
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from symgen.data.image_files import load_image, require_file
from symgen.data.recordings.arrays import array_recordings, footage_in_place
from symgen.data.recordings.footage import (
    Footage,
    Recording,
    open_footage,
    stamp_of,
    write_footage,
)
from symgen.data.recordings.frames import Frame, check_array, prepared
from symgen.data.recordings.video import VIDEO_SUFFIXES, read_video

__all__ = ["Decoding", "find_footage"]

_TEMPORARY = "symgen-footage-"
_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


class Decoding(NamedTuple):
    """How frames are read: see `symgen.data.open`."""

    size: tuple[int, int] | None = None
    gray: bool = False
    rate: float | None = None
    skip_broken: bool = False
    vectors: bool = False


def find_footage(data: Any, decoding: Decoding, cache: Path | None) -> Footage:
    """Find out what data are, and decode them into the cache unless they can be read in place."""
    data = [data] if isinstance(data, str | Path) else data
    if not (isinstance(data, Sequence) and data and isinstance(data[0], str | Path)):
        _require_no_rate(decoding, "tensors")
        name = f"tensors-{np.random.default_rng().bytes(8).hex()}"
        return _decoded(_tensors(data, decoding.vectors), "tensors", name, decoding, cache)
    path, *others = paths = [Path(path).absolute() for path in data]
    for given in paths:
        if not given.exists():
            raise FileNotFoundError(f"{given} is not there: name a file or folder of recordings")
    if not others and path.suffix in (".npy", ".npz"):
        _require_no_rate(decoding, f"{path}, an array,")
        kind, files = f"{path.suffix} array", paths
        if path.suffix == ".npy":
            require_file(path)
            stamp = stamp_of(path)
            found = footage_in_place(path, decoding.skip_broken, decoding.vectors, stamp)
            channels, *shape = found.data_shape
            turned_gray = decoding.gray and (channels == 3 or decoding.vectors)
            if decoding.size in (None, tuple(shape)) and not turned_gray:
                return found
        recordings = array_recordings(path, decoding.vectors)
    else:
        kind, files, recordings = _recordings(paths, decoding)
    identity = json.dumps([[*map(_identity, files)], decoding])
    key = hashlib.sha256(identity.encode()).hexdigest()[:24]
    return _decoded(recordings, kind, f"recordings-{key}", decoding, cache)


def _identity(path: Path) -> tuple[str, int, int]:
    """Name the content of a file as far as its size and date do."""
    try:
        return os.path.realpath(path), *stamp_of(path)
    except OSError:  # a link to nothing, or in a loop: whoever reads it says so
        return str(path), 0, 0


def _decoded(
    recordings: Iterator[Recording], kind: str, name: str, decoding: Decoding, cache: Path | None
) -> Footage:
    """Open recordings that were decoded before, or decode them."""
    folder = _temporary_folder() if cache is None else cache.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npy"
    with _alone(path.with_suffix(".lock")):
        if path.is_file():
            try:
                return open_footage(path)
            except ValueError as damage:
                warnings.warn(f"{damage}: the recordings are decoded again", stacklevel=2)
        ready = ((n, prepared(n, f, decoding.size, decoding.gray)) for n, f in recordings)
        return write_footage(ready, kind, path, decoding.skip_broken)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait for other threads and processes that hold a file, and hold it, then remove it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    try:
        with suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def _recordings(paths: list[Path], decoding: Decoding) -> tuple[str, list[Path], Any]:
    """Return the kind of the recordings, all files that they are made of, and themselves."""
    path = paths[0]
    if decoding.vectors:
        raise ValueError(f"axes='NTF' with {path}: vectors are read from .npy and .npz arrays")
    if len(paths) == 1 and path.is_dir():
        inside = _entries(path)
        folders = [entry for entry in inside if entry.is_dir()]
        images, videos = (_with_suffix(inside, s) for s in (_IMAGE_SUFFIXES, VIDEO_SUFFIXES))
        if sum(map(bool, (folders, images, videos))) != 1:
            raise ValueError(
                f"{path} has {len(folders)} folders, {len(images)} PNG or JPEG images and "
                f"{len(videos)} videos: give a folder of folders of frames, a folder of the "
                "frames of one sequence, or a folder of videos"
            )
        if not videos:
            _require_no_rate(decoding, f"{path}, a folder of frames,")
            listed = {f: _with_suffix(_entries(f), _IMAGE_SUFFIXES) for f in folders}
            listed = listed or {path: images}
            read = ((str(folder), _images(folder, files)) for folder, files in listed.items())
            kind = f"{len(listed)} folder{'s' if len(listed) > 1 else ''} of frames"
            return kind, [*listed, *chain(*listed.values())], read
        paths = videos
    unknown = [path for path in paths if path.suffix.lower() not in VIDEO_SUFFIXES]
    if unknown:
        raise ValueError(
            f"{unknown[0]} is not a recording: give an array (.npy, .npz), a folder of "
            f"frames or of such folders, or videos ({', '.join(VIDEO_SUFFIXES)})"
        )
    read = ((str(video), read_video(video, decoding.rate)) for video in paths)
    return f"{len(paths)} video{'s' if len(paths) > 1 else ''}", paths, read


def _tensors(data: Any, vectors: bool) -> Iterator[Recording]:
    """Read tensors (S, [channels,] height, width) or (S, features) from an iterable or Dataset."""
    # A torch Dataset has no iterator; its length, not an IndexError, says where it ends.
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if isinstance(data, Mapping) or not (indexed or hasattr(data, "__iter__")):
        given = "a dictionary" if isinstance(data, Mapping) else repr(data)
        raise ValueError(f"{given} is not a recording: give a path or tensors")
    for number, item in enumerate(map(data.__getitem__, range(len(data))) if indexed else data):
        name, kind = f"item {number}", type(item).__name__
        if not isinstance(item, Tensor | np.ndarray):
            raise ValueError(f"{name} is a {kind}: give tensors (S, channels, height, width)")
        try:
            array = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
        except (RuntimeError, TypeError) as error:  # bfloat16, sparse, without content
            raise ValueError(f"{name} has no numbers that numpy knows: {error}") from error
        yield name, _frames_of(name, array, vectors)


def _frames_of(name: str, array: np.ndarray, vectors: bool) -> Iterator[Frame]:
    check_array(name, array.shape, array.dtype, "S", vectors)
    yield from array[:, None] if array.ndim == 3 else array


def _entries(folder: Path) -> list[Path]:
    """List what lies in a folder and is not hidden, as people count: frame 2 before frame 10."""

    def natural(path: Path) -> list[Any]:
        return [int(p) if p.isdecimal() else p for p in re.split(r"(\d+)", path.name)]

    return sorted((path for path in folder.iterdir() if path.name[0] != "."), key=natural)


def _with_suffix(paths: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    return [path for path in paths if path.suffix.lower() in suffixes]


def _images(folder: Path, files: list[Path]) -> Iterator[Frame]:
    if not files:
        raise ValueError(f"{folder} has no PNG or JPEG image: a sequence needs two or more")
    for file in files:
        image = load_image(file, ("PNG", "JPEG"))
        if image.mode.startswith(("I", "F")):
            raise ValueError(
                f"{file} has more than 8 bits a pixel ({image.mode}): write 8 bits, or an array "
                "of floats"
            )
        flat = image.mode in ("1", "L")
        frame = np.asarray(image.convert("L" if flat else "RGB"))
        yield frame[None] if flat else frame.transpose(2, 0, 1)


def _require_no_rate(decoding: Decoding, what: str) -> None:
    if decoding.rate is not None:
        raise ValueError(
            f"rate={decoding.rate:g}: {what} has no frames per second, only videos have; take "
            "every k-th frame with every=k"
        )


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    """Make a folder that is removed when this process ends, and remove those of killed ones."""
    for left in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        with suppress(OSError):
            if left.stat().st_mtime < time.time() - 60:  # not just being made
                os.close(_hold(left))  # fails where its process lives
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
        _hold(folder)
    return folder


def _hold(folder: Path) -> int:
    """Lock a folder until a descriptor is closed, at the latest when this process ends."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
