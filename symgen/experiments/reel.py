"""Reels: what is to be encoded, frame after frame, and what is known of every frame."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from numpy import ndarray
from torch import Tensor

from symgen._errors import either
from symgen.data import Recordings
from symgen.data.batches import Source, factor_names
from symgen.data.recordings import ClipSpec, Footage, Part, unlike
from symgen.data.recordings.splits import Shares, deal, long_enough, usual_length
from symgen.experiments.datasets import RecordingData

__all__ = [
    "NONE",
    "SPLITS",
    "Blocks",
    "Reel",
    "of_items",
    "of_recordings",
    "of_run",
    "of_tensors",
    "recording_of",
    "rows_of_each",
]

Rows = dict[str, Tensor]
Blocks = Iterator[tuple[Tensor, Rows]]
SPLITS = ("train", "validation", "test", "none")
NONE = SPLITS.index("none")  # of frames and recordings that are in no split
_PIECE = re.compile(r"\[\d+:\d+\]$")  # of a recording, at the end of its name
_FRAMES, _ROOM = 1024, 2**28  # of a block: frames, or bytes of floats if that is less
_KNOWN = {
    "labels": "label",
    "y": "label",
    "pose": "true_pose",
    "moved": "moved",
}  # what batches say of items


@dataclass(frozen=True, eq=False)
class Reel:
    """The frames of recordings in their order, or images.

    Attributes:
        lengths: frames of each recording, or of each piece of one; of images 1 each.
        blocks: frames, part by part, with the values that are known of each by name. It can be
            gone through once.
        names: what the numbers in values of this name stand for.
        closed: whether the recordings come full circle.
        every: by how much the numbers of neighbouring frames differ.
        notes: what is to be said to the user.
        recording: the number of the recording that each piece is of; None: of its own.
    """

    lengths: Int64[ndarray, " n"]
    blocks: Blocks
    names: dict[str, list[str]]
    closed: bool = False
    every: int = 1
    notes: tuple[str, ...] = ()
    recording: Int64[ndarray, " n"] | None = None

    def __len__(self) -> int:
        return int(self.lengths.sum())


def of_tensors(recordings: Sequence[Tensor], names: Sequence[str] | None = None) -> Reel:
    """Return recordings (frames, *data) of any lengths; bytes are divided by 255.

    Numbers of other types become floats, of single precision where they have less.
    """
    lengths = np.array([len(each) for each in recordings], dtype=np.int64)

    def blocks() -> Blocks:
        for number, recording in enumerate(recordings):
            begin = 0
            for part in recording.split(_block(recording.shape[1:])):
                kind = torch.promote_types(part.dtype, torch.float32)
                frames = part.float() / 255 if part.dtype == torch.uint8 else part.to(kind)
                place = torch.arange(begin, begin := begin + len(part))
                numbers = torch.full_like(place, number)
                splits = torch.full_like(place, NONE)
                yield frames, {"recording": numbers, "frame": place, "split": splits}

    names = [f"[{number}]" for number in range(len(lengths))] if names is None else [*names]
    return Reel(lengths, blocks(), {"recording": names, "split": [*SPLITS]})


def of_items(batches: Iterator[Any], source: Source[Any], items: int, split: str) -> Reel:
    """Return items of a source that come in batches: sequences as recordings, or images."""
    frames, code = source.frames, SPLITS.index(split)
    one = source.batch(torch.zeros(1, dtype=torch.int64), torch.Generator()).inputs[0]
    sequences = one.dim() > 1 + len(source.data_shape)

    def blocks() -> Blocks:
        begin = 0
        for batch in batches:
            x = batch.inputs[0]
            number = torch.arange(begin, begin := begin + len(x))
            known = {"recording" if sequences else "image": number}
            known |= {"split": torch.full_like(number, code)}
            for name, column in _KNOWN.items():
                if isinstance(part := getattr(batch, name, None), Tensor):
                    known[column] = part.cpu()
            if sequences:
                known = {name: part.repeat_interleave(frames, 0) for name, part in known.items()}
                known["frame"] = torch.arange(frames).repeat(len(x))
                factors = getattr(batch, "factors", None)
                if isinstance(factors, Tensor) and factors.shape[-1]:
                    known["factors"] = factors.flatten(0, 1).cpu()
                else:
                    known.pop("moved", None)
                x = x.flatten(0, 1)
            yield x, known

    names = {"split": [*SPLITS]}
    if sequences:
        names |= {"recording": [f"[{number}]" for number in range(items)]}
    if sequences and factor_names(source):
        names |= {"factors": [*factor_names(source)]}
    return Reel(np.full(items, frames), blocks(), names)


def of_recordings(
    source: Recordings, parts: Mapping[str, Part] | None = None, items: int | None = None
) -> Reel:
    """Return the first recordings of a source's split, every frame of them that it has clips of.

    Args:
        parts: what is in which split; None: the parts of the source.
        items: how many recordings; None for all.
    """
    part, pieces, every = source.part, source.footage.pieces, source.spec.every
    recording = pieces.recording[part.recording]
    known = np.unique(recording)
    if items is not None and not 0 < items <= len(known):
        raise ValueError(f"examples={items}: give 1 to {len(known):,}, the number of recordings")
    first = recording <= known[-1 if items is None else items - 1]
    part = replace(part, **{n: getattr(part, n)[first] for n in ("recording", "begin", "length")})
    lengths = -(-part.length // every)
    ends = lengths.cumsum()
    split_of = _split_of(source.footage, source.parts if parts is None else parts)

    def blocks() -> Blocks:
        step = _block(source.data_shape)
        for begin in range(0, int(ends[-1]), step):
            row = np.arange(begin, min(begin + step, int(ends[-1])))
            at = np.searchsorted(ends, row, side="right")
            piece = part.recording[at]
            place = part.begin[at] + every * (row - (ends - lengths)[at])
            frames = source.scaled(source.footage.read(pieces.first[piece] + place))
            told = {"recording": pieces.recording[piece], "frame": pieces.start[piece] + place}
            told |= {"split": split_of(piece, place)}
            if (known := source.footage.factors) is not None:
                told["factors"] = known.values(known.at(told["recording"], told["frame"]))
            yield frames, {name: torch.from_numpy(values) for name, values in told.items()}

    names = {"recording": _recording_names(source.footage), "split": [*SPLITS]}
    if source.factor_names:
        names |= {"factors": [*source.factor_names]}
    closed = source.spec.wrap and not (part.length % every).any()
    numbers = pieces.recording[part.recording]
    return Reel(lengths, blocks(), names, closed, every, recording=numbers)


def of_run(
    data: RecordingData,
    data_shape: Sequence[int],
    split: str | None,
    items: int | None,
    same: bool,
) -> Reel:
    """Return recordings with the split that a run has of them; None stands for all of them.

    Recordings that the run has not seen are in no split, and neither are the frames that it has
    left out between parts in time, nor those of clips that are dealt out by where they start.

    Args:
        data_shape: of the frames that the run was trained on, or ValueError.
        same: whether they lie where those lay that the run was trained on.
    """
    # Clips of two frames: recordings that are shorter than those of the run are encoded, too.
    source = replace(data, length=2, stride=1, every=1).open("all")
    count, lengths = len(source.footage.lengths), source.footage.lengths
    parts = _parts_of(source.footage, data)
    wanted = Part(np.arange(count), np.zeros_like(lengths), lengths)
    if split not in (None, "all"):
        known = [name for name, part in parts.items() if len(part.recording)]
        if split not in known:
            raise ValueError(
                f"split={split!r}: no frame of {data.data} is known to be in it, they are in "
                f"{either(known) if known else 'no split'}: give another, or all"
            )
        wanted = parts[split]
    if source.data_shape != tuple(data_shape):
        raise ValueError(
            f"{data.data} has frames of shape {source.data_shape}, but the run was trained on "
            f"{tuple(data_shape)}: give recordings with such frames"
        )
    spec = replace(source.spec, every=data.every)
    source = replace(source, parts={"all": wanted}, spec=spec)
    return replace(
        of_recordings(source, parts, items), notes=(*_notes(data, source, parts, same),)
    )


def _notes(
    data: RecordingData, source: Recordings, parts: Mapping[str, Part], same: bool
) -> Iterator[str]:
    """Say if recordings were perhaps trained on, though they are in no split, or are unlike."""
    footage, known = source.footage, {split for split in parts if len(parts[split].recording)}
    if same and data.split_by == "start":
        yield (
            f"{data.data}: clips were dealt out by where they start, so it is not known which "
            "recordings were trained on"
        )
    elif same and data.record:
        pieces = [parts[split].recording for split in known]
        found = {int(number) for each in pieces for number in footage.pieces.recording[each]}
        names = {_PIECE.sub("", name) for split in data.record.values() for name in split}
        there = enumerate(_recording_names(footage))
        changed = [name for number, name in there if number not in found and name in names]
        if changed:
            yield (
                f"{data.data}: {len(changed):,} of {len(footage.names):,} recordings have "
                f"changed, or are read otherwise, since the training ({changed[0]}"
                f"{', …' * (len(changed) > 1)}), so it is not known which were trained on"
            )
    if known:
        return
    if source.levels is not None:
        sample = source.footage.sample
        said = unlike(source.levels, (float(sample.min()), float(sample.max())))
        if said is not None:
            yield f"{data.data}: {said}"


def _parts_of(footage: Footage, data: RecordingData) -> dict[str, Part]:
    """Find in recordings what a run has in which split, by the hashes that it has on record."""
    record, names, lengths = data.record or {}, footage.short_names, footage.lengths
    zeros = np.zeros_like(lengths)
    found = footage.hashes(np.arange(len(names)), zeros, lengths)
    splits = [_split_on_record(record, name, found[name]) for name in names]
    parts: dict[str, Part] = {}
    for split in record:
        mine = np.array([n for n, each in enumerate(splits) if each == split], dtype=np.int64)
        parts[split] = Part(mine, zeros[mine], lengths[mine])
    if any(splits) or not record:
        return parts
    with suppress(ValueError):  # other recordings than those that the run divided in time
        shares = Shares(data.validation, data.test, data.split_by, data.split_seed, data.group_by)
        length = data.length or usual_length(footage, "train", shares, data.every, True)[0]
        spec = ClipSpec(length, 1, data.every, data.wrap)
        divided, in_time = deal(
            footage, long_enough(footage, spec, True)[0], "train", spec, shares, None
        )
        for split, part in divided.items() if in_time else ():
            hashes = footage.hashes(part.recording, part.begin, part.length)
            same = [hashes[names[n]] in record[split].values() for n in part.recording]
            parts[split] = Part(part.recording[same], part.begin[same], part.length[same])
    return parts


def _split_on_record(record: Mapping[str, Mapping[str, str]], name: str, content: str) -> str:
    """Return the only split that has a recording: of this name, or else of this content."""
    named = [split for split, known in record.items() if known.get(name) == content]
    alike = named or [split for split, known in record.items() if content in known.values()]
    return alike[0] if len(alike) == 1 else ""


def _split_of(
    footage: Footage, parts: Mapping[str, Part]
) -> Callable[[ndarray, ndarray], Int64[ndarray, " rows"]]:
    """Return what tells the number of the split of frames, by piece and place in it."""
    bounds = np.zeros((len(SPLITS), 2, len(footage.lengths)), dtype=np.int64)
    for split, part in parts.items():
        if split in SPLITS and part.starts[0] == 1:
            bounds[SPLITS.index(split), 0, part.recording] = part.begin
            bounds[SPLITS.index(split), 1, part.recording] = part.begin + part.length

    def split_of(piece: ndarray, place: ndarray) -> Int64[ndarray, " rows"]:
        inside = (place >= bounds[:, 0, piece]) & (place < bounds[:, 1, piece])
        inside[NONE] = True
        return inside.argmax(0)

    return split_of


def _recording_names(footage: Footage) -> list[str]:
    """Name all recordings as the pieces of them are named, without what tells the piece."""
    names = [str(name) for name in footage.names]
    pieces = footage.pieces
    ends = pieces.start + pieces.length
    for recording, start, end, whole, name in zip(
        pieces.recording, pieces.start, ends, footage.whole, footage.short_names, strict=True
    ):
        names[recording] = name if whole else name.removesuffix(f"[{start}:{end}]")
    return names


def _block(data_shape: Sequence[int]) -> int:
    """Return how many frames make a block."""
    return max(1, min(_FRAMES, _ROOM // (4 * prod(data_shape))))


def recording_of(reel: Reel) -> Int64[np.ndarray, " n"]:
    """Return the number of the recording that each piece is of."""
    return np.arange(len(reel.lengths)) if reel.recording is None else reel.recording


def rows_of_each(recording: Int64[Tensor, " rows"]) -> list[Int64[Tensor, " part"]]:
    """Return the rows of each recording, which follow one another."""
    _, counts = recording.unique_consecutive(return_counts=True)
    return [*torch.arange(len(recording)).split(counts.tolist())]
