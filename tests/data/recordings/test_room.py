"""What recordings take once decoded is known before they are, by what their files announce."""

import os
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from recording_helpers import films, square_film, write_frames, write_video

import symgen
from symgen.data.recordings.room import (
    Announced,
    decoded_bytes,
    size_of_array,
    size_of_film,
    size_of_images,
)


def took(path, **options):
    """Return the bytes that recordings took once they were decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # GIFs round their times
        source = symgen.open(path, "all", length=2, **options)
    return int(source.footage.totals.sum()) * source.footage.frame_bytes


@pytest.mark.parametrize("size", [None, (5, 7)])
@pytest.mark.parametrize("gray", [False, True])
def test_folders_of_images_announce_what_they_take(gray, size, tmp_path):
    write_frames(tmp_path, films(3))
    folders = [sorted(folder.iterdir()) for folder in tmp_path.iterdir()]
    told = decoded_bytes(size_of_images, folders, size, gray)
    assert told == took(tmp_path, gray=gray, size=size) > 0


@pytest.mark.parametrize("gray", [False, True])
def test_videos_announce_what_they_take(gray, tmp_path):
    pytest.importorskip("av")
    (tmp_path / "films").mkdir()
    for number, film in enumerate(films(3)):
        write_video(tmp_path / "films" / f"{number}.mp4", film)
    files = [[path] for path in (tmp_path / "films").iterdir()]
    told = decoded_bytes(lambda path: size_of_film(None, path), files, None, gray)
    assert told == took(tmp_path / "films", gray=gray) > 0
    half = decoded_bytes(lambda path: size_of_film(15.0, path), files, None, gray)
    assert half == pytest.approx(told / 2, rel=0.1)


def test_a_gif_announces_what_it_takes(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in square_film(12))
    path = tmp_path / "film.gif"
    first.save(path, save_all=True, append_images=others, duration=40)
    told = size_of_film(None, [path])
    assert told == Announced(12, (3, 16, 16), 1)
    assert decoded_bytes(lambda _: told, [path], None, False) == took(path)


def test_arrays_announce_what_they_take(tmp_path):
    np.savez(tmp_path / "films.npz", films=films(3).astype(np.float64))
    from symgen.data.recordings.arrays import locate

    located, _ = locate(tmp_path / "films.npz", None, "NTCYX")
    told = decoded_bytes(size_of_array, [located], None, False)
    assert told == took(tmp_path / "films.npz", axes="NTCYX")


@pytest.mark.parametrize("suffix", [".gif", ".mp4", ".mkv"])
def test_what_is_damaged_or_no_file_takes_nothing(suffix, tmp_path):
    path = tmp_path / f"film{suffix}"
    path.write_bytes(b"nothing")
    assert decoded_bytes(lambda files: size_of_film(None, files), [[path]], None, False) == 0
    path.unlink()
    os.mkfifo(path)  # whose reader waits for ever
    assert decoded_bytes(lambda files: size_of_film(None, files), [[path]], None, False) == 0


def test_videos_that_do_not_fit_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    pytest.importorskip("av")
    path = write_video(tmp_path / "film.mp4", films(1, 40)[0])
    free = took(path) + 2**26 - 1
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free))
    decoded = []
    monkeypatch.setattr("symgen.data.recordings.reading.write_footage", decoded.append)
    with pytest.raises(ValueError, match=r"GB free: name a folder .* by --cache FOLDER"):
        symgen.open(path, "all", length=2, cache=tmp_path / "cache")
    assert not decoded
    monkeypatch.undo()
    symgen.open(path, "all", length=2, cache=tmp_path / "cache")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    symgen.open(path, "all", length=2, cache=tmp_path / "cache")  # which has them already
