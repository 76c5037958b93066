"""The period of recordings: found where frames come back, and nowhere else."""

import numpy as np
import pytest

import symgen
from symgen.cli import main
from symgen.data.recordings import measure_period, period_of
from symgen.data.recordings.period import _differences


def turning(frames, period, noise=0.0, seed=0):
    """A bump that goes around a ring of 24 pixels."""
    random = np.random.default_rng(seed)
    place = 24 * np.arange(frames)[:, None] / period + random.random()
    distance = (np.arange(24) - place + 12) % 24 - 12
    return np.exp(-(distance**2) / 8) + noise * random.normal(size=(frames, 24))


@pytest.mark.parametrize("period", [2, 3, 5, 12, 17, 29])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_period_is_found(period, noise):
    assert period_of(turning(60, period, noise)) == period


@pytest.mark.parametrize(("period", "nearest"), [(7.5, 15), (10.3, 10), (12.8, 13)])
def test_a_period_between_frames(period, nearest):
    """To the frame that is nearest, or twice a period that is a whole number of frames."""
    assert period_of(turning(60, period)) == nearest


def test_half_a_turn_of_a_nearly_symmetric_object_is_no_period():
    angle = 2 * np.pi * np.arange(60)[:, None] / 16
    assert period_of(np.cos(2 * (angle + np.arange(6))) + 0.4 * np.cos(angle)) == 16


@pytest.mark.parametrize("frames", [8, 30, 256])
@pytest.mark.parametrize("kind", ["noise", "walk", "line", "still", "once", "hidden"])
def test_no_period_is_found_where_there_is_none(kind, frames):
    random = np.random.default_rng(0)
    recording = {
        "noise": random.random((frames, 20)),
        "walk": random.normal(size=(frames, 20)).cumsum(0),
        "line": np.arange(3.0 * frames).reshape(frames, 3),
        "still": np.full((frames, 3), 0.1),
        "once": turning(frames, frames),
        "hidden": turning(frames, 4, noise=3),
    }[kind]
    assert period_of(recording) is None


def test_no_recording_is_too_short():
    assert [period_of(turning(frames, 2)) for frames in (0, 1, 3, 5)] == [None] * 4


def test_recordings_vote_and_every_other_frame_counts():
    films = [turning(frames, period) for frames, period in ((60, 12), (40, 12), (30, 5), (6, 2))]
    footage = symgen.open(films, "all", axes="TF", length=4).footage
    assert measure_period(footage) == (12, 2, 3, 60)
    assert measure_period(footage, every=2) == (6, 2, 3, 30)


def test_large_recordings_are_not_read_whole(monkeypatch):
    films = [turning(2000, 12) for _ in range(40)]
    footage = symgen.open(films, "all", axes="TF", length=4).footage
    read = []
    reader = type(footage).read
    monkeypatch.setattr(
        type(footage), "read", lambda self, n: read.append(n.size) or reader(self, n)
    )
    assert measure_period(footage) == (12, 16, 16, 1024)
    assert read == [1024] * 16


def test_long_periods_and_long_recordings():
    assert period_of(turning(100_000, 700)) == 700
    footage = symgen.open([turning(3000, 400)], "all", axes="TF", length=4).footage
    assert measure_period(footage) == (400, 1, 1, 1024)


@pytest.mark.parametrize("period", [4, 12, 36])
def test_two_periods_are_enough(period):
    assert period_of(turning(2 * period, period)) == period


def test_large_frames_are_compared_all_over_and_cut_recordings_count_once():
    volumes = np.zeros((256, 1, 32, 32, 32), np.uint8)
    place = (16 + 8 * np.sin(2 * np.pi * np.arange(256) / 12)).round().astype(int)
    for frame, x in zip(volumes, place, strict=True):
        frame[0, 10:22, 10:22, x - 4 : x + 4] = 255
    footage = symgen.open([volumes], "all", axes="TCZYX", length=4).footage
    assert measure_period(footage) == (12, 1, 1, 256)
    film = turning(90, 12)
    film[30] = np.nan
    footage = symgen.open([film], "all", axes="TF", length=4).footage
    assert len(footage.lengths) == 2 and measure_period(footage) == (12, 1, 1, 59)


def test_differences_are_those_of_pairs():
    frames = np.random.default_rng(0).normal(size=(21, 4)) + 1e3
    found = _differences(frames)
    pairs = [np.square(frames[lag:] - frames[: 21 - lag]).sum(1).mean() for lag in range(12)]
    np.testing.assert_allclose(found, pairs, atol=1e-9)


@pytest.mark.parametrize(
    ("lengths", "period", "options", "told", "clips"),
    [
        ((60, 60), 12, "", "12 frames, in 2 of 2 recordings looked at", "--length 12"),
        ((60, 60), 12, "--length 9", "12 frames, in 2 of 2 recordings looked at", "--length 9"),
        ((60, 60), 12, "--every 2", "6 frames, in 2 of 2 ", "--length 6 --every 2"),
        ((110, 110), 50, "", "50 frames, in 2 of 2 ", "--length 10 --every 5"),  # thinned
        ((34, 34), 16, "", "16 frames, in 2 of 2 ", ""),  # as clips are anyway
        ((20, 20), 12, "", "none found in the first 20 frames of 2 recordings looked at; ", ""),
        ((6, 6), 2, "", "unknown: no recording has eight frames", ""),
        ((60, 60), 12, "--wrap", None, ""),
    ],
)
def test_inspect_tells_the_period_and_cuts_clips_of_one(
    lengths, period, options, told, clips, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for n, frames in enumerate(lengths):
        np.save(f"films/{n}.npy", turning(frames, period, seed=n))
    how = ["--axes", "TF", "--scale", "none", "--test", "0", "--validation", "0"]
    assert main(["data", "inspect", "films", *how, *options.split()]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "period" not in text if told is None else f"period {told}" in text
    command = text.split("next: ")[1]
    assert clips in command and ("--length" in command) == bool(clips)


def test_clips_stay_where_a_split_has_no_room_for_a_period(tmp_path, monkeypatch, capsys):
    """One recording of thirty frames, which the splits share: none can hold two of twelve."""
    monkeypatch.chdir(tmp_path)
    np.save("film.npy", turning(30, 12))
    assert main(["data", "inspect", "film.npy", "--axes", "TF", "--scale", "none"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "period 12 frames, in 1 of 1" in text and "--length" not in text
