"""Own recordings from the command line: from an empty folder to numbers and pictures."""

import json
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recording_helpers import films, write_frames, write_videos

from symgen import VAE, BubbleVAE
from symgen.cli import main
from symgen.experiments.runs import open_run

SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "80"]
SMALL += ["--batch-size", "8", "--warmup", "0", "--log-every", "1"]
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-data.md").read_text()
FORMATS = ("films.npy", "films.npz", "frames", "videos")


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
    return [record["loss"] for record in map(json.loads, lines) if "loss" in record]


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
    assert measured["examples"] == 1 and measured["capcorr"] == {}
    assert {"log_p_bound", "e_eq", "roll_prediction"} <= set(measured)
    assert "CapCorr" not in text and "Roll prediction assumes steady motion" in text
    assert re.search(r"roll prediction, unseen frames, NLL", text)
    assert main(["traverse", str(run)]) == 0
    with Image.open(run / "figures" / "traversal.gif") as image:
        assert getattr(image, "n_frames", 1) == 12


def test_vectors_are_trained_on_measured_and_drawn(tmp_path, capsys):
    signals = np.random.default_rng(0).normal(size=(12, 10, 7)).astype("f4")
    np.save("signals.npy", signals)
    words = ["--axes", "NTF", "--likelihood", "gaussian", *SMALL]
    assert main(["train", "tvae", "--data", "signals.npy", *words]) == 0
    run = tmp_path / "runs" / "tvae"
    assert open_run(run).model().data_shape == (7,)
    assert main(["evaluate", str(run), "--samples", "2"]) == 0
    assert main(["traverse", str(run)]) == 0
    figures = [path.name for path in (run / "figures").iterdir()]
    assert sorted(figures) == ["curves.png", "traversal.png"]
    assert main(["data", "inspect", "signals.npy", "--axes", "NTF"]) == 0
    assert re.search(r"frame +7 features", capsys.readouterr().out)


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
    assert type(found) is model and found.data_shape == (1, 8, 8)
    assert (found.frames, found.units) == (6, 6)
    if name == "bubble":
        assert found.topography.window == 4
    assert main(["evaluate", str(run.folder)]) == 0


def test_training_clips_are_augmented_and_the_run_remembers_how(recordings):
    words = ["train", "tvae", "--data", str(recordings / "films.npy"), *SMALL]
    assert main([*words, "--augment", "rotate", "mirror", "--out", "augmented"]) == 0
    assert main([*words, "--out", "plain"]) == 0
    assert losses(Path("augmented"))[-1] != losses(Path("plain"))[-1]
    assert main(["train", "--resume", "augmented", "--examples", "160"]) == 0
    augmented, plain = open_run("augmented"), open_run("plain")
    assert augmented.config["data"]["augment"] == ["rotate", "mirror"]
    for train in (True, False):  # what measures and draws sees clips as they are
        one, other = (run.batches(train).batch(0).frames for run in (augmented, plain))
        assert one.equal(other)


def test_the_sheet_of_a_preset_shows_clips_as_they_are_trained_on(recordings, tmp_path):
    words = ["data", "tvae", "--data", str(recordings / "films.npy"), "--examples", "3"]
    changes = {"plain": [], "rotated": ["--augment", "rotate"], "again": ["--augment", "rotate"]}
    sheets = {}
    for name, change in changes.items():
        assert main([*words, *change, "--out", f"{name}.png"]) == 0
        sheets[name] = Path(f"{name}.png").read_bytes()
    assert sheets["plain"] != sheets["rotated"] == sheets["again"]


def test_a_run_finds_recordings_that_have_moved_and_refuses_others(recordings, tmp_path, capsys):
    shutil.copytree(recordings / "frames", "here")
    assert main(["train", "tvae", "--data", "here", *SMALL]) == 0
    os.rename("here", "there")
    assert main(["evaluate", "runs/tvae"]) == 2
    assert "here is not there" in capsys.readouterr().err
    for words in ("evaluate", "traverse", "train --resume", "encode --out t.npz"):
        verb, *options = words.split()
        place = [verb, *options, "runs/tvae"] if verb == "train" else [verb, "runs/tvae", *options]
        assert main([*place, "--data", "there"]) == 0
    Image.new("RGB", (16, 16)).save("there/film 4/0.png")
    assert main(["train", "--resume", "runs/tvae", "--data", "there"]) == 2
    assert "are changed: film 4" in capsys.readouterr().err


@pytest.mark.parametrize("kind", FORMATS)
def test_inspect_says_what_it_understood(kind, recordings, tmp_path, capsys):
    assert main(["data", "inspect", str(recordings / kind), "--examples", "3"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    kinds = {"frames": "12 folders of frames", "videos": "12 videos"}
    for line in (
        f"kind {kinds.get(kind, kind[-4:] + ' array')}",
        "recordings 12, 144 frames",
        "lengths 12 frames: 12",
        "frame 16 × 16, 3 channels",
        "clips 12 frames",
        "period ",
        "train 10 clips, starting 1 frame apart, from 10 sequences",
        "test 1 clip, starting 11 frames apart, from 1 sequence",
        "skipped 0",
        "read in place" if kind == "films.npy" else "until this command ends; --cache FOLDER",
    ):
        assert line in text
    assert re.search(r"values uint8 from \d+ to \d+ in 144 frames looked at", text)
    with Image.open(tmp_path / "recordings.png") as sheet:
        assert sheet.width > 500


@pytest.mark.parametrize(
    ("count", "length", "more"),
    [
        (1, 12, " --batch-size 3 --neighbourhood 1 --no-standardise"),
        (3, 2, " --batch-size 1 --neighbourhood 1 --no-standardise"),
        (3, 6, " --batch-size 1"),
        (40, 2, " --neighbourhood 1 --no-standardise"),
        (40, 6, ""),
    ],
)
def test_what_inspect_recommends_can_be_trained(count, length, more, capsys):
    shape = (count, length, 8, 8)
    np.save("few.npy", np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8))
    assert main(["data", "inspect", "few.npy", "--axes", "NTYX"]) == 0
    words = f"train tvae --data few.npy --axes NTYX{more}"
    assert capsys.readouterr().out.endswith(f"next: symgen {words}\n")
    assert main([*words.split(), "--examples", "16", "--width", "8"]) == 0


@pytest.mark.parametrize(
    ("array", "options", "more"),
    [
        (films()[:, :, 0].astype(np.uint16) * 16, "--scale 0 4080 --every 2 --test 0.2", ""),
        (np.random.default_rng(0).normal(size=(6, 40, 12)), "", " --likelihood gaussian"),
        (films()[:, :, 0], "--axes NTYX --wrap --split-by start --group-by parent", None),
        (films()[:1, :, 0].repeat(4, 1), "--axes NTYX --wrap --split-by start", ""),
    ],
)
def test_inspect_ends_with_the_whole_command(array, options, more, capsys):
    np.save("my films.npy", array)
    words = ["data", "inspect", "my films.npy", *options.split()]
    assert main(words) == (0 if more is not None else 2)
    text = capsys.readouterr()
    if more is None:
        assert "group_by means nothing" in text.err and text.err.count("\n") == 1
        return
    command = text.out.splitlines()[-1].removeprefix("next: symgen ")
    options = f" {options}" if options else ""
    assert command.startswith(f"train tvae --data 'my films.npy'{options}{more}")
    assert re.search(r"examples take about \d+ \w+ on this", text.out)
    assert main([*shlex.split(command), "--examples", "16", "--width", "8"]) == 0
    kept = json.loads(Path("runs/tvae/config.json").read_text())["data"]
    assert Path(kept["data"]).is_absolute() and kept["axes"] is not None
    assert kept["scale"] != "auto"


def test_inspect_replaces_no_picture(recordings, capsys):
    words = ["data", "inspect", str(recordings / "frames")]
    for name in ("recordings.png", "recordings-2.png"):
        assert main(words) == 0
        assert f"\n{name}\n" in capsys.readouterr().out and Path(name).is_file()
    assert main([*words, "--out", "recordings.png"]) == 2
    assert "recordings.png is there already" in capsys.readouterr().err
    assert main([*words, "--out", "recordings.png", "--force"]) == 0


def test_inspect_suggests_gray_where_channels_are_equal(capsys):
    np.save("gray.npy", films()[:, :, :1].repeat(3, 2))
    assert main(["data", "inspect", "gray.npy"]) == 0
    assert "the three channels are equal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("factors", "told"),
    [
        ([1, 1, 1], None),
        ([1, 1000, 1], "of the features reach from 0.7.* to 7.*: bring them to a similar spread"),
        ([300, 300, 300], "of the features are about 2.*: models expect about 1"),
    ],
)
def test_inspect_and_train_warn_of_features_of_other_spreads(factors, told, capsys):
    turn = np.arange(60)[:, None] / 3 + np.arange(3)
    vectors = np.stack([np.sin(turn + start) for start in range(6)]) * factors
    np.save("gait.npy", vectors.astype("f4"))
    assert main(["data", "inspect", "gait.npy", "--axes", "NTF"]) == 0
    words = "train tvae --data gait.npy --axes NTF --likelihood gaussian --width 8 --examples 16"
    inspected = capsys.readouterr().out
    assert main(words.split()) == 0
    for said in (inspected, capsys.readouterr().out):
        if told is None:
            assert "standard deviations" not in said
        else:
            assert re.search(told, said)


def test_inspect_warns_of_few_clips(capsys):
    np.save("one.npy", films()[:1])
    assert main(["data", "inspect", "one.npy"]) == 0
    told = capsys.readouterr().out
    assert re.search("clips? to train on: a model can only", told)
    assert re.search("clips? to test on, which says little", told)
    np.save("many.npy", films().repeat(6, 0))
    assert main(["data", "inspect", "many.npy", "--axes", "NTCYX"]) == 0
    assert "which says little" not in capsys.readouterr().out


def test_inspect_lists_what_was_skipped_and_says_where_it_decoded(recordings, capsys):
    shutil.copytree(recordings / "frames", "films")
    shutil.copytree("films/film 1", "films/film 12")
    Path("films/film 12/3.png").write_text("no image")
    assert main(["data", "inspect", "films"]) == 2
    assert "films/film 12/3.png cannot be read as an image" in capsys.readouterr().err
    assert main(["data", "inspect", "films", "--skip-broken", "--cache", "kept"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    where = re.escape(f"{Path().absolute()}")
    assert re.search(rf"cut at {where}/films/film 12, frame 3: {where}/films/film 12/3.png", text)
    assert re.search(rf"skipped {where}/films/film 12.0:3.: shorter than the 12 frames", text)
    assert "skipped 2 " in text and "until this command ends" not in text
    assert f"decoded into {Path().absolute()}/kept/recordings-" in text
    words = ["--skip-broken", "--cache", "kept", *SMALL]
    assert main(["train", "tvae", "--data", "films", *words]) == 0
    assert len(list(os.scandir("kept"))) == 2


def test_one_long_sequence_is_divided_in_time(capsys):
    np.save("film.npy", np.concatenate(films())[None])
    assert main(["data", "inspect", "film.npy"]) == 0
    text = re.sub(" +", " ", capsys.readouterr().out)
    assert "test 1 clip, starting 15 frames apart, from a stretch of 1 sequence" in text


def test_data_draws_the_clips_of_a_preset(recordings, capsys):
    assert main(["data", "tvae", "--data", str(recordings / "films.npy")]) == 0
    text = capsys.readouterr().out
    assert "10 items; sequences of 12 frames; factors: none" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train tvae", "no recordings are named: give their path"),
        ("data inspect", "no recordings are named: give their path"),
        ("train tvae --data nowhere", "nowhere is not there"),
        ("data inspect nowhere", "nowhere is not there"),
        (
            "train tvae --data FILMS --batch-size 16",
            "a source of 10 items cannot fill a batch of 16",
        ),
        ("train tvae --data FILMS --length 13", "a clip covers 13 frames, but shorter are"),
        ("train tvae --data FILMS --rate 10", "has no frames per second"),
        ("train tvae --data FILMS --batch-size 8 --window 13", "window=13 does not fit frames=12"),
        ("data inspect FILMS --examples 0", "examples=0"),
        ("train tvae --data FILMS --augment twirl", "twirl"),
        ("train tvae --data FILMS --augment flip flip", "augment='flip flip': give each"),
        (
            "train tvae --data FILMS --scale none --likelihood gaussian --augment brightness",
            "augment='brightness' of values that are left as they are",
        ),
    ],
)
def test_bad_words_get_one_clear_error_and_write_nothing(
    words, message, recordings, empty_folder, capsys
):
    assert main(words.replace("FILMS", str(recordings / "films.npy")).split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("symgen: ") and "Traceback" not in error
    assert error.count("\n") == 1 and list(empty_folder.iterdir()) == []


def test_the_commands_of_the_page_follow_one_another(recordings):
    os.symlink(recordings / "frames", "films")
    commands = [
        shlex.split(line, comments=True) for line in re.findall(r"^symgen .*$", PAGE, re.M)
    ]
    assert len(commands) >= 6
    for _, *words in commands:
        if words[1] != "bubble":  # whose films would have to be longer
            assert main([*words, *SMALL] if words[:2] == ["train", "tvae"] else words) == 0
