"""Video files, decoded by PyAV frame by frame."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from symgen.data.recordings.frames import Frame

__all__ = ["VIDEO_SUFFIXES", "read_video"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")


def read_video(path: Path, rate: float | None = None) -> Iterator[Frame]:
    """Decode the first video stream: all frames, or those shown at the ticks of a rate in 1/s."""
    if importlib.util.find_spec("av") is None:  # an extra
        raise ModuleNotFoundError(
            "videos are decoded by PyAV, which is not installed: pip install 'symgen[video]'"
        )
    import av
    from av.error import FFmpegError

    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise ValueError(f"{path} has no video stream")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            own = float(stream.average_rate or stream.guessed_rate or 0)
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
            end, ticks, slack = 0.0, 0, 0.25 / own  # of times that containers round
            for frame, end in _decode(container, stream, path, own):
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


def _decode(container, stream, path: Path, rate: float) -> Iterator[tuple[Frame, float]]:
    """Decode frames, each with the time until which it is shown, in seconds from the first one."""
    frame, start, end = None, 0.0, 0.0
    for count, decoded in enumerate(container.decode(stream)):
        if decoded.is_corrupt:
            raise ValueError(f"{path}, frame {count} is corrupt")
        time = count / rate if decoded.time is None else decoded.time
        if frame is None:
            start = time
        else:
            yield frame, time - start
        frame = decoded.to_ndarray(format="rgb24").transpose(2, 0, 1)
        end = time - start + 1 / rate
    if frame is not None:
        yield frame, end
