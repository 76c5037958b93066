"""A small set of real films: a camera that pans and zooms over photographs, digits that pass by.

The photographs and the handwriting are those that scikit-learn carries.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images

SIDE = 16


def square_film(frames, start=0, height=16, width=16, high=255, dtype: Any = np.uint8):
    """Return (frames, height, width): a 4 × 4 square at row 6, column (start + l) mod width."""
    x = np.zeros((frames, height, width), dtype)
    for frame in range(frames):
        x[frame, 6:10, (start + frame + np.arange(4)) % width] = high
    return x


def pieces_of(source):
    """Return the frames of each piece of recordings, scaled."""
    footage = source.footage
    return [
        source.scaled(footage.read(np.arange(first, first + length)))
        for first, length in zip(footage.first, footage.lengths, strict=True)
    ]


@cache
def films(count: int = 12, frames: int = 12) -> ndarray:
    """Films (count, frames, 3, SIDE, SIDE) of bytes, a third of each kind."""
    photographs = [Image.fromarray(photograph) for photograph in load_sample_images().images]
    digits = load_digits().images
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        photograph = photographs[number % 2]
        left, top = random.uniform(0, 200, 2)
        film = []
        for frame in range(frames):
            x, y, side = left, top, 128.0
            if number % 3 == 0:  # pan
                x, y = left + 8 * frame, top + 4 * frame
            elif number % 3 == 1:  # zoom
                side = 192 * 0.93**frame
                x, y = left + 96 - side / 2, top + 96 - side / 2
            crop = photograph.resize(
                (SIDE, SIDE), Image.Resampling.BILINEAR, (x, y, x + side, y + side)
            )
            pixels = np.asarray(crop).copy()
            if number % 3 == 2:  # a digit before a scene that stands
                ink = np.roll(np.pad(digits[number], (4, 4)) / 16, frame, axis=1)[..., None]
                pixels = np.round(255 * ink + pixels * (1 - ink)).astype(np.uint8)
            film.append(pixels.transpose(2, 0, 1))
        made.append(film)
    return np.array(made, dtype=np.uint8)


def write_frames(folder: Path, array: ndarray, suffix: str = ".png") -> Path:
    """Write a folder of folders of frames, whose numbers have no leading zeros."""
    for number, film in enumerate(array):
        inside = folder / f"film {number}"
        inside.mkdir(parents=True)
        for index, frame in enumerate(film):
            picture = frame.transpose(1, 2, 0) if len(frame) == 3 else frame[0]
            Image.fromarray(np.ascontiguousarray(picture)).save(inside / f"{index}{suffix}")
    return folder


def write_video(path: Path, film: ndarray, rate: int = 30) -> Path:
    """Write a film (frames, 3, height, width) as a video."""
    import av

    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.height, stream.width = film.shape[2:]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "5", "preset": "ultrafast"}
        for frame in film:
            pixels = np.ascontiguousarray(frame.transpose(1, 2, 0))
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_videos(folder: Path, array: ndarray) -> Path:
    """Write a folder of videos."""
    folder.mkdir()
    for number, film in enumerate(array):
        write_video(folder / f"film {number}.mp4", film)
    return folder


def write_images(folder: Path, frames, name="{}.png"):
    """Write a folder of frames by number."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / name.format(number))
