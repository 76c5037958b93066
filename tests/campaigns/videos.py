"""Damaged videos: truncated, with flipped bits, zeroed or joined, through `symgen data inspect`.

The formats have no checksums, so a flipped bit may make other pixels that no reader can tell:
"altered". A film that has become shorter without a word is "silent", but for up to two frames at
the end, which docs/own-data.md names as a limit.
"""

from functools import partial
from pathlib import Path
from random import Random

import numpy as np
from fixtures import films, flipped, zeroed
from harness import Case, Verdict, command, judge

_KINDS = {
    "mp4": ("libx264", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "mpg": ("mpeg1video", "yuv420p"),
    "mkv": ("libx264", "yuv420p"),
    "gif": ("gif", "rgb8"),
}
_FRAMES, _SIDE, _LIMIT = 40, 64, 2
_DAMAGES = {
    "truncated": lambda c, r: c[: r.randrange(len(c))],
    "shortened": lambda c, r: c[: -r.randrange(1, len(c) // 4)],
    "bit": lambda c, r: flipped(c, r, 1),
    "bits": lambda c, r: flipped(c, r, r.choice((5, 50))),
    "head": lambda c, r: flipped(c[:200], r, 3) + c[200:],
    "zeroed": zeroed,
    "headless": lambda c, r: c[r.randrange(1, 500) :],
    "joined": lambda c, r: c + c[: r.randrange(len(c))],
}


def prepare(base: Path) -> None:
    """Write a film in every format, and what its undamaged frames are."""
    film = films(1, _FRAMES, _SIDE, 3)[0]
    for suffix in _KINDS:
        path = base / f"film.{suffix}"
        write_video(path, film, suffix)
        if suffix != "gif":
            np.save(base / f"{suffix}.npy", _read(path))


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every damage of every format, alone and beside four good films."""
    made = []
    for suffix in _KINDS:
        for damage in _DAMAGES:
            for number in range(4 if suffix == "gif" else 13):
                name = f"{suffix}-{damage}-{number}"
                beside = number % 4 == 3 and suffix != "gif"
                made.append(
                    Case(name, partial(_damaged, base, suffix, damage, f"{seed} {name}", beside))
                )
    return made


def write_video(path: Path, film: np.ndarray, suffix: str) -> None:
    """Write a film (frames, 3, height, width) with a key frame every ten."""
    import av

    codec, pixels = _KINDS[suffix]
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *film.shape[2:], pixels
        stream.codec_context.gop_size = 10
        for frame in film:
            rgb = np.ascontiguousarray(frame.transpose(1, 2, 0))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())


def _damaged(
    base: Path, suffix: str, damage: str, seed: str, beside: bool, folder: Path
) -> Verdict:
    content = (base / f"film.{suffix}").read_bytes()
    place = path = folder / f"film.{suffix}"
    if beside:
        place = folder / "films"
        place.mkdir()
        path = place / f"film 2.{suffix}"
        for number in (0, 1, 3, 4):
            (place / f"film {number}.{suffix}").write_bytes(content)
    path.write_bytes(_DAMAGES[damage](content, Random(seed)))
    ended = command("data", "inspect", place, *["--skip-broken"] * beside)

    def right() -> Verdict:
        if beside and path.name in ended.output:
            return Verdict("detected", "skipped")
        frames, whole = _read(path), np.load(base / f"{suffix}.npy")
        if damage == "joined" or len(frames) == len(whole):
            same = len(frames) == len(whole) and np.array_equal(frames, whole)
            return Verdict("fine" if same else "altered")
        few = len(whole) - _LIMIT <= len(frames) <= len(whole)
        if few and np.array_equal(frames, whole[: len(frames)]):
            return Verdict("fine", "within the limit of the documentation")
        return Verdict("silent", f"{len(frames)} frames of {len(whole)}")

    verdict = judge(ended, (path.name,), right)
    if beside and verdict.ended == "detected" and ended.status:
        return Verdict("traceback", f"not skipped: {verdict.message}")
    return verdict


def _read(path: Path) -> np.ndarray:
    """Read all frames of a film as the package does."""
    import symgen

    footage = symgen.open(path, "all", length=2).footage
    return footage.read(np.arange(footage.lengths.sum()))
