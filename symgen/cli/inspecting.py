"""The words data inspect: what is understood of the user's own recordings."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.markup import escape
from rich.table import Table
from tyro.conf import OmitArgPrefixes

from symgen.cli._terminal import console, parse
from symgen.data import Recordings
from symgen.experiments import RecordingConfig
from symgen.figures import contact_sheet

__all__ = ["inspect"]

_LISTED = 10  # lengths, and skipped recordings


@dataclass(frozen=True)
class _Inspect:
    """Say what is understood of recordings, and draw a contact sheet of training clips."""

    recordings: OmitArgPrefixes[RecordingConfig]
    out: Path = Path("recordings.png")
    """Image to write."""
    examples: int = 6
    """Number of clips in it."""


def inspect(words: Sequence[str]) -> None:
    """Describe recordings as training on them would understand them."""
    default = _Inspect(RecordingConfig())
    if words and not words[0].startswith("-"):
        default, words = _Inspect(RecordingConfig(data=Path(words[0]))), words[1:]
    options = parse(_Inspect, "data inspect PATH", words, default)
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    config = options.recordings
    held_out = {"validation": config.validation, "test": config.test}
    splits = {
        split: config.open(split)
        for split in ("train", "validation", "test")
        if held_out.get(split) != 0
    }
    train = splits["train"]
    clips = torch.linspace(0, len(train) - 1, min(options.examples, len(train))).long()
    frames = train.make(clips, torch.Generator()).frames
    sheet = contact_sheet(frames, [f"clip {clip}" for clip in clips.tolist()], options.out)

    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _understood(train, config).items():
        table.add_row(name, escape(value))
    for split, source in splits.items():
        table.add_row(split, _count(source))
    console.print(table)
    console.print(_kept(train, config), markup=False, soft_wrap=True)
    for entry in train.skipped[:_LISTED]:
        console.print(f"skipped {entry.name}: {entry.reason}", markup=False, soft_wrap=True)
    if len(train.skipped) > _LISTED:
        console.print(f"... and {len(train.skipped) - _LISTED} more skipped")
    console.print(
        f"{options.out} ({sheet.width} × {sheet.height})\n"
        f"next: symgen train tvae --data {config.data} and the same options",
        markup=False,
        soft_wrap=True,
    )


def _understood(source: Recordings, config: RecordingConfig) -> dict[str, str]:
    """Say in words what the footage is and how it is cut."""
    footage, window, sample = source.footage, source.window, source.footage.sample
    counted = sorted(Counter(footage.lengths.tolist()).items())
    lengths = ", ".join(f"{length} frames: {count:,}" for length, count in counted[:_LISTED])
    channels, height, width = footage.image_shape
    return {
        "kind": footage.kind,
        "sequences": f"{len(footage.lengths):,}, {footage.lengths.sum():,} frames",
        "lengths": lengths + (f" and {len(counted) - _LISTED} more" if counted[_LISTED:] else ""),
        "frame": f"{height} × {width}, {channels} channel{'s' if channels > 1 else ''}",
        "values": f"{sample.dtype} from {sample.min():g} to {sample.max():g} in {len(sample):,} "
        "frames looked at",
        "clips": f"{window.length} frames, {window.every} apart",
        "skipped": f"{len(source.skipped):,}",
    }


def _kept(source: Recordings, config: RecordingConfig) -> str:
    if source.footage.path == config.data:
        return "read in place, batch by batch"
    until = " until this command ends; --cache FOLDER keeps it" if config.cache is None else ""
    return f"decoded into {source.footage.path}{until}"


def _count(source: Recordings) -> str:
    pieces = len(source.part.length)
    of = "a part in time of " if source.in_time else ""
    return (
        f"{len(source):,} clips, starting {source.window.stride} apart, of {of}{pieces:,} "
        f"sequence{'s' if pieces > 1 else ''}"
    )
