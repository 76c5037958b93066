"""What is opened: runs with held-out data, models with what they draw, and what is refused."""

import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from symgen.cli import main
from symgen.explorer import exhibit as opening
from symgen.explorer import open_exhibit
from symgen.models import VAE

SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "24"]
SMALL += ["--batch-size", "8", "--warmup", "0"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on films of which some move more than others."""
    folder = tmp_path_factory.mktemp("run")
    films = np.zeros((12, 16, 8, 8), np.uint8)
    for number, film in enumerate(films):
        for frame in range(16):
            film[frame, :, frame % (1 + number % 4)] = 250
    np.save(folder / "films.npy", films)
    patch = pytest.MonkeyPatch()
    patch.chdir(folder)
    assert main(["train", "tvae", "--data", "films.npy", "--axes", "NTYX", *SMALL]) == 0
    patch.undo()
    return folder / "runs" / "tvae"


def test_a_run_is_shown_with_what_it_held_out(run: Path) -> None:
    shown = open_exhibit(run)
    assert shown.origin == "held-out data" and shown.name == "tvae" and not shown.is_ace
    assert shown.items.shape[1:] == (16, 1, 8, 8) and len(shown.titles) == len(shown.items)
    assert shown.mean is not None and shown.mean.shape == (1, 8, 8)
    films = torch.from_numpy(np.load(run.parents[1] / "films.npy")) / 255
    for item in shown.items:  # each is one of the films
        assert (films - item[:, 0]).abs().flatten(1).amax(1).min() < 0.01


def test_data_that_moved_are_named(run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(run, tmp_path / "tvae")
    shutil.move(run.parents[1] / "films.npy", tmp_path / "films.npy")
    try:
        with pytest.raises(FileNotFoundError):
            open_exhibit(moved)
        assert len(open_exhibit(moved, tmp_path / "films.npy").items)
    finally:
        shutil.move(tmp_path / "films.npy", run.parents[1] / "films.npy")


def test_a_model_is_shown_with_what_it_draws(rolling_folder: Path, posing_folder: Path) -> None:
    rolling, posing = open_exhibit(rolling_folder), open_exhibit(posing_folder)
    assert rolling.origin == posing.origin == "drawn from the model"
    assert rolling.items.shape == (12, 6, 1, 12, 12) and posing.items.shape == (9, 1, 16, 16)
    assert rolling.items.equal(open_exhibit(rolling_folder).items)
    assert posing.is_ace and rolling.mean is None
    assert posing.titles[4] == "class 1, style 1"
    drawn = posing.model.manifold(torch.ones(1, 2))[1, 0]
    torch.testing.assert_close(posing.items[4], drawn, atol=1e-5, rtol=1e-4)


def test_nothing_named_opens_embedded_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "embedded", dict)
    with pytest.raises(ValueError, match="no embedded weights to open: name a run, as in"):
        open_exhibit()
    monkeypatch.setattr(opening, "embedded", lambda: {"symgen/a": "", "symgen/sprites": ""})
    assert opening.default_model() == "symgen/sprites"
    monkeypatch.setattr(opening, "embedded", lambda: {"symgen/a": "", "symgen/b": ""})
    assert opening.default_model() == "symgen/a"


def test_embedded_weights_need_no_data(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = shutil.copytree(run, tmp_path / "alone")
    films = run.parents[1] / "films.npy"
    with monkeypatch.context() as patch:
        patch.setattr(opening, "embedded_folder", lambda _: alone)
        assert open_exhibit(alone).origin == "held-out data"
        films.rename(tmp_path / "films.npy")
        shown = open_exhibit(alone)
        assert shown.origin.startswith("drawn from the model: its data are not here")
        with pytest.raises(FileNotFoundError):  # which somebody named
            open_exhibit(alone, tmp_path / "none")
    (tmp_path / "films.npy").rename(films)


def test_what_is_no_model_is_refused(tmp_path: Path, rolling_folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_exhibit(tmp_path / "none")
    with pytest.raises(ValueError, match="is a model without a run"):
        open_exhibit(rolling_folder, tmp_path)


# --- the command -------------------------------------------------------------------------------


def test_the_command_writes_one_file_without_gradio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    VAE((1, 6, 6), capsules=2, frames=3, width=8).save_pretrained(tmp_path / "vae")
    monkeypatch.setitem(sys.modules, "gradio", None)  # cannot be imported
    page = tmp_path / "deep" / "page.html"
    assert main(["explore", str(tmp_path / "vae"), "--html", str(page)]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert "data:image/webp;base64," in page.read_text()
    assert main(["explore", str(tmp_path / "vae")]) == 2
    error = capsys.readouterr().err
    assert "pip install 'symgen[explorer]'" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none"], "no folder 'none'"),
        (["vae", "--port", "0"], "port=0"),
        (["vae", "--html", "page.txt"], "let the name end in .html"),
    ],
)
def test_mistakes_are_told_in_a_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    VAE((1, 6, 6), capsules=2, frames=3, width=8).save_pretrained("vae")
    assert main(["explore", *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("symgen: ") and said in error and error.count("\n") == 1


def test_an_address_that_cannot_be_had_is_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(VAE((1, 6, 6), capsules=2, frames=3, width=8).save_pretrained(tmp_path / "vae"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["explore", place, "--port", port]) == 2
    assert main(["explore", place, "--host", "203.0.113.1"]) == 2
    one, two = capsys.readouterr().err.splitlines()
    assert one.startswith(f"symgen: host='127.0.0.1', port={port} cannot be listened at")
    assert two.startswith("symgen: host='203.0.113.1' cannot be listened at")
