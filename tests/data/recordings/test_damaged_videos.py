"""Videos that have lost something: refused by name, or left out and listed."""

import re
from pathlib import Path

import numpy as np
import pytest
from recording_helpers import films

from symgen import data
from symgen.data.recordings.video import read_video

CODECS = {"mpg": "mpeg1video", "avi": "mpeg4", "mkv": "libx264", "mp4": "libx264"}
FILM = np.concatenate(films()[:4])  # 48 frames


def written(path: Path) -> bytes:
    """Write a film with a key frame every ten."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream(CODECS[path.suffix[1:]], rate=25)
        stream.height, stream.width, stream.pix_fmt = *FILM.shape[2:], "yuv420p"
        stream.codec_context.gop_size = 10
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
    source = data.open(tmp_path, "all", skip_broken=True)
    assert [entry.name for entry in source.skipped] == [str(path)]


def test_a_program_stream_with_another_at_its_end(tmp_path):
    path = tmp_path / "film.mpg"
    path.write_bytes(2 * written(path))
    with pytest.raises(ValueError, match=r"film.mpg"):
        list(read_video(path))
