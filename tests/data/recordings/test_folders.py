"""Folders and items: what is a frame, what is a recording, and what is left."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from recording_helpers import pieces_of, square_film, write_images

import symgen


def test_items_may_be_pairs_or_dictionaries():
    films = [torch.from_numpy(square_film(length))[:, None] for length in (20, 30, 40)]
    for items in (
        [(clip, number) for number, clip in enumerate(films)],
        [{"video": clip, "age": 3} for clip in films],
        [{"video": clip, "other": clip[:4]} for clip in films],
    ):
        key = "video" if isinstance(items[0], dict) and "other" in items[0] else None
        source = symgen.open(items, "all", key=key)
        assert source.footage.lengths.tolist() == [20, 30, 40]
    with pytest.raises(ValueError, match="of which a, b can be a recording: name one with key"):
        symgen.open([{"a": films[0], "b": films[0]}])


def test_frames_in_folders(tmp_path):
    write_images(tmp_path / "a" / "one", square_film(6), "cell1_{:03d}.png")
    write_images(tmp_path / "a" / "one", square_film(6), "cell2_{:03d}.png")
    source = symgen.open(tmp_path / "a", "all", length=2)
    assert source.footage.lengths.tolist() == [6, 6]
    assert "another count begins" in source.footage.cuts[0].reason
    write_images(tmp_path / "b", square_film(6), "{}0.png")  # 0, 10, 20: every tenth
    assert symgen.open(tmp_path / "b", "all", length=2).footage.lengths.tolist() == [6]
    np.save(tmp_path / "b" / "film.npy", square_film(20))
    with pytest.raises(ValueError, match=r"6 images, 0 videos and 1 arrays: .* --files"):
        symgen.open(tmp_path / "b")
    assert symgen.open(tmp_path / "b", "all", files="*.npy").footage.lengths.tolist() == [20]


def test_transparency_lies_over_a_background(tmp_path):
    clear = np.zeros((8, 8, 4), np.uint8)
    clear[:, :4] = (200, 100, 50, 255)
    write_images(tmp_path / "clip", [clear] * 4)
    for background, expected in ((0.0, 0.0), (1.0, 1.0)):
        (frames,) = pieces_of(
            symgen.open(tmp_path / "clip", "all", length=2, background=background)
        )
        assert (frames[:, :, :, 4:] == expected).all()
        assert (frames[0, :, 0, 0] * 255).round().tolist() == [200, 100, 50]


def test_an_animation_is_a_recording(tmp_path):
    pictures = [Image.fromarray(frame) for frame in square_film(12)]
    pictures[0].save(tmp_path / "film.gif", save_all=True, append_images=pictures[1:])
    source = symgen.open(tmp_path / "film.gif", "all", gray=True, length=2)
    assert source.footage.lengths.tolist() == [12]
    assert (pieces_of(source)[0][:, 0].numpy() > 0.5).tolist() == (square_film(12) > 0).tolist()


def test_decoding_checks_the_room(tmp_path, monkeypatch):
    np.savez(tmp_path / "films.npz", np.stack([square_film(40, s) for s in range(6)]))
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ValueError, match=r"0.0 GB free: name a folder .* by --cache FOLDER"):
        symgen.open(tmp_path / "films.npz")


def test_what_was_found_out_is_kept_for_opening_again(tmp_path):
    films = [square_film(40, start, high=900, dtype=np.uint16) for start in range(6)]
    np.save(tmp_path / "films.npy", np.stack(films))
    origin = symgen.open(tmp_path / "films.npy").described()
    assert origin is not None
    assert (origin["axes"], origin["scale"], origin["length"]) == ("NTYX", (0.0, 1023.0), 16)
