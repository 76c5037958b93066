"""What a user lists of recordings by name: bad frames, and the groups that stay together."""

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from symgen.data.recordings.footage import Footage
from symgen.data.recordings.frames import Frames, Gap

__all__ = ["BadFrames", "groups_of"]

_SHOWN = 3
_RANGE = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")


class BadFrames:
    """The bad frames that a file lists: lines of a recording's name and a frame, or first-last.

    Names may leave out the way to the recording; with a single recording, lines are frames alone.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder, "bad.csv")
        ...     _ = path.write_text("day0,3\\nday1,5-7\\n")
        ...     bad = BadFrames(path)
        >>> [frame for frame, _ in bad("films/day1", 10)]
        [5, 6, 7]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ranges: list[tuple[str | None, int, int]] = []
        self._used: set[int] = set()
        for number, words in _rows(path):
            name, text = (None, words[0]) if len(words) == 1 else (words[0], words[1])
            match = _RANGE.fullmatch(text)
            if match is None or len(words) > 2 or int(match[2] or match[1]) < int(match[1]):
                if number == 1 and match is None:  # titles
                    continue
                raise ValueError(
                    f"{path}, line {number}: {','.join(words)!r} names no frame: give lines of a "
                    "recording and a frame, such as day0,17 or day0,17-20"
                )
            first = int(match[1])
            self._ranges.append((name, first, int(match[2] or first)))

    def __call__(self, name: str, length: int) -> Sequence[tuple[int, str]]:
        """Return the bad frames of a recording of so many frames, and why."""
        found = []
        for first, last in self._of(name):
            if last >= length:
                raise ValueError(
                    f"{self.path} lists frame {last} of {name}, which has {length}: count from 0 "
                    f"to {length - 1}"
                )
            found += [(frame, f"listed in {self.path}") for frame in range(first, last + 1)]
        return found

    def _of(self, name: str) -> list[tuple[int, int]]:
        """Return the first and last of the bad frames of a recording."""
        named = [
            number
            for number, (given, *_) in enumerate(self._ranges)
            if given is None or is_named(name, given)
        ]
        self._used.update(named)
        return [self._ranges[number][1:] for number in named]

    def taken_out(self, name: str, frames: Frames) -> Frames:
        """Put gaps in the place of the bad frames of a recording."""
        bad, number = self._of(name), 0
        for frame in frames:
            if isinstance(frame, Gap):
                number += frame.frames
                yield frame
                continue
            listed = any(first <= number <= last for first, last in bad)
            yield Gap(f"listed in {self.path}") if listed else frame
            number += 1
        self(name, number)

    def require_used(self, recordings: int) -> None:
        """Refuse names of no recording, and frames of none where there are several."""
        for number, (given, *_) in enumerate(self._ranges):
            if given is None and recordings > 1:
                raise ValueError(
                    f"{self.path} lists frames alone, but there are {recordings} recordings: give "
                    "lines of a recording and a frame, such as day0,17"
                )
            if number not in self._used:
                raise ValueError(
                    f"{self.path} lists frames of {given!r}, which is no recording: name those "
                    "that are there, or give another list"
                )


def groups_of(footage: Footage, group_by: str | None) -> Int64[ndarray, " n"]:
    """Number the group of each piece: pieces of one group are never in two splits.

    Args:
        group_by: "parent", the folder or file that a recording lies in; a file with lines of a
            recording and its group; or a regular expression, of which the first bracket, or all
            that it matches in the name, is the group. None: each recording on its own.
    """
    recording = footage.pieces.recording
    if group_by is None:
        return np.unique(recording, return_inverse=True)[1].astype(np.int64)
    names = [re.sub(r"\[\d+:\d+\]$", "", footage.name(at)) for at in range(len(recording))]
    if group_by == "parent":
        parents = [name.rpartition("[")[0] if name[-1] == "]" else name for name in names]
        groups = [
            parent if parent != name else os.path.dirname(name)
            for parent, name in zip(parents, names, strict=True)
        ]
    elif Path(group_by).is_file():
        groups = _from_file(Path(group_by), names)
    else:
        groups = _matched(group_by, names, footage.short_names)
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def _from_file(path: Path, names: Sequence[str]) -> list[str]:
    table = [words for _, words in _rows(path) if len(words) == 2]
    groups = []
    for name in names:
        found = {group for given, group in table if is_named(name, given)}
        if len(found) != 1:
            told = f"{len(found)} groups" if found else "no group"
            raise ValueError(
                f"{path} names {told} for {name}: give one line of a recording and its group, "
                "such as day0,animal3, for each"
            )
        groups.append(found.pop())
    return groups


def _matched(pattern: str, names: Sequence[str], short: Sequence[str]) -> list[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"group_by={pattern!r} is neither 'parent', nor a file that is there, nor a regular "
            f"expression ({error})"
        ) from error
    found = [expression.search(name) for name in short]
    if missing := [name for name, match in zip(short, found, strict=True) if match is None]:
        raise ValueError(
            f"group_by={pattern!r} is neither 'parent' nor a file that is there, and as a regular "
            f"expression matches none of {', '.join(missing[:_SHOWN])}"
        )
    return [match[1] if match.re.groups else match[0] for match in found if match is not None]


def is_named(name: str, given: str) -> bool:
    """Tell whether a name, or the end of it after a separator or bracket, is given.

    Example:
        >>> is_named("films/day1", "day1"), is_named("films/day1", "1"), is_named("x.npy[3]", "3")
        (True, False, True)
    """
    ends = (os.sep + given, "/" + given, f"[{given}]")
    return name == given or name.endswith(ends) or (given[:1] == "[" and name.endswith(given))


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Read lines of words between commas, tabs or semicolons; # begins a remark."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as a list: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        line = line.partition("#")[0].strip()
        if line:
            separator = next((each for each in "\t;," if each in line), ",")
            (words,) = csv.reader([line], delimiter=separator)
            yield number, [word.strip() for word in words]
