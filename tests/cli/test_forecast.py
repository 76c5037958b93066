"""The verb forecast: arrays and films of what follows, one line for what is wrong."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import symgen
from symgen import TVAE
from symgen.cli import main
from symgen.metrics import roll_forecast

SIZE: dict[str, Any] = {"capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 8}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold runs on ten films of 12 frames, in open and in cyclic time, and one on vectors."""
    folder = tmp_path_factory.mktemp("runs")
    generator = np.random.default_rng(0)
    np.save(folder / "films.npy", generator.integers(4096, size=(10, 12, 6, 5), dtype=np.uint16))
    np.save(folder / "short.npy", generator.integers(4096, size=(1, 2, 6, 5), dtype=np.uint16))
    np.save(folder / "vectors.npy", generator.normal(size=(4, 12, 5)).astype(np.float32))
    films = symgen.open(folder / "films.npy", axes="NTYX", length=6, scale=(0, 4095))
    told: dict[str, Any] = {"examples": 8, "batch_size": 4}
    model = TVAE((1, 6, 5), **SIZE, causal=True, boundary="zero")
    symgen.fit(model, films, **told, rolled=0.5, folder=folder / "open")
    symgen.fit(TVAE((1, 6, 5), **SIZE), films, **told, folder=folder / "cyclic")
    third = symgen.open(folder / "films.npy", axes="NTYX", length=3, every=3, scale=(0, 4095))
    model = TVAE((1, 6, 5), **SIZE | {"frames": 3, "units": 3}, causal=True, boundary="zero")
    symgen.fit(model, third, **told, rolled=0.5, folder=folder / "third")
    vectors = symgen.open(folder / "vectors.npy", axes="NTF", length=6)
    model = TVAE((5,), **SIZE, boundary="zero", likelihood="gaussian")
    symgen.fit(model, vectors, **told, rolled=0.5, folder=folder / "vectors")
    return folder


def words(text: str, runs: Path) -> list[str]:
    return text.replace("RUNS", str(runs)).split()


def test_every_recording_is_continued(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("forecast RUNS/open --out f.npy --horizon 9", runs)) == 0
    told = capsys.readouterr()
    assert told.out == "10 recordings continued by 9 frames, 8 of them trained on: f.npy\n"
    assert "cyclic time" not in told.err
    films = torch.from_numpy(np.load(runs / "films.npy").astype(np.float32)) / 4095
    model = TVAE.from_pretrained(runs / "open")
    expected = roll_forecast(model, films[:, :, None], 9)
    found = np.load("f.npy")
    assert found.shape == (10, 9, 1, 6, 5)
    torch.testing.assert_close(torch.from_numpy(found), expected)
    line = "forecast RUNS/open --out scaled.npy --original-scale --examples 3"
    assert main(words(line, runs)) == 0  # as many frames as a clip has
    np.testing.assert_allclose(np.load("scaled.npy"), 4095 * found[:3, :6], rtol=1e-4)
    assert main(words("forecast RUNS/open --out test.npy --split test", runs)) == 0
    assert 0 < len(np.load("test.npy")) < 10


def test_other_recordings_and_vectors(runs: Path) -> None:
    line = "forecast RUNS/open --out f.npy --data RUNS/films.npy --axes NTYX"
    assert main(words(line, runs)) == 0
    assert np.load("f.npy").shape == (10, 6, 1, 6, 5)
    assert main(words("forecast RUNS/vectors --out v.npy --horizon 3", runs)) == 0
    assert np.load("v.npy").shape == (4, 3, 5)


def test_a_folder_of_frames_has_no_axes_from_the_command_line_or_from_python(runs: Path) -> None:
    for number in range(7):
        frame = np.random.default_rng(number).integers(255, size=(6, 5), dtype=np.uint8)
        Path("film").mkdir(exist_ok=True)
        Image.fromarray(frame).save(f"film/{number}.png")
    assert main(words("forecast RUNS/open --data film --out f.npy", runs)) == 0
    found = symgen.forecast(runs / "open", Path("film"))
    np.testing.assert_allclose(np.load("f.npy"), found["frames"].numpy(), atol=1e-6)
    assert found["last"].tolist() == [6]


def test_a_film_shows_the_end_and_what_follows(runs: Path) -> None:
    assert main(words("forecast RUNS/open --out f.gif --horizon 4 --examples 2", runs)) == 0
    assert main(words("forecast RUNS/open --out nine.gif --horizon 4", runs)) == 0
    with Image.open("f.gif") as two, Image.open("nine.gif") as nine:
        assert two.n_frames == nine.n_frames == 6 + 4  # pyright: ignore
        assert two.width < nine.width and two.height < nine.height


def test_frames_held_back_are_compared(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("forecast RUNS/open --out f.npy --hold-back 4", runs)) == 0
    told = capsys.readouterr().out
    assert told.startswith("the last 4 frames of 10 recordings forecast, 8 of them trained on: f.")
    films = torch.from_numpy(np.load(runs / "films.npy").astype(np.float32)) / 4095
    expected = roll_forecast(TVAE.from_pretrained(runs / "open"), films[:, :8, None], 4)
    torch.testing.assert_close(torch.from_numpy(np.load("f.npy")), expected)
    error = (expected[:, :, 0] - films[:, 8:]).square().sum((2, 3)).mean()
    repeated = (films[:, 7:8] - films[:, 8:]).square().sum((2, 3)).mean()
    mean = (films[:, :8].mean((0, 1)) - films[:, 8:]).square().sum((2, 3)).mean()
    assert f"squared error {error:.4g} a frame (" in told
    assert f"them {repeated:.4g}, the mean of all before them {mean:.4g}; better than b" in told
    line = "forecast RUNS/open --out o.npy --hold-back 4 --original-scale"
    assert main(words(line, runs)) == 0
    assert f"squared error {4095**2 * error:.4g} a frame (" in capsys.readouterr().out
    assert main(words("forecast RUNS/open --out f.gif --hold-back 4 --examples 2", runs)) == 0
    assert main(words("forecast RUNS/open --out g.gif --horizon 4 --examples 2", runs)) == 0
    with Image.open("f.gif") as held, Image.open("g.gif") as open_end:
        assert held.n_frames == 6 + 4 and held.height > open_end.height  # pyright: ignore


def test_an_archive_has_names_true_frames_and_errors_at_every_horizon(runs: Path) -> None:
    assert main(words("forecast RUNS/open --out f.npz --hold-back 4", runs)) == 0
    expected = symgen.forecast(runs / "open", hold_back=4)
    with np.load("f.npz") as found:
        assert found["recording_names"].tolist() == expected["recording_names"]
        assert found["trained_on"].sum() == 8
        for name in ("frames", "truth", "last", "squared_error", "mean_squared_error"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
        was = found["truth"]
        error = ((found["frames"] - was) ** 2).sum((2, 3, 4))
        np.testing.assert_allclose(found["squared_error"], error, rtol=1e-4)
        films = np.load(runs / "films.npy").astype(np.float32) / 4095
        repeated = ((films[:, 7:8] - films[:, 8:]) ** 2).sum((2, 3))
        np.testing.assert_allclose(found["nearest_squared_error"], repeated, rtol=1e-4)
    line = "forecast RUNS/open --out o.npz --hold-back 4 --original-scale"
    assert main(words(line, runs)) == 0
    with np.load("o.npz") as found:
        np.testing.assert_allclose(found["truth"], 4095 * was, rtol=1e-4)
        np.testing.assert_allclose(found["squared_error"], 4095**2 * error, rtol=1e-3)
    assert main(words("forecast RUNS/vectors --out v.npz", runs)) == 0
    with np.load("v.npz") as found:
        told = ["frames", "last", "recording_names", "trained_on"]
        assert sorted(found) == told and found["frames"].shape == (4, 6, 5)


def test_a_film_ends_its_given_frames_where_the_forecast_begins(runs: Path) -> None:
    """Every third frame is read, and the last piece of what has bad frames begins elsewhere."""
    Path("bad.csv").write_text("recording,frame\n[0],7\n")
    line = (
        "forecast RUNS/third --data RUNS/films.npy --axes NTYX --bad-frames bad.csv --examples 1"
    )
    assert main(words(f"{line} --out f.gif", runs)) == 0
    with Image.open("f.gif") as film:
        assert film.n_frames == 2 + 3  # 6 and 8, not 11; 9 is forecast from 6 # pyright: ignore


def test_what_a_training_lacked_is_said(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words("forecast RUNS/cyclic --out f.npy", runs)) == 0
    told = capsys.readouterr().err
    assert "was trained in cyclic time" in told and "was not rolled in training" in told
    assert "comes back" not in told
    assert main(words("forecast RUNS/open --out seven.npy --horizon 7", runs)) == 0
    assert (
        "comes back to its start after 6 frames, as capsules of 6 units do"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("RUNS/open --out f.png", "out=f.png: let the name end in .npy, .npz or .gif"),
        ("RUNS/open --out f.npy --horizon 0", "horizon=0: give 1 or more"),
        ("RUNS/open --out f.gif --horizon 1001", "horizon=1001: give 1000 or less"),
        ("RUNS/open --out f.npy --hold-back 12", "hold_back=12: no recording has more frames"),
        ("RUNS/open --out f.npy --hold-back 2 --horizon 2", "horizon=2 and hold_back=2"),
        ("RUNS/open --out f.npy --examples 0", "examples=0: give 1 or more"),
        ("RUNS/open --out f.gif --examples 101", "examples=101: give 100 or less"),
        ("RUNS/open --out f.npy --examples 11", "examples=11: give 1 to 10"),
        ("RUNS/open --out f.gif --examples 11", "examples=11: give 1 to 10"),
        ("RUNS/open --out RUNS/films.npy/f.npy", "films.npy is a file: name a folder"),
        ("RUNS/open --out f.gif --original-scale", "--original-scale with a .gif"),
        ("RUNS/vectors --out f.gif", "out=f.gif for vectors, which are no pictures: write a .npy"),
        ("RUNS/vectors --out f.npy --original-scale", "data that were not scaled"),
        (
            "RUNS/open --out f.npy --data RUNS/short.npy",
            "1 recording, none of the 3 frames that a window spans",
        ),
        ("symgen/torus --out f.npy", "TorusVAE knows no time"),
        ("symgen/ace-rts --out f.npy", "ACE knows no time"),
    ],
)
def test_bad_input_leaves_nothing(
    line: str, message: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(f"forecast {line}", runs)) == 2
    assert message in capsys.readouterr().err
    assert not [*Path().iterdir()]


def test_a_file_that_is_there_is_kept(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("f.npy").write_text("mine")
    assert main(words("forecast RUNS/open --out f.npy", runs)) == 2
    assert "is there already" in capsys.readouterr().err
    assert Path("f.npy").read_text() == "mine"
    assert main(words("forecast RUNS/open --out f.npy --force", runs)) == 0
    assert np.load("f.npy").shape[1] == 6


def test_what_is_read_is_never_replaced(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(runs / "films.npy", "mine.npy")
    before = Path("mine.npy").read_bytes()
    for data in ("mine.npy", "."):
        line = f"forecast RUNS/open --data {data} --axes NTYX --out mine.npy --force"
        assert main(words(line, runs)) == 2
        assert (
            f"mine.npy is part of what is read, {data}: give another name"
            in capsys.readouterr().err
        )
    assert Path("mine.npy").read_bytes() == before


def test_where_the_split_of_a_training_is_not_known_that_is_said(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.csv").write_text("".join(f"[{number}],11\n" for number in range(10)))
    assert main(words("forecast RUNS/open --out f.npy --bad-frames bad.csv", runs)) == 0
    told = capsys.readouterr()
    assert "trained on" not in told.out
    assert "10 of 10 recordings have changed, or are read otherwise, since the t" in told.err
    Path("bad.csv").write_text("[0],5\n[3],11\n")
    assert main(words("forecast RUNS/open --out f.npy --force --bad-frames bad.csv", runs)) == 0
    assert "2 of 10 recordings have changed" in (told := capsys.readouterr().err)
    assert "([0], …), so it is not known which were trained on" in told
    assert main(words("forecast RUNS/open --out f.npy --force", runs)) == 0
    assert "not known" not in capsys.readouterr().err
    films = symgen.open(
        runs / "films.npy", axes="NTYX", length=6, scale=(0, 4095), split_by="start"
    )
    model = TVAE((1, 6, 5), **SIZE, causal=True, boundary="zero")
    symgen.fit(model, films, examples=4, batch_size=4, folder="start")
    assert main(words("forecast start --out g.npy", runs)) == 0
    assert "where they start, so it is not known which r" in capsys.readouterr().err
    assert main(words("forecast RUNS/open --out h.npy --data RUNS/short.npy", runs)) == 2
    assert "not known" not in capsys.readouterr().err  # others, as they are meant to be


def test_a_film_passes_over_what_was_cut_to_short_pieces(runs: Path) -> None:
    films = np.load(runs / "films.npy").astype(np.float32)
    films[:8, 2::3] = np.nan
    np.save("gaps.npy", films)
    line = "forecast RUNS/open --data gaps.npy --axes NTYX --examples 1"
    for given in ("--horizon 3", "--hold-back 1"):
        assert main(words(f"{line} {given} --out f.gif --force", runs)) == 0
