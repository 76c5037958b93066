"""The command line with a Topographic VAE as a person uses it: in an empty folder."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from symgen import TVAE
from symgen.cli import main
from symgen.experiments.runs import open_run

SMALL = [
    "--width",
    "8",
    "--depth",
    "1",
    "--capsules",
    "2",
    "--examples",
    "96",
    "--batch-size",
    "8",
]
without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def size(path):
    with Image.open(path) as image:
        return image.width, getattr(image, "n_frames", 1)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "tvae-digits", "--out", str(folder), "--log-every", "4", *SMALL]) == 0
    return folder


def test_a_run_folder_explains_itself(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["model"]["model"] == "TVAE" and config["model"]["arguments"]["capsules"] == 2
    assert config["hardware"] and config["name"] == "tvae-digits"
    words = ["train", "tvae-digits", "--out", str(trained), "--log-every", "4", *SMALL]
    assert shlex.split(config["command"]) == ["symgen", *words]
    assert (trained / "model.safetensors").is_file() and (trained / "metrics.jsonl").is_file()
    assert TVAE.from_pretrained(trained).capsules == 2


def test_training_says_what_comes_next(trained, capsys):
    before = (trained / "model.safetensors").read_bytes()
    assert main(["train", "--resume", str(trained)]) == 0
    text = capsys.readouterr().out
    assert "96 sequences" in text and f"symgen evaluate {trained}; symgen traverse" in text
    assert main(["train", "tvae-digits", "--out", str(trained), *SMALL]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (trained / "model.safetensors").read_bytes() == before


def test_evaluation_prints_the_table_and_writes_the_record(trained, empty_folder, capsys):
    words = ["evaluate", str(trained), "--examples", "60", "--samples", "2"]
    assert main([*words, "--record", "new/record.json"]) == 0
    text = capsys.readouterr().out
    for word in ("log p(x)", "E_eq, centred", "CapCorr angle", "unseen frames", "mean image"):
        assert word in text
    assert "your own recordings" not in text and "steady motion" not in text
    record = json.loads((empty_folder / "new" / "record.json").read_text())
    assert record == json.loads((trained / "summary.json").read_text())
    assert record["evaluation"]["examples"] == 60
    assert record["training"]["examples"] == 96
    assert re.search(rf"{record['evaluation']['e_eq']:.0f}", text)
    assert re.search(r"60 of \d+ sequences, 2 importance samples", text)
    assert "Does the roll predict unseen frames" in text and "\nNext: " in text


def test_traversal_leaves_pictures(trained, capsys):
    assert main(["traverse", str(trained), "--examples", "2"]) == 0
    figures = trained / "figures"
    assert size(figures / "traversal.gif")[1] == 18
    assert size(figures / "traversal.png")[0] > 500
    assert (figures / "curves.png").is_file()
    written = capsys.readouterr().out.splitlines()
    assert written == [str(figures / n) for n in ("curves.png", "traversal.png", "traversal.gif")]


def test_encoding_writes_the_latents_in_the_order_of_the_items(trained, capsys):
    assert main(["encode", str(trained), "--out", "new/latents.npz", "--examples", "7"]) == 0
    assert capsys.readouterr().out.split() == ["new/latents.npz"]
    found = np.load("new/latents.npz")
    run = open_run(trained)
    batch = run.batches(train=False).batch(0)
    with torch.no_grad():
        t = run.model().latents(batch.frames[:7])
    frames = t.shape[1]
    np.testing.assert_allclose(found["t"], t.flatten(0, 1), atol=1e-5)
    np.testing.assert_array_equal(found["factors"], batch.factors[:7].flatten(0, 1))
    np.testing.assert_array_equal(found["moved"], batch.moved[:7].repeat_interleave(frames))
    assert main(["encode", str(trained), "--out", "t.npz", "--split", "train"]) == 0
    assert len(np.load("t.npz")["t"]) == frames * len(run.require_data().source(train=True))


def test_export_writes_everything_once(trained, capsys):
    assert main(["export", str(trained), "--out", "out"]) == 0
    names = ["model.safetensors", "model.json", "README.md", "encoder.pt2", "decoder.pt2"]
    assert capsys.readouterr().out.split() == [f"out/{name}" for name in names]
    x = torch.rand(3, 18, 3, 28, 28)
    t = torch.export.load("out/encoder.pt2").module()(x)
    torch.testing.assert_close(t, TVAE.from_pretrained("out").latents(x))
    assert main(["export", str(trained), "--out", "out"]) == 2
    assert "out is not empty" in capsys.readouterr().err


def test_a_training_for_a_given_time_is_shortened_and_says_so(capsys):
    words = ["demo", "--width", "8", "--depth", "1", "--capsules", "2", "--length", "4"]
    words += ["--window", "3", "--minutes", "0.002", "--batch-size", "4"]
    assert main(["train", *words]) == 0
    config = json.loads(Path("runs/demo/config.json").read_text())
    command = shlex.split(config["command"])
    assert "--minutes" not in command and command[: len(words) - 2] == [
        "symgen",
        "train",
        *words[:-4],
    ]
    assert main([*command[1:], "--out", "again"]) == 0
    again = json.loads(Path("again/config.json").read_text())
    assert again["training"] == config["training"]
    examples = config["training"]["examples"]
    assert 4 <= examples < 128_000 and config["training"]["schedule"] == "cosine"
    told = capsys.readouterr().out
    assert f"{examples:,} examples in about 0.002 minutes" in told
    assert open_run("runs/demo").model().frames == 4
    assert main(["train", "demo", "--minutes", "-1", "--out", "none"]) == 2
    assert "minutes=-1.0: give a positive number" in capsys.readouterr().err


def test_the_torus_is_drawn_from_still_images(tmp_path, capsys):
    words = ["train", "torus-mnist", "--images", "digits", "--out", "torus", "--width", "8"]
    assert main([*words, "--examples", "256", "--log-every", "1"]) == 0
    assert main(["traverse", "torus"]) == 0
    assert size(tmp_path / "torus" / "figures" / "torus.png")[0] > 200
    assert main(["evaluate", "torus", "--examples", "50", "--samples", "1"]) == 0
    assert "log p(x)" in capsys.readouterr().out


def test_data_draws_a_contact_sheet(tmp_path, capsys):
    assert main(["data", "demo", "--examples", "3"]) == 0
    text = capsys.readouterr().out
    assert "orientation (15 values)" in text and "sequences.png" in text
    assert size(tmp_path / "sequences.png")[0] > 500


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian demo", "did you mean train"),
        ("train dmeo", "did you mean demo"),
        ("train --examples 3", "'--examples' came before the name of a preset"),
        ("train demo --window 16", "window=16 does not fit frames=15"),
        ("train demo --optimizer Adma", "did you mean Adam"),
        ("train --resume nowhere", "nowhere is not a run folder"),
        ("evaluate nowhere", "nowhere is not a run folder"),
        ("encode nowhere --out x.npz", "nowhere is not a run folder"),
        ("export nowhere --out x", "nowhere is not a run folder"),
        ("traverse nowhere", "nowhere is not a run folder"),
        ("data dmeo", "did you mean demo"),
        ("data demo --examples 0", "examples=0"),
        ("train vae-mnist --root missing", "missing"),
        ("presets moths", "no preset has moths in it"),
        ("reproduce table9", "no study 'table9': did you mean table"),
    ],
)
def test_bad_words_get_one_clear_error_and_write_nothing(words, message, empty_folder, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("symgen: ") and "Traceback" not in error
    assert error.count("\n") == 1
    assert list(empty_folder.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--learning-rate -1", "learning_rate=-1.0: give a finite number"),
        ("--windwo 3", "--windwo"),
        ("--window three", "three"),
        ("--net moth", "moth"),
    ],
)
def test_options_that_are_none_are_refused(words, message, empty_folder, capsys):
    assert main(["train", "demo", *words.split()]) == 2
    error = capsys.readouterr().err
    assert error.startswith("symgen: ") and message in error and error.count("\n") == 1
    assert list(empty_folder.iterdir()) == []


@without_cuda
@pytest.mark.parametrize("verb", ["evaluate RUN", "encode RUN --out x.npz", "reproduce table1"])
def test_a_device_that_is_not_here_is_one_clear_line(verb, trained, empty_folder, capsys):
    assert main([*verb.replace("RUN", str(trained)).split(), "--device", "cuda"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("symgen: device='cuda' does not compute here") and "take cpu" in error
    assert error.count("\n") == 1 and list(empty_folder.iterdir()) == []


def test_damaged_runs_are_refused(tmp_path, capsys):
    (tmp_path / "damaged").mkdir()
    for content in ("{", "{}", '{"model": {"model": "Moth"}}'):
        (tmp_path / "damaged" / "config.json").write_text(content)
        assert main(["evaluate", "damaged"]) == 2
        assert "config.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["manifold RUN", "control RUN test:0 --rotate 30"])
def test_verbs_of_the_other_family_name_the_right_one(words, trained, capsys):
    assert main(words.replace("RUN", str(trained)).split()) == 2
    error = capsys.readouterr().err
    assert f"is a run of TVAE, which symgen {words.split()[0]} does not draw" in error
    assert f"symgen traverse {trained}" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("evaluate RUN --examples 1000000", "examples=1000000: give 1 to"),
        ("evaluate RUN --samples 0", "samples=0: take at least one"),
        ("evaluate RUN --record folder", "folder is a folder: name a file in it"),
        ("encode RUN --out folder.npz", "folder.npz is a folder: name a file in it"),
    ],
)
def test_what_cannot_be_measured_or_written_is_one_clear_line(words, message, trained, capsys):
    Path("folder").mkdir()
    Path("folder.npz").mkdir()
    assert main(words.replace("RUN", str(trained)).split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("symgen: ") and error.count("\n") == 1
