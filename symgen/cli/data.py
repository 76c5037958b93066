"""The verb data: what is trained on, and what is understood of one's own recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.table import Table
from torch import Tensor
from tyro.conf import OmitArgPrefixes

from symgen.cli._estimate import training_time
from symgen.cli._images import inspect_images, told_as_images
from symgen.cli._options import parse
from symgen.cli._terminal import console, free_name, new_file, say, sequence_titles
from symgen.cli._understood import (
    count_of,
    cut_to_period,
    few_clips,
    kept_where,
    recommended,
    remarks,
    understood,
)
from symgen.data import Recordings
from symgen.data.batches import Batches
from symgen.data.recordings.period import measure_period
from symgen.experiments.datasets import (
    BounceData,
    DigitsData,
    ImageData,
    OwnImageData,
    RecordingData,
    SpritesData,
)
from symgen.experiments.presets import preset
from symgen.figures import as_pictures, contact_sheet, vector_maps

DataT = TypeVar("DataT", bound=DigitsData | BounceData | SpritesData | ImageData | RecordingData)


@dataclass(frozen=True)
class _Data(Generic[DataT]):
    """Draw a contact sheet of what is trained on, and describe it."""

    data: OmitArgPrefixes[DataT]
    out: Path | None = None
    """Image to write; by default sequences.png or images.png, or the first of sequences-2.png and
    so on that is not there."""
    force: bool = False
    """Replace a file that is there."""
    examples: int = 6
    """Number of sequences, or of images of each class. Clips that --augment changes are drawn as
    they are, too, above."""
    seed: int = 0
    """Seed of their choice and of what is done to them."""


@dataclass(frozen=True)
class _Inspect:
    """Say what is understood of recordings, and draw a contact sheet of training clips.

    Clips are drawn as they are, whatever --augment changes where a model is trained on them.
    """

    recordings: OmitArgPrefixes[RecordingData]
    out: Path | None = None
    """Image to write; by default recordings.png, or the first of recordings-2.png and so on that
    is not there."""
    force: bool = False
    """Replace a file that is there."""
    examples: int = 6
    """Number of clips in it."""


def data(words: Sequence[str]) -> None:
    """Draw training sequences, or training images by class."""
    if words and words[0] == "inspect":
        (inspect_images if "--images" in words else inspect)(words[1:])
        return
    chosen: Any = DigitsData()
    if words and not words[0].startswith("-"):
        chosen, words = preset(words[0]).experiment.data, words[1:]
    if isinstance(chosen, OwnImageData):
        inspect_images(words)
        return
    still = isinstance(chosen, ImageData)
    options = parse(_Data[type(chosen)], "data [PRESET]", words, _Data(chosen))
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    source = options.data.source(train=True)
    if still:
        frames, titles = _by_class(source, options.examples, options.seed)
        about = f"{len(source):,} images in {source.classes} classes"
    else:
        given = Batches(source, options.examples, seed=options.seed)
        batch = given.to_train_on().batch(0)
        frames, titles = batch.inputs[0], sequence_titles(source, batch)
        if isinstance(source, Recordings):
            titles = source.recording_names(given.indices(0))
            if source.augment:
                before = given.batch(0).inputs[0]
                frames = torch.stack([before, frames], 1).flatten(0, 1)
                titles = [text for name in titles for text in (name, "changed")]
        factors = zip(source.factor_names, source.factor_sizes, strict=True)
        about = f"{len(source):,} items; sequences of {source.frames} frames; factors: "
        about += ", ".join(f"{name} ({size} values)" for name, size in factors) or "none"
    out = free_name("images" if still else "sequences") if options.out is None else options.out
    new_file(out, options.force)
    _draw(frames, titles, out)
    shape = " × ".join(map(str, source.data_shape))
    say(f"{about}\n{shape}\n{out}")


def inspect(words: Sequence[str]) -> None:
    """Describe recordings as training on them would understand them."""
    default = _Inspect(RecordingData())
    if words and not words[0].startswith("-"):
        default, words = _Inspect(RecordingData(data=Path(words[0]))), words[1:]
    options = parse(_Inspect, "data inspect PATH", words, default)
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    out = free_name("recordings") if options.out is None else options.out
    new_file(out, options.force)
    config = options.recordings
    held_out = {"validation": config.validation, "test": config.test}
    splits = {
        split: config.open(split)
        for split in ("train", "validation", "test")
        if held_out.get(split) != 0
    }
    train = splits["train"]
    clips = torch.linspace(0, len(train) - 1, min(options.examples, len(train))).long()
    _draw(train.thinned(clips), [f"clip {clip}" for clip in clips.tolist()], out)

    table = Table(show_header=False, box=None, pad_edge=False)
    period = None if config.wrap else measure_period(train.footage, config.every)
    for name, value in understood(train, period).items():
        table.add_row(name, value)
    for split, source in splits.items():
        table.add_row(split, count_of(source))
    if images := told_as_images(config.data):
        say(f"{images}\n\nas recordings:")
    console.print(table)
    say("\n".join([kept_where(train, config), *remarks(train), *few_clips(splits)]))
    train, config = cut_to_period(train, config, period)
    experiment, command = recommended(train, config)
    say(f"{training_time(experiment, train.data_shape, train.frames)}\n{out}\nnext: {command}")


def _draw(frames: Tensor, titles: list[str], out: Path) -> None:
    """Draw sequences as pictures, or as heat maps if they are of vectors."""
    dims = frames.dim() - 2
    if dims == 1:
        vector_maps({"given": frames}, torch.ones(frames.shape[1], dtype=torch.bool), out, titles)
    else:
        (pictures,) = as_pictures(frames, dims=dims)
        contact_sheet(pictures, titles, out)


def _by_class(source: Any, count: int, seed: int) -> tuple[Tensor, list[str]]:
    """Choose images at random, equally many of each class."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source), generator=generator)
    labels = source.images.labels[order]
    classes = labels.unique().tolist()
    items = [order[labels == label][:count] for label in classes]
    count = min(map(len, items))
    chosen = torch.cat([numbers[:count] for numbers in items])
    images = source.batch(chosen, generator).images
    return images.unflatten(0, (len(classes), count)), [str(label) for label in classes]
