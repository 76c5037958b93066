"""Finding recordings: arrays, folders of frames, videos, tensors; and keeping what was decoded."""

import atexit
import hashlib
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from torch import Tensor

from symgen.data.recordings.footage import (
    Footage,
    Recording,
    Skipped,
    open_footage,
    write_footage,
)
from symgen.data.recordings.frames import Frame, check_array, check_values, prepare_frame
from symgen.data.recordings.video import VIDEO_SUFFIXES, read_video, require_video

__all__ = ["Decoding", "find_footage"]

_IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
_CHECKED_AT_ONCE = 2**26  # bytes of a float array that are looked at together


class Decoding(NamedTuple):
    """How frames are read: see `symgen.data.open`."""

    size: tuple[int, int] | None = None
    gray: bool = False
    rate: float | None = None
    skip_broken: bool = False
    vectors: bool = False


def find_footage(data: Any, decoding: Decoding, cache: Path | None) -> Footage:
    """Find out what data are, and decode them into the cache unless they can be read in place.

    Args:
        data: a path, paths of videos, or an iterable of tensors.
        decoding: size, gray, rate, and what to do with broken recordings.
        cache: folder for what is decoded; None: a temporary one until the process ends.

    Raises:
        FileNotFoundError: if there is nothing at the path.
        ValueError: if it holds nothing that could be read, or something broken.
    """
    prepare = partial(prepare_frame, size=decoding.size, gray=decoding.gray)
    preparing = (prepare, decoding.skip_broken)
    if isinstance(data, str | Path):
        paths = [Path(data)]
    elif isinstance(data, Sequence) and data and isinstance(data[0], str | Path):
        paths = [Path(path) for path in data]
    else:
        _require_no_rate(decoding, "tensors")
        recordings = _tensors(data, decoding.vectors)
        target = _cache_folder(cache) / f"tensors-{np.random.default_rng().bytes(8).hex()}.npy"
        return write_footage(recordings, "tensors", target, *preparing)
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{path} is not there: name a file or folder of recordings")
    if len(paths) == 1 and paths[0].suffix == ".npy":
        _require_no_rate(decoding, f"{paths[0]}, an array,")
        stamp = paths[0].stat()
        found = _mapped(
            paths[0], decoding.skip_broken, decoding.vectors, stamp.st_size, stamp.st_mtime_ns
        )
        channels, *size = found.data_shape
        same_size = decoding.size in (None, tuple(size))
        if same_size and not (decoding.gray and (channels == 3 or decoding.vectors)):
            return found
    kind, files, recordings = _recordings(paths, decoding)
    target = _cache_folder(cache) / f"{_key(files, decoding)}.npy"
    if target.is_file():
        return open_footage(target)
    return write_footage(recordings, kind, target, *preparing)


def _recordings(
    paths: list[Path], decoding: Decoding
) -> tuple[str, list[Path], Iterator[Recording]]:
    """Return the kind of the recordings, all files that they are made of, and themselves."""
    path = paths[0]
    if len(paths) == 1 and path.suffix in (".npy", ".npz"):
        _require_no_rate(decoding, f"{path}, an array,")
        return f"{path.suffix} array", paths, _array_recordings(path, decoding.vectors)
    if decoding.vectors:
        raise ValueError(f"axes='NTF' with {path}: vectors are read from .npy and .npz arrays")
    folders: list[Path] = []
    if len(paths) == 1 and path.is_dir():
        inside = sorted((p for p in path.iterdir() if p.name[0] != "."), key=_natural)
        folders = [entry for entry in inside if entry.is_dir()]
        images = [entry for entry in inside if entry.suffix.lower() in _IMAGE_SUFFIXES]
        videos = [entry for entry in inside if entry.suffix.lower() in VIDEO_SUFFIXES]
        if sum(map(bool, (folders, images, videos))) != 1:
            raise ValueError(
                f"{path} has {len(folders)} folders, {len(images)} PNG or JPEG images and "
                f"{len(videos)} videos: give a folder of folders of frames, a folder of the "
                "frames of one sequence, or a folder of videos"
            )
        if not videos:
            _require_no_rate(decoding, f"{path}, a folder of frames,")
            folders = folders or [path]
            listed = {folder: _images_of(folder) for folder in folders}
            files = folders + [file for folder in folders for file in listed[folder]]
            kind = f"{len(folders)} folder{'s' if len(folders) > 1 else ''} of frames"
            read = (Recording(str(f), _images(f, listed[f])) for f in folders)
            return kind, files, read
        paths = videos
    for path in paths:
        if path.suffix.lower() not in VIDEO_SUFFIXES:
            raise ValueError(
                f"{path} is nothing that is known: give an array (.npy, .npz), a folder of "
                f"frames or of such folders, or videos ({', '.join(VIDEO_SUFFIXES)})"
            )
    require_video()
    kind = f"{len(paths)} video{'s' if len(paths) > 1 else ''}"
    read = (Recording(str(p), read_video(p, decoding.rate)) for p in paths)
    return kind, paths, read


@lru_cache(maxsize=8)
def _mapped(path: Path, skip_broken: bool, vectors: bool, size: int, modified: int) -> Footage:
    """Describe a `.npy` file that is read in place; floats are looked through once, in parts."""
    array = _load(path)
    check_array(str(path), array.shape, array.dtype, "n, S", vectors)
    count, length, *shape = array.shape
    if length < 2:
        raise ValueError(f"{path} has sequences of {length} frame: a sequence needs two or more")
    if not array.flags.c_contiguous:
        raise ValueError(f"{path} is in Fortran order: save np.ascontiguousarray of it")
    data_shape = tuple(shape) if vectors else (1, *shape)[-3:]
    good = np.ones(count, dtype=bool)
    skipped = []
    if array.dtype != np.uint8:
        step = max(1, _CHECKED_AT_ONCE // array[0].nbytes)
        for start in range(0, count, step):  # each part mapped anew: see Footage
            part = np.array(_load(path)[start : start + step])
            for number, sequence in enumerate(part, start):
                name = f"{path}[{number}]"
                try:
                    check_values(name, sequence.reshape(length, *data_shape))
                except ValueError as error:
                    if not skip_broken:
                        raise
                    good[number] = False
                    skipped.append(Skipped(name, str(error)))
    if not good.any():
        raise ValueError(f"{path}: all sequences are broken; the first: {skipped[0].reason}")
    first = length * np.flatnonzero(good)
    return Footage(
        kind=".npy array",
        path=path,
        data_shape=data_shape,
        first=first,
        lengths=np.full_like(first, length),
        skipped=tuple(skipped),
    )


def _load(path: Path) -> Any:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from error


def _array_recordings(path: Path, vectors: bool) -> Iterator[Recording]:
    array = _load(path) if path.suffix == ".npy" else _unpack(path)
    check_array(str(path), array.shape, array.dtype, "n, S", vectors)
    for number, sequence in enumerate(array):
        frames = sequence[:, None] if sequence.ndim == 3 else sequence
        yield Recording(f"{path}[{number}]", iter(frames))


def _unpack(path: Path) -> np.ndarray:
    try:
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


def _tensors(data: Any, vectors: bool) -> Iterator[Recording]:
    """Read tensors (S, [channels,] height, width) or (S, features) from an iterable or Dataset."""
    # A torch Dataset has no iterator; its length, not an IndexError, says where it ends.
    indexed = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not indexed and not hasattr(data, "__iter__"):
        raise ValueError(f"{data!r} is nothing that is known: give a path or tensors")
    for number, item in enumerate(map(data.__getitem__, range(len(data))) if indexed else data):
        name = f"item {number}"
        if not isinstance(item, Tensor | np.ndarray):
            raise ValueError(
                f"{name} is a {type(item).__name__}: give tensors (S, channels, height, width)"
            )
        array = item.detach().cpu().numpy() if isinstance(item, Tensor) else item
        yield Recording(name, _frames_of(name, array, vectors))


def _frames_of(name: str, array: np.ndarray, vectors: bool) -> Iterator[Frame]:
    check_array(name, array.shape, array.dtype, "S", vectors)
    yield from (array[:, None] if array.ndim == 3 else array)


def _images_of(folder: Path) -> list[Path]:
    files = (p for p in folder.iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES)
    return sorted((p for p in files if p.name[0] != "."), key=_natural)


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


def _natural(path: Path) -> list[Any]:
    """Order names as people do, frame 2 before frame 10."""
    parts = re.split(r"(\d+)", path.name)
    return [int(part) if part.isdecimal() else part for part in parts]


def _require_no_rate(decoding: Decoding, what: str) -> None:
    if decoding.rate is not None:
        raise ValueError(
            f"rate={decoding.rate:g}: {what} has no frames per second, only videos have; take "
            "every k-th frame with every=k"
        )


def _key(files: list[Path], decoding: Decoding) -> str:
    """Name decoded files after what they were decoded from, and how."""
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    text = json.dumps([stamps, decoding])
    return "recordings-" + hashlib.sha256(text.encode()).hexdigest()[:24]


def _cache_folder(cache: Path | None) -> Path:
    if cache is None:
        return _temporary_folder()
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@lru_cache(maxsize=1)
def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="symgen-recordings-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
