"""Videos that have lost something: refused by name, or left out and listed."""

import re
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recording_helpers import films

from symgen.data.recordings.video import read_video

CODECS = {"mpg": "mpeg1video", "avi": "mpeg4", "mkv": "libx264", "mp4": "libx264"}
FILM = np.concatenate(films()[:4])  # 48 frames


def written(
    path: Path, codec: str | None = None, form: str | None = None, rate: Any = 25, **options: str
) -> bytes:
    """Write a film with a key frame every ten."""
    import av

    with av.open(path, "w", format=form) as container:
        stream = container.add_stream(codec or CODECS[path.suffix[1:]], rate=rate)
        stream.height, stream.width, stream.pix_fmt = *FILM.shape[2:], "yuv420p"
        stream.codec_context.gop_size = 10
        stream.options = options
        for frame in FILM:
            pixels = np.ascontiguousarray(frame.transpose(1, 2, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


@pytest.mark.parametrize("suffix", CODECS)
def test_a_whole_video_is_read_whole(suffix, tmp_path):
    written(tmp_path / f"film.{suffix}")
    assert len(list(read_video(tmp_path / f"film.{suffix}"))) == len(FILM)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("suffix", CODECS)
def test_what_is_cut_off_is_no_shorter_film(suffix, share, tmp_path):
    path = tmp_path / f"film.{suffix}"
    content = written(path)
    content = content.rstrip(b"\xff") if suffix == "mpg" else content  # padding
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=re.escape(str(path))):
        list(read_video(path))


@pytest.mark.parametrize("first", [1, 60, 400])
def test_a_program_stream_without_its_beginning(first, tmp_path):
    path = tmp_path / "film.mpg"
    path.write_bytes(written(path)[first:])
    with pytest.raises(ValueError, match=r"film.mpg has lost its beginning"):
        list(read_video(path))
    written(tmp_path / "film 2.mpg")
    assert len(list(read_video(tmp_path / "film 2.mpg"))) == len(FILM)


def test_a_program_stream_with_another_at_its_end(tmp_path):
    path = tmp_path / "film.mpg"
    path.write_bytes(2 * written(path))
    with pytest.raises(ValueError, match=r"film.mpg"):
        list(read_video(path))


def length_of(path: Path) -> int:
    return sum(isinstance(frame, np.ndarray) for frame in read_video(path))


FIELDS = {"bf": "2", "flags": "+ildct+ilme"}
FORMS = [(1, None), (1, "mpeg1video"), (1, "vcd")]
FORMS += [(2, form) for form in (None, "mpeg2video", "mpegts", "dvd", "svcd")]


@pytest.mark.parametrize("rate", [25, Fraction(30000, 1001)])
@pytest.mark.parametrize("options", [{}, {"bf": "2"}, FIELDS], ids=["plain", "both", "fields"])
@pytest.mark.parametrize(("version", "form"), FORMS)
def test_whole_mpeg_of_every_form(version, form, options, rate, tmp_path):
    options = {"bf": "2"} if options is FIELDS and version == 1 else options  # which has none
    written(tmp_path / "film.mpg", f"mpeg{version}video", form, rate, **options)
    assert len(list(read_video(tmp_path / "film.mpg"))) == len(FILM)


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("suffix", CODECS)
def test_what_is_zeroed_anywhere_is_no_shorter_film(suffix, share, tmp_path):
    path = tmp_path / f"film.{suffix}"
    whole = written(path)
    size = int(share * len(whole))
    for begin in range(0, len(whole) - size, len(whole) // 24):
        path.write_bytes(whole[:begin] + bytes(size) + whole[begin + size :])
        with suppress(ValueError, UserWarning):  # of uneven times
            assert length_of(path) >= len(FILM) - 2, begin


@pytest.mark.parametrize("suffix", CODECS)
def test_a_bit_that_flipped_makes_no_shorter_film(suffix, tmp_path):
    path, random = tmp_path / f"film.{suffix}", np.random.default_rng(0)
    whole = written(path)
    for position in random.integers(len(whole), size=60):
        content = bytearray(whole)
        content[position] ^= 1 << int(random.integers(8))
        path.write_bytes(content)
        with suppress(ValueError, UserWarning):  # of uneven times
            assert length_of(path) >= len(FILM) - 2, position


def test_the_log_of_ffmpeg_is_left_as_it_was(tmp_path):
    from av import logging

    before = logging.get_level(), logging.get_skip_repeated()
    path = tmp_path / "film.mkv"
    whole = written(path)
    for _ in range(2):  # what was said of another file counts, too
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(ValueError, match=r"film.mkv is damaged: File ended prematurely"):
            list(read_video(path))
    assert (logging.get_level(), logging.get_skip_repeated()) == before
