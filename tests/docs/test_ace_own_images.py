"""The commands of docs/ace-own-images.md, run one after the other on small files."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from symgen.cli import main
from symgen.data import particles

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ace-own-images.md"
LINES = [
    shlex.split(line)
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    for line in block.splitlines()
]
SHORT = [
    *("--hidden", "8", "--decoder-hidden", "8", "--classifier-channels", "3", "3", "3"),
    *("--classifier-hidden", "8", "--pose-channels", "3", "3", "--pose-hidden", "8"),
    *("--examples", "80", "--batch-size", "20", "--warmup", "0", "--kl-warmup", "40"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Cells, round and long ones."""
    folder = tmp_path_factory.mktemp("page")
    y, x = np.mgrid[-7:8, -7:8]
    for name, wide in (("round", 9), ("long", 40)):
        (folder / "cells" / name).mkdir(parents=True)
        for number in range(60):
            angle = number
            u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
            cell = 255.0 * (u**2 / wide + v**2 / 9 < 1)
            Image.fromarray(cell.astype(np.uint8)).save(folder / "cells" / name / f"{number}.png")
    return folder


def test_every_command_of_the_page_does_its_work(folder, monkeypatch):
    pytest.importorskip("h5py")
    monkeypatch.chdir(folder)
    assert len(LINES) == 14
    for words in LINES:
        if words[0] == "python":
            assert words[:3] == ["python", "-m", "symgen.data.particles"]
            given = words[3:]
            given[given.index("--count") + 1] = "60"
            particles.main([*given, "--side", "16"])
            continue
        assert main([*words[1:], *(SHORT if words[1] == "train" else [])]) == 0, words
    aligned = np.load("aligned/aligned.npy")
    given = np.load("particles.npz")["images"]
    assert aligned.shape == (60, 1, 16, 16)
    assert abs(float(aligned.mean() - given.mean())) < 0.15  # in the numbers of the data
    assert Path("aligned/poses.csv").read_text().count("\n") == 61
    lines = Path("cells.csv").read_text().splitlines()
    assert len(lines) == 121 and "angle_degrees" in lines[0]
    assert {line.split(",")[2] for line in lines[1:]} == {"long", "round"}
    assert Path("moved/control.png").is_file()


def test_others_than_the_images_of_the_training(folder, monkeypatch, capsys):
    """After the page: other images are in no split, and what is no cell is of no class."""
    monkeypatch.chdir(folder)
    if not Path("runs/cells").is_dir():
        pytest.skip("the page was not run")
    for number in range(3):
        noise = np.random.default_rng(number).integers(0, 256, (15, 15), dtype=np.uint8)
        Path("new").mkdir(exist_ok=True)
        Image.fromarray(noise).save(f"new/{number}.png")
    assert main(["encode", "runs/cells", "--data", "new", "--out", "new.csv", "--force"]) == 0
    rows = Path("new.csv").read_text().splitlines()[1:]
    assert [row.split(",")[:2] for row in rows] == [[f"{n}.png", "none"] for n in range(3)]
    words = ["align", "runs/cells", "--data", "new", "--out", "new-aligned", "--png", "--force"]
    assert main(words) == 0
    assert {path.name for path in Path("new-aligned/images").iterdir()} == {
        f"{n}.png" for n in range(3)
    }
    capsys.readouterr()
    assert main(["control", "runs/cells", "new/0.png", "--out", "out"]) == 0
    assert "far outside of what the model was trained on" in capsys.readouterr().out
    assert main(["control", "runs/cells", "cells/long/3.png", "--out", "out"]) == 0
    text = capsys.readouterr().out
    assert "far outside" not in text and re.search(r"^class (long|round) \(", text, re.M)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("align runs/cells --out new.csv", "is a file: name a folder"),
        ("align runs/cells --out aligned-cells", "is there already"),
        ("align runs/cells --out a --examples 0", "examples=0"),
        ("data inspect nowhere --images --force", "nowhere is not there"),
        ("train ace --out runs/none", "no images are named: give their path, as with --data"),
        ("train ace --data cells --classes 5 --out runs/none", "the labels name 2"),
    ],
)
def test_bad_words_get_one_clear_error(words, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if not Path("runs/cells").is_dir():
        pytest.skip("the page was not run")
    Path("new.csv").touch()
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
