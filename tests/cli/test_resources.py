"""What it takes to work on recordings of any size: memory and open files, as documented."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_helpers import films, write_frames, write_video

_MEASURED = """
import json, pathlib, re, resource, sys, threading, time
files, *commands = json.loads(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
from symgen.cli import data, encode, evaluate, main, train
import torch
torch.set_num_threads(1)
def memory():  # without the pages of mapped files, which the system takes back when it likes
    status = pathlib.Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\\s+(\\d+)", status)[1]) / 1024
peak = 0
def watch():
    global peak
    while True:
        peak = max(peak, memory())
        time.sleep(0.005)
threading.Thread(target=watch, daemon=True).start()
for words in commands:
    peak, before = 0, memory()
    status = main(words)
    print("took", json.dumps([status, max(peak, memory()) - before]), flush=True)
"""
if not Path("/proc/self/status").exists():
    pytest.skip("the memory of a command can be counted on Linux alone", allow_module_level=True)

_SMALL = ["--width", "4", "--depth", "1", "--capsules", "2", "--batch-size", "4"]
_SMALL += ["--examples", "16", "--warmup", "0"]
_LARGER = 256  # MB that a verb may take more on a file a thousand times as large
_OPEN = 64  # files


def megabytes(*commands: list[Any]) -> list[float]:
    """Run commands in a process of its own, which may open so many files at once.

    Returns what each took beyond what the process had before.
    """
    words = json.dumps([_OPEN, *commands], default=str)
    command = [sys.executable, "-c", _MEASURED, words]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("took ")]
    took = [json.loads(line.removeprefix("took ")) for line in lines]
    assert [status for status, _ in took] == [0] * len(commands), done.stderr
    return [memory for _, memory in took]


def every_verb(recordings: Path, examples: int = 8) -> dict[str, float]:
    """Inspect and train, evaluate and encode: a training keeps freed memory to its end."""
    run, some = f"run of {recordings.name}", ["--examples", examples]
    axes = ["--axes", "NTYX"] if recordings.suffix == ".npy" else []
    commands = [
        ["data", "inspect", recordings, *axes],
        ["train", "tvae", "--data", recordings, *axes, *_SMALL, "--out", run],
        ["evaluate", run, *some, "--samples", "2"],
        ["encode", run, "--out", f"{run}.npz", "--examples", "1"],
    ]
    commands = [list(map(str, words)) for words in commands]
    took = megabytes(*commands[:2]) + megabytes(*commands[2:])
    return dict(zip(("inspect", "train", "evaluate", "encode"), took, strict=True))


def sparse(path: Path, *shape: int) -> Path:
    """Write bytes that take no room on the disk."""
    np.lib.format.open_memmap(path, "w+", np.uint8, shape).flush()
    return path


def test_an_array_of_20_gb_takes_no_more_than_one_of_20_mb(empty_folder):
    small = every_verb(sparse(empty_folder / "small.npy", 40, 32, 128, 128))
    large = every_verb(sparse(empty_folder / "large.npy", 40, 32_000, 128, 128))
    for verb, took in large.items():
        assert took < small[verb] + _LARGER, (verb, small, large)


@pytest.mark.parametrize("kind", ["folders", "videos"])
def test_more_recordings_than_files_may_be_open(kind, empty_folder):
    place = empty_folder / kind
    if kind == "folders":
        write_frames(place, np.concatenate([films()[:, :4]] * 12))  # of 144 films
    else:
        place.mkdir()
        film = write_video(empty_folder / "film.mp4", films()[0])
        for number in range(2 * _OPEN):
            (place / f"film {number}.mp4").hardlink_to(film)
    found = every_verb(place)
    assert all(took < 512 for took in found.values()), found


def test_a_video_ten_times_as_long_takes_no_more(empty_folder):
    film = np.concatenate(films())  # 144 frames
    took = {}
    for times in (1, 10):
        path = write_video(empty_folder / f"{times}.mp4", np.concatenate([film] * times))
        took[times] = every_verb(path, examples=1)
    for verb, memory in took[10].items():
        assert memory < took[1][verb] + _LARGER, (verb, took)


def test_large_frames_are_encoded_in_smaller_batches(empty_folder):
    path = sparse(empty_folder / "films.npy", 40, 96, 1024, 1024)  # four: 1.6 GB of floats
    words = ["--width", "1", "--capsules", "1", "--batch-size", "1", "--examples", "1"]
    words += ["--axes", "NTYX"]
    train = ["train", "tvae", "--data", str(path), *words, "--warmup", "0", "--out", "run"]
    megabytes(train)
    (encode,) = megabytes(["encode", "run", "--out", "t.npz", "--examples", "4"])
    assert encode < 1000
    assert np.load("t.npz")["t"].shape[0] == 4 * 96
