"""The verbs that look without a run: presets and data."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from rich.table import Table
from torch import Tensor
from tyro.conf import OmitArgPrefixes

from symgen.cli._terminal import console, parse, sequence_titles
from symgen.cli.inspecting import inspect
from symgen.data import DistortedImages, Sequences, SequenceSource
from symgen.data.recordings import DEFAULT_LENGTH
from symgen.experiments import (
    PRESETS,
    ACEExperiment,
    AnyExperiment,
    DataConfig,
    ImageConfig,
    RecordingConfig,
    RecordingExperiment,
    preset,
)
from symgen.figures import contact_sheet

__all__ = ["data", "presets"]

DataT = TypeVar("DataT", bound=DataConfig | ImageConfig | RecordingConfig)


@dataclass(frozen=True)
class _Presets:
    """List the experiments that have a name."""


@dataclass(frozen=True)
class _Data(Generic[DataT]):
    """Draw a contact sheet of what is trained on, and describe it."""

    data: OmitArgPrefixes[DataT]
    out: Path
    """Image to write."""
    examples: int = 6
    """Number of sequences, or of images of each class."""
    seed: int = 0
    """Seed of their choice and of what is done to them."""


def presets(words: Sequence[str]) -> None:
    """List the presets."""
    parse(_Presets, "presets", words)
    table = Table("preset", "what it is", "images seen", box=None, pad_edge=False)
    for name, (description, experiment) in PRESETS.items():
        seen = experiment.training.sequences * _frames(experiment)
        table.add_row(name, description, f"{seen / 1e6:.2f} million")
    console.print(table)
    console.print("\nTrain one with: symgen train PRESET   (its numbers: symgen train PRESET -h)")


def _frames(experiment: AnyExperiment) -> int:
    """Return the images in an item of training, without opening the data."""
    if isinstance(experiment, RecordingExperiment):
        return experiment.data.length or DEFAULT_LENGTH
    if isinstance(experiment, ACEExperiment) or experiment.data.mode == "still":
        return 1
    return 15 if experiment.data.scene == "sprites" else 18


def data(words: Sequence[str]) -> None:
    """Draw training sequences, or training images by class."""
    if words and words[0] == "inspect":
        inspect(words[1:])
        return
    chosen: DataConfig | ImageConfig | RecordingConfig = DataConfig()
    if words and not words[0].startswith("-"):
        chosen, words = preset(words[0]).data, words[1:]
    still = isinstance(chosen, ImageConfig)
    default = _Data(chosen, Path("images.png" if still else "sequences.png"))
    options = parse(_Data[type(chosen)], "data [PRESET]", words, default)
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    source = options.data.source(train=True)
    if isinstance(options.data, ImageConfig):
        frames, titles = _by_class(source, options.examples, options.seed)
        about = f"{len(source):,} images in {source.classes} classes"
    else:
        frames, titles = _sequences(source, options.examples, options.seed)
        factors = zip(source.factor_names, source.factor_sizes, strict=True)
        about = f"{len(source):,} items; sequences of {source.frames} frames; factors: "
        about += ", ".join(f"{name} ({size} values)" for name, size in factors) or "none"
    sheet = contact_sheet(frames, titles, options.out)
    channels, height, width = source.image_shape
    console.print(
        f"{source!r}\n{about}\n{channels} × {height} × {width}\n"
        f"{options.out} ({sheet.width} × {sheet.height})",
        markup=False,
        soft_wrap=True,
    )


def _sequences(source: SequenceSource, count: int, seed: int) -> tuple[Tensor, list[str]]:
    batch = Sequences(source, count, seed=seed).batch(0)
    return batch.frames, sequence_titles(source, batch.moved)


def _by_class(source: DistortedImages, count: int, seed: int) -> tuple[Tensor, list[str]]:
    """Choose images at random, equally many of each class."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source), generator=generator)
    labels = source.images.labels[order]
    classes = labels.unique().tolist()
    items = [order[labels == label][:count] for label in classes]
    count = min(map(len, items))
    chosen = torch.cat([numbers[:count] for numbers in items])
    images = source.make(chosen, generator).images
    return images.unflatten(0, (len(classes), count)), [str(label) for label in classes]
