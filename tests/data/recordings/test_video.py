"""Videos of every kind of pixels, turned or not, evenly spaced or not; animated GIF files."""

import re
import struct
import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from symgen.data.recordings.frames import Gap
from symgen.data.recordings.video import VIDEO_SUFFIXES, read_video

av = pytest.importorskip("av")
RANDOM = np.random.default_rng(0)


def moving(frames, channels=1, dtype=np.uint8, high=255, size=(16, 24)):
    """Make (frames, height, width[, channels]): a square that moves one pixel a frame."""
    film = np.zeros((frames, *size, channels), dtype)
    for number in range(frames):
        columns = (number + np.arange(4)) % size[1]
        for channel in range(channels):
            film[number, 6:10, columns, channel] = high // (channel + 1)
    return film[..., 0] if channels == 1 else film


def write(path, film, codec="ffv1", pixels="gray", given="gray", times=None, rate=10, **options):
    """Write frames, at times in units of 1/1000 s where they are given."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width, stream.pix_fmt = *film.shape[1:3], pixels
        unit = Fraction(1, rate) if times is None else Fraction(1, 1000)
        stream.time_base = stream.codec_context.time_base = unit
        stream.options = options
        for number, image in enumerate(film):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=given)
            frame.pts, frame.time_base = number if times is None else times[number], unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frames_of(path, rate=None):
    """Return the pieces of a film, each (frames, channels, height, width)."""
    pieces = [[]]
    for frame in read_video(path, None if rate is None else float(rate)):
        if isinstance(frame, Gap):
            pieces.append([])
        else:
            pieces[-1].append(frame)
    return [np.stack(piece) for piece in pieces]


def places(piece):
    """Return the left edge of the moving square in each frame."""
    rows = piece[:, 0, 7].astype(int)
    return [int(np.flatnonzero((row > 127) & (np.roll(row, 1) <= 127))[0]) for row in rows]


GRAY = {8: "gray", 9: "gray9le", 10: "gray10le", 12: "gray12le", 16: "gray16le"}


@pytest.mark.parametrize("bits", GRAY)
def test_all_levels_of_gray_are_kept_in_one_channel(bits, tmp_path):
    dtype = np.uint8 if bits == 8 else np.uint16
    film = RANDOM.integers(0, 2**bits, (5, 16, 24), dtype=dtype)
    (found,) = frames_of(write(tmp_path / "x.mkv", film, pixels=GRAY[bits], given=GRAY[bits]))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found[:, 0], film)


@pytest.mark.parametrize("pixels", ["gbrp10le", "gbrp12le", "gbrp16le", "gbrap16le"])
def test_all_levels_of_colours_are_kept(pixels, tmp_path):
    channels, bits = (4 if "a" in pixels else 3), int(re.findall(r"\d+", pixels)[0])
    film = RANDOM.integers(0, 2**bits, (5, 16, 24, channels), dtype=np.uint16)
    (found,) = frames_of(write(tmp_path / "x.mkv", film, pixels=pixels, given=pixels))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), film)


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [
        ("ffv1", "yuv420p10le", ".mkv"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("prores_ks", "yuv422p10le", ".mov"),
    ],
)
def test_ten_bits_are_not_cut_to_eight(codec, pixels, suffix, tmp_path):
    if codec not in av.codecs_available:
        pytest.skip(f"PyAV has no {codec}")
    ramp = np.linspace(8000, 16000, 256).astype(np.uint16)[None, None, :, None]
    film = np.broadcast_to(ramp, (4, 64, 256, 3))
    options = {"x265-params": "log-level=none:lossless=1"} if codec == "libx265" else {}
    path = write(tmp_path / f"x{suffix}", film, codec, pixels, "rgb48le", **options)
    (found,) = frames_of(path)
    assert found.dtype == np.uint16 and found.shape[1:] == (3, 64, 256)
    levels = len(np.unique(found[0, 1, 20]))
    assert levels > 1.5 * 8000 / 256  # what eight bits would leave, and more
    assert np.abs(found[0, :, 20].mean(0) - ramp[0, 0, :, 0]).max() < 700


def test_colours_and_alpha_of_eight_bits(tmp_path):
    film = RANDOM.integers(0, 256, (4, 16, 24, 4), dtype=np.uint8)
    (found,) = frames_of(write(tmp_path / "x.mkv", film, pixels="bgra", given="rgba"))
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), film)
    colours = np.ascontiguousarray(film[..., :3])
    (found,) = frames_of(write(tmp_path / "y.mkv", colours, pixels="bgr0", given="rgb24"))
    np.testing.assert_array_equal(found.transpose(0, 2, 3, 1), colours)


TURNS = {  # a, b, c, d of the matrix, and what it makes of a picture
    (1, 0, 0, 1): lambda x: x,
    (0, 1, -1, 0): lambda x: np.rot90(x, -1, (1, 2)),
    (-1, 0, 0, -1): lambda x: np.rot90(x, 2, (1, 2)),
    (0, -1, 1, 0): lambda x: np.rot90(x, 1, (1, 2)),
    (-1, 0, 0, 1): lambda x: x[:, :, ::-1],
    (1, 0, 0, -1): lambda x: x[:, ::-1],
    (0, 1, 1, 0): lambda x: x.swapaxes(1, 2),
}


def mark(path, a, b, c, d):
    """Write a display matrix into the header of a track."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    numbers = [round(n * 2**16) for n in (a, b, 0, c, d, 0, 0, 0)]
    content[place : place + 36] = struct.pack(">9i", *numbers, 2**30)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("matrix", TURNS)
def test_a_film_is_turned_as_its_camera_says(matrix, tmp_path):
    film = moving(5, 3)
    path = write(tmp_path / "x.mp4", film, "libx264rgb", "rgb24", "rgb24", crf="0")
    (found,) = frames_of(mark(path, *matrix))
    expected = TURNS[matrix](film).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(found, expected)


def test_a_turn_by_no_quarter_is_refused(tmp_path):
    path = write(tmp_path / "x.mp4", moving(5, 3), "libx264rgb", "rgb24", "rgb24")
    with pytest.raises(ValueError, match=r"x\.mp4 is marked to be turned by no quarter"):
        frames_of(mark(path, 0.8, 0.6, -0.6, 0.8))


def test_a_pause_cuts_a_film_in_two(tmp_path):
    times = [100 * number + (2000 if number >= 20 else 0) for number in range(40)]
    path = write(tmp_path / "x.mkv", moving(40), times=times)
    gaps = [frame for frame in read_video(path) if isinstance(frame, Gap)]
    assert [len(piece) for piece in frames_of(path)] == [20, 20]
    assert [gap.frames for gap in gaps] == [20]
    assert re.search(r"pause of 2\.10 s before frame 20.*--rate", gaps[0].reason)


def test_a_rate_fills_a_pause_with_the_frame_that_stands(tmp_path):
    times = [100 * number + (2000 if number >= 20 else 0) for number in range(40)]
    path = write(tmp_path / "x.mkv", moving(40), times=times)
    with pytest.warns(UserWarning, match=r"x\.mkv stands still for 2\.10 s before frame 20"):
        (found,) = frames_of(path, rate=10)
    expected = [*range(20), *[19] * 20, *range(20, 40)]
    assert places(found) == [place % 24 for place in expected]


def test_no_pause_is_found_where_times_are_rounded(tmp_path):
    times = [round(1000 * number / 30) for number in range(60)]
    path = write(tmp_path / "x.mkv", moving(60), times=times, rate=30)
    for rate, step in ((None, 1), (30, 1), (15, 2), (10, 3)):
        (found,) = frames_of(path, rate)
        assert places(found) == [number % 24 for number in range(0, 60, step)]


def test_uneven_times_are_said_or_resampled(tmp_path):
    steps = [100 if number % 2 else 40 for number in range(39)]
    times = np.cumsum([0, *steps])
    path = write(tmp_path / "x.mkv", moving(40), times=times.tolist())
    with pytest.warns(UserWarning, match=r"x\.mkv has a variable frame rate, 40 to 100 ms.*rate"):
        (found,) = frames_of(path)
    assert len(found) == 40
    (found,) = frames_of(path, rate=10)
    nearest = [np.abs(times - 100 * tick).argmin() for tick in range(len(found))]
    assert len(found) == 28 and places(found) == [number % 24 for number in nearest]


def test_a_rate_beyond_that_of_the_film_is_refused(tmp_path):
    path = write(tmp_path / "x.mkv", moving(12))
    for rate in (20.0, 0.0, -1.0):
        with pytest.raises(ValueError, match=rf"rate={rate:g} but .*x\.mkv has 10 frames per se"):
            frames_of(path, rate)


def gif(path, film, durations, **options):
    first, *others = [Image.fromarray(image) for image in film]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0, **options)
    return path


def test_a_gif_is_a_film(tmp_path):
    film = moving(12, 3)
    path = gif(tmp_path / "x.gif", film, 50)
    (found,) = frames_of(path)
    assert ".gif" in VIDEO_SUFFIXES and found.dtype == np.uint8
    np.testing.assert_array_equal(found, film.transpose(0, 3, 1, 2))
    assert places(frames_of(path, 10)[0]) == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("disposal", [1, 2])
def test_pictures_of_a_gif_lie_over_those_before_as_it_says(disposal, tmp_path):
    film = np.zeros((6, 16, 24, 4), np.uint8)
    for number, image in enumerate(film):
        image[:, 4 * number : 4 * number + 4] = (255, 40 * number, 0, 255)
    path = gif(tmp_path / "x.gif", film, 100, disposal=disposal)
    (found,) = frames_of(path)
    seen = (found[:, 3] > 0).mean((1, 2))
    assert found.shape[1] == 4
    assert seen == pytest.approx(np.arange(1, 7) / 6 if disposal == 1 else 1 / 6)


def test_a_gif_that_stands_still_is_cut_or_said(tmp_path):
    durations = [100] * 5 + [1500] + [100] * 6
    path = gif(tmp_path / "x.gif", moving(12, 3), durations)
    assert [len(piece) for piece in frames_of(path)] == [6, 6]
    with pytest.warns(UserWarning, match="stands still for 1.50 s before frame 6"):
        assert len(frames_of(path, 10)[0]) == 26


def test_a_damaged_gif_is_no_shorter_film(tmp_path):
    random = np.random.default_rng(0)
    film = random.integers(0, 256, (8, 8, 12, 3), dtype=np.uint8)
    path = gif(tmp_path / "x.gif", film, 100)
    whole = path.read_bytes()
    for number in range(40):
        cut = number % 2
        content = bytearray(whole[: random.integers(len(whole))] if cut else whole)
        if not cut:
            content[random.integers(len(content))] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        try:
            found = sum(not isinstance(frame, Gap) for frame in read_video(path))
        except ValueError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        except UserWarning as uneven:  # its times have changed
            assert "variable frame rate" in str(uneven)
        else:
            assert not cut and found == 8


def test_frames_in_order_are_checked_by_their_content(tmp_path):
    (found,) = frames_of(write(tmp_path / "x.mkv", moving(20)))
    assert all(after == before + 1 for before, after in pairwise(places(found)))


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path / "x.mkv", moving(4))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ModuleNotFoundError, match=r"x\.mkv.*pip install 'symgen\[video\]'"):
        frames_of(path)


def test_other_files_are_refused(tmp_path):
    for name in ("x.mkv", "x.gif", "x.mp4"):
        for content in (b"", b"text", b"GIF89a", bytes(5000)):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(ValueError, match=re.escape(str(tmp_path / name))) as error:
                frames_of(tmp_path / name)
            assert "\n" not in str(error.value)
