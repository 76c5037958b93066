"""Factors beside recordings: the values that the file has, of the frames that a clip shows."""

import h5py
import numpy as np
import pytest
import scipy.io
import torch
from recording_helpers import square_film

import symgen
from symgen.data.batches import factor_names

FILMS = np.stack([square_film(40, start) for start in range(6)])
ANGLE = (5 * np.arange(6)[:, None] + np.arange(40)) % 9 * 10  # 0, 10, …, 80
LABELS = np.array([7, 3, 3, 7, 5, 5])


def batch_of(source, items):
    return source.batch(torch.tensor(items), torch.Generator())


def write_npz(path, films=FILMS, **beside):
    np.savez(path, films=films, **beside)
    return path


def write_h5(path, films=FILMS, **beside):
    with h5py.File(path, "w") as file:
        for name, array in {"films": films, **beside}.items():
            file[name] = array
    return path


@pytest.mark.parametrize(("write", "name"), [(write_npz, "films.npz"), (write_h5, "films.h5")])
def test_values_of_recordings_and_frames_are_those_of_the_file(write, name, tmp_path):
    path = write(tmp_path / name, angle=ANGLE, label=LABELS, time=np.arange(40) / 4)
    source = symgen.open(path, "all", factors=("label", "angle", "time"), length=8, stride=4)
    assert factor_names(source) == ("label", "angle", "time") and source.factor_sizes == (3, 9, 40)
    known = source.footage.factors
    assert known is not None
    items = list(range(len(source)))
    factors = batch_of(source, items).factors
    values = known.values(factors.flatten(0, 1).numpy().astype(np.int32)).reshape(-1, 8, 3)
    recordings, starts = np.divmod(np.arange(len(source)), len(source) // 6)
    for recording, start, found in zip(recordings, 4 * starts, values, strict=True):
        assert (found[:, 0] == LABELS[recording]).all()
        assert (found[:, 1] == ANGLE[recording, start : start + 8]).all()
        assert (found[:, 2] == np.arange(start, start + 8) / 4).all()
    assert batch_of(source, [0]).moved.tolist() == [-1]  # angle and time move
    alone = symgen.open(path, "all", key="films", factors=("label", "angle"), length=8)
    assert batch_of(alone, [0, 9]).moved.tolist() == [1, 1]
    label = symgen.open(path, "all", key="films", factors="label", length=8)
    assert batch_of(label, [0]).moved.tolist() == [-1]


def test_values_belong_to_their_frames_where_bad_ones_were_cut_out(tmp_path):
    films = FILMS.astype(np.float32)
    films[0, 10], films[1, :3] = np.nan, np.nan
    for write, name in ((write_npz, "cut.npz"), (write_h5, "cut.h5")):
        path = write(tmp_path / name, films, time=np.arange(40))
        source = symgen.open(path, "all", factors="time", length=8, every=2, key="films")
        pieces = source.footage.pieces
        assert pieces.start.tolist()[:3] == [0, 11, 3]
        batch = batch_of(source, list(range(len(source))))
        for item, times in enumerate(batch.factors[..., 0].numpy()):
            (name,) = source.recording_names(torch.tensor([item]))
            shown = batch.frames[item, 0, 0, 6].numpy() > 0
            recording = int(name.split("[")[1].partition("]")[0])
            columns = (recording + times[0] + np.arange(4)) % 16
            assert sorted(np.flatnonzero(shown)) == sorted(columns)
            assert (np.diff(times) == 2).all()


def test_axes_of_factors_follow_those_of_the_recordings(tmp_path):
    films, angle = FILMS.swapaxes(0, 1), ANGLE.T  # time first
    path = write_npz(tmp_path / "films.npz", films, angle=angle)
    source = symgen.open(path, "all", axes="TNYX", factors="angle", length=8)
    known = source.footage.factors
    assert known is not None
    assert known.values(known.index).reshape(6, 40).tolist() == ANGLE.tolist()


def test_matlab_rows_and_flags_are_factors(tmp_path):
    path = tmp_path / "films.mat"
    scipy.io.savemat(path, {"films": FILMS, "label": LABELS[None], "flag": LABELS[:, None] > 4})
    source = symgen.open(path, "all", key="films", factors=("label", "flag"), length=8)
    known = source.footage.factors
    assert known is not None
    assert known.values(known.index)[::40].tolist() == [[n, n > 4] for n in LABELS.tolist()]


def test_files_of_a_folder_have_factors_each(tmp_path):
    for number in range(3):
        films = square_film(20 + number, number)
        write_npz(tmp_path / f"day{number}.npz", films, pose=np.arange(20 + number) + number)
    source = symgen.open(tmp_path, "all", axes="TYX", factors="pose", length=8)
    known = source.footage.factors
    assert known is not None
    assert [known.levels[0][known.at(np.array([n]), np.array([5]))[0, 0]] for n in range(3)] == [
        5,
        6,
        7,
    ]


@pytest.mark.parametrize(
    ("beside", "factors", "message"),
    [
        ({"label": LABELS}, "labels", "has no such array of numbers, did you mean label?"),
        ({}, "label", "it has none beside the recordings"),
        ({"label": LABELS[:5]}, "label", "has it of shape (5,), but films has 6 recordings of 40"),
        ({"label": np.where(LABELS > 4, np.nan, 1)}, "label", "values there that are not finite"),
        ({"label": np.array(list("abcdef"))}, "label", "has no such array of numbers"),
        ({"label": LABELS}, "films", "label has shape (6,)"),
        ({"label": LABELS}, ("films", "label"), "key='films' is among factors"),
        ({"label": LABELS}, ("label", "label"), "give names of arrays, each once"),
        ({"label": LABELS * 1j}, "label", "holds complex numbers"),
    ],
)
def test_what_is_no_factor_is_refused_in_one_line(beside, factors, message, tmp_path):
    path = write_npz(tmp_path / "films.npz", **beside)
    with pytest.raises(ValueError) as caught:
        symgen.open(path, "all", key=None if factors == "films" else "films", factors=factors)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_shape_that_may_be_of_recordings_or_of_frames_is_refused(tmp_path):
    path = write_npz(tmp_path / "films.npz", FILMS[:, :6], label=LABELS)
    with pytest.raises(ValueError, match="which counts both: give a number"):
        symgen.open(path, "all", axes="NTYX", factors="label", length=2)


def test_frames_and_tensors_have_no_arrays_beside_them(tmp_path):
    from recording_helpers import write_images

    write_images(tmp_path / "film", square_film(20))
    for data in (tmp_path / "film", [square_film(20)]):
        with pytest.raises(ValueError, match=r"factors=\('label',\): .*has no other arrays"):
            symgen.open(data, "all", factors="label")


def test_they_are_offered(tmp_path):
    path = write_npz(tmp_path / "films.npz", label=LABELS, other=np.zeros(3))
    notes = symgen.open(path, "all", length=8).notes
    assert f"{path} may tell more of its recordings or frames: --factors label" in notes


def test_single_numbers_of_matlab_are_no_recordings(tmp_path):
    path = tmp_path / "films.mat"
    scipy.io.savemat(path, {"films": FILMS, "rate": 25.0})
    assert symgen.open(path, "all", length=8).footage.lengths.tolist() == [40] * 6
