"""Video files, decoded by PyAV frame by frame."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from symgen.data.image_files import require_file
from symgen.data.recordings.frames import Frame
from symgen.data.recordings.losses import require_all_there

__all__ = ["VIDEO_SUFFIXES", "read_video"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")

# A playlist by the name of a video would open other files, or the network.
_OPTIONS = {"format_whitelist": "mov,mp4,avi,matroska,webm,mpeg,mpegvideo,mpegts"}
_GAP = 3  # frames; times that are not in the file are guessed, at times by one too late


def read_video(path: Path, rate: float | None = None) -> Iterator[Frame]:
    """Decode the first video stream: all frames, or those shown at the ticks of a rate in 1/s."""
    if importlib.util.find_spec("av") is None:  # an extra
        raise ModuleNotFoundError(
            "videos are decoded by PyAV, which is not installed: pip install 'symgen[video]'"
        )
    import av
    from av.error import FFmpegError

    require_file(path)
    try:
        with av.open(path, container_options=_OPTIONS, metadata_errors="replace") as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            own = float(stream.average_rate or stream.guessed_rate or 0)
            if not own:
                raise ValueError(f"{path} does not tell its frames per second: encode it anew")
            if rate is not None and not 0 < rate <= own:
                raise ValueError(
                    f"rate={rate:g} but {path} has {own:g} frames per second: choose a rate "
                    "between 0 and that"
                )
            announced = 0.0
            if stream.duration is not None and stream.time_base is not None:
                announced = float(stream.duration * stream.time_base)
            elif container.duration is not None and len(container.streams) == 1:
                announced = container.duration / av.time_base
            if container.format.name == "avi":  # whose duration is that of the index
                announced = max(announced, stream.frames / own)
            end, ticks, slack = 0.0, 0, 0.25 / own  # of times that containers round
            fewest = require_all_there(path, container.format.name, own)
            for frame, end in _decode(container, stream, path, own, fewest):
                if rate is None:
                    yield frame
                while rate is not None and ticks / rate < end - slack:
                    yield frame
                    ticks += 1
    except FFmpegError as error:
        raise ValueError(f"{path} cannot be decoded as a video: {error}") from error
    if end < announced - 2 / own:
        times = f"it announces {announced:.2f} s of video and ends after {end:.2f} s"
        raise ValueError(f"{path} is truncated: {times}")


def _decode(
    container, stream, path: Path, rate: float, fewest: int
) -> Iterator[tuple[Frame, float]]:
    """Decode frames, each with the time until which it is shown, in seconds from the first one."""
    frame, start, end, time = None, 0.0, 0.0, 0.0
    for count, decoded in enumerate(_undamaged(container, stream, path, fewest)):
        told = None if container.format.name == "mpegvideo" else decoded.time  # which is guessed
        before, time = time, count / rate if told is None else told
        if frame is None:
            start = time
        elif time < before:
            raise ValueError(f"{path}: frame {count} is shown before the last one: encode it anew")
        elif container.format.name == "mpeg" and time - before > _GAP / rate:
            raise ValueError(f"{path} lacks frames before frame {count}: encode it anew")
        else:
            yield frame, time - start
        frame = decoded.to_ndarray(format="rgb24").transpose(2, 0, 1)
        end = time - start + 1 / rate
    if frame is not None:
        yield frame, end


def _undamaged(container, stream, path: Path, fewest: int) -> Iterator[Any]:
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
