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
        (VECTORS[0], "vectors.npy has shape (20, 5) and holds float32: vectors are floats (n, S"),
        (VECTORS[:, :, None], "vectors.npy has shape (6, 20, 1, 5) and holds float32"),
        (VECTORS[:, :, :0], "vectors.npy has shape (6, 20, 0)"),
        (VECTORS.astype(np.int64), "holds int64: vectors are floats (n, S, features)"),
        (VECTORS.astype(np.uint8), "holds uint8: vectors are floats"),
        (VECTORS.astype(">f4"), "holds >f4: vectors are floats"),
        (VECTORS.astype(complex), "vectors are floats (n, S, features) of 16, 32 or 64 bits"),
        (VECTORS[:, :1], "sequences of 1 frame: a sequence needs two"),
        (np.asfortranarray(VECTORS), "is in Fortran order"),
    ],
)
def test_arrays_that_hold_no_vectors(array, message, tmp_path):
    np.save(tmp_path / "vectors.npy", array)
    refused(tmp_path / "vectors.npy", message)


@pytest.mark.parametrize("form", [".npy", "tensors"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "frame 2: NaN among the features: give finite floats of 32 bits"),
        (np.inf, "frame 2: features reach from 0 to inf"),
        (-np.inf, "frame 2: features reach from -inf to 0"),
        (-1e300, "frame 2: features reach from -1e+300 to 0"),  # infinite in 32 bits
    ],
)
def test_the_bad_frame_is_named_or_its_recording_skipped(form, value, message, tmp_path):
    array = np.zeros((6, 20, 5))
    array[3, 2, 1] = value
    np.save(tmp_path / "vectors.npy", array)
    given = tmp_path / "vectors.npy" if form == ".npy" else list(array)
    name = f"{given}[3]" if form == ".npy" else "item 3"
    refused(given, f"{name}, {message}")
    source = data.open(given, "all", axes="NTF", skip_broken=True)
    assert [entry.name for entry in source.skipped] == [name]
    assert source.part.recording.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("options", [{"size": (4, 4)}, {"gray": True}])
@pytest.mark.parametrize("form", [".npy", ".npz", "tensors"])
def test_vectors_have_neither_size_nor_gray(form, options, forms):
    refused(forms[form], "vectors have neither a size nor colours", **options)


def test_only_arrays_hold_vectors(tmp_path):
    for folder in (
        write_frames(tmp_path / "frames", films()[:2]),
        write_videos(tmp_path / "videos", films()[:2, :3]),
    ):
        refused(folder, f"axes='NTF' with {folder}: vectors are read from .npy and .npz arrays")


def test_vectors_are_not_guessed_and_axes_not_either(forms, monkeypatch):
    refused(forms[".npy"], "of vectors, give axes='NTF'", axes=None)
    refused(forms["tensors"], "item 0 has shape (20, 5): give images", axes=None)
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    refused(forms[".npy"], "axes='TNF': give 'NTF' for vectors, or None", axes="TNF")
