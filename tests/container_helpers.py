"""Writers of arrays in every container that is read."""

from functools import partial

import numpy as np
import pytest
import scipy.io

h5py = pytest.importorskip("h5py")
tifffile = pytest.importorskip("tifffile")
zarr = pytest.importorskip("zarr")

INTEGERS = [f"{order}{sign}{size}" for order in "<>" for sign in "iu" for size in (1, 2, 4, 8)]
FLOATS = [f"{order}f{size}" for order in "<>" for size in (2, 4, 8)]


def to_npy(path, array, fortran=False):
    np.save(path, np.asfortranarray(array) if fortran else array)


def to_npz(path, array, save=np.savez):
    save(path, **{path.stem: array})


def to_hdf5(path, array, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset(path.stem, data=array, **options)


def to_zarr(path, array, version=3, chunks=2):
    shape = tuple(min(chunks, n) for n in array.shape)
    made = zarr.create_array(
        path, shape=array.shape, dtype=array.dtype, chunks=shape, zarr_format=version
    )
    made[...] = array


def to_tiff(path, array, **options):
    tifffile.imwrite(path, array, photometric="minisblack", byteorder=order(array), **options)


def order(array):
    return ">" if array.dtype.str[0] == ">" else "<"


def to_old_matlab(path, array, packed=False):
    scipy.io.savemat(path, {path.stem: array}, do_compression=packed)


def to_new_matlab(path, array):
    """Write as MATLAB does: the axes the other way round, behind a header."""
    with h5py.File(path, "w", userblock_size=512) as file:
        made = file.create_dataset(path.stem, data=array.T)
        kinds = {"f8": "double", "f4": "single", "b1": "logical"}
        made.attrs["MATLAB_class"] = np.bytes_(kinds.get(array.dtype.str[1:], array.dtype.name))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(128))


WRITERS = {
    "npy": (".npy", to_npy, [*INTEGERS, *FLOATS, "?"]),
    "npy Fortran": (".npy", partial(to_npy, fortran=True), [*INTEGERS, *FLOATS, "?"]),
    "npz": (".npz", to_npz, [*INTEGERS, *FLOATS, "?"]),
    "npz packed": (".npz", partial(to_npz, save=np.savez_compressed), [*INTEGERS, *FLOATS]),
    "hdf5": (".h5", to_hdf5, [*INTEGERS, *FLOATS, "?"]),
    "hdf5 packed": (
        ".hdf5",
        partial(to_hdf5, compression="gzip", chunks=True, shuffle=True, fletcher32=True),
        [*INTEGERS, *FLOATS],
    ),
    "zarr": (".zarr", to_zarr, [*INTEGERS, *FLOATS, "?"]),
    "zarr 2": (".zarr", partial(to_zarr, version=2, chunks=3), [*INTEGERS, *FLOATS, "?"]),
    "tiff": (".tif", to_tiff, [*INTEGERS, *FLOATS]),
    "tiff packed": (".tiff", partial(to_tiff, compression="zlib"), [*INTEGERS, *FLOATS]),
    "tiff of LZW": (".tif", partial(to_tiff, compression="lzw"), ["<u1", "<u2", ">u2"]),
    "tiff tiled": (".tif", partial(to_tiff, tile=(16, 16)), ["<u1", "<u2", ">f4"]),
    "big tiff": (".tif", partial(to_tiff, bigtiff=True), ["<u2", ">u2"]),
    "matlab 5": (".mat", to_old_matlab, [*INTEGERS, "<f4", "<f8", "?"]),
    "matlab 5 packed": (".mat", partial(to_old_matlab, packed=True), ["<u2", "<f8"]),
    "matlab 7.3": (".mat", to_new_matlab, [*INTEGERS, "<f4", "<f8", "?"]),
}


def random_array(random, dtype, axes):
    shape = tuple(random.integers(2, 7, axes))
    values = random.integers(0, 2 if dtype == "?" else 120, shape)
    return (values + 0.5 if "f" in dtype else values).astype(dtype)


def random_index(random, shape):
    index = []
    for n in shape[: random.integers(len(shape) + 1)]:
        start, stop = sorted(random.integers(-n, n + 1, 2))
        part = slice(int(start), int(stop), int(random.integers(1, 4)))
        index.append(int(random.integers(-n, n)) if random.integers(3) == 0 else part)
    return tuple(index)
