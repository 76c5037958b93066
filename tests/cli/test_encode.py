"""Latents out and back in: every format, whole or not at all, one line for what is wrong."""

import csv
import errno
import importlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from ace_helpers import SMALL

import symgen
from symgen import ACE, TVAE
from symgen._files import claimed
from symgen.cli import main
from symgen.experiments import latent_files
from symgen.experiments.encoding import Encoding

decode = importlib.import_module("symgen.cli.decode")
SIZE: dict[str, Any] = {"capsules": 2, "units": 6, "frames": 6, "window": 3, "width": 8}
ROWS = 120


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hold a run on ten films of 12 frames, and one of ACE on digits."""
    folder = tmp_path_factory.mktemp("runs")
    films = np.random.default_rng(0).integers(4096, size=(10, 12, 6, 5), dtype=np.uint16)
    np.save(folder / "films.npy", films)
    source = symgen.open(folder / "films.npy", axes="NTYX", length=6, scale=(0, 4095))
    model = TVAE((1, 6, 5), **SIZE)
    symgen.fit(model, source, examples=8, batch_size=4, folder=folder / "tvae")
    x, y = torch.rand(12, *SMALL["data_shape"]), torch.arange(12) % 3
    data = torch.utils.data.TensorDataset(x, y)
    symgen.fit(ACE(**SMALL), data, examples=8, batch_size=4, folder=folder / "ace")
    return folder


def words(text: str, runs: Path) -> list[str]:
    return text.replace("RUNS", str(runs)).split()


def test_every_format_holds_the_same_rows(runs: Path) -> None:
    expected = symgen.encode(runs / "tvae", posterior=True, phase=True)
    for name in ("t.npz", "t.h5", "t.csv"):
        line = f"encode RUNS/tvae --out {name} --posterior --phase"
        assert main(words(line, runs)) == 0
    columns = {n: v.numpy() for n, v in expected.items() if isinstance(v, torch.Tensor)}
    with np.load("t.npz") as npz, h5py.File("t.h5") as h5:
        assert set(npz) == set(h5) == set(expected)
        for name, values in columns.items():
            np.testing.assert_array_equal(npz[name], values)
            np.testing.assert_array_equal(h5[name][:], values)  # pyright: ignore
        for name in ("recording_names", "split_names"):
            assert npz[name].tolist() == expected[name]
            assert h5[name].asstr()[:].tolist() == expected[name]  # pyright: ignore
    with open("t.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert header[:6] == ["recording", "frame", "split", "inside", "t_0_0", "t_0_1"]
    assert len(lines) == ROWS == len(columns["t"])
    cells = np.array(lines)
    assert [expected["recording_names"][code] for code in columns["recording"]] == list(cells.T[0])
    assert [expected["split_names"][code] for code in columns["split"]] == list(cells.T[2])
    t = cells[:, 4:16].astype(np.float32).reshape(ROWS, 2, 6)
    np.testing.assert_array_equal(t, columns["t"])  # to the last bit


def test_names_of_recordings_are_quoted() -> None:
    names = ['a, "b"', "c"]
    columns = {"recording": torch.tensor([0, 1, 1]), "t": torch.rand(3, 2)}
    encoding = Encoding(3, {"recording": names}, iter([columns]))
    latent_files.write_latents(Path("t.csv"), encoding)
    with open("t.csv", newline="") as file:
        assert [line[0] for line in csv.reader(file)] == ["recording", names[0], "c", "c"]
    with latent_files.open_latents(Path("t.csv")) as file:
        (found,) = file.blocks(["t"], 10)
        torch.testing.assert_close(found["t"].float(), columns["t"], rtol=0, atol=0)


@pytest.mark.parametrize("suffix", ["npz", "h5", "csv"])
@pytest.mark.parametrize("kind", ["tvae", "ace"])
def test_what_was_encoded_is_decoded(kind: str, suffix: str, runs: Path) -> None:
    if kind == "ace":
        shutil.copytree(runs / "ace", "run")
        x = torch.rand(5, *SMALL["data_shape"])
        found = symgen.encode("run", x)
        model = symgen.ACE.from_pretrained("run")
        expected = model.decode(model.latents(x)).mean
        names = {n: v for n, v in found.items() if n.endswith("_names")}
        blocks = iter([{n: v for n, v in found.items() if n not in names}])
        latent_files.write_latents(Path(f"t.{suffix}"), Encoding(5, names, blocks))
    else:
        shutil.copytree(runs / "tvae", "run")
        assert main(["encode", "run", "--out", f"t.{suffix}"]) == 0
        t = symgen.encode("run")["t"]
        expected = symgen.TVAE.from_pretrained("run").decode(t).mean
    assert main(["decode", "run", f"t.{suffix}", "--out", "frames.npy"]) == 0
    frames = torch.from_numpy(np.load("frames.npy"))
    torch.testing.assert_close(frames, expected.detach(), rtol=1e-5, atol=1e-6)


def test_the_scale_of_the_recordings_is_undone(runs: Path) -> None:
    shutil.copytree(runs / "tvae", "run")
    assert main(["encode", "run", "--out", "t.npz"]) == 0
    assert main(["decode", "run", "t.npz", "--out", "scaled.npy"]) == 0
    assert main(["decode", "run", "t.npz", "--out", "frames.npy", "--original-scale"]) == 0
    scaled, frames = np.load("scaled.npy"), np.load("frames.npy")
    np.testing.assert_allclose(frames, 4095 * scaled, rtol=1e-6)


def test_other_recordings_of_any_length_are_encoded(runs: Path) -> None:
    other = np.random.default_rng(1).integers(4096, size=(3, 4, 6, 5), dtype=np.uint16)
    np.save("short.npy", other)  # shorter than a clip
    assert main(words("encode RUNS/tvae --out t.npz --data short.npy", runs)) == 0
    with np.load("t.npz") as found:
        assert found["t"].shape == (12, 2, 6)
        assert set(found["split_names"][found["split"]]) == {"none"}
    assert main(words("encode RUNS/tvae --out two.npz --data short.npy --examples 2", runs)) == 0
    with np.load("two.npz") as found:
        assert found["recording"].tolist() == [0] * 4 + [1] * 4


def test_generated_sequences_are_encoded_with_their_factors() -> None:
    small = "--capsules 2 --width 8 --length 4 --window 3 --examples 8 --batch-size 4"
    assert main(["train", "demo", *small.split()]) == 0
    assert main(["encode", "runs/demo", "--out", "t.csv", "--examples", "5"]) == 0
    with open("t.csv", newline="") as file:
        header, *lines = csv.reader(file)
    assert len(lines) == 20 and {line[header.index("split")] for line in lines} == {"test"}
    assert any(title.startswith("factors_") for title in header)


def test_a_file_that_is_there_is_replaced_only_by_force(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("t.npz").write_text("mine")
    assert main(words("encode RUNS/tvae --out t.npz", runs)) == 2
    assert capsys.readouterr().err == (
        "symgen: t.npz is there already: give another name, or --force to replace it\n"
    )
    assert Path("t.npz").read_text() == "mine"
    assert main(words("encode RUNS/tvae --out t.npz --force", runs)) == 0
    with np.load("t.npz") as found:
        assert found["t"].shape == (ROWS, 2, 6)
    Path("f.npy").write_text("mine")
    assert main(words("decode RUNS/tvae t.npz --out f.npy", runs)) == 2
    assert Path("f.npy").read_text() == "mine"


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_two_processes_do_not_write_the_same_file(
    force: list[str], runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["encode", str(runs / "tvae"), "--out", str(tmp_path / "t.csv"), *force]
    with claimed(tmp_path / "t.csv"):
        assert main(words) == 2
        assert "t.csv is being written by another process" in capsys.readouterr().err
        with claimed(tmp_path / "other.csv"):  # is another file
            pass
    assert not any(tmp_path.iterdir())
    assert main(words) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("name", ["t.npz", "t.h5", "t.csv"])
@pytest.mark.parametrize("there", [False, True])
def test_ctrl_c_leaves_nothing_half_written(
    name: str, there: bool, runs: Path, monkeypatch: pytest.MonkeyPatch, empty_folder: Path
) -> None:
    def interrupted(encoding: Any) -> Iterator[dict[str, Any]]:
        for count, block in enumerate(blocks(encoding)):
            yield block
            signal.raise_signal(signal.SIGINT)
            assert count < 0, "the signal stops the first block"

    blocks = latent_files._blocks
    monkeypatch.setattr(latent_files, "_blocks", interrupted)
    if there:
        Path(name).write_text("mine")
    assert main(words(f"encode RUNS/tvae --out {name} --force", runs)) == 130
    left = {path.name: path.read_text() for path in empty_folder.iterdir()}
    assert left == ({name: "mine"} if there else {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("encode RUNS/tvae --out t.txt", "t.txt: let the name of a file of latents end in .npz, "),
        ("encode RUNS/tvae --out t.npz --examples 11", "examples=11: give 1 to 10, the number of"),
        ("encode RUNS/tvae --out t.npz --data nowhere", "nowhere is not there"),
        ("encode RUNS/nothing --out t.npz", "is not a run folder"),
        ("encode RUNS/tvae --out t.npz --data OTHER", "frames of shape"),
        ("encode RUNS/ace --out t.npz", "was trained from Python on data that no file names"),
        ("encode RUNS/tvae --out t.npz --data OTHER --split test", "split='test': no frame of"),
        ("decode RUNS/tvae t.npz --out f.npy", "t.npz is not there"),
        ("decode RUNS/tvae BROKEN --out f.npy", "cannot be read as a file of latents"),
        ("decode RUNS/tvae FORMS --out f.npy", "has t of shape (3, 6) in each of its rows"),
        ("decode RUNS/ace FORMS --out f.npy", "has no y, but t: "),
        ("decode RUNS/tvae FORMS --out f.png", "let the name end in .npy"),
        ("decode RUNS/ace FORMS --out f.npy --original-scale", "data that were not scaled"),
    ],
)
def test_bad_words_get_one_clear_error_and_write_nothing(
    line: str, message: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = {"OTHER": "other.npy", "BROKEN": "broken.npz", "FORMS": "forms.npz"}
    np.save("other.npy", np.zeros((4, 8, 9, 9), np.uint16))
    np.savez("forms.npz", t=np.zeros((4, 3, 6), np.float32))
    Path("broken.npz").write_bytes(Path("forms.npz").read_bytes()[:100])
    before = sorted(os.listdir())
    for name, file in inputs.items():
        line = line.replace(name, file)
    assert main(words(line, runs)) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error
    assert sorted(os.listdir()) == before


def test_hdf5_without_h5py_says_how_to_get_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert main(words("encode RUNS/tvae --out t.h5", runs)) == 2
    assert "pip install 'symgen[formats]'" in capsys.readouterr().err


def test_latents_of_images_say_what_they_are(runs: Path) -> None:
    assert json.loads((runs / "ace" / "config.json").read_text())["model"]["model"] == "ACE"
    found = symgen.encode(runs / "ace", torch.rand(4, *SMALL["data_shape"]))
    assert found["probabilities"].shape == (4, 3) and "recording" not in found


def test_a_full_disk_is_said_in_short(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Any) -> Iterator[dict[str, Any]]:
        yield from ()
        raise OSError(errno.ENOSPC, "Can't synchronously write data (file write failed: ...")

    monkeypatch.setattr(latent_files, "_blocks", full)
    assert main(words("encode RUNS/tvae --out t.h5", runs)) == 2
    said = capsys.readouterr().err
    assert said.startswith("symgen: t.h5: cannot be written: No space left on device, ")
    assert not Path("t.h5").exists()


def test_frames_take_their_room_as_they_are_written(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A map of a file that has no room yet would end the process where the disk is full."""
    sizes = []

    def watched(*given: Any) -> Iterator[Any]:
        for part in decoded(*given):
            (partial,) = Path().glob(".partial.*.npy")
            sizes.append(partial.stat().st_size)
            yield part

    decoded = decode._decoded
    monkeypatch.setattr(decode, "_decoded", watched)
    monkeypatch.setattr(decode, "_ROWS", 50)
    assert main(words("encode RUNS/tvae --out t.npz", runs)) == 0
    assert main(words("decode RUNS/tvae t.npz --out f.npy", runs)) == 0
    assert len(sizes) == 3 and max(sizes) < Path("f.npy").stat().st_size
