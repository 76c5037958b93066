"""Nasty inputs: each ends in one line and status 2, and leaves all as it was."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from recording_helpers import square_film, write_images

from symgen.cli import main

FILMS = np.stack([square_film(40, start) for start in range(6)])
SMALL = ["--capsules", "2", "--width", "8", "--depth", "1", "--examples", "16"]
SMALL += ["--batch-size", "4", "--warmup", "0", "--length", "8"]


def left() -> dict[str, int]:
    """Return what lies in the folder, with sizes."""
    return {str(path): path.lstat().st_size for path in Path().rglob("*")}


def refused(words: list[str], capfd) -> str:
    """Run a command that must end in one line and leave everything as it was."""
    before = left()
    capfd.readouterr()
    assert main(words) == 2
    said = capfd.readouterr()
    assert said.out == "" and said.err.startswith("symgen: ") and said.err.count("\n") == 1
    assert left() == before
    return said.err


def nothing() -> None:
    """Write nothing."""


def lines(text: str) -> None:
    np.save("x.npy", FILMS)
    Path("bad.csv").write_text(text)


def pipe() -> None:
    os.mkfifo("x.npy")


def loop() -> None:
    Path("d").mkdir()
    Path("d/d").symlink_to("../d")


def mixed(name: str, size: tuple[int, int]) -> None:
    write_images(Path("d"), FILMS[0])
    Image.new("L", size).save(f"d/{name}")


INSPECTED = {
    "names of axes that are none": (lambda: np.save("x.npy", FILMS), "x.npy --axes NTHW"),
    "fewer axes": (lambda: np.save("x.npy", FILMS), "x.npy --axes TYX"),
    "no axes": (lambda: np.save("x.npy", np.array(3)), "x.npy"),
    "records": (lambda: np.save("x.npy", np.zeros(40, [("a", "f4")])), "x.npy"),
    "dates": (lambda: np.save("x.npy", np.zeros((40, 8), "M8[s]")), "x.npy"),
    "huge numbers": (lambda: np.save("x.npy", FILMS * 1e300), "x.npy"),
    "nothing but NaN": (lambda: np.save("x.npy", FILMS * np.nan), "x.npy"),
    "a pipe": (pipe, "x.npy"),
    "a pipe called GIF": (lambda: os.mkfifo("x.gif"), "x.gif"),
    "a link to itself": (lambda: Path("x.npy").symlink_to("x.npy"), "x.npy"),
    "folders without end": (loop, "d"),
    "sizes": (lambda: mixed("7.png", (9, 9)), "d"),
    "a frame twice": (lambda: mixed("7.jpg", (16, 16)), "d"),
    "options of vectors": (
        lambda: np.save("x.npy", FILMS[..., 0] / 255),
        "x.npy --axes NTF --gray",
    ),
    "frozen": (lambda: np.save("x.npy", FILMS), "x.npy --frozen 1"),
    "start and group": (
        lambda: np.save("x.npy", FILMS),
        "x.npy --split-by start --group-by parent",
    ),
    "a list of frames beyond the end": (
        lambda: lines("[0],39\n[1],40\n"),
        "x.npy --bad-frames bad.csv",
    ),
    "a list of frames that runs back": (
        lambda: lines("[0],30-20\n"),
        "x.npy --bad-frames bad.csv",
    ),
    "a picture without end": (lambda: np.save("x.npy", FILMS), "x.npy --out x.txt"),
}


@pytest.mark.parametrize("name", INSPECTED)
def test_nasty_recordings_are_refused(name, empty_folder, capfd):
    make, words = INSPECTED[name]
    make()
    refused(["data", "inspect", *words.split()], capfd)


def test_a_list_of_frames_without_end_takes_no_memory(empty_folder, capfd):
    Path("d").mkdir()
    write_images(Path("d/film"), FILMS[0])
    Path("bad.csv").write_text(f"film,38-{10**15}\n")
    error = refused(["data", "inspect", "d", "--bad-frames", "bad.csv"], capfd)
    assert f"lists frame {10**15} of " in error and "which has 40: count from 0 to 39" in error


def test_numbers_that_no_likelihood_takes_leave_no_run(empty_folder, capfd):
    np.save("x.npy", FILMS.astype("f4"))
    words = ["train", "tvae", "--data", "x.npy", "--scale", "none", *SMALL]
    assert "--likelihood gaussian" in refused(words, capfd)


def test_scaled_numbers_are_no_counts(empty_folder, capfd):
    np.save("x.npy", FILMS)
    words = ["train", "tvae", "--data", "x.npy", "--likelihood", "poisson", *SMALL]
    assert "give --scale none" in refused(words, capfd)
    assert main([*words, "--scale", "none", "--out", "run"]) == 0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run, whose latents are beside it as latents.npz."""
    folder = tmp_path_factory.mktemp("run")
    np.save(folder / "x.npy", FILMS)
    place = ["--data", str(folder / "x.npy"), "--out", str(folder / "run")]
    assert main(["train", "tvae", *place, *SMALL]) == 0
    assert main(["encode", str(folder / "run"), "--out", str(folder / "latents.npz")]) == 0
    return folder / "run"


def flipped(run: Path) -> None:
    content = bytearray((run.parent / "latents.npz").read_bytes())
    content[len(content) // 2] ^= 255
    Path("l.npz").write_bytes(content)


LATENTS = {
    "NaN": (lambda _: np.savez("l.npz", t=np.full((3, 2, 8), np.nan)), "is not finite in row 0"),
    "text": (lambda _: np.savez("l.npz", t=np.full((3, 2, 8), "x")), "t holds <U1: give real"),
    "complex": (lambda _: np.savez("l.npz", t=np.zeros((3, 2, 8), complex)), "t holds complex128"),
    "nothing": (lambda _: np.savez("l.npz", t=np.zeros((0, 2, 8))), "its columns have no rows"),
    "damaged": (flipped, "l.npz cannot be read as a file of latents"),
    "other sizes": (lambda _: np.savez("l.npz", t=np.zeros((3, 2, 9))), "decodes t (2, 8)"),
    "no t": (lambda _: np.savez("l.npz", z=np.zeros((3, 2, 8))), "has no t, but z"),
    "columns": (
        lambda _: Path("l.csv").write_text("t_0_0,t_1_7\n1,2\n"),
        "t (2, 8) lacks columns",
    ),
}


@pytest.mark.parametrize("name", LATENTS)
def test_nasty_latents_are_refused(name, run, empty_folder, capfd):
    make, message = LATENTS[name]
    make(run)
    (path,) = Path().glob("l.*")
    assert message in refused(["decode", str(run), str(path), "--out", "f.npy"], capfd)


def test_latents_of_any_byte_order_are_decoded(run, empty_folder):
    for order in "<>":
        np.savez("l.npz", t=np.linspace(-1, 1, 48, dtype=f"{order}f8").reshape(3, 2, 8))
        assert main(["decode", str(run), "l.npz", "--out", f"{ord(order)}.npy"]) == 0
    assert (np.load("60.npy") == np.load("62.npy")).all()


ENCODED = {
    "other axes": (
        lambda: np.save("x.npy", FILMS[0]),
        "--data x.npy",
        "name each, in their order",
    ),
    "other sizes": (lambda: np.save("x.npy", FILMS[..., :12, :12]), "--data x.npy", "12, 12"),
    "all NaN": (lambda: np.save("x.npy", FILMS * np.nan), "--data x.npy", "no frame is good"),
    "factors": (nothing, "--factors animal", "has no such array of numbers"),
    "a split": (lambda: np.save("x.npy", FILMS[:, ::-1]), "--data x.npy --split test", "no split"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_nasty_recordings_are_not_encoded(name, run, empty_folder, capfd):
    make, words, message = ENCODED[name]
    make()
    assert message in refused(["encode", str(run), *words.split(), "--out", "l.npz"], capfd)


def test_recordings_of_other_axes_and_names_are_encoded(run, empty_folder):
    np.save("x.npy", FILMS[0])
    np.savez("y.npz", a=FILMS[1], b=FILMS[2])
    encode = ["encode", str(run), "--axes", "TYX"]
    assert main([*encode, "--data", "x.npy", "--out", "x.npz"]) == 0
    assert main([*encode, "--data", "y.npz", "--key", "b", "--out", "b.npz"]) == 0
    with np.load(run.parent / "latents.npz") as all_of_them:
        for name, number in (("x", 0), ("b", 2)):
            with np.load(f"{name}.npz") as found:
                rows = all_of_them["recording"] == number
                assert np.allclose(found["t"], all_of_them["t"][rows], atol=1e-5)


def test_recordings_of_another_kind_are_encoded(run, empty_folder):
    """Axes and key of a run's arrays mean nothing for frames, and a key nothing in `.npy`."""
    np.savez("y.npz", a=FILMS, b=FILMS)
    place = ["--data", "y.npz", "--key", "b", "--axes", "NTYX", "--out", "run"]
    assert main(["train", "tvae", *place, *SMALL]) == 0
    write_images(Path("d/film"), FILMS[0])
    np.save("x.npy", FILMS[:1])
    assert main(["encode", "run", "--data", "d", "--out", "d.npz"]) == 0
    assert main(["encode", "run", "--data", "x.npy", "--out", "x.npz"]) == 0
    assert main(["encode", "run", "--out", "y-all.npz"]) == 0
    with np.load("d.npz") as d, np.load("x.npz") as x, np.load("y-all.npz") as y:
        expected = y["t"][y["recording"] == 0]
        assert np.allclose(d["t"], expected, atol=1e-5)
        assert np.allclose(x["t"], expected, atol=1e-5)


@pytest.mark.parametrize(("divisor", "said"), [(255, True), (2, False)])
def test_numbers_unlike_those_of_the_run_are_said(run, empty_folder, capfd, divisor, said):
    np.save("x.npy", FILMS[:, ::-1].astype("f4") / divisor)
    capfd.readouterr()
    assert main(["encode", str(run), "--data", "x.npy", "--out", "x.npz"]) == 0
    error = capfd.readouterr().err
    told = "symgen: x.npy: values reach from 0 to 1, but the model was trained on 0 to 255: "
    assert error.startswith(told) if said else error == ""


def test_factors_that_other_recordings_lack_say_how_to_do_without(empty_folder, capfd):
    np.savez("y.npz", films=FILMS, angle=np.arange(40) % 8)
    place = ["--data", "y.npz", "--factors", "angle", "--out", "run"]
    assert main(["train", "tvae", *place, *SMALL]) == 0
    np.save("x.npy", FILMS)
    words = ["encode", "run", "--data", "x.npy", "--out", "x.npz"]
    assert "or none, as with --factors alone" in refused(words, capfd)
    assert main([*words, "--factors"]) == 0
