"""The command line as a person uses it: in an empty folder, with the words of the README."""

import json
import re

import pytest
from PIL import Image

from symgen import TVAE
from symgen.cli import main
from symgen.experiments import PRESETS


def size(path):
    with Image.open(path) as image:
        return image.width, getattr(image, "n_frames", 1)


SMALL = ["--hidden", "30", "--capsules", "2", "--sequences", "96", "--batch-size", "8"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "tvae-digits", "--out", str(folder), "--log-every", "4", *SMALL]) == 0
    return folder


def test_help_names_every_command(capsys):
    assert main([]) == main(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in (
        "presets",
        "data",
        "train",
        "evaluate",
        "export",
        "traverse",
        "manifold",
        "control",
    ):
        assert f"symgen {verb}" in text


@pytest.mark.parametrize(
    "verb",
    [
        "presets",
        "train demo",
        "evaluate",
        "export",
        "traverse",
        "manifold",
        "control",
        "data",
        "data demo",
        "data inspect",
    ],
)
def test_every_command_explains_itself(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([*verb.split(), "--help"])
    assert end.value.code == 0
    assert "usage" in capsys.readouterr().out


def test_presets_are_listed(capsys):
    assert main(["presets"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in PRESETS)
    (line,) = re.findall(r"^demo .*", text, re.M)
    assert "1.92 million" in line  # 128,000 sequences of 15 frames


def test_a_run_folder_explains_itself(trained):
    config = json.loads((trained / "config.json").read_text())
    assert config["experiment"]["model"]["capsules"] == 2
    assert config["hardware"] and config["command"].startswith("symgen train tvae-digits")
    assert (trained / "model.safetensors").is_file() and (trained / "metrics.jsonl").is_file()
    assert TVAE.from_pretrained(trained).capsules == 2


def test_evaluation_prints_the_table_and_writes_the_record(trained, empty_folder, capsys):
    words = ["evaluate", str(trained), "--sequences", "60", "--samples", "2"]
    assert main([*words, "--record", "new/record.json"]) == 0
    text = capsys.readouterr().out
    for word in ("log p(x)", "E_eq, centred", "CapCorr angle", "unseen frames", "mean image"):
        assert word in text
    record = json.loads((empty_folder / "new" / "record.json").read_text())
    assert record == json.loads((trained / "summary.json").read_text())
    assert record["evaluation"]["sequences"] == 60
    assert record["training"]["sequences"] == 96
    assert re.search(rf"{record['evaluation']['e_eq']:.0f}", text)


def test_traversal_leaves_pictures(trained, capsys):
    assert main(["traverse", str(trained), "--examples", "3"]) == 0
    figures = trained / "figures"
    assert size(figures / "traversal.gif")[1] == 18
    assert size(figures / "traversal.png")[0] > 500
    assert (figures / "curves.png").is_file()
    assert str(figures / "traversal.gif") in capsys.readouterr().out.replace("\n", "")


def test_a_finished_run_can_be_resumed_and_not_overwritten(trained, capsys):
    before = (trained / "model.safetensors").read_bytes()
    assert main(["train", "--resume", str(trained)]) == 0
    assert main(["train", "tvae-digits", "--out", str(trained), *SMALL]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert (trained / "model.safetensors").read_bytes() == before


def test_the_torus_is_drawn_from_still_images(tmp_path, capsys):
    words = ["train", "torus-mnist", "--images", "digits", "--out", "torus", "--hidden", "30"]
    assert main([*words, "--sequences", "256", "--log-every", "1"]) == 0
    assert main(["traverse", "torus"]) == 0
    assert size(tmp_path / "torus" / "figures" / "torus.png")[0] > 200
    assert main(["evaluate", "torus", "--sequences", "50"]) == 0
    assert "log p(x)" in capsys.readouterr().out


def test_data_draws_a_contact_sheet(tmp_path, capsys):
    assert main(["data", "demo", "--examples", "3"]) == 0
    text = capsys.readouterr().out
    assert "orientation (15 values)" in text and "sequences.png" in text
    assert size(tmp_path / "sequences.png")[0] > 500


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian demo", "did you mean train"),
        ("train dmeo", "did you mean demo"),
        ("train demo --window 16", "window=16 does not fit frames=15"),
        ("train demo --optimizer Adma", "did you mean Adam"),
        ("train --resume nowhere", "nowhere is not a run folder"),
        ("evaluate nowhere", "nowhere is not a run folder"),
        ("traverse nowhere", "nowhere is not a run folder"),
        ("data dmeo", "did you mean demo"),
        ("data demo --examples 0", "examples=0"),
        ("train vae-mnist --root missing", "missing"),
    ],
)
def test_bad_words_get_one_clear_error_and_write_nothing(words, message, empty_folder, capsys):
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("symgen: ") and "Traceback" not in error
    assert list(empty_folder.iterdir()) == []


def test_a_number_out_of_range_is_refused(empty_folder, capsys):
    with pytest.raises(SystemExit) as end:
        main(["train", "demo", "--learning-rate", "-1"])
    assert end.value.code == 2 and list(empty_folder.iterdir()) == []
    assert "learning_rate=-1.0: give a finite number" in capsys.readouterr().err


def test_damaged_runs_are_refused(trained, tmp_path, capsys):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    assert main(["evaluate", "damaged"]) == 2
    assert "config.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["manifold RUN", "control RUN test:0 --rotate 30"])
def test_verbs_of_the_other_family_name_the_right_one(words, trained, capsys):
    assert main(words.replace("RUN", str(trained)).split()) == 2
    error = capsys.readouterr().err
    assert "is a run of a Topographic VAE" in error and f"symgen traverse {trained}" in error


def test_evaluation_of_too_many_sequences_is_refused(trained, capsys):
    assert main(["evaluate", str(trained), "--sequences", "1000000"]) == 2
    assert "sequences=1000000" in capsys.readouterr().err
