"""Recordings of vectors: any finite floats, from arrays and tensors, and nothing else."""

import re

import numpy as np
import pytest
import torch
from recording_helpers import films, write_frames, write_videos

from symgen import data
from symgen.data import Batches, Recordings, Source

VECTORS = 100 * np.random.default_rng(0).standard_normal((6, 20, 5)).astype(np.float32)


def all_frames(source: Recordings) -> torch.Tensor:
    return source.batch(torch.arange(len(source)), torch.Generator()).frames


@pytest.fixture
def forms(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS)
    np.savez(tmp_path / "vectors.npz", VECTORS)
    return {
        ".npy": tmp_path / "vectors.npy",
        ".npz": tmp_path / "vectors.npz",
        "tensors": list(torch.from_numpy(VECTORS)),
        "arrays": list(VECTORS),
        "iterator": iter(torch.from_numpy(VECTORS)),
    }


@pytest.mark.parametrize("form", [".npy", ".npz", "tensors", "arrays", "iterator"])
@pytest.mark.parametrize(("length", "stride", "every"), [(20, 1, 1), (4, 3, 1), (3, 2, 4)])
def test_every_form_gives_exactly_the_clips_cut_by_hand(form, length, stride, every, forms):
    options = {"length": length, "stride": stride, "every": every}
    source = data.open(forms[form], "all", axes="NTF", **options)
    extent = (length - 1) * every + 1
    clips = [
        recording[start : start + extent : every]
        for recording in VECTORS
        for start in range(0, 20 - extent + 1, stride)
    ]
    assert isinstance(source, Source)
    assert source.data_shape == (5,)
    assert all_frames(source).equal(torch.from_numpy(np.stack(clips)))


@pytest.mark.parametrize("form", [".npz", "tensors"])
def test_splits_and_identity_do_not_depend_on_the_form(form, forms):
    for split in ("train", "validation", "test"):
        array, other = (data.open(forms[f], split, axes="NTF") for f in (".npy", form))
        assert repr(array) == repr(other)
        assert all_frames(array).equal(all_frames(other))


def test_batches_have_no_factors(forms):
    batch = Batches(data.open(forms[".npy"], axes="NTF"), batch_size=4, seed=1).batch(0)
    assert batch.frames.shape == (4, 16, 5)
    assert batch.factors.shape == (4, 16, 0)
    assert batch.moved.tolist() == [-1] * 4


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_every_precision_becomes_that_of_models(kind, tmp_path):
    array = VECTORS.astype(kind)
    np.save(tmp_path / "vectors.npy", array)
    expected = torch.from_numpy(array.astype(np.float32))[:, :16]
    for given in (tmp_path / "vectors.npy", list(array)):
        frames = all_frames(data.open(given, "all", axes="NTF", stride=16))
        assert frames.dtype == torch.float32
        assert frames.equal(expected)


def test_recordings_of_unequal_lengths():
    recordings = [torch.randn(length, 3) for length in (12, 30, 17)]
    source = data.open(recordings, "all", axes="NTF", length=8, stride=5)
    expected = [r[start : start + 8] for r in recordings for start in range(0, len(r) - 7, 5)]
    assert all_frames(source).equal(torch.stack(expected))


def refused(given, message, **options):
    with pytest.raises(ValueError, match=re.escape(message)):
        data.open(given, **{"axes": "NTF", **options})


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (VECTORS[:, :, None], "has shape (6, 20, 1, 5), 4 axes, but axes='NTF' names 3"),
        (VECTORS[:, :, :0], "has shape (6, 20, 0), which holds nothing"),
        (VECTORS.astype(complex), "holds complex numbers"),
        (VECTORS[:, :1], "has 6 recordings of 1 frames of 5 features: a sequence needs two"),
        (VECTORS[:, :1].repeat(2, 1) * np.nan, "no frame is good; the first: its numbers are not"),
    ],
)
def test_arrays_that_hold_no_vectors(array, message, tmp_path):
    np.save(tmp_path / "vectors.npy", array)
    refused(tmp_path / "vectors.npy", message)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, ">f4", ">i2", bool, "Fortran"])
def test_numbers_of_every_type_and_order_stay_as_they_are(kind, tmp_path):
    array = np.asfortranarray(VECTORS) if kind == "Fortran" else VECTORS.astype(kind)
    np.save(tmp_path / "vectors.npy", array)
    expected = torch.from_numpy(array.astype(np.float32))[:, :16]
    for given in (tmp_path / "vectors.npy", array, list(array)):
        source = data.open(given, "all", axes="NTF", stride=16)
        assert source.scale is None and all_frames(source).equal(expected)


def test_one_recording_needs_no_axis_of_recordings(tmp_path):
    np.save(tmp_path / "vectors.npy", VECTORS[0])
    for given in (tmp_path / "vectors.npy", VECTORS[0], [VECTORS[0]]):
        source = data.open(given, "all", axes="TF")
        assert source.footage.lengths.tolist() == [20]
    refused(tmp_path / "vectors.npy", "has shape (20, 5), 2 axes, but axes='NTF' names 3")


@pytest.mark.parametrize("form", [".npy", "tensors"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e300])  # infinite in 32 bits
def test_a_frame_that_is_not_finite_cuts_its_recording(form, value, tmp_path):
    array = np.zeros((6, 20, 5))
    array[3, 2, 1] = value
    np.save(tmp_path / "vectors.npy", array)
    given = tmp_path / "vectors.npy" if form == ".npy" else list(array)
    name = f"{given}[3]" if form == ".npy" else "item 3"
    source = data.open(given, "all", axes="NTF", length=4)
    reason = "its numbers are not finite (NaN or beyond 32 bits)"
    assert source.footage.cuts == ((f"{name}, frame 2", reason),)
    assert source.footage.lengths.tolist() == [20, 20, 20, 2, 17, 20, 20]
    assert [entry.name for entry in source.skipped] == [f"{name}[0:2]"]
    assert all_frames(source).isfinite().all()


@pytest.mark.parametrize("scale", ["dtype", (-1, 1), ("percentile", 99)])
def test_vectors_are_scaled_if_asked_for(scale, forms):
    source = data.open(forms[".npy"], "all", axes="NTF", scale=scale)
    frames = all_frames(source)
    assert source.scale is not None and 0 <= frames.min() < frames.max() <= 1


@pytest.mark.parametrize("options", [{"size": (4, 4)}, {"gray": True}])
@pytest.mark.parametrize("form", [".npy", ".npz", "tensors"])
def test_vectors_have_neither_size_nor_gray(form, options, forms):
    refused(forms[form], "vectors have neither a size nor colours", **options)


def test_only_arrays_have_axes(tmp_path):
    for folder in (
        write_frames(tmp_path / "frames", films()[:2]),
        write_videos(tmp_path / "videos", films()[:2, :3]),
    ):
        refused(folder, f"axes='NTF': {folder}, 2 ")


def test_vectors_are_guessed_only_where_no_other_reading_is_plausible(tmp_path):
    array = np.zeros((6, 40, 12), np.float32)
    assert data.open(array, "all").data_shape == (12,)
    refused(np.zeros((20, 40, 12), np.float32), "can be read as axes NTF", axes=None)
    refused(np.zeros((6, 12, 40), np.float32), "or NFT (6 recordings of 40 frames", axes=None)
    refused([np.zeros((40, 30), np.float32)], "TF (40 frames of 30 features) or FT", axes=None)
    refused(array, "has shape (6, 40, 12), 3 axes, but axes='NTYX' names 4", axes="NTYX")
    refused(array, "axes='TNG': give letters of N T C Z Y X", axes="TNG")
