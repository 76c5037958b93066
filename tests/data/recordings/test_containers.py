"""Arrays in every container: read back equal, part by part, with the axes that the file names."""

import pickle
import re
import sys

import numpy as np
import pytest
import scipy.io
from container_helpers import (
    WRITERS,
    h5py,
    random_array,
    random_index,
    tifffile,
    to_hdf5,
    to_new_matlab,
    to_npy,
    to_old_matlab,
    zarr,
)

from symgen.data.recordings.containers import CONTAINER_SUFFIXES, open_arrays


@pytest.mark.parametrize("kind", WRITERS)
def test_every_part_of_every_type_is_read_back(kind, tmp_path):
    suffix, write, dtypes = WRITERS[kind]
    random = np.random.default_rng(0)
    for number, dtype in enumerate(dtypes):
        array = random_array(random, dtype, int(random.integers(2, 5)))
        path = tmp_path / f"x{number}{suffix}"
        write(path, array)
        ((name, found),) = open_arrays(path).items()
        assert (name, found.shape) == (path.stem, array.shape)
        assert found.dtype == array.dtype.newbyteorder("=") and found.dtype.isnative
        for index in ((), *(random_index(random, array.shape) for _ in range(6))):
            part = found.read(index)
            assert part.dtype == found.dtype
            np.testing.assert_array_equal(part, array[index], err_msg=f"{dtype} {index}")
            assert not isinstance(part, np.memmap)
        found.close()
        np.testing.assert_array_equal(found.read(), array)  # opens again
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(found)).read((1,)), array[1])
        found.close()


def test_a_file_that_changed_since_it_was_opened_is_refused(tmp_path):
    for number, (suffix, write, _) in enumerate(WRITERS.values()):
        path, other = (tmp_path / f"{n}/x{suffix}" for n in (number, f"{number}b"))
        for length, place in ((4, path), (3, other)):
            place.parent.mkdir()
            write(place, np.ones((length, 5, 6), np.uint8))
        (found,) = open_arrays(path).values()
        path.rename(tmp_path / f"{number}/before{suffix}")
        other.rename(path)
        with pytest.raises(ValueError, match="has changed since it was opened"):
            found.read((0,))


def test_groups_are_walked_and_links_are_not(tmp_path):
    path, other = tmp_path / "days.h5", tmp_path / "other.h5"
    to_hdf5(other, np.arange(6).reshape(2, 3))
    with h5py.File(path, "w") as file:
        for day in range(2):
            file[f"day{day}/images"] = np.full((3, 4), day)
        file["far"] = h5py.ExternalLink(str(other), "other")
        file["near"] = h5py.SoftLink("/day0/images")
        file["day0/up"] = file["/"]
        file["text"], file["single"] = "text", 25.0
        file["pairs"] = np.zeros(3, [("a", "u1"), ("b", "f4")])
        layout = h5py.VirtualLayout((2, 3), "i8")
        layout[:] = h5py.VirtualSource(other, "other", (2, 3))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("outside", (4,), "u1", external=[(str(other), 0, 4)])
    found = open_arrays(path)
    assert [*found] == ["day0/images", "day1/images"] and found["day1/images"].read((0, 0)) == 1


def test_a_file_without_an_array_says_what_it_has(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["text"], file["far"] = "text", h5py.ExternalLink("y.h5", "x")
    with pytest.raises(ValueError, match=r"no array of numbers, only far \(a link to another fil"):
        open_arrays(path)
    np.savez(tmp_path / "x.npz", names=np.array(["a", "b"]), rate=np.array(25))
    with pytest.raises(ValueError, match=r"only names \(<U1, no numbers\), rate \(a sing"):
        open_arrays(tmp_path / "x.npz")
    scipy.io.savemat(tmp_path / "x.mat", {"s": {"images": np.ones((2, 2))}, "text": "a"})
    with pytest.raises(ValueError, match=r"only s \(struct\), text \(char\)"):
        open_arrays(tmp_path / "x.mat")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5", ".zarr", ".mat"])
def test_complex_numbers_are_refused_by_name(suffix, tmp_path):
    path = tmp_path / f"x{suffix}"
    write = next(write for known, write, _ in WRITERS.values() if known == suffix)
    write(path, np.ones((2, 3), np.complex64))
    (found,) = open_arrays(path).values()
    with pytest.raises(ValueError, match=r"x.* complex numbers.*save real ones"):
        found.read()


def test_matlab_shows_the_same_axes_in_both_versions(tmp_path):
    array = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    for name, write in (("old", to_old_matlab), ("new", to_new_matlab)):
        write(tmp_path / f"{name}.mat", array)
        found = open_arrays(tmp_path / f"{name}.mat")[name]
        np.testing.assert_array_equal(found.read((slice(None), 1)), array[:, 1])
    scipy.io.savemat(tmp_path / "double.mat", {"x": np.arange(6.0).reshape(2, 3)})
    assert open_arrays(tmp_path / "double.mat")["x"].read().dtype == np.float64  # stored as bytes


def named(path, names, shape):
    zarr.create_array(path, shape=shape, dtype="u1", dimension_names=names)[...] = 1


AXES = {
    ("time", "y", "x"): "TYX",
    ("frame", "channel", "height", "width"): "TCYX",
    ("time", "neuron"): "TF",
    ("time", "weather"): None,
    ("row", "y"): None,
}


@pytest.mark.parametrize("names", AXES)
def test_axes_are_what_a_file_names_them(names, tmp_path):
    array = np.ones(range(2, 2 + len(names)), np.uint8)
    named(tmp_path / "x.zarr", names, array.shape)
    old = zarr.create_array(tmp_path / "y.zarr", shape=array.shape, dtype="u1", zarr_format=2)
    old[...], old.attrs["_ARRAY_DIMENSIONS"] = array, list(names)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        labelled, scaled = (file.create_dataset(name, data=array) for name in ("a", "b"))
        for axis, name in enumerate(names):
            labelled.dims[axis].label = name
            file[name] = np.arange(array.shape[axis])
            file[name].make_scale(name)
            scaled.dims[axis].attach_scale(file[name])
    found = [open_arrays(tmp_path / f"{name}.zarr")[name].axes for name in "xy"]
    found += [open_arrays(tmp_path / "x.h5")[name].axes for name in "ab"]
    assert found == [AXES[names]] * 4


def test_axes_of_ome_and_imagej(tmp_path):
    array = np.ones((4, 2, 16, 17), np.uint16)
    tifffile.imwrite(tmp_path / "x.ome.tif", array, metadata={"axes": "TCYX"})
    tifffile.imwrite(tmp_path / "j.tif", array, imagej=True, metadata={"axes": "TCYX"})
    tifffile.imwrite(tmp_path / "plain.tif", array[:, 0], photometric="minisblack")
    colours = np.ones((5, 16, 17, 3), np.uint8)
    tifffile.imwrite(tmp_path / "colours.tif", colours, photometric="rgb")
    planes = colours.transpose(0, 3, 1, 2)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    wanted = {"x.ome": "TCYX", "j": "TCYX", "plain": None, "colours": "TYXC", "planes": "TCYX"}
    for name, axes in wanted.items():
        (found,) = open_arrays(tmp_path / f"{name}.tif").values()
        assert found.axes == axes and found.read().all()


ORDERS = {
    "time first.ome.tif": {"metadata": {"axes": "TZCYX"}},
    "packed.ome.tif": {"metadata": {"axes": "TZCYX"}, "compression": "zlib"},
    "channels first.ome.tif": {"metadata": {"axes": "CTZYX"}, "compression": "zlib"},
    "hyperstack.tif": {"imagej": True, "metadata": {"axes": "TZCYX"}},
}


@pytest.mark.parametrize("name", ORDERS)
def test_pages_in_the_order_of_their_axes(name, tmp_path):
    array = np.random.default_rng(0).integers(0, 4096, (4, 3, 2, 16, 17)).astype(np.uint16)
    tifffile.imwrite(tmp_path / name, array, **ORDERS[name])
    (found,) = open_arrays(tmp_path / name).values()
    assert found.axes == ORDERS[name]["metadata"]["axes"]
    np.testing.assert_array_equal(found.read(), array)
    np.testing.assert_array_equal(found.read((1, slice(0, 3, 2), 1)), array[1, 0:3:2, 1])


def test_pages_written_one_by_one_are_one_stack_if_they_are_equal(tmp_path):
    pages = np.arange(7 * 16 * 17, dtype=np.uint16).reshape(7, 16, 17)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for page in pages:
            file.write(page, contiguous=False)
    np.testing.assert_array_equal(open_arrays(tmp_path / "x.tif")["x"].read(), pages)
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(pages[0])
        file.write(pages[1, :8])
    found = open_arrays(tmp_path / "x.tif")
    assert {name: one.shape for name, one in found.items()} == {
        "series0": (16, 17),
        "series1": (8, 17),
    }


def test_axes_of_an_image_in_a_group_of_zarr(tmp_path):
    group = zarr.create_group(tmp_path / "x.zarr")
    group.create_array("0", shape=(3, 4, 5), dtype="u1")[...] = 1
    axes = [{"name": name} for name in "tyx"]
    group.attrs["ome"] = {"multiscales": [{"axes": axes, "datasets": [{"path": "0"}]}]}
    assert open_arrays(tmp_path / "x.zarr")["0"].axes == "TYX"


def test_white_as_zero_is_turned_round(tmp_path):
    array = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(3, 16, 16)
    tifffile.imwrite(tmp_path / "x.tif", 65535 - array, photometric="miniswhite")
    np.testing.assert_array_equal(open_arrays(tmp_path / "x.tif")["x"].read(), array)


@pytest.mark.parametrize(
    ("library", "suffix"), [("h5py", ".h5"), ("zarr", ".zarr"), ("tifffile", ".tif")]
)
def test_a_missing_library_is_named_with_its_extra(library, suffix, tmp_path, monkeypatch):
    write = next(write for known, write, _ in WRITERS.values() if known == suffix)
    write(tmp_path / f"x{suffix}", np.ones((2, 2)))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'symgen\[formats\]'"):
        open_arrays(tmp_path / f"x{suffix}")


def test_other_files_and_indices_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("1 2")
    with pytest.raises(ValueError, match=r"x\.txt is no array: give one of \.npy, "):
        open_arrays(tmp_path / "x.txt")
    for suffix in CONTAINER_SUFFIXES:
        path = tmp_path / f"y{suffix}"
        with pytest.raises(ValueError, match=re.escape(f"{path} is no ")):
            open_arrays(path)
        path.write_bytes(b"text")
        with pytest.raises(ValueError, match=re.escape(str(path))):
            open_arrays(path)
    to_npy(tmp_path / "x.npy", np.ones((2, 3)))
    found = open_arrays(tmp_path / "x.npy")["x"]
    for index in ((2,), (0, -4), (0, 0, 0), (slice(None, None, -1),)):
        with pytest.raises(IndexError):
            found.read(index)
