"""What a user says of recordings: groups, bad frames, full circles, splits by start."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from recording_helpers import square_film, write_images

import symgen


def test_groups_are_never_in_two_splits(tmp_path):
    for animal in range(5):
        for take in range(3):
            write_images(
                tmp_path / "set" / f"animal{animal}" / f"take{take}", square_film(6, take)
            )
    table = tmp_path / "groups.csv"
    rows = [f"animal{a}/take{t},{'old' if a < 2 else a}" for a in range(5) for t in range(3)]
    table.write_text("recording,group\n" + "\n".join(rows))
    for group_by, count in (("parent", 5), (r"animal(\d)", 5), (table, 4)):
        found = {}
        for split in ("train", "validation", "test"):
            source = symgen.open(tmp_path / "set", split, group_by=group_by)
            names = source.split_record()[split]
            found[split] = {name.partition("/")[0] for name in names}
            assert len(names) == 3 * len(found[split])
        groups = [name for names in found.values() for name in names]
        assert sorted(groups) == [f"animal{animal}" for animal in range(5)]
        if count == 4:
            assert any({"animal0", "animal1"} <= names for names in found.values())
    for group_by, message in (
        ("cage", "matches none of animal0/take0"),
        ("(", "nor a regular expression"),
        (r"take", "makes 1 group for 3 splits"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            symgen.open(tmp_path / "set", group_by=group_by)
    table.write_text("animal0/take0,old")
    with pytest.raises(ValueError, match="names no group for"):
        symgen.open(tmp_path / "set", group_by=table)


def test_listed_bad_frames_cut_recordings(tmp_path):
    np.save(tmp_path / "films.npy", np.stack([square_film(40, s) for s in range(4)]))
    table = tmp_path / "bad.csv"
    table.write_text("recording,frame\n[1],7\n3,20-22\n")
    every: tuple[dict[str, Any], ...] = ({}, {"size": (8, 8)})
    for options in every:
        source = symgen.open(tmp_path / "films.npy", "all", bad_frames=table, length=4, **options)
        assert source.footage.lengths.tolist() == [40, 7, 32, 40, 20, 17]
        assert source.footage.short_names[1] == (
            "[1][0:7]" if not options else "films.npy[1][0:7]"
        )
    for text, message in (
        ("[9],3\n", "lists frames of '[9]', which is no recording"),
        ("5\n", "lists frames alone, but there are 4 recordings"),
        ("[1],3\n[1],x\n", "line 2: '[1],x' names no frame"),
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=re.escape(message)):
            symgen.open(tmp_path / "films.npy", "all", bad_frames=table)


def test_closed_recordings_start_at_every_view_and_wrap():
    views = np.stack([square_film(24, s) for s in range(6)])
    train = symgen.open(views, "train", wrap=True, length=8)
    assert len(train) == 4 * 24
    every = symgen.open(views, "all", wrap=True, length=8, stride=1)
    assert len(every) == 6 * 24
    clips = every.batch(torch.arange(24), torch.Generator()).frames
    for start in range(24):
        around = torch.from_numpy(views[0])[(start + np.arange(8)) % 24].float() / 255
        assert clips[start, :, 0].equal(around)
    with pytest.raises(ValueError, match="give split_by='start'"):
        symgen.open(views[:1], axes="NTYX", wrap=True, length=8)
    with pytest.raises(ValueError, match="does not come full circle"):
        broken = views.astype(np.float32)
        broken[2, 3] = np.nan
        symgen.open(broken, "all", wrap=True, length=8)


def test_starts_are_dealt_out_by_residues():
    views = square_film(72)
    options: dict[str, Any] = {"split_by": "start", "wrap": True, "length": 18}
    starts = {}
    for split in ("train", "validation", "test"):
        source = symgen.open(views, split, **options)
        starts[split] = source.frame_numbers(torch.arange(len(source)))[:, 0].tolist()
    assert sorted(start for part in starts.values() for start in part) == list(range(72))
    assert all(len(starts[split]) in (7, 8) for split in ("validation", "test"))
    assert {start % 10 for start in starts["test"]} == {starts["test"][0] % 10}
    record = symgen.open(views, "train", **options).split_record()
    assert symgen.open(views, "test", record=record, **options).split_record() == record
    with pytest.raises(ValueError, match="group_by means nothing"):
        symgen.open(views, split_by="start", group_by="parent")
