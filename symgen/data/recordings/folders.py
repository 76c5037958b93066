"""Recordings in folders of any depth: which files are frames, and which frames are missing."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped
from numpy import ndarray
from PIL import Image

from symgen.data.image_files import load_pixels
from symgen.data.recordings.containers import CONTAINER_SUFFIXES
from symgen.data.recordings.frames import Frames, Gap
from symgen.data.recordings.video import VIDEO_SUFFIXES, read_video

__all__ = ["FORMATS", "Found", "film_frames", "find_files", "image_frames"]

_IMAGES, _STACKS = (".png", ".jpg", ".jpeg", ".bmp", ".webp"), (".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF")
_DEEPEST = 16  # folders in folders
_JUMP = 1.5  # steps of the usual size, which frames that follow one another do not have between
_LISTED = 5
_TABLES = (".csv", ".tsv", ".xlsx")


class Found(NamedTuple):
    """Recordings by name, all of one kind: arrays, videos or frames, and their files."""

    kind: str
    files: dict[str, list[Path]]
    notes: list[str]  # what was left alone

    @property
    def told(self) -> str:
        """Say what kind they are."""
        count, several = len(self.files), "s" * (len(self.files) != 1)
        if self.kind == "frames":
            return f"{count} folder{several} of frames"
        if self.kind == "videos":
            return f"{count} video{several}"
        suffixes = {path.suffix.lower() for files in self.files.values() for path in files}
        number = "" if count == 1 else f"{count:,} "
        return f"{number}{' and '.join(sorted(suffixes))} array{several}"


def find_files(paths: Sequence[Path], pattern: str | None = None) -> Found:
    """Find the recordings in files and folders.

    A file is one recording or an array of several. A folder with images is one recording, whose
    frames are in natural order (2 before 10); what folders lie beside them is left alone and
    noted. Other folders are searched in turn.

    Args:
        pattern: which file names to take, such as "*.png"; None takes all.

    Raises:
        ValueError: if there are none, or of several kinds, or two files for one frame.
    """
    found = Found("", {}, [])
    for path in paths:
        if path.is_dir() and path.suffix.lower() != ".zarr":
            found = _joined(found, _search(path, pattern, ()))
        elif (kind := _kind(path)) is None or kind == "frames":
            table = "save the table as a .npy, or " if path.suffix.lower() in _TABLES else ""
            raise ValueError(
                f"{path} is not a recording: {table}give an array "
                f"({', '.join(CONTAINER_SUFFIXES)}), a video ({', '.join(VIDEO_SUFFIXES)}), or a "
                "folder of those, of frames (PNG, JPEG, TIFF), or of folders of frames"
            )
        else:
            found = _joined(found, Found(kind, {str(path): [path]}, []))
    return found


def _joined(one: Found, other: Found) -> Found:
    if one.files and other.files and one.kind != other.kind:
        names = [next(iter(each.files)) for each in (one, other)]
        raise ValueError(
            f"{names[0]} holds {one.kind} and {names[1]} {other.kind}: give recordings of one kind"
        )
    return Found(
        one.kind if one.files else other.kind, one.files | other.files, one.notes + other.notes
    )


def _search(folder: Path, pattern: str | None, above: tuple[Path, ...]) -> Found:
    """Find the recordings in a folder, or in the folders in it."""
    if len(above) > _DEEPEST:
        raise ValueError(f"{above[0]} has folders in folders without end, as {folder}")
    by_kind, folders = _sorted_out(folder, pattern)
    counts = {kind: len(by_kind[kind]) for kind in ("arrays", "videos", "frames")}
    kinds = [kind for kind, count in counts.items() if count]
    if len(kinds) > 1 or (not kinds and not folders and not above):
        told = f"{len(folders)} folders, {counts['frames']} images, {counts['videos']} videos and "
        mend = ", or files of one kind with --files, such as --files '*.png'" if kinds else ""
        tables = [entry.name for entry in folder.iterdir() if entry.suffix.lower() in _TABLES]
        if tables and not kinds:
            mend += f"; save tables such as {min(tables)} as .npy"
        raise ValueError(
            f"{folder} has {told}{counts['arrays']} arrays: give a folder of the frames of one "
            f"recording, of arrays, of videos, or of such folders{mend}"
        )
    lonely = kinds == ["frames"] and counts["frames"] == 1 and bool(folders)
    if kinds and not lonely:
        files, (kind,) = by_kind[kinds[0]], kinds
        names = [entry.name for entry in folders]
        notes = [f"{folder}: left alone {_listed(names)}"] if names else []
        if kind != "frames":
            return Found(kind, {str(file): [file] for file in files}, notes)
        _require_one_file_a_frame(folder, files)
        return Found(kind, {str(folder): files}, notes)
    if not folders:
        return Found("frames", {str(folder): []}, [])  # whoever reads it says so
    found = Found("", {}, [f"{by_kind['frames'][0]} was left alone"] if lonely else [])
    for entry in folders:
        found = _joined(found, _search(entry, pattern, (*above, folder)))
    return found


def _sorted_out(
    folder: Path, pattern: str | None
) -> tuple[defaultdict[str, list[Path]], list[Path]]:
    """Return what lies in a folder and is not hidden: files by kind, and folders."""
    by_kind: defaultdict[str, list[Path]] = defaultdict(list)
    folders = []
    for entry in natural(path for path in folder.iterdir() if path.name[0] != "."):
        kind = _kind(entry)
        if entry.is_dir() and kind is None:
            folders.append(entry)
        elif kind is not None and (pattern is None or fnmatchcase(entry.name, pattern)):
            by_kind[kind].append(entry)
    stacks = [path for path in by_kind["arrays"] if path.suffix.lower() in _STACKS]
    if stacks and _is_picture(stacks[0]):
        rest = [path for path in by_kind["arrays"] if path not in set(stacks)]
        frames = [*natural([*by_kind["frames"], *stacks])]
        by_kind |= {"arrays": rest, "frames": frames}
    return by_kind, folders


def _kind(path: Path) -> str | None:
    suffix = path.suffix.lower()
    kinds = (
        ("frames", _IMAGES),
        ("arrays", CONTAINER_SUFFIXES),
        ("videos", VIDEO_SUFFIXES),
    )
    kind = next((kind for kind, suffixes in kinds if suffix in suffixes), None)
    return kind if suffix == ".zarr" or kind == "frames" or not path.is_dir() else None


def _is_picture(path: Path) -> bool:
    """Tell whether a TIFF is a single frame."""
    try:
        with Image.open(path, formats=("TIFF",)) as image:
            return getattr(image, "n_frames", 1) == 1
    except Exception:  # Pillow raises nearly any kind for what it does not know
        return False


def natural(paths: Iterable[Path]) -> list[Path]:
    """Sort as people count: frame 2 before frame 10."""
    return sorted(paths, key=lambda path: counted(path.name))


def counted(name: str) -> list[Any]:
    """Return what to sort names by as people count: numbers in them as numbers."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _require_one_file_a_frame(folder: Path, files: Sequence[Path]) -> None:
    stems: dict[str, Path] = {}
    for file in files:
        if (other := stems.setdefault(file.stem, file)) != file:
            suffixes = sorted({file.suffix, other.suffix})
            raise ValueError(
                f"{folder} has two files for frame {file.stem}, {other.name} and {file.name}: "
                f"choose with --files '*{suffixes[0]}' or --files '*{suffixes[1]}'"
            )


def image_frames(
    folder: str, files: Sequence[Path], skip_broken: bool, background: float, notes: list[str]
) -> Frames:
    """Read images as the frames of a recording, with a gap where their numbers have one.

    Args:
        skip_broken: whether an image that cannot be read is a gap, too, and not an error.
        background: gray level, 0 to 1, that lies behind transparent images.
        notes: is told of transparency.
    """
    if not files:
        raise ValueError(f"{folder} has no PNG, JPEG or TIFF image: a sequence needs two or more")
    gaps = gaps_of(files)
    for number, file in enumerate(files):
        if number in gaps:
            yield gaps[number]
        try:
            pixels = load_pixels(file, FORMATS)
        except ValueError as error:
            if not skip_broken:
                raise
            yield Gap(str(error))
            continue
        if len(pixels) in (2, 4):
            note = f"transparent images lie over gray {background:g} (--background)"
            if note not in notes:
                notes.append(note)
            pixels = _over(pixels, background)
        yield pixels


def film_frames(path: Path, rate: float | None, background: float) -> Frames:
    """Read a video, or an animated GIF."""
    for frame in read_video(path, rate):
        clear = not isinstance(frame, Gap) and len(frame) in (2, 4)
        yield _over(np.asarray(frame), background) if clear else frame


def _over(pixels: Shaped[ndarray, "channels H W"], background: float) -> Shaped[ndarray, "c H W"]:
    """Lay an image with transparency over a gray level."""
    most = np.iinfo(pixels.dtype).max if pixels.dtype.kind in "iu" else 1.0
    share = pixels[-1].astype(np.float64) / most
    if (share == 1).all():
        return pixels[:-1]
    mixed = pixels[:-1] * share + background * most * (1 - share)
    return np.rint(mixed).astype(pixels.dtype) if pixels.dtype.kind in "iu" else mixed


def gaps_of(files: Sequence[Path]) -> dict[int, Gap]:
    """Find frames whose numbers do not follow those before them.

    The number of a frame is the last one in its file's name that is not the same in all names.
    Steps of other than the usual size, half as much again, are gaps; so is going back, where
    another count begins.

    Example:
        >>> gaps_of([Path(f"frame{number}.png") for number in (1, 2, 3, 7, 8)])
        {3: Gap(reason='frames 4 to 6 are missing', frames=3)}
    """
    numbers = _numbers(files)
    if numbers is None or len(numbers) < 3:
        return {}
    steps = np.diff(np.array(numbers, dtype=object)).astype(np.float64)
    forward = steps[steps > 0]
    usual = float(np.median(forward)) if len(forward) else 1.0
    found = {}
    for at in np.flatnonzero((steps > _JUMP * usual) | (steps <= 0)).tolist():
        before, after = numbers[at], numbers[at + 1]
        if after <= before:
            found[at + 1] = Gap(f"number {after} after {before}: another count begins", 1)
        elif usual == 1:
            missing = f"frames {before + 1} to {after - 1} are missing"
            one = f"frame {before + 1} is missing"
            found[at + 1] = Gap(missing if after - before > 2 else one, after - before - 1)
        else:
            lost = max(1, round((after - before) / usual) - 1)
            found[at + 1] = Gap(f"number {after} after {before}, mostly {usual:g} apart", lost)
    return found


def _numbers(files: Sequence[Path]) -> list[int] | None:
    """Return the numbers of frames, None where names do not number them."""
    fields = [re.findall(r"\d+", file.stem) for file in files]
    if len({len(each) for each in fields}) != 1 or not fields[0]:
        return None
    varying = [column for column in zip(*fields, strict=True) if len(set(column)) > 1]
    return [int(number) for number in varying[-1]] if varying else None


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
