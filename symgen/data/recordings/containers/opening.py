"""Opening a file of arrays by its suffix."""

from pathlib import Path

from symgen.data.extras import readable
from symgen.data.image_files import require_file
from symgen.data.recordings.containers.hdf5 import open_hdf5
from symgen.data.recordings.containers.matlab import open_matlab
from symgen.data.recordings.containers.numpy_files import open_npy, open_npz
from symgen.data.recordings.containers.stored import StoredArray, quiet
from symgen.data.recordings.containers.tiff import open_tiff
from symgen.data.recordings.containers.zarr_folders import open_zarr

__all__ = ["CONTAINER_SUFFIXES", "open_arrays"]

_OPENERS = {
    ".npy": open_npy,
    ".npz": open_npz,
    ".h5": open_hdf5,
    ".hdf5": open_hdf5,
    ".zarr": open_zarr,
    ".tif": open_tiff,
    ".tiff": open_tiff,
    ".mat": open_matlab,
}
CONTAINER_SUFFIXES = tuple(_OPENERS)


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """Open all arrays of numbers of a file, by name, none of which is read yet.

    `.npy`, HDF5, zarr, TIFF and MATLAB's files of version 7.3 are read part by part; members of an
    `.npz` and older MATLAB files are decoded as a whole when they are first read, and refused
    beyond a quarter of the memory. Names are those in the file, such as "day0/images" within
    groups, or that of the file where it gives none. Text, objects, compound types and single
    numbers are left out; an array of complex numbers is there, but is refused when it is read.
    The axes of MATLAB's variables are in the order that MATLAB shows, whatever the version.

    Numbers that have changed on the disk are found by the checksums of `.npz`, of packed MATLAB
    files, and of HDF5 and zarr where they were asked for; else they are read as they are. Chunks
    that are missing in a folder of zarr are its fill value, usually 0, which is not kept. The
    library of HDF5 may, if rarely, end the process over a damaged structure.

    Args:
        path: a file, or a folder of zarr, with one of `CONTAINER_SUFFIXES`.

    Raises:
        ValueError: in one line with the path, if it is of another kind, damaged, or has no
            array of numbers.
        ModuleNotFoundError: if the library of the format is not installed.

    Example:
        >>> import numpy as np
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "days.npz")
        ...     np.savez(path, day0=np.arange(12).reshape(2, 6), day1=np.zeros(3))
        ...     arrays = open_arrays(path)
        ...     print(list(arrays), arrays["day0"].shape, arrays["day0"].read((0, slice(0, 6, 2))))
        ['day0', 'day1'] (2, 6) [0 2 4]
    """
    suffix = path.suffix.lower()
    if suffix not in _OPENERS:
        raise ValueError(f"{path} is no array: give one of {', '.join(CONTAINER_SUFFIXES)}")
    if suffix != ".zarr":
        require_file(path)
    elif not path.is_dir():
        raise ValueError(f"{path} is no folder: zarr keeps arrays in one")
    with readable(f"{path} cannot be read"), quiet():
        return _OPENERS[suffix](path)
