"""Frozen images are cut out, wherever they lie, and nothing else is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recording_helpers import square_film, write_images

import symgen
from symgen.data.recordings.frames import Gap
from symgen.data.recordings.frozen import thawed

KINDS = ("u1", "u2", "f4")


def pieces(source):
    footage = source.footage
    return list(zip(footage.pieces.start.tolist(), footage.lengths.tolist(), strict=True))


def opened(film, tmp_path, **options):
    """Open a film in place, as a folder of frames, and as a tensor, and see that all agree."""
    np.save(tmp_path / "film.npy", film)
    ways = [symgen.open(tmp_path / "film.npy", "all", axes="TYX", length=2, **options)]
    ways.append(symgen.open([film], "all", axes="TYX", length=2, **options))
    if film.dtype == np.uint8:
        write_images(tmp_path / "film", film)
        ways.append(symgen.open(tmp_path / "film", "all", length=2, **options))
    found = [pieces(way) for way in ways]
    assert all(each == found[0] for each in found)
    told = [[cut.reason for cut in way.footage.cuts] for way in ways]
    assert all(each == told[0] for each in told)
    return found[0], told[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("first", "end", "black", "expected", "lost"),
    [
        (60, 100, False, [(0, 61)], "39 images are exactly equal"),
        (60, 100, True, [(0, 60)], "40 images are all of one plain level"),
        (20, 50, False, [(0, 21), (50, 50)], "29 images are exactly equal"),
        (0, 30, False, [(29, 71)], "29 images are exactly equal"),
        (0, 30, True, [(30, 70)], "30 images are all of one plain level"),
        (84, 100, False, [(0, 85)], "15 images are exactly equal"),
    ],
)
def test_frozen_images_are_cut_out(kind, first, end, black, expected, lost, tmp_path):
    film = square_film(100).astype(kind)
    film[first:end] = 0 if black else film[first]
    found, (reason,) = opened(film, tmp_path)
    assert found == expected and reason.startswith(lost) and "--frozen 0" in reason
    assert opened(film, tmp_path, frozen=0) == ([(0, 100)], [])


def test_fewer_equal_images_than_are_asked_for_stay(tmp_path):
    film = square_film(100)
    film[30:45] = film[30]
    assert opened(film, tmp_path) == ([(0, 100)], [])
    assert opened(film, tmp_path, frozen=15)[0] == [(0, 31), (45, 55)]
    assert opened(film, tmp_path, frozen=2)[0] == [(0, 31), (45, 55)]


def test_recordings_that_never_change_and_periodic_ones_are_no_frozen_ones(tmp_path):
    assert opened(np.full((60, 8, 8), 7, np.uint8), tmp_path)[1] == []
    for period in (7, 14):  # every seventh frame is looked at
        film = square_film(100)[np.arange(100) % period]
        assert opened(film, tmp_path) == ([(0, 100)], [])


def test_frames_that_are_alike_only_in_the_middle_are_not_frozen(tmp_path):
    film = np.zeros((100, 16, 16), np.uint8)
    film[:, 2, 3] = np.arange(100)
    assert opened(film, tmp_path) == ([(0, 100)], [])
    film[40:70, 2, 3] = 40
    assert opened(film, tmp_path)[0] == [(0, 41), (70, 30)]


def test_vectors_may_stand_still():
    counts = np.zeros((100, 12), np.float32)
    counts[:20] = 1
    assert pieces(symgen.open([counts], "all", axes="TF", length=2)) == [(0, 100)]


def test_a_rate_keeps_what_it_repeats(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "film.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt = "gray"
        for number, frame in enumerate(square_film(40)):
            picture = av.VideoFrame.from_ndarray(frame, format="gray")
            picture.pts = number + 50 * (number >= 20)
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    assert [length for _, length in pieces(symgen.open(path, "all", length=2))] == [20, 20]
    with pytest.warns(UserWarning, match="its last frame is repeated"):
        (only,) = pieces(symgen.open(path, "all", length=2, rate=25.0))
    assert only == (0, 90)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=12),
    st.integers(2, 9),
)
def test_streams_lose_nothing_but_long_runs(runs, least):
    """Frames of levels that are no plain images, in runs of any length."""
    levels = [level for level, count in runs for _ in range(count)]
    film = [np.array([[[level, 9]]]) for level in levels]
    got, at = [], 0
    for frame in thawed(iter(film), least):
        if isinstance(frame, Gap):
            lost = levels[at : at + frame.frames]
            assert len(lost) == frame.frames and len(set(lost)) == 1
            assert lost[0] in (levels[at - 1] if at else None, next_of(levels, at + frame.frames))
            at += frame.frames
        else:
            assert frame[0, 0, 0] == levels[at]
            got.append(int(frame[0, 0, 0]))
            at += 1
    assert at == len(levels)
    if len(set(levels)) > 1:
        longest = max(count for _, count in grouped(got))
        assert longest < least


def next_of(levels, at):
    return levels[at] if at < len(levels) else None


def grouped(levels):
    found = []
    for level in levels:
        if found and found[-1][0] == level:
            found[-1] = (level, found[-1][1] + 1)
        else:
            found.append((level, 1))
    return found


@pytest.mark.parametrize(
    ("frozen", "message"), [(1, "frozen=1: every image"), (-1, "frozen=-1: give 0 or more")]
)
def test_odd_numbers_of_images_are_refused(frozen, message):
    with pytest.raises(ValueError, match=message):
        symgen.open([square_film(40)], axes="TYX", frozen=frozen)


def test_a_recording_that_froze_is_divided_over_its_good_time(tmp_path):
    film = square_film(300)
    film[200:] = film[199]
    np.save(tmp_path / "film.npy", film)
    splits = {
        split: symgen.open(tmp_path / "film.npy", split, length=8)
        for split in ("train", "validation", "test")
    }
    begins = [int(source.part.begin[0]) for source in splits.values()]
    assert begins == sorted(begins) and begins[-1] + int(splits["test"].part.length[0]) == 200
