"""Video files, decoded by PyAV frame by frame."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from symgen.data.recordings.frames import Frame

__all__ = ["VIDEO_SUFFIXES", "read_video", "require_video"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")


def require_video() -> None:
    """Require PyAV, which only those who have videos need.

    Raises:
        ModuleNotFoundError: if it is not installed; the message says how to.
    """
    if importlib.util.find_spec("av") is None:
        raise ModuleNotFoundError(
            "videos are decoded by PyAV, which is not installed: pip install 'symgen[video]'"
        )


def read_video(path: Path, rate: float | None = None) -> Iterator[Frame]:
    """Decode a video.

    Args:
        path: the file; its first video stream is taken.
        rate: frames per second to resample to: at each tick the frame that is shown then. None
            takes every frame.

    Returns:
        Frames in red, green and blue, as they are decoded.

    Raises:
        ValueError: if the file cannot be decoded to its end, or has a lower rate.
    """
    import av  # an extra
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
            announced = None
            if stream.duration is not None and stream.time_base is not None:
                announced = float(stream.duration * stream.time_base)
            elif container.duration is not None and len(container.streams) == 1:
                announced = container.duration / av.time_base
            end = yield from _resample(_decode(container, stream, path, own), own, rate)
    except FFmpegError as error:
        raise ValueError(f"{path} cannot be decoded as a video: {error}") from error
    if announced is not None and end < announced - 2 / own:
        raise ValueError(
            f"{path} is truncated: it announces {announced:.2f} s of video and ends after "
            f"{end:.2f} s"
        )


def _decode(container, stream, path: Path, rate: float) -> Iterator[tuple[float, Frame]]:
    """Decode frames with their times in seconds from the first one."""
    start = None
    for count, frame in enumerate(container.decode(stream)):
        if frame.is_corrupt:
            raise ValueError(f"{path}, frame {count} is corrupt")
        time = count / rate if frame.time is None else frame.time
        start = time if start is None else start
        yield time - start, frame.to_ndarray(format="rgb24").transpose(2, 0, 1)


def _resample(
    frames: Iterator[tuple[float, Frame]], own: float, rate: float | None
) -> Iterator[Frame]:
    """Show at each tick of a rate the latest frame; return when the last frame has been shown."""
    shown, begin, ticks = None, 0.0, 0
    slack = 0.25 / own  # of times that containers round
    for time, frame in frames:
        while rate is not None and shown is not None and ticks / rate < time - slack:
            yield shown
            ticks += 1
        if rate is None:
            yield frame
        shown, begin = frame, time
    end = begin + 1 / own
    while rate is not None and shown is not None and ticks / rate < end - slack:
        yield shown
        ticks += 1
    return end
