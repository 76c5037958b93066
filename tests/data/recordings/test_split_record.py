"""A split on record: opened again whatever has been added, refused where anything has changed."""

import json
import os
import re
import shutil
from typing import Any

import numpy as np
import pytest
import torch
from recording_helpers import films, write_frames

from symgen import data

SPLITS = ("train", "validation", "test")


def frames_of(source):
    return source.batch(torch.arange(len(source)), torch.Generator()).frames


def on_file(source):
    return json.loads(json.dumps(source.split_record()))


def written(form, folder, array):
    if form == "frames":
        shutil.rmtree(folder / "set", ignore_errors=True)
        return write_frames(folder / "set", array)
    np.save(folder / f"films{form}", array) if form == ".npy" else np.savez(
        folder / f"films{form}", array
    )
    return folder / f"films{form}"


@pytest.mark.parametrize("form", [".npy", ".npz", "frames"])
@pytest.mark.parametrize("count", [10, 1], ids=["whole", "in time"])
def test_recordings_that_came_later_are_neither_trained_on_nor_tested(form, count, tmp_path):
    long = np.concatenate([films()[:10]] * 3, axis=1)
    path = written(form, tmp_path, long[:count])
    axes = {} if form == "frames" else {"axes": "NTCYX"}
    options: dict[str, Any] = {"length": 4, "split_seed": 3, **axes}
    before = {split: data.open(path, split, **options) for split in SPLITS}
    shown = {split: (repr(before[split]), frames_of(before[split])) for split in SPLITS}
    record = on_file(before["train"])
    assert record == on_file(before["test"]) and set(record) == set(SPLITS)
    path = written(form, tmp_path, np.concatenate([long[:count], long[::-1, ::-1, :, ::-1]]))
    for split in SPLITS:
        again = data.open(path, split, record=record, **options)
        assert on_file(again) == record
        assert (repr(again), True) == (shown[split][0], frames_of(again).equal(shown[split][1]))


def test_a_recording_is_in_one_part_only_and_named_without_the_way_there(tmp_path):
    path = write_frames(tmp_path / "set", films()[:8])
    record = data.open(path).split_record()
    names = [name for part in record.values() for name in part]
    assert sorted(names) == [f"film {number}" for number in range(8)]
    assert data.open(path, "all").split_record().keys() == {"all"}
    shutil.copytree(path, tmp_path / "elsewhere")
    assert data.open(tmp_path / "elsewhere", "test", record=record).split_record() == record


@pytest.mark.parametrize("victim", [2, 5])
def test_what_is_missing_or_changed_is_named(victim, tmp_path):
    path = write_frames(tmp_path / "set", films()[:8])
    record = data.open(path).split_record()
    frame = path / f"film {victim}" / "7.png"
    whole = frame.read_bytes()
    shutil.copy(path / f"film {victim}" / "3.png", frame)
    for split in SPLITS:
        with pytest.raises(ValueError, match=rf"are changed: film {victim}: put them back"):
            data.open(path, split, record=record)
    frame.write_bytes(whole)
    os.rename(frame.parent, path / "film 9")
    with pytest.raises(ValueError, match=rf"are missing: film {victim}: put them back"):
        data.open(path, "test", record=record)


def test_swapped_and_shortened_recordings_are_changed(tmp_path):
    np.save(tmp_path / "films.npy", films())
    record = data.open(tmp_path / "films.npy").split_record()
    np.save(tmp_path / "films.npy", films()[::-1])
    with pytest.raises(ValueError, match=re.escape("and 7 more: put them back")):
        data.open(tmp_path / "films.npy", record=record)
    np.save(tmp_path / "films.npy", films()[:, :9])
    with pytest.raises(ValueError, match="are changed"):
        data.open(tmp_path / "films.npy", record=record)


def test_parts_in_time_are_those_on_record():
    one = [torch.rand(60, 1, 4, 4)]
    record = data.open(one, axes="TCYX", length=4).split_record()
    with pytest.raises(ValueError, match="are changed: item 0"):
        data.open(one, axes="TCYX", length=4, test=0.2, record=record)
    with pytest.raises(ValueError, match="split='all': choose train, validation or test"):
        data.open(one, "all", axes="TCYX", length=4, record=record)


def test_data_that_are_swapped_while_they_are_read_are_noticed(tmp_path):
    np.save(tmp_path / "films.npy", films())
    source = data.open(tmp_path / "films.npy")
    np.save(tmp_path / "films.npy", films()[:6])
    with pytest.raises(ValueError, match=r"films.npy has changed since it was opened"):
        frames_of(source)
