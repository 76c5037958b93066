"""What commands say of recordings: notes before a training, factors, the only recording."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from recording_helpers import square_film

from symgen.cli import main

SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "32"]
SMALL += ["--batch-size", "8", "--warmup", "0", "--length", "8"]


@pytest.fixture
def archive(empty_folder: Path) -> Path:
    starts = np.arange(6)
    films = np.stack([square_film(40, start) for start in starts])
    column = (starts[:, None] + np.arange(40)) % 16
    np.savez("films.npz", films=films, column=column, animal=starts % 2)
    return Path("films.npz")


def test_training_says_first_what_inspect_says(archive, capsys):
    words = ["--data", str(archive), "--key", "films", *SMALL]
    assert main(["train", "tvae", *words]) == 0
    scale, offered, *_ = capsys.readouterr().out.splitlines()
    assert scale.startswith("training on ") and scale.endswith("255 → 1: bytes")
    assert offered.endswith("--factors column animal")


def test_training_says_how_much_more_there_is_to_say(empty_folder, capsys):
    films = np.stack([square_film(40, start) for start in range(6)]).astype("f4")
    films[:, 20] = np.nan
    np.save("films.npy", films)
    assert main(["train", "tvae", "--data", "films.npy", *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.startswith("cut at") for line in lines[:5]] == [False, True, True, True, False]
    assert lines[4] == "... and 3 more, which symgen data inspect says"


def test_training_says_what_is_hardly_meant(archive, capsys):
    words = ["--data", str(archive), "--key", "films", *SMALL, "--causal"]
    assert main(["train", "tvae", *words, "--kl-warmup", "32", "--out", "cyclic"]) == 0
    told = capsys.readouterr().out
    assert "32: give a --kl-warmup below that, such as 19\n" in told
    assert "with --boundary zero it sees the past alone" in told
    fit = ["--kl-warmup", "19", "--boundary", "zero", "--out", "open"]
    assert main(["train", "tvae", *words, *fit]) == 0
    told = capsys.readouterr().out
    assert "--kl-warmup" not in told and "--boundary" not in told


def test_factors_are_encoded_and_measured(archive, capsys):
    factors = ["--factors", "column", "animal"]
    assert main(["train", "tvae", "--data", str(archive), *factors, *SMALL]) == 0
    assert json.loads(Path("runs/tvae/config.json").read_text())["data"]["factors"] == [
        "column",
        "animal",
    ]
    assert main(["encode", "runs/tvae", "--out", "latents.csv"]) == 0
    with Path("latents.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 240
    for row in rows:
        recording = int(row["recording"].partition("[")[2].rstrip("]"))
        assert int(row["factors_column"]) == (recording + int(row["frame"])) % 16
        assert int(row["factors_animal"]) == recording % 2
    capsys.readouterr()
    assert main(["evaluate", "runs/tvae"]) == 0
    said = capsys.readouterr().out
    assert "CapCorr column" in said and "no CapCorr of animal:" in said
    measured = json.loads(Path("runs/tvae/summary.json").read_text())["evaluation"]
    assert measured["capcorr"]["column"]["sequences"] > 0

    assert main(["encode", "runs/tvae", "--factors", "animal", "--out", "one.npz"]) == 0
    with np.load("one.npz") as found:
        assert found["factors"].shape == (240, 1) and found["factors_names"].tolist() == ["animal"]
    np.save("new.npy", np.stack([square_film(30, 3)] * 2))
    words = ["encode", "runs/tvae", "--data", "new.npy", "--out", "new.npz"]
    assert main(words) == 2  # which have none beside them
    assert "factors=" in capsys.readouterr().err
    assert main([*words, "--factors"]) == 0
    with np.load("new.npz") as found:
        assert "factors" not in found and len(found["t"]) == 60


def test_factors_of_a_run_without_recordings_are_refused(empty_folder, capsys):
    words = ["--capsules", "2", "--width", "8", "--examples", "8", "--batch-size", "8"]
    assert main(["train", "demo", *words, "--warmup", "0"]) == 0
    assert main(["encode", "runs/demo", "--factors", "shape", "--out", "l.npz"]) == 2
    assert "was not trained on recordings" in capsys.readouterr().err


def test_the_only_held_out_recording_has_its_line(archive, capsys):
    words = ["--data", str(archive), "--key", "films", *SMALL]
    assert main(["train", "tvae", *words]) == 0
    capsys.readouterr()
    assert main(["evaluate", "runs/tvae"]) == 0
    said = capsys.readouterr().out
    title, *lines = said[said.index("unseen frames by recording") :].splitlines()
    assert "worst first" not in title
    assert sum(line.startswith("films.npz[") for line in lines) == 1
