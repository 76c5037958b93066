"""Own recordings from the command line: from an empty folder to numbers and pictures."""

import json
import os
import re
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from recording_helpers import films, write_frames, write_videos

from symgen import VAE, BubbleVAE
from symgen.cli import main
from symgen.experiments import (
    RecordingConfig,
    RecordingExperiment,
    RecordingModel,
    from_json,
    open_run,
    preset,
    start_run,
    to_json,
)
from symgen.training import Training, TrainingStopped

SMALL = ["--capsules", "2", "--hidden", "20", "--sequences", "80", "--batch-size", "8"]
SMALL += ["--warmup", "0", "--log-every", "1"]
PAGE = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text()
FORMATS = ("films.npy", "films.npz", "frames", "videos")


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recordings")
    np.save(folder / "films.npy", films())
    np.savez(folder / "films.npz", films=films())
    write_frames(folder / "frames", films())
    write_videos(folder / "videos", films())
    return folder


def losses(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [record["loss"] for record in map(json.loads, lines)]


@pytest.mark.parametrize("kind", FORMATS)
def test_one_command_trains_on_real_recordings(kind, recordings, tmp_path):
    assert main(["train", "tvae", "--data", str(recordings / kind), *SMALL]) == 0
    run = tmp_path / "runs" / "tvae"
    assert losses(run)[-1] < losses(run)[0]
    assert main(["train", "--resume", str(run)]) == 0


def test_a_run_is_measured_and_drawn(recordings, tmp_path, capsys):
    assert main(["train", "tvae", "--data", str(recordings / "videos"), *SMALL]) == 0
    run = tmp_path / "runs" / "tvae"
    assert main(["evaluate", str(run)]) == 0
    text = capsys.readouterr().out
    measured = json.loads((run / "summary.json").read_text())["evaluation"]
    assert measured["sequences"] == 1 and measured["capcorr"] == {}
    assert {"log_p_bound", "e_eq", "roll_prediction"} <= set(measured)
    assert "CapCorr" not in text and "Roll prediction assumes steady motion" in text
    assert re.search(r"roll prediction, unseen frames, NLL", text)
    assert main(["traverse", str(run)]) == 0
    with Image.open(run / "figures" / "traversal.gif") as image:
        assert getattr(image, "n_frames", 1) == 12


def test_every_lossless_format_trains_alike(recordings, tmp_path):
    for kind in FORMATS[:3]:
        words = ["train", "vae", "--data", str(recordings / kind), "--out", kind, *SMALL]
        assert main(words) == 0
    one, *others = (losses(tmp_path / kind) for kind in FORMATS[:3])
    assert all(other == one for other in others)


@pytest.mark.parametrize(("name", "model"), [("bubble", BubbleVAE), ("vae", VAE)])
def test_models_follow_the_length_of_the_clips(name, model, recordings, tmp_path):
    words = ["--length", "6", "--every", "2", "--size", "8", "8", "--gray", *SMALL]
    assert main(["train", name, "--data", str(recordings / "frames"), *words]) == 0
    run = open_run(tmp_path / "runs" / name)
    found = run.model()
    assert type(found) is model and found.image_shape == (1, 8, 8)
    assert (found.frames, found.units) == (6, 6)
    if name == "bubble":
        assert found.topography.window == 4
    assert main(["evaluate", str(run.folder)]) == 0


def experiment(recordings) -> RecordingExperiment:
    return RecordingExperiment(
        RecordingModel(capsules=2, hidden=(20,), standardise=True),
        RecordingConfig(recordings / "films.npy", length=8),
        Training(sequences=80, batch_size=8),
    )


def test_a_stopped_run_goes_on_bit_for_bit(recordings, tmp_path):
    whole = start_run("tvae", experiment(recordings), tmp_path / "whole", command="")
    with pytest.raises(TrainingStopped) as stopped:
        start_run(
            "tvae",
            experiment(recordings),
            tmp_path / "part",
            command="",
            observe=lambda progress: signal.raise_signal(signal.SIGINT),
        )
    assert 0 < stopped.value.run.step < whole.step
    assert main(["train", "--resume", "part"]) == 0
    continued = open_run(tmp_path / "part").model().state_dict()
    for name, weight in whole.model.state_dict().items():
        assert torch.equal(weight, continued[name]), name


def test_a_run_finds_recordings_that_have_moved_and_refuses_others(recordings, tmp_path, capsys):
    shutil.copytree(recordings / "frames", "here")
    assert main(["train", "tvae", "--data", "here", *SMALL]) == 0
    os.rename("here", "there")
    assert main(["evaluate", "runs/tvae"]) == 2
    assert "here is not there" in capsys.readouterr().err
    for verb in ("evaluate", "train --resume"):
        assert main([*verb.split(), "runs/tvae", "--root", "there"]) == 0
    Image.new("RGB", (16, 16)).save("there/film 4/0.png")
    assert main(["train", "--resume", "runs/tvae", "--root", "there"]) == 2
    assert "fingerprint" in capsys.readouterr().err


@pytest.mark.parametrize("kind", FORMATS)
def test_inspect_says_what_it_understood(kind, recordings, tmp_path, capsys):
    assert main(["data", "inspect", str(recordings / kind), "--examples", "3"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    kinds = {"frames": "12 folders of frames", "videos": "12 videos"}
    for line in (
        f"kind {kinds.get(kind, kind[-4:] + ' array')}",
        "sequences 12, 144 frames",
        "lengths 12 frames: 12",
        "frame 16 × 16, 3 channels",
        "clips 12 frames, 1 apart",
        "train 10 clips, starting 1 apart, of 10 sequences",
        "test 1 clips, starting 12 apart, of 1 sequence",
        "skipped 0",
        "read in place" if kind == "films.npy" else "until this command ends; --cache FOLDER",
    ):
        assert line in text
    assert re.search(r"values uint8 from \d+ to \d+ in 144 frames looked at", text)
    with Image.open(tmp_path / "recordings.png") as sheet:
        assert sheet.width > 500


def test_inspect_lists_what_was_skipped_and_says_where_it_decoded(recordings, capsys):
    shutil.copytree(recordings / "frames", "films")
    shutil.copytree("films/film 1", "films/film 12")
    Path("films/film 12/3.png").write_text("no image")
    assert main(["data", "inspect", "films"]) == 2
    assert "films/film 12/3.png cannot be read as an image" in capsys.readouterr().err
    assert main(["data", "inspect", "films", "--skip-broken", "--cache", "kept"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    assert "skipped 1" in text and "skipped films/film 12: films/film 12/3.png cannot" in text
    assert "decoded into kept/recordings-" in text and "until this command ends" not in text
    words = ["--skip-broken", "--cache", "kept", *SMALL]
    assert main(["train", "tvae", "--data", "films", *words]) == 0
    assert len(list(os.scandir("kept"))) == 2


def test_one_long_sequence_is_divided_in_time(capsys):
    np.save("film.npy", np.concatenate(films())[None])
    assert main(["data", "inspect", "film.npy"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    assert "test 1 clips, starting 16 apart, of a part in time of 1 sequence" in text


def test_data_draws_the_clips_of_a_preset(recordings, capsys):
    assert main(["data", "tvae", "--data", str(recordings / "films.npy")]) == 0
    text = capsys.readouterr().out
    assert "factors: none" in text and "fingerprint=" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train tvae", "no recordings are named: give --data PATH"),
        ("data inspect", "no recordings are named: give --data PATH"),
        ("train tvae --data nowhere", "nowhere is not there"),
        ("data inspect nowhere", "nowhere is not there"),
        ("train tvae --data FILMS", "a source of 10 items cannot fill a batch of 16"),
        ("train tvae --data FILMS --length 13", "a clip covers 13 frames, but shorter are"),
        ("train tvae --data FILMS --rate 10", "has no frames per second"),
        ("train tvae --data FILMS --batch-size 8 --window 13", "window=13 does not fit frames=12"),
        ("data inspect FILMS --examples 0", "examples=0"),
    ],
)
def test_bad_words_get_one_clear_error_and_write_nothing(
    words, message, recordings, empty_folder, capsys
):
    assert main(words.replace("FILMS", str(recordings / "films.npy")).split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("symgen: ") and "Traceback" not in error
    assert list(empty_folder.iterdir()) == []


def test_the_page_shows_what_works(recordings):
    os.symlink(recordings / "frames", "films")
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict = {}
    exec(example, names)
    assert names["run"].finished and names["source"].frames == 12
    commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^symgen .*$", PAGE, re.M)
    ]
    assert len(commands) == 6
    for _, *words in commands:
        if words[0] == "train" and words[1] == "tvae":
            words += SMALL
        if words[1] != "bubble":  # whose films would have to be longer
            assert main(words) == 0


def test_the_configuration_survives_json(tmp_path):
    given = RecordingExperiment(
        RecordingModel(units=7, window=None, hidden=(3, 4)),
        RecordingConfig(tmp_path, length=5, size=(8, 9), rate=12.5, cache=tmp_path / "cache"),
    )
    assert from_json(json.loads(json.dumps(to_json(given)))) == given
    assert isinstance(preset("tvae"), RecordingExperiment)
