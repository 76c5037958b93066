"""Datasets of HDF5 files."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

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

__all__ = ["open_hdf5", "open_hdf5_file", "walked"]


def open_hdf5(path: Path) -> dict[str, StoredArray]:
    """Open the datasets of a file, in whatever groups, by names such as "day0/images"."""
    arrays, left_out = {}, {}
    with open_hdf5_file(path) as file:
        for name, dataset in walked(file):
            if isinstance(dataset, str):
                left_out[name] = dataset
            elif why := unknown_numbers(native(dataset.dtype), dataset.shape):
                left_out[name] = why
            else:
                opener = partial(_dataset, path, name)
                arrays[name] = stored(path, name, dataset, _axes(dataset), opener)
    require_some(arrays, left_out)
    return arrays


def open_hdf5_file(path: Path) -> Any:
    """Open a file to read, also where its file system has no locks."""
    return library("h5py", path).File(path, "r", locking="best-effort")


def walked(group: Any, before: str = "", seen: set[Any] | None = None) -> Iterator[Any]:
    """Go through the groups of a file; yield names, and datasets or why one is left out.

    Links to other places and files are not followed, and no group is entered twice.
    """
    h5py = library("h5py", "HDF5")
    seen = {group.id} if seen is None else seen
    for key in group:
        name = f"{before}{key}"
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            kind = "another file" if isinstance(link, h5py.ExternalLink) else "another place"
            yield name, f"a link to {kind}"
            continue
        entry = group[key]
        if isinstance(entry, h5py.Group):
            if entry.id not in seen:
                seen.add(entry.id)
                yield from walked(entry, f"{name}/", seen)
        elif isinstance(entry, h5py.Dataset):
            yield name, _elsewhere(entry) or entry


def require_written(name: str, dataset: Any) -> None:
    """Refuse a dataset of which parts were never written, which would be read as zeros."""
    if dataset.is_virtual:
        return
    if dataset.chunks is None:
        size = prod(dataset.shape) * dataset.dtype.itemsize
        if dataset.id.get_storage_size() < size:
            raise ValueError(f"{name} announces {dataset.shape} but was never written as a whole")
        return
    require_room(
        prod(dataset.chunks) * dataset.dtype.itemsize, f"a chunk of {name}", "write smaller chunks"
    )
    needed = prod(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    if (there := dataset.id.get_num_chunks()) < needed:
        raise ValueError(
            f"{name} announces {dataset.shape}, but of its {needed:,} chunks {there:,} were "
            "written: cut it to what was recorded"
        )


def _elsewhere(dataset: Any) -> str | None:
    """Say whether the numbers of a dataset are in other files."""
    if dataset.shape is None:
        return "empty"
    parts = dataset.virtual_sources() if dataset.is_virtual else []
    if dataset.external or any(part.file_name != "." for part in parts):
        return "kept in other files: copy it into one"
    return None


def _dataset(path: Path, name: str, stack: ExitStack) -> Any:
    dataset = stack.enter_context(open_hdf5_file(path))[name]
    require_written(name, dataset)
    return dataset


def _axes(dataset: Any) -> str | None:
    """Return the axes as labels, scales (of netCDF, too) or an attribute of xarray name them."""
    named = np.ravel(dataset.attrs.get("_ARRAY_DIMENSIONS", []))
    if len(named) == len(dataset.shape):
        return letters([n.decode() if isinstance(n, bytes) else str(n) for n in named])
    return letters([_label(axis) for axis in dataset.dims])


def _label(axis: Any) -> str | None:
    if axis.label:
        return axis.label
    return str(axis[0].name).rsplit("/", 1)[-1] if len(axis) else None
