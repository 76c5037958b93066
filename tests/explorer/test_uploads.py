"""What is dropped: read for the model, or refused in a sentence, and gone again."""

import base64
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from explorer_helpers import rolling_model
from PIL import Image

from symgen import TVAE
from symgen.explorer import uploads
from symgen.explorer.uploads import drawn_image, read_clips, read_picture

MODEL = rolling_model()


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> object:
    """Private folders lie in a place of the test, where nothing may be left."""
    private = tmp_path / "private"
    private.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(private))
    yield
    assert [*private.iterdir()] == []


def film(count: int = 9, side: int = 12) -> np.ndarray:
    """A bright column that moves one pixel a frame."""
    frames = np.zeros((count, side, side), np.uint8)
    for n in range(count):
        frames[n, :, n % side] = 250
    return frames


def test_gif_becomes_clips_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    first, *others = [Image.fromarray(frame) for frame in film(12)]
    first.save(path, save_all=True, append_images=others, duration=100)
    clips = read_clips([path], MODEL)
    assert [clip.title for clip in clips] == [
        "film.gif, frames 0 to 5",
        "film.gif, frames 6 to 11",
    ]
    x = torch.cat([clip.x for clip in clips])
    assert x.shape == (12, 1, 12, 12)
    torch.testing.assert_close(x[:, 0], torch.from_numpy(film(12)) / 255, atol=0.02, rtol=0)


def test_mp4_is_resized_and_made_gray(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 48, 48, "yuv420p"
        for frame in film(8, 48):
            rgb = np.repeat(frame[:, :, None], 3, 2)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
    (clip,) = read_clips([path], MODEL)
    assert clip.x.shape == (6, 1, 12, 12) and clip.x.max() > 0.05


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_are_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"film{suffix}"
    np.save(path, film()) if suffix == ".npy" else np.savez(path, film=film())
    (clip,) = read_clips([path], MODEL, axes="TYX")
    torch.testing.assert_close(clip.x[:, 0], torch.from_numpy(film()[:6]) / 255)


def test_images_are_frames_in_the_order_of_their_names(tmp_path: Path) -> None:
    paths = [tmp_path / f"frame{n}.png" for n in range(9)]
    for path, frame in zip(paths, film(), strict=True):
        Image.fromarray(frame).save(path)
    (clip,) = read_clips(paths[::-1], MODEL)
    assert clip.title == "dropped images, frames 0 to 5"
    torch.testing.assert_close(clip.x[:, 0], torch.from_numpy(film()[:6]) / 255)


def test_one_image_stands_still(tmp_path: Path) -> None:
    path = tmp_path / "one.png"
    Image.fromarray(film()[3]).save(path)
    (clip,) = read_clips([path], MODEL)
    assert (
        clip.x.shape == (6, 1, 12, 12) and clip.x[0].equal(clip.x[5]) and clip.x[0, 0, 0, 3] > 0.9
    )


def test_vectors_are_read_for_a_model_of_vectors(tmp_path: Path) -> None:
    model = TVAE((4,), capsules=2, units=5, frames=5, likelihood="gaussian", width=8)
    x = np.random.default_rng(0).normal(size=(11, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    clips = read_clips([tmp_path / "x.npy"], model, axes="TF")
    torch.testing.assert_close(clips[1].x, torch.from_numpy(x[5:10]))


# --- refusals ----------------------------------------------------------------------------------


def broken(folder: Path, kind: str) -> list[Path]:
    path = folder / {"text": "notes.txt", "gif": "broken.gif", "mp4": "broken.mp4"}.get(
        kind, f"{kind}.npy"
    )
    if kind in ("text", "gif", "mp4"):
        path.write_bytes(b"this is no picture at all")
    elif kind == "short":
        np.save(path, film(3))
    elif kind == "nan":
        np.save(path, np.full((8, 12, 12), np.nan, np.float32))
    elif kind == "large":
        with path.open("wb") as stream:
            stream.truncate(uploads.FILE_LIMIT + 1)
    elif kind == "pickle":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    elif kind == "gone":
        pass
    elif kind == "none":
        return []
    elif kind == "vectors":
        np.save(path, np.random.default_rng(0).random((12, 12)))
    elif kind == "alike":
        names = [folder / str(n) / "a.png" for n in range(6)]
        for each, frame in zip(names, film(6), strict=True):
            each.parent.mkdir()
            Image.fromarray(frame).save(each)
        return names
    elif kind == "two":
        np.save(path, film())
        Image.fromarray(film()[0]).save(folder / "a.png")
        return [path, folder / "a.png"]
    return [path]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "notes.txt is of no kind that is read here"),
        ("gif", "broken.gif cannot be read"),
        ("mp4", "broken.mp4 cannot be read"),
        ("short", "shorter are short.npy (3 frames): give longer ones"),
        ("vectors", "vectors.npy"),
        ("alike", "6 files, of which several are called a.png: rename them"),
        ("nan", "nan.npy"),
        ("large", "large.npy has 20,971,521 bytes: give 20,971,520 at most"),
        ("pickle", "pickle.npy"),
        ("gone", "gone.npy is not here any longer: drop it again"),
        ("none", "nothing was dropped"),
        ("two", "2 files: give one recording"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(
    tmp_path: Path, kind: str, said: str
) -> None:
    with pytest.raises(ValueError) as raised:
        read_clips(broken(tmp_path, kind), MODEL, "TYX")
    message = str(raised.value)
    assert said in message and "\n" not in message
    assert str(tmp_path) not in message  # where it lay is nobody's business


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(2**20))
    monkeypatch.setattr(uploads, "_NUMBERS", 2**19)
    monkeypatch.setattr(uploads, "open_recordings", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(ValueError, match=r"bomb.npz unpacks to 1,048,576 numbers"):
        read_clips([path], MODEL)


def test_long_recordings_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = [Image.fromarray(frame) for frame in film(12)]
    first.save(tmp_path / "long.gif", save_all=True, append_images=others)
    monkeypatch.setattr(uploads, "_FRAMES", 10)
    with pytest.raises(ValueError, match=r"long\.gif has 12 frames: cut it to 10"):
        read_clips([tmp_path / "long.gif"], MODEL)


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_FILES", 3)
    with pytest.raises(ValueError, match="4 files: give 3 at most"):
        read_clips(["a.png"] * 4, MODEL)


def test_an_image_for_vectors_is_refused(tmp_path: Path) -> None:
    Image.fromarray(film()[0]).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"the model takes data of shape \(4,\)"):
        read_picture(tmp_path / "a.png", (4,))
    with pytest.raises(ValueError, match=r"^a.png has 1 or 3 channels, but the model takes 2$"):
        read_picture(tmp_path / "a.png", (2, 12, 12))


# --- pictures and drawings ---------------------------------------------------------------------


def test_large_pictures_are_shrunk_and_small_ones_framed(tmp_path: Path) -> None:
    Image.new("L", (200, 200), 255).save(tmp_path / "large.png")
    assert read_picture(tmp_path / "large.png", (1, 12, 12)).min() == 1
    Image.new("L", (4, 4), 255).save(tmp_path / "small.png")
    small = read_picture(tmp_path / "small.png", (1, 12, 12))
    assert small.sum() == 16 and small[0, 0, 4:8, 4:8].min() == 1


def test_dark_on_light_is_turned(tmp_path: Path) -> None:
    Image.new("RGB", (12, 12), (255, 255, 255)).save(tmp_path / "paper.png")
    assert read_picture(tmp_path / "paper.png", (1, 12, 12), invert=True).max() == 0


def test_photographs_are_stretched_where_there_is_no_canvas(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), (255, 0, 0)).save(tmp_path / "wide.png")
    x = read_picture(tmp_path / "wide.png", (3, 12, 12), canvas=False)
    assert x[0, 0].min() == 1 and x[0, 1:].max() == 0


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "1", "P"])
def test_pictures_of_other_colours_are_read(tmp_path: Path, mode: str) -> None:
    suffix = ".jpg" if mode in ("CMYK", "YCbCr") else ".png"
    Image.new("RGB", (24, 24), (255, 255, 255)).convert(mode).save(tmp_path / f"a{suffix}")
    assert read_picture(tmp_path / f"a{suffix}", (3, 12, 12)).min() > 0.98


def test_axes_are_named_in_small_letters_as_well(tmp_path: Path) -> None:
    np.save(tmp_path / "film.npy", film(6).transpose(1, 2, 0))
    (clip,) = read_clips([tmp_path / "film.npy"], MODEL, " yxt ")
    torch.testing.assert_close(clip.x[:, 0], torch.from_numpy(film(6)) / 255, atol=1e-3, rtol=0)


def test_a_drawing_that_unpacks_to_too_much_is_refused() -> None:
    stream = BytesIO()
    Image.new("1", (24_000, 24_000)).save(stream, format="PNG")
    address = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    with pytest.raises(ValueError, match="cannot be read: draw again"):
        drawn_image(address, (1, 12, 12))


def test_a_drawing_comes_as_it_was_drawn() -> None:
    stream = BytesIO()
    Image.fromarray(film()[2]).save(stream, format="PNG")
    address = "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
    x = drawn_image(address, (1, 12, 12))
    torch.testing.assert_close(x[0, 0], torch.from_numpy(film()[2]) / 255)


@pytest.mark.parametrize(
    "address",
    ["", "data:text/plain,hello", "data:image/png;base64,QUJD", "data:image/png;base64,=!"],
)
def test_what_is_no_drawing_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="cannot be read: draw again"):
        drawn_image(address, (1, 12, 12))
