"""Splits of footage: dealt out, divided in time, or those that a run has on record."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from symgen.data.recordings.clips import (
    ClipSpec,
    Part,
    RecordingSplit,
    SplitBy,
    divide,
    divide_in_time,
    divide_starts,
    splits_of,
)
from symgen.data.recordings.footage import Footage, Skipped
from symgen.data.recordings.lists import groups_of

__all__ = [
    "DEFAULT_LENGTH",
    "Record",
    "Shares",
    "deal",
    "long_enough",
    "of_record",
    "usual_length",
]

DEFAULT_LENGTH = 16
Record = Mapping[str, Mapping[str, str]]  # see `Recordings.split_record`
_NAMED = 5  # recordings that an error names


class Shares(NamedTuple):
    """How recordings are split: see `symgen.data.open`."""

    validation: float
    test: float
    split_by: SplitBy
    seed: int
    group_by: str | None

    def in_time(self, footage: Footage, split: RecordingSplit) -> bool:
        """Tell whether there are fewer recordings than splits, so that each is divided in time.

        Raises:
            ValueError: if there are fewer groups than splits.
        """
        if self.split_by == "start":
            return False
        wanted = splits_of(split, self.validation, self.test)
        if self.group_by is not None:
            groups = int(groups_of(footage, self.group_by).max()) + 1
            if groups < wanted:
                raise ValueError(
                    f"group_by={self.group_by!r} makes {groups} group{'s' * (groups != 1)} for "
                    f"{wanted} splits: group by something finer, or give a share of 0"
                )
        return len(np.unique(footage.pieces.recording)) < wanted


def deal(
    footage: Footage,
    kept: Int64[ndarray, " n"],
    split: RecordingSplit,
    spec: ClipSpec,
    shares: Shares,
    record: Record | None,
) -> tuple[dict[str, Part], bool]:
    """Divide pieces into the parts of all splits, and say whether they are divided in time.

    Args:
        kept: the pieces that hold a clip.
        record: parts to find again, which must be as they were.
    """
    there = footage.only(kept)
    in_time = shares.in_time(there, split)
    if in_time and spec.wrap:
        raise ValueError(
            f"wrap, but {len(np.unique(there.pieces.recording))} recordings are fewer than the "
            "splits, and no part of a circle is one: give split_by='start' (--split-by start), "
            "which tests on other starting views"
        )
    if record is None or in_time or shares.split_by == "start":
        found = _dealt(there, split, spec, shares, in_time)
        parts = {
            name: replace(part, recording=kept[part.recording]) for name, part in found.items()
        }
    else:
        parts = {name: _whole(footage, names) for name, names in record.items()}
    if record is not None:
        hashed = {
            name: footage.hashes(part.recording, part.begin, part.length)
            for name, part in parts.items()
        }
        _require_same(record, hashed)
    return parts, in_time


def _dealt(
    there: Footage, split: RecordingSplit, spec: ClipSpec, shares: Shares, in_time: bool
) -> dict[str, Part]:
    sizes: dict[RecordingSplit, float]
    sizes = {"train": 1.0, "validation": shares.validation, "test": shares.test}
    splits: list[RecordingSplit] = [name for name in sizes if sizes[name] or name == split]
    lengths, (validation, test) = there.lengths, shares[:2]
    groups = groups_of(there, shares.group_by)
    parts: dict[str, Part] = {}
    for name in (split,) if split == "all" else splits:
        if name != "all" and in_time:
            found = divide_in_time(there.pieces, there.totals, name, spec.extent, validation, test)
        elif name != "all" and shares.split_by == "start":
            found = divide_starts(lengths, name, validation, test, shares.seed, spec.every)
        else:
            found = divide(lengths, name, validation, test, shares.seed, groups)
        parts[name] = found
    return parts


def of_record(footage: Footage, record: Record) -> Footage:
    """Return the footage of the recordings in a record of a split, all of which must be there."""
    wanted = dict.fromkeys(name for names in record.values() for name in names)
    known = set(footage.short_names)
    _require_none("missing", [name for name in wanted if name not in known])
    there = [number for number, name in enumerate(footage.short_names) if name in wanted]
    return footage.only(np.array(there))


def _whole(footage: Footage, names: Any) -> Part:
    """Return whole pieces by their short names, in the order of the footage."""
    recording = np.flatnonzero(np.isin(footage.short_names, list(names)))
    return Part(recording, np.zeros_like(recording), footage.lengths[recording])


def _require_same(record: Record, found: Record) -> None:
    """Refuse recordings that are no longer those of a record of a split."""
    pairs = [(found.get(split, {}), names) for split, names in record.items()]
    changed = [n for there, names in pairs for n in names if there.get(n) != names[n]]
    _require_none("changed", list(dict.fromkeys(changed)))


def _require_none(what: str, names: list[str]) -> None:
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        raise ValueError(
            f"recordings of the split on record (a run's config.json) are {what}: "
            f"{', '.join(names[:_NAMED])}{more}: put them back as they were, or train a new "
            "run on what is there; other recordings are measured by symgen.evaluate(run, "
            "symgen.open(path, 'all'))"
        )


def usual_length(
    footage: Footage, split: RecordingSplit, shares: Shares, every: int, skip: bool
) -> tuple[int, list[str]]:
    """Choose 16 frames, or fewer if no recording has room for as many, and say so."""
    parts = splits_of(split, *shares[:2]) if shares.in_time(footage, split) else 1
    whole = footage.lengths[footage.whole]
    lengths = np.sort(whole if len(whole) else footage.lengths)
    # A recording that is divided in time holds a clip for every part and a gap between any two.
    room = 1 + (lengths // (2 * parts - 1) - 1) // every
    if room[-1] >= DEFAULT_LENGTH:
        return DEFAULT_LENGTH, []
    # Pieces that are too short are dropped anyway, as are recordings if that is asked for.
    longest = int(room[(len(room) - 1) // 2 if skip else 0] if len(whole) else room[-1])
    if longest < 2:
        shortest = int(footage.lengths.argmin())
        raise ValueError(
            f"{footage.name(shortest)} has {footage.lengths[shortest]} frames, too few for clips "
            f"of two frames with every={every}"
            f"{f' in each of {parts} parts' if parts > 1 else ''}: take a smaller every, or give "
            "longer recordings"
        )
    why = f"recordings have {int(lengths[-1])} frames"
    why += f", of which each of {parts} splits has a part" if parts > 1 else " at most"
    return longest, [f"clips have {longest} frames rather than {DEFAULT_LENGTH}, since {why}"]


def long_enough(
    footage: Footage, spec: ClipSpec, skip: bool
) -> tuple[Int64[ndarray, " n"], tuple[Skipped, ...]]:
    """Return the pieces that hold a clip, and those that were left out because they do not.

    Raises:
        ValueError: if whole recordings do not and are not to be skipped, none does, or pieces are
            to come full circle.
    """
    enough = footage.lengths >= spec.extent
    kept, short = np.flatnonzero(enough), np.flatnonzero(~enough)
    whole = footage.whole
    if spec.wrap and not whole.all():
        raise ValueError(
            f"wrap, but {footage.name(int(whole.argmin()))} is a piece: a recording that lacks "
            "frames does not come full circle; leave out --wrap, or the recording"
        )
    wrong = short if not len(kept) else short[whole[short]]
    if len(wrong) and not (skip and len(kept)):
        named = [f"{footage.name(i)} ({footage.lengths[i]} frames)" for i in wrong.tolist()]
        more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise ValueError(
            f"a clip covers {spec.extent} frames, but shorter are {', '.join(named[:_NAMED])}"
            f"{more}: give longer ones, take a smaller length or every, or leave them out with "
            "skip_broken (--skip-broken)"
        )
    reason = f"shorter than the {spec.extent} frames that a clip covers"
    return kept, tuple(Skipped(footage.name(i), reason) for i in short.tolist())
