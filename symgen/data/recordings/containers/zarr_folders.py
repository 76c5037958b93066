"""Arrays in zarr folders of the second and third version."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from symgen.data.extras import library
from symgen.data.recordings.containers.names import letters
from symgen.data.recordings.containers.stored import (
    StoredArray,
    native,
    require_room,
    require_some,
    stored,
    unknown_numbers,
)

__all__ = ["open_zarr"]

_ABOUT = ("zarr.json", ".zarray")  # what tells of an array, in the third and second version
_TOLD = {*_ABOUT, ".zattrs"}  # beside the chunks
_CODECS = {  # that hold no program; a pickle would run one
    *("bytes", "transpose", "sharding_indexed", "crc32c", "gzip", "zstd", "blosc", "zlib", "lz4"),
    *("bz2", "lzma", "delta", "shuffle", "fixedscaleoffset", "quantize", "bitround", "packbits"),
    *("astype", "crc32", "adler32", "fletcher32", "vlen-utf8", "zfpy", "pcodec"),
}


def open_zarr(path: Path) -> dict[str, StoredArray]:
    """Open the arrays of a folder, in whatever groups, by names such as "day0/images"."""
    zarr = library("zarr", path)
    arrays, left_out = {}, {}
    for about in _found(path):
        _require_codecs(about)
        name = about.parent.relative_to(path).as_posix()
        name = path.stem if name == "." else name
        array = zarr.open_array(about.parent, mode="r")
        if why := unknown_numbers(native(array.dtype), array.shape):
            left_out[name] = why
        else:
            opener = partial(_array, about.parent)
            arrays[name] = stored(path, name, array, _axes(path, about.parent, array), opener)
    require_some(arrays, left_out)
    return arrays


def _found(folder: Path) -> Iterator[Path]:
    """Find the files that tell of arrays, not within links or arrays."""
    for file in (folder / name for name in _ABOUT):
        if file.is_file() and json.loads(file.read_bytes()).get("node_type") != "group":
            yield file
            return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            yield from _found(entry)


def _require_codecs(about: Path) -> None:
    """Refuse an array whose content would be unpacked by something else than a known codec."""

    def names(value: Any) -> Iterator[str]:
        if isinstance(value, list):
            for entry in value:
                yield from names(entry)
        elif isinstance(value, dict):
            yield str(value.get("id", value.get("name"))).removeprefix("numcodecs.")
            inside = value.get("configuration")
            yield from names([(inside or {}).get(key) for key in ("codecs", "index_codecs")])

    told = json.loads(about.read_bytes())
    used = set(names([told.get(key) for key in ("filters", "compressor", "codecs")]))
    if unknown := used - _CODECS:
        raise ValueError(f"it is packed by {', '.join(sorted(unknown))}: write it with zstd")


def _array(folder: Path, _: ExitStack) -> Any:
    array = library("zarr", folder).open_array(folder, mode="r")
    size = prod(array.chunks) * native(array.dtype).itemsize
    require_room(size, "a chunk", "write smaller chunks")
    if prod(array.shape) and {entry.name for entry in folder.iterdir()} <= _TOLD:
        raise ValueError(f"it announces {array.shape}, but none of its chunks is there")
    return array


def _axes(path: Path, folder: Path, array: Any) -> str | None:
    """Return the axes as the array, xarray or the group of an image of OME names them."""
    named = getattr(array.metadata, "dimension_names", None)
    named = named or array.attrs.get("_ARRAY_DIMENSIONS")
    if not named and folder != path:
        attributes: Any = dict(library("zarr", path).open_group(folder.parent, mode="r").attrs)
        images = attributes.get("ome", attributes).get("multiscales") or [{}]
        named = [axis["name"] for axis in images[0].get("axes", [])]
    return letters(named) if named and len(named) == array.ndim else None
