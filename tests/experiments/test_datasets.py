"""Data of experiments: what is trained on, what is held out, and what a file of arrays holds."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from symgen.experiments.datasets import (
    ArrayData,
    DigitsData,
    ImageData,
    RecordingData,
    SpritesData,
    data_from_json,
    data_to_json,
)

RTS = ImageData(images="digits", distortion="rts")
ITEMS = torch.arange(4)


def drawn(source):
    return [source.batch(ITEMS, torch.Generator().manual_seed(n)).images for n in (1, 2)]


def rows(data, train):
    return {bytes(row.numpy()) for row in data.source(train).images.pixels.flatten(1)}


def test_training_images_are_drawn_afresh_and_test_images_once():
    fresh, once = drawn(RTS.source(train=True)), drawn(RTS.source(train=False))
    assert not fresh[0].equal(fresh[1]) and once[0].equal(once[1])


def test_fixed_training_images_never_change():
    fixed = [drawn(ImageData("digits", "rts", True, seed).source(True)) for seed in (0, 1)]
    assert fixed[0][0].equal(fixed[0][1]) and not fixed[0][0].equal(fixed[1][0])


def test_training_and_test_images_are_different():
    assert not rows(RTS, True) & rows(RTS, False)


def test_images_for_a_choice_are_training_images_that_nothing_is_trained_on():
    data = ImageData(images="digits", validation=300)
    whole = rows(ImageData(images="digits"), True)
    assert rows(data, True) < whole and rows(data, False) < whole
    assert not rows(data, True) & rows(data, False)
    assert len(data.source(train=False)) == 300
    with pytest.raises(ValueError, match="validation=1438 of 1438 training images"):
        ImageData(images="digits", validation=1438).source(True)


def test_images_without_a_label_are_left_out_of_the_training_alone():
    data = ImageData("digits", "rts", labels=3, only_labelled=True)
    source = data.source(True)
    assert source.labelled == "all" and source.classes == 10
    labels = source.batch(torch.arange(len(source)), torch.Generator()).known
    assert labels.bincount().tolist() == [3] * 10
    every = replace(data, only_labelled=False).source(True)
    kept = every.source.images.pixels[every.source.known >= 0]
    assert torch.equal(source.images.pixels, kept)
    assert len(data.source(False)) == len(ImageData("digits", "rts").source(False))
    held_out = replace(data, validation=300).source(False)  # a model of labels alone is validated
    known = held_out.batch(torch.arange(300), torch.Generator()).known
    assert held_out.labelled == "all" and (known >= 0).all()
    for labels in (None, 0):
        with pytest.raises(ValueError, match=f"only_labelled=True with labels={labels}"):
            replace(data, labels=labels).source(True)


def test_sequences_for_a_choice_are_of_training_digits_that_nothing_is_trained_on(real_data):
    data, test = DigitsData(root=real_data, validation=True), DigitsData(root=real_data)
    train, chosen = (data.source(train).pixels for train in (True, False))
    assert train.equal(test.source(train=True).pixels)
    assert (len(train), len(chosen), len(test.source(False).pixels)) == (48_000, 12_000, 10_000)
    rows = [{bytes(row) for row in part.flatten(1).numpy()} for part in (train, chosen)]
    assert not rows[0] & rows[1]
    with pytest.raises(ValueError, match="validation of images='digits': only 'mnist' keeps"):
        DigitsData(images="digits", validation=True).source(train=True)


def test_the_test_may_show_other_transformations_than_the_training():
    data = DigitsData(images="digits", test_mode="rotation+hue")
    test, train = (data.source(train).batch(ITEMS, torch.Generator()) for train in (False, True))
    assert set(test.moved.tolist()) == {-1}
    assert set(train.moved.tolist()) <= {0, 1, 2}


def test_digits_that_stand_still_have_labels_to_map():
    images, labels = DigitsData(images="digits", mode="still").labelled_images()
    assert images.shape == (len(labels), 1, 28, 28) and set(labels.tolist()) == {*range(10)}


@pytest.mark.parametrize(
    "data",
    [
        DigitsData(images="digits"),
        DigitsData(images="digits", mode="growth"),
        DigitsData(images="digits", mode="still"),
        SpritesData(),
        SpritesData("position", 8),
        RTS,
    ],
    ids=lambda data: repr(data)[:60],
)
def test_frames_are_known_without_opening_the_data(data):
    source = data.source(train=False)
    assert data.frames == source.frames
    assert data_from_json(data_to_json(data)) == data


@pytest.mark.parametrize("kind", [DigitsData, ImageData, RecordingData, ArrayData, SpritesData])
def test_data_are_found_in_another_place(kind, tmp_path):
    moved = kind().located(tmp_path)
    assert kind().located(None) == kind()
    assert (moved == kind()) == (kind.place is None)
    if kind.place is not None:
        assert getattr(moved, kind.place) == tmp_path


def test_recordings_that_nobody_names_are_asked_for():
    with pytest.raises(ValueError, match="no recordings are named: give their path"):
        RecordingData().open("train")


# --- arrays of runs from Python ----------------------------------------------------------------


@pytest.fixture
def arrays(tmp_path):
    x = np.random.default_rng(0).random((6, 5, 7), np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x)
    (tmp_path / "text.npy").write_text("no array")
    return tmp_path, x


def test_a_file_of_sequences_is_read_as_it_was_given(arrays):
    folder, x = arrays
    source = ArrayData(shape=(5, 7), data=folder / "x.npy").source(train=True)
    assert (len(source), source.frames, source.data_shape) == (6, 5, (7,))
    assert np.array_equal(source.batch(ITEMS, torch.Generator()).x, x[:4])


def test_an_item_may_be_a_single_one(arrays):
    folder, x = arrays
    data = ArrayData((5, 7), sequence=False, data=folder / "x.npy")
    batch = data.source(train=False).batch(ITEMS, torch.Generator())
    assert data.frames == 1 and data.source(True).data_shape == (5, 7)
    assert np.array_equal(batch.x, x[:4]) and batch.y is None


def test_files_that_hold_something_else_are_refused(arrays):
    folder, *_ = arrays
    with pytest.raises(ValueError, match=r"an array in memory.*\(n, 5, 7\), with --data PATH"):
        ArrayData((5, 7)).source(True)
    for name in ("text.npy", "none.npy", "x.npz"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as an array"):
            ArrayData((5, 7), data=folder / name).source(True)
    with pytest.raises(ValueError, match=r"float32 \(5, 7\): the model takes floats \(5, 8\)"):
        ArrayData((5, 8), data=folder / "x.npy").source(True)
