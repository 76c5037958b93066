"""Containers that are damaged, announce what is not there, or hold programs: one line each."""

import pickle
import re
import zipfile

import numpy as np
import pytest
from container_helpers import (
    WRITERS,
    h5py,
    random_array,
    tifffile,
    to_hdf5,
    to_old_matlab,
    to_tiff,
    to_zarr,
    zarr,
)

from symgen.data.recordings.containers import open_arrays, stored


@pytest.mark.parametrize("kind", WRITERS)
def test_damage_is_refused_in_one_line_or_changes_numbers_alone(kind, tmp_path):
    suffix, write, dtypes = WRITERS[kind]
    random, path = np.random.default_rng(1), tmp_path / f"x{suffix}"
    array = random_array(random, "<u2" if "<u2" in dtypes else "<u1", 3)
    write(path, array)
    files = [file for file in (path.rglob("*") if path.is_dir() else [path]) if file.is_file()]
    for number in range(40):
        file = files[random.integers(len(files))]
        whole = file.read_bytes()
        content = bytearray(whole[: random.integers(len(whole))] if number % 4 == 0 else whole)
        if number % 4:
            first = (
                len(whole) // 2 if "hdf5" in kind or "7.3" in kind else 0
            )  # its library may end
            content[random.integers(first, len(whole))] ^= 1 << int(random.integers(8))
        file.write_bytes(content)
        try:
            found = [one.read() for one in open_arrays(path).values()]
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            assert all(one.dtype.kind in "buif" for one in found)
            if suffix == ".npz":  # each member of which has a checksum
                assert all(np.array_equal(one, array) for one in found)
        file.write_bytes(whole)


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_that_is_cut_off_is_no_shorter_array(kind, tmp_path):
    suffix, write, _ = WRITERS[kind]
    path = tmp_path / f"x{suffix}"
    array = np.random.default_rng(2).integers(1, 200, (9, 16, 16)).astype(np.uint8)
    write(path, array)
    files = [path] if path.is_file() else [*path.rglob("c/*/*/*"), *path.glob("*.*.*")]
    for file in files[:2]:
        whole = file.read_bytes()
        for share in (0, 0.1, 0.6, 0.99):
            file.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(ValueError, match=re.escape(str(path))) as error:
                for found in open_arrays(path).values():
                    found.read()
            assert "\n" not in str(error.value)
        file.write_bytes(whole)


def test_colours_that_are_no_light_and_pages_elsewhere_are_refused(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, np.ones((16, 16, 4), np.uint8), photometric="separated")
    with pytest.raises(ValueError, match=r"x\.tif .*its colours are SEPARATED: save it as RGB"):
        open_arrays(path)
    table = np.zeros((3, 256), np.uint16)
    tifffile.imwrite(path, np.ones((3, 16, 16), np.uint8), photometric="palette", colormap=table)
    with pytest.raises(ValueError, match=r"its colours are PALETTE"):
        open_arrays(path)
    path = tmp_path / "x.ome.tif"
    tifffile.imwrite(path, np.ones((3, 16, 16), np.uint8), metadata={"axes": "TYX"})
    content = path.read_bytes()
    path.write_bytes(content.replace(b'SizeT="3"', b'SizeT="9"'))
    with pytest.raises(ValueError, match=r"x\.ome\.tif cannot be read: "):
        open_arrays(path)["x.ome"].read()


def test_parts_that_were_never_written_are_no_black_frames(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("x", (100, 8, 8), "u1", chunks=(10, 8, 8))
        made[:30] = 1
        file.create_dataset("absurd", (2**40, 8, 8), "u1", chunks=(10, 8, 8))
    found = open_arrays(path)
    with pytest.raises(ValueError, match="of its 10 chunks 3 were written: cut it to what was"):
        found["x"].read((0,))
    with pytest.raises(ValueError, match="0 were written"):
        found["absurd"].read((0,))
    zarr.create_array(tmp_path / "x.zarr", shape=(9, 8, 8), dtype="u1")
    zarr.create_array(tmp_path / "y.zarr", shape=(2**40, 8), chunks=(1, 8), dtype="u1")
    for name in "xy":
        with pytest.raises(ValueError, match="none of its chunks is there"):
            open_arrays(tmp_path / f"{name}.zarr")[name].read((0,))


def test_what_is_read_as_a_whole_must_fit_into_memory(tmp_path, monkeypatch):
    big = np.zeros((100, 200), np.uint8)  # packs well, as a bomb does
    np.savez_compressed(tmp_path / "x.npz", x=big)
    to_old_matlab(tmp_path / "x.mat", big, packed=True)
    to_hdf5(tmp_path / "x.h5", big, chunks=big.shape, compression="gzip")
    to_zarr(tmp_path / "x.zarr", big + np.uint8(1), chunks=200)
    to_tiff(tmp_path / "x.tif", big, compression="zlib")
    monkeypatch.setattr(stored, "MEMORY", 4 * 10_000)
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(ValueError, match=r"at once, more than a quarter of the memory.*: \w"):
            open_arrays(path)["x"].read()


def test_announced_sizes_are_not_believed(tmp_path):
    array = np.zeros((2, 3, 4), np.uint8)
    for shape in ((2**60, 3, 4), (-1, 3, 4), (2, 3, 5), (1, 3, 4)):
        with (tmp_path / "x.npy").open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(array.tobytes())
        with pytest.raises(ValueError, match=r"x\.npy cannot be read: it announces"):
            open_arrays(tmp_path / "x.npy")
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.write(tmp_path / "x.npy", "x.npy")
        with pytest.raises(ValueError, match=r"x\.npz cannot be read: it announces"):
            open_arrays(tmp_path / "x.npz")


class Ran(Exception):
    pass


def ran():
    raise Ran


class Program:
    def __reduce__(self):
        return ran, ()


def test_no_program_in_a_file_is_run(tmp_path):
    np.save(tmp_path / "x.npy", np.array([Program()], object), allow_pickle=True)
    with pytest.raises(ValueError, match="it holds objects"):
        open_arrays(tmp_path / "x.npy")
    folder = tmp_path / "x.zarr"
    to_zarr(folder, np.ones((2, 2), np.uint8), version=2)
    about = folder / ".zarray"
    about.write_text(about.read_text().replace('"filters": null', '"filters": [{"id": "pickle"}]'))
    for chunk in folder.glob("*.*"):
        if chunk.name != ".zarray":
            chunk.write_bytes(pickle.dumps(Program()))
    with pytest.raises(ValueError, match="packed by pickle"):
        open_arrays(folder)
