"""The period of recordings: found where frames come back, and nowhere else."""

import numpy as np
import pytest

import symgen
from symgen.cli import main
from symgen.data.recordings import measure_period, period_of


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
    assert [period_of(turning(frames, 2)) for frames in (1, 2, 3)] == [None] * 3


def test_recordings_vote_and_every_other_frame_counts():
    films = [turning(frames, period) for frames, period in ((60, 12), (40, 12), (30, 5), (6, 2))]
    footage = symgen.open(films, "all", axes="TF", length=4).footage
    assert measure_period(footage) == (12, 2, 3, 30)
    assert measure_period(footage, every=2) == (6, 2, 3, 15)


def test_large_recordings_are_not_read_whole(monkeypatch):
    films = [turning(2000, 12) for _ in range(40)]
    footage = symgen.open(films, "all", axes="TF", length=4).footage
    read = []
    reader = type(footage).read
    monkeypatch.setattr(
        type(footage), "read", lambda self, n: read.append(n.size) or reader(self, n)
    )
    assert measure_period(footage) == (12, 16, 16, 128)
    assert read == [256] * 16


@pytest.mark.parametrize(
    ("lengths", "options", "told"),
    [
        (
            (40, 40),
            (),
            "after 12 in 2 of 2 recordings looked at; with --length 12 so do",
        ),
        (
            (40, 40),
            ("--length", "12"),
            "frames come back after 12 in 2 of 2 recordings looked at cut",
        ),
        ((40, 40), ("--every", "2"), "frames come back after 6 in 2 of 2 recordings looked at; "),
        ((20, 20), (), "none up to 10 frames, half of the longest of 2 recordings looked at"),
        ((6, 6), (), "unknown: no recording has eight frames"),
        ((40, 40), ("--wrap",), None),
    ],
)
def test_inspect_tells_the_period(lengths, options, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "films").mkdir()
    for n, frames in enumerate(lengths):
        np.save(f"films/{n}.npy", turning(frames, 12, seed=n))
    how = ["--axes", "TF", "--scale", "none", "--test", "0", "--validation", "0"]
    assert main(["data", "inspect", "films", *how, *options]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "period" not in text if told is None else told in text
