"""Video files, decoded by PyAV frame by frame; animated GIF files, by Pillow."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from symgen.data.extras import library
from symgen.data.image_files import require_file
from symgen.data.recordings.animations import animation
from symgen.data.recordings.frames import Frame, Gap
from symgen.data.recordings.losses import require_all_there
from symgen.data.recordings.pace import Pace, Shown, at_rate, in_pieces, pace_of

__all__ = ["VIDEO_SUFFIXES", "read_video"]

_OF_AV = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
VIDEO_SUFFIXES = (*_OF_AV, ".gif")

# A playlist by the name of a video would open other files, or the network.
_OPTIONS = {"format_whitelist": "mov,mp4,avi,matroska,webm,mpeg,mpegvideo,mpegts"}
_LOST = 3  # frames; times that are not in the file are guessed, at times by one too late
_ROUNDED = 1.01  # times a rate, within which it is the same
_GUESSED = ("mpeg", "mpegvideo")  # containers that do not tell the time of each frame
_AS_STORED = ("gray", "gbrp", "gbrap")  # names of pixels that numpy takes as they are


def read_video(path: Path, rate: float | None = None) -> Iterator[Frame | Gap]:
    """Decode the first video stream: all frames, or those nearest to the ticks of a rate in 1/s.

    Frames are (channels, height, width): one channel of gray, three of colours, four with alpha;
    bytes, or 16 bits where the file has more than 8: as they are stored in gray and in planes of
    RGB, else scaled to 0 ... 65535. They are turned as the file says.

    A pause, more than three times as long as frames usually are apart, becomes a gap; a rate fills
    it with the frame before it.

    Warns:
        UserWarning: if frames are unevenly spaced and are taken as if they were not, or a pause
            is filled.

    Raises:
        ValueError: with the path, if it is no video, damaged or truncated, or slower than `rate`.
        ModuleNotFoundError: if PyAV is not installed.
    """
    require_file(path)
    if path.suffix.lower() == ".gif":
        pace, shown = animation(path)
        yield from _paced(path, shown, pace, rate)
        return
    av = library("av", path)
    try:
        with av.open(path, container_options=_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            own = float(stream.average_rate or stream.guessed_rate or 0)
            if not own:
                raise ValueError(f"{path} does not tell its frames per second: encode it anew")
            fewest = require_all_there(path, container.format.name, own)
            pace = pace_of(_times(path, container.format.name), own)
            shown = _decode(container, stream, path, own, fewest)
            yield from _paced(path, shown, pace, rate)
    except av.FFmpegError as error:
        raise ValueError(f"{path} cannot be decoded as a video: {error}") from error


def _paced(
    path: Path, shown: Iterator[Shown], pace: Pace, rate: float | None
) -> Iterator[Frame | Gap]:
    if rate is None:
        return in_pieces(path, shown, pace)
    if not 0 < rate <= pace.rate * _ROUNDED:
        raise ValueError(
            f"rate={rate:g} but {path} has {pace.rate:g} frames per second: choose a rate "
            "between 0 and that"
        )
    return at_rate(path, shown, pace, rate)


def _times(path: Path, kind: str) -> list[float]:
    """Read the times of all frames, without decoding them; none where one is not told."""
    if kind in _GUESSED:
        return []
    with library("av", path).open(
        path, container_options=_OPTIONS, metadata_errors="replace"
    ) as container:
        times = [packet.pts for packet in container.demux(video=0) if packet.size]
        unit = float(container.streams.video[0].time_base or 0)
    told = [unit * time for time in times if time is not None]
    return told if len(told) == len(times) else []


def _decode(container: Any, stream: Any, path: Path, rate: float, fewest: int) -> Iterator[Shown]:
    """Decode frames, each with the times when it is shown, in seconds from the first one."""
    announced = _announced(container, stream, rate)
    frame, start, end, time = None, 0.0, 0.0, 0.0
    reformatter = library("av.video.reformatter", path).VideoReformatter()
    for count, decoded in enumerate(_undamaged(container, stream, path, fewest)):
        told = None if container.format.name == "mpegvideo" else decoded.time  # which is guessed
        before, time = time, count / rate if told is None else told
        if frame is None:
            start = time
        elif time < before:
            raise ValueError(f"{path}: frame {count} is shown before the last one: encode it anew")
        elif container.format.name == "mpeg" and time - before > _LOST / rate:
            raise ValueError(f"{path} lacks frames before frame {count}: encode it anew")
        else:
            yield frame, before - start, time - start
        frame = _turned(path, decoded, _pixels(path, decoded, reformatter))
        end = time - start + 1 / rate
    if frame is not None:
        yield frame, time - start, end
    if end < announced - 2 / rate:
        times = f"it announces {announced:.2f} s of video and ends after {end:.2f} s"
        raise ValueError(f"{path} is truncated: {times}")


def _announced(container: Any, stream: Any, rate: float) -> float:
    """Return the seconds that a file says it lasts, 0 if it does not."""
    announced = 0.0
    if stream.duration is not None and stream.time_base is not None:
        announced = float(stream.duration * stream.time_base)
    elif container.duration is not None and len(container.streams) == 1:
        announced = container.duration / library("av", "a video").time_base
    if container.format.name == "avi":  # whose duration is that of the index
        announced = max(announced, stream.frames / rate)
    return announced


def _undamaged(container: Any, stream: Any, path: Path, fewest: int) -> Iterator[Any]:
    """Decode frames, none of which comes from a packet that is cut off, damaged or nothing."""
    count = 0
    for packet in container.demux(stream):
        for decoded in packet.decode():
            if packet.is_corrupt or decoded.is_corrupt:
                raise ValueError(f"{path}, frame {count} is corrupt")
            yield decoded
            count += 1
        if packet.is_corrupt:
            raise ValueError(f"{path} is damaged or truncated after frame {count}")
    if count < fewest:
        raise ValueError(f"{path} is damaged: of {fewest} frames, {count} can be decoded")


def _pixels(path: Path, decoded: Any, reformatter: Any) -> Frame:
    """Turn a frame of any kind of pixels into gray, RGB or RGBA, of 8 bits or all that it has."""
    name, parts = decoded.format.name, decoded.format.components
    bits, alpha = max(part.bits for part in parts), any(part.is_alpha for part in parts)
    if bits > 16:
        raise ValueError(f"{path} has pixels of {bits} bits ({name}): encode it as gray16le")
    if bits <= 8:
        gray = name.startswith(("gray", "mono"))
        wanted = "gray" if gray else "rgba" if alpha else "rgb24"
    elif name.startswith(_AS_STORED):
        wanted = name
    else:
        wanted = "rgba64le" if alpha else "rgb48le"
    # One thread, since starting more takes longer than a small frame.
    pixels = reformatter.reformat(decoded, format=wanted, threads=1).to_ndarray()
    return pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1)


def _turned(path: Path, decoded: Any, frame: Frame) -> Frame:
    """Turn a frame by its display matrix: x' = ax + cy, y' = bx + dy, y downwards."""
    mark = decoded.side_data.get("DISPLAYMATRIX")
    if mark is None:
        return frame
    a, b, _, c, d, *_ = np.frombuffer(bytes(mark), np.int32).tolist()
    if (a or d) and (b or c):
        raise ValueError(f"{path} is marked to be turned by no quarter: encode it as it is shown")
    if b and c:
        frame, a, d = frame.swapaxes(1, 2), c, b
    return np.ascontiguousarray(frame[:, :: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
