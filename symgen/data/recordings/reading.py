"""Finding recordings: arrays, folders of frames, videos, tensors; and keeping what was decoded."""

import atexit
import hashlib
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from symgen.data.recordings.footage import Footage, Recording, Skipped, open_footage, write_footage
from symgen.data.recordings.frames import Frame, check_array, check_values, prepared
from symgen.data.recordings.video import VIDEO_SUFFIXES, read_video

__all__ = ["Decoding", "find_footage"]

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_CHECKED_AT_ONCE = 2**26  # bytes of a float array


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
            size, modified = path.stat().st_size, path.stat().st_mtime_ns
            found = _mapped(path, decoding.skip_broken, decoding.vectors, size, modified)
            channels, *shape = found.data_shape
            turned_gray = decoding.gray and (channels == 3 or decoding.vectors)
            if decoding.size in (None, tuple(shape)) and not turned_gray:
                return found
        recordings = _array_recordings(path, decoding.vectors)
    else:
        kind, files, recordings = _recordings(paths, decoding)
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    key = hashlib.sha256(json.dumps([stamps, decoding]).encode()).hexdigest()[:24]
    return _decoded(recordings, kind, f"recordings-{key}", decoding, cache)


def _decoded(
    recordings: Iterator[Recording], kind: str, name: str, decoding: Decoding, cache: Path | None
) -> Footage:
    """Open recordings that were decoded before, or decode them."""
    folder = _temporary_folder() if cache is None else cache.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.npy"
    if path.is_file():
        return open_footage(path)
    ready = ((n, prepared(n, f, decoding.size, decoding.gray)) for n, f in recordings)
    return write_footage(ready, kind, path, decoding.skip_broken)


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


@lru_cache(maxsize=8)
def _mapped(path: Path, skip_broken: bool, vectors: bool, size: int, modified: int) -> Footage:
    """Describe a `.npy` file that is read in place; floats are checked once, in parts."""
    array = _load(path)
    check_array(str(path), array.shape, array.dtype, "n, S", vectors)
    count, length, *shape = array.shape
    if length < 2:
        raise ValueError(f"{path} has sequences of {length} frame: a sequence needs two or more")
    if not array.flags.c_contiguous:
        raise ValueError(f"{path} is in Fortran order: save np.ascontiguousarray of it")
    data_shape = tuple(shape) if vectors else (1, *shape)[-3:]
    skipped: dict[int, Skipped] = {}
    step = max(1, _CHECKED_AT_ONCE // array[0].nbytes)
    for start in range(0, count if array.dtype != np.uint8 else 0, step):
        part = np.array(_load(path)[start : start + step])  # each mapped anew: see Footage
        for number, sequence in enumerate(part, start):
            name = f"{path}[{number}]"
            try:
                check_values(name, sequence.reshape(length, *data_shape))
            except ValueError as error:
                if not skip_broken:
                    raise
                skipped[number] = Skipped(name, str(error))
    good = np.setdiff1d(np.arange(count), list(skipped))
    if not len(good):
        raise ValueError(f"{path}: all sequences are broken; the first: {skipped[0].reason}")
    first, lengths, left_out = length * good, np.full_like(good, length), tuple(skipped.values())
    return Footage(".npy array", path, data_shape, first, lengths, skipped=left_out)


def _load(path: Path) -> Any:
    """Map an `.npy` array, or load the only one of an `.npz`."""
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as members:
            names = members.files
            if len(names) == 1:
                return members[names[0]]
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from error
    raise ValueError(
        f"{path} has {len(names)} arrays ({', '.join(names)}): save one, of shape "
        "(n, S, height, width) or (n, S, channels, height, width)"
    )


def _array_recordings(path: Path, vectors: bool) -> Iterator[Recording]:
    array = _load(path)
    check_array(str(path), array.shape, array.dtype, "n, S", vectors)
    for number, sequence in enumerate(array):
        name = f"{path}[{number}]"
        yield name, _frames_of(name, sequence, vectors)


def _tensors(data: Any, vectors: bool) -> Iterator[Recording]:
    """Read tensors (S, [channels,] height, width) or (S, features) from an iterable or Dataset."""
    # A torch Dataset has no iterator; its length, not an IndexError, says where it ends.
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not indexed and not hasattr(data, "__iter__"):
        raise ValueError(f"{data!r} is not a recording: give a path or tensors")
    for number, item in enumerate(map(data.__getitem__, range(len(data))) if indexed else data):
        name, kind = f"item {number}", type(item).__name__
        if not isinstance(item, Tensor | np.ndarray):
            raise ValueError(f"{name} is a {kind}: give tensors (S, channels, height, width)")
        array = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
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
        try:
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise ValueError(
                        f"{file} has more than 8 bits a pixel ({image.mode}): write 8 bits, or "
                        "an array of floats"
                    )
                flat = image.mode in ("1", "L")
                frame = np.asarray(image.convert("L" if flat else "RGB"))
        except (OSError, SyntaxError) as error:
            raise ValueError(f"{file} cannot be read as an image: {error}") from error
        yield frame[None] if flat else frame.transpose(2, 0, 1)


def _require_no_rate(decoding: Decoding, what: str) -> None:
    if decoding.rate is not None:
        raise ValueError(
            f"rate={decoding.rate:g}: {what} has no frames per second, only videos have; take "
            "every k-th frame with every=k"
        )


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:  # removed when the process ends
    folder = Path(tempfile.mkdtemp(prefix="symgen-recordings-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
