"""Files of latents, row by row: NumPy archives, HDF5 and CSV, written and read in blocks."""

import csv
import importlib
import io
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy import ndarray
from numpy.lib import format as npy
from torch import Tensor

from symgen._errors import either
from symgen._files import write_atomically
from symgen.experiments.encoding import Encoding

__all__ = ["LatentsFile", "open_latents", "require_latents_path", "write_latents"]

Columns = dict[str, ndarray]
SUFFIXES = (".npz", ".h5", ".hdf5", ".csv")
_COPIED = 2**22  # bytes at a time


def require_latents_path(path: Path) -> None:
    """Refuse a file that is of no known kind, or whose library is not installed.

    Raises:
        ModuleNotFoundError: for HDF5 without h5py.
        ValueError: for another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{path}: let the name of a file of latents end in {either(SUFFIXES)}")
    if path.suffix in (".h5", ".hdf5"):
        _h5py(path)


def write_latents(path: Path, encoding: Encoding) -> None:
    """Write latents as they are computed; the file appears once it is whole.

    Args:
        path: `.npz`, an array for each column, of which all but the widest take their room twice
            while it is written; `.h5` or `.hdf5`, a dataset for each; or `.csv`, a line for each
            row. Numbers that stand for names are numbers in the first two, next to the names; in
            CSV they are names.
    """
    require_latents_path(path)
    write = {".npz": _write_npz, ".csv": _write_csv}.get(path.suffix, _write_h5)
    write_atomically(path, lambda partial: write(partial, encoding))


def _blocks(encoding: Encoding) -> Iterator[Columns]:
    for block in encoding.blocks:
        yield {name: values.numpy() for name, values in block.items()}


def _write_npz(partial: Path, encoding: Encoding) -> None:
    """Write the widest column as it comes, and collect the others in files without a name.

    An archive takes its arrays one after the other. Files without a name vanish with the process.
    """
    with zipfile.ZipFile(partial, "w") as archive, ExitStack() as files:
        columns: dict[str, Any] = {}
        widest = ""
        for block in _blocks(encoding):
            if not columns:
                widest = max(block, key=lambda name: block[name].nbytes)
                columns = {name: files.enter_context(_unnamed(partial.parent)) for name in block}
                columns[widest] = files.enter_context(_member(archive, widest))
                for name, values in block.items():
                    shape = (encoding.rows, *values.shape[1:])
                    header = {"descr": values.dtype.str, "fortran_order": False, "shape": shape}
                    npy.write_array_header_1_0(columns[name], header)
            for name, values in block.items():
                columns[name].write(np.ascontiguousarray(values).data)
        columns.pop(widest).close()
        for name, names in encoding.names.items():
            columns[f"{name}_names"] = file = io.BytesIO()
            npy.write_array(file, np.array(names), allow_pickle=False)
        for name, file in columns.items():
            file.seek(0)
            with _member(archive, name) as member:
                shutil.copyfileobj(file, member, _COPIED)


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(f"{name}.npy", "w", force_zip64=True)


def _unnamed(folder: Path) -> Any:
    return tempfile.TemporaryFile(dir=folder)


def _write_h5(partial: Path, encoding: Encoding) -> None:
    h5py, begin = _h5py(partial), 0
    # write_atomically has locked it.
    with _in_short(), h5py.File(partial, "w", locking=False) as file:
        for block in _blocks(encoding):
            rows = len(next(iter(block.values())))
            for name, values in block.items():
                if name not in file:
                    file.create_dataset(name, (encoding.rows, *values.shape[1:]), values.dtype)
                file[name][begin : begin + rows] = values
            begin += rows
        for name, names in encoding.names.items():
            file.create_dataset(f"{name}_names", data=names, dtype=h5py.string_dtype())


@contextmanager
def _in_short() -> Iterator[None]:
    """Say of an error of the system what it is, without all that HDF5 knows about it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno)) from error


def _write_csv(partial: Path, encoding: Encoding) -> None:
    quoted = {name: list(map(_quoted, names)) for name, names in encoding.names.items()}
    with partial.open("w", encoding="utf-8", newline="") as file:
        line = ""
        for block in _blocks(encoding):
            if not line:
                titles = [t for n, v in block.items() for t in _titles(n, v, encoding.names)]
                file.write(",".join(map(_quoted, titles)) + "\n")
                line = ",".join(f for n, v in block.items() for f in _formats(n, v, quoted)) + "\n"
            columns = [column for n, v in block.items() for column in _flat(n, v, quoted)]
            cells = [cell for row in zip(*columns, strict=True) for cell in row]
            file.write(line * len(columns[0]) % tuple(cells))


def _is_coded(name: str, values: ndarray, names: dict[str, list[str]]) -> bool:
    return name in names and values.ndim == 1


def _titles(name: str, values: ndarray, names: dict[str, list[str]]) -> list[str]:
    """Return the titles of a column's numbers: its name with the place of each, if several."""
    if name in names and values.ndim == 2:  # such as probabilities of classes with names
        return [f"{name}_{title}" for title in names[name]]
    return ["_".join(map(str, (name, *at))) for at in product(*map(range, values.shape[1:]))]


def _formats(name: str, values: ndarray, names: dict[str, list[str]]) -> list[str]:
    """Return formats that keep every number as it is."""
    kind = "%d"
    if values.dtype.kind == "f":
        kind = "%.9g" if values.dtype.itemsize <= 4 else "%.17g"
    if _is_coded(name, values, names):
        kind = "%s"
    return [kind] * int(np.prod(values.shape[1:], dtype=int))


def _flat(name: str, values: ndarray, names: dict[str, list[str]]) -> list[list[Any]]:
    """Return a column as lists of what is written, one for each number of a row."""
    if _is_coded(name, values, names):
        return [[names[name][code] for code in values.tolist()]]
    return values.reshape(len(values), -1).T.tolist()


def _quoted(text: str) -> str:
    """Return a text as a cell of a CSV file."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([text])
    return line.getvalue()


# --- reading -----------------------------------------------------------------------------------


class LatentsFile(NamedTuple):
    """An open file of latents.

    Attributes:
        shapes: shape of each column, without its rows.
        rows: how many rows.
        blocks: returns columns of these names, so many rows at a time.
    """

    shapes: dict[str, tuple[int, ...]]
    rows: int
    blocks: Callable[[Sequence[str], int], Iterator[dict[str, Tensor]]]


@contextmanager
def open_latents(path: Path) -> Iterator[LatentsFile]:
    """Open a file of latents that `write_latents` wrote, or one with such columns.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is damaged, or of no known kind.
    """
    require_latents_path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: name a file that `symgen encode` wrote")
    opened = {".npz": _open_npz, ".csv": _open_csv}.get(path.suffix, _open_h5)
    with ExitStack() as files:
        with _readable(path):
            file = opened(path, files)

        def blocks(chosen: Sequence[str], size: int) -> Iterator[dict[str, Tensor]]:
            with _readable(path):
                yield from file.blocks(chosen, size)

        yield file._replace(blocks=blocks)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        said = " ".join(f"{error}".split())
        raise ValueError(f"{path} cannot be read as a file of latents: {said}") from error


def _real(name: str, values: ndarray) -> Tensor:
    """Return numbers of any type and byte order as a tensor."""
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {values.dtype}: give real numbers")
    return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))


def _open_npz(path: Path, files: ExitStack) -> LatentsFile:
    archive = files.enter_context(zipfile.ZipFile(path))
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    heads = {}
    for name in names:
        with archive.open(f"{name}.npy") as member:
            heads[name] = _header(member)
    shapes = {name: shape for name, (shape, _) in heads.items() if shape}

    def blocks(chosen: Sequence[str], size: int) -> Iterator[dict[str, Tensor]]:
        with ExitStack() as members:
            open_ones = {n: members.enter_context(archive.open(f"{n}.npy")) for n in chosen}
            for member in open_ones.values():
                _header(member)
            rows = shapes[chosen[0]][0]
            for begin in range(0, rows, size):
                count = min(size, rows - begin)
                yield {n: _read(n, member, count, *heads[n]) for n, member in open_ones.items()}

    return _file(shapes, blocks)


def _header(member: Any) -> tuple[tuple[int, ...], np.dtype]:
    version = npy.read_magic(member)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}[version]
    shape, fortran, dtype = read(member)
    if fortran or dtype.hasobject:
        raise ValueError("an array is in Fortran order or holds objects: save it in C order")
    return shape, dtype


def _read(name: str, member: Any, rows: int, shape: tuple[int, ...], dtype: np.dtype) -> Tensor:
    count = rows * int(np.prod(shape[1:], dtype=int))
    content = member.read(count * dtype.itemsize)
    return _real(name, np.frombuffer(content, dtype).reshape(rows, *shape[1:]))


def _open_h5(path: Path, files: ExitStack) -> LatentsFile:
    file = files.enter_context(_h5py(path).File(path, "r"))

    def blocks(chosen: Sequence[str], size: int) -> Iterator[dict[str, Tensor]]:
        for begin in range(0, len(file[chosen[0]]), size):
            yield {n: _real(n, file[n][begin : begin + size]) for n in chosen}

    return _file({name: each.shape for name, each in file.items()}, blocks)


def _open_csv(path: Path, files: ExitStack) -> LatentsFile:
    file = files.enter_context(path.open(encoding="utf-8", newline=""))
    titles = next(csv.reader(file), [])
    places: dict[str, list[int]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    rows = sum(1 for _ in csv.reader(file))
    for number, title in enumerate(titles):
        name, at = re.fullmatch(r"(.*?)((?:_\d+)*)", title).groups()  # pyright: ignore
        places.setdefault(name, []).append(number)
        shapes[name] = (rows, *(1 + int(index) for index in at.split("_")[1:]))

    def blocks(chosen: Sequence[str], size: int) -> Iterator[dict[str, Tensor]]:
        columns = [number for name in chosen for number in places[name]]
        for name in chosen:
            if len(places[name]) != int(np.prod(shapes[name][1:], dtype=int)):
                raise ValueError(f"{name} {shapes[name][1:]} lacks columns: {len(places[name])}")
        with path.open(encoding="utf-8", newline="") as lines:
            next(csv.reader(lines))
            for begin in range(0, rows, size):
                count = min(size, rows - begin)
                text = np.loadtxt(
                    lines, delimiter=",", usecols=columns, max_rows=count, ndmin=2, quotechar='"'
                )
                numbers = torch.from_numpy(text).split([len(places[n]) for n in chosen], 1)
                yield {
                    n: part.reshape(count, *shapes[n][1:])
                    for n, part in zip(chosen, numbers, strict=True)
                }

    return _file(shapes, blocks)


def _file(shapes: dict[str, tuple[int, ...]], blocks: Any) -> LatentsFile:
    counts = sorted({s[0] for name, s in shapes.items() if s and not name.endswith("_names")})
    if len(counts) != 1 or not counts[0]:
        told = either(map(str, counts)) if any(counts) else "no"
        raise ValueError(f"its columns have {told} rows")
    return LatentsFile({name: s[1:] for name, s in shapes.items()}, counts[0], blocks)


def _h5py(path: Path) -> Any:
    try:
        return importlib.import_module("h5py")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path} needs h5py, which is not installed: pip install 'symgen[formats]', or let "
            "the name end in .npz"
        ) from error
