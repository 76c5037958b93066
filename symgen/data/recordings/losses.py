"""Videos that have lost something of which their decoder tells nothing: refused by name."""

import re
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from symgen.data.extras import library

__all__ = ["require_all_there"]

_PACK, _END, _SEQUENCE = (b"\0\0\1" + bytes([code]) for code in (0xBA, 0xB9, 0xB3))  # of MPEG
_HEADERS = re.compile(b"\0\0\1(?:(\0..)|\xb8(....))", re.DOTALL)  # of a picture, of a group
_FIRST_UNIT = 0xBB  # the least code of a unit that tells its length
_PICTURE, _BETWEEN = b"\0\0\1\xb6", 2  # of MPEG-4: a header, one that refers to both sides
_REPEATS = 16  # bytes of a picture that is like the one before
_STUFFING = 16  # zeros in a row, more than are in a picture: they stand before a header alone
_ZEROED = re.compile(b"\0{%d}[^\0\1]" % _STUFFING)
_WRAP = 1024  # numbers of pictures start anew


class _Group(NamedTuple):
    """A group of pictures of MPEG."""

    time: int | None  # of its first picture, in frames, where its time code counts all of them
    edited: bool  # cut at its beginning
    pictures: list[int]  # their numbers in the group, in the order of the file


def require_all_there(path: Path, kind: str, rate: float) -> int:
    """Go through a video without decoding it, and return how many frames it has at least.

    MPEG numbers its pictures and dates its groups; AVI has pictures of MPEG-4 that must all be
    shown; Matroska is a tree whose reader skips what does not fit and says so in its log.

    Args:
        path: the video.
        kind: format of its container, as FFmpeg names it.
        rate: frames per second.

    Raises:
        ValueError: with its path, if something between its beginning and its end is lost.
    """
    if "matroska" in kind:
        _require_tree(path, kind)
    if kind == "avi":
        return _coded(path, kind)
    if kind not in ("mpeg", "mpegvideo"):
        return 0
    if kind == "mpeg":
        _require_units(path)
    groups = list(_groups(path, kind, rate))
    _require_pictures(path, groups)
    unshown = groups[0].pictures[0] if groups else 0  # if what they refer to was cut off
    return sum(len(group.pictures) for group in groups) - unshown


def _require_units(path: Path) -> None:
    """Walk through a program stream, unit by unit: each tells its length."""
    with path.open("rb") as file:
        if file.read(4) != _PACK:
            raise ValueError(f"{path} has lost its beginning, a header of MPEG")
        file.seek(0)
        size, position = path.stat().st_size, 0
        while length := _unit_length(file):
            position += length
            file.seek(position)
        if position > size or file.read(2**16).strip(b"\0\xff"):  # else padding
            raise ValueError(f"{path} is damaged or truncated at byte {position:,} of {size:,}")


def _unit_length(file: BinaryIO) -> int:
    """Return the bytes of the unit of a program stream that begins here, 0 if none does."""
    head = file.read(14)
    if head.startswith(_PACK):
        return 14 + (head[13] & 7) if len(head) == 14 and head[4] >> 6 == 1 else 12
    if head.startswith(_END):
        return len(_END)
    known = head.startswith(_PACK[:3]) and len(head) >= 6 and head[3] >= _FIRST_UNIT
    return 6 + int.from_bytes(head[4:6]) if known else 0


def _require_pictures(path: Path, groups: list[_Group]) -> None:
    for number, group in enumerate(groups):
        found = sorted(group.pictures)
        first = found[0] if group.edited or not number else 0
        if found != list(range(first, first + len(found))) and len(found) < _WRAP:
            raise ValueError(f"{path} lacks pictures of its group {number}: encode it anew")
    for number, (group, after) in enumerate(pairwise(groups)):
        if group.time is None or after.time is None or after.edited:
            continue
        if after.time - group.time > len(group.pictures):
            raise ValueError(f"{path} lacks pictures after its group {number}: encode it anew")


def _groups(path: Path, kind: str, rate: float) -> Iterator[_Group]:
    """Read the numbers of all pictures, group by group."""
    group, last = None, b""
    with _opened(path, kind) as container:
        stream = container.streams.video[0]
        dated = rate if _codec(stream) == "mpeg1video" else 0.0  # others repeat fields
        for number, content in enumerate(map(bytes, container.demux(stream))):
            if not number and not content.startswith(_SEQUENCE):
                raise ValueError(f"{path} has lost its beginning, a header of MPEG")
            for picture, head in _HEADERS.findall(content):
                if head:
                    if group and group.pictures:
                        yield group
                    group = _group(int.from_bytes(head), dated)
                elif group is not None:
                    index = int.from_bytes(picture[1:]) >> 6
                    if group.pictures[-1:] != [index]:  # else the other field of a picture
                        group.pictures.append(index)
            last = content or last
            if _ZEROED.search(content):
                raise ValueError(f"{path} is damaged: there are zeros in its picture {number}")
    if last.endswith(bytes(_STUFFING)):
        raise ValueError(f"{path} is damaged or truncated: it ends in zeros")
    if group and group.pictures:
        yield group


def _group(head: int, rate: float) -> _Group:
    """Read the header of a group: its time code, and whether it was cut."""
    hours, minutes, seconds = (head >> shift & 63 for shift in (26, 20, 13))
    frames = (3600 * (hours & 31) + 60 * minutes + seconds) * round(rate) + (head >> 7 & 63)
    known = rate and not head >> 31  # which would drop numbers
    return _Group(frames if known else None, bool(head >> 5 & 1), [])


def _coded(path: Path, kind: str) -> int:
    """Count the pictures of MPEG-4 that are coded and do not refer to what may have been cut."""
    with _opened(path, kind) as container:
        stream = container.streams.video[0]
        if _codec(stream) != "mpeg4":
            return 0
        contents = [c for c in map(bytes, container.demux(stream)) if len(c) > _REPEATS]
        types = (content[content.find(_PICTURE) + 4] >> 6 for content in contents[1:])
        return len(contents) - sum(1 for _ in takewhile(_BETWEEN.__eq__, types))


def _require_tree(path: Path, kind: str) -> None:
    """Read all of a Matroska file, with no decoder beside whose threads would log, too."""
    logging = library("av.logging", path)
    before = logging.get_level(), logging.get_skip_repeated()
    logging.set_level(logging.ERROR)
    logging.set_skip_repeated(False)  # of whatever file
    try:
        with logging.Capture() as said, _opened(path, "matroska") as container:
            for _ in container.demux():
                pass
    finally:
        logging.set_level(before[0])
        logging.set_skip_repeated(before[1])
    for _, name, text in said:
        if name == kind:
            raise ValueError(f"{path} is damaged: {text.strip()}")


def _opened(path: Path, kind: str) -> Any:
    return library("av", path).open(path, format=kind, metadata_errors="replace")


def _codec(stream: Any) -> str:
    """Name a codec, as far as it is known."""
    return "" if stream.codec_context is None else stream.codec_context.name
