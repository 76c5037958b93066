"""What is understood of single images and their classes, in words, and the training on them."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor
from tyro.conf import OmitArgPrefixes

from symgen.cli._options import parse
from symgen.cli._terminal import console, new_file, say
from symgen.data.labelled import OwnImages
from symgen.data.own_images import class_folders
from symgen.experiments.image_data import OwnImageData
from symgen.experiments.presets import preset
from symgen.figures import as_pictures, contact_sheet

__all__ = ["images_in_short", "inspect_images", "told_as_images"]

_LISTED = 30  # classes
_CLUSTERS = 10  # that are recommended where there is no label
_GRAY = 0.15  # from black or white, of a ground whose noise is no shade between the two


@dataclass(frozen=True)
class _Inspect:
    """Say what is understood of single images and their classes, and draw some of each class."""

    images: OmitArgPrefixes[OwnImageData]
    out: Path = Path("images.png")
    """Image to write."""
    force: bool = False
    """Replace a file that is there."""
    examples: int = 8
    """Images of each class in it."""


def inspect_images(words: Sequence[str]) -> None:
    """Describe images and their classes as a training of ACE would understand them."""
    words, default = [word for word in words if word != "--images"], _Inspect(OwnImageData())
    if words and not words[0].startswith("-"):
        default, words = _Inspect(OwnImageData(data=Path(words[0]))), words[1:]
    options = parse(_Inspect, "data inspect PATH --images", words, default)
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    new_file(options.out, options.force)
    source = options.images.open("all")
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _understood(source, options.images).items():
        table.add_row(name, value)
    contact_sheet(*_by_class(source, options.examples), options.out)
    console.print(table)
    command = _recommended(source, options.images)
    say("\n".join([*source.notes, str(options.out), f"next: {command}"]))


def told_as_images(path: Path | None) -> str | None:
    """Say in a line that folders can be classes, where they can."""
    counts = None if path is None else class_folders(path)
    if counts is None:
        return None
    classes = [name for name in counts if name]
    several = f" in {len(classes)} classes" if classes else ""
    return (
        f"as single images for ACE: {sum(counts.values()):,}{several}; symgen data inspect "
        f"{shlex.quote(str(path))} --images tells more"
    )


def images_in_short(source: OwnImages) -> Iterator[str]:
    """Say before a training what is trained on, its scale, and what was left out or changed."""
    classes = f" in {len(source.class_names)} classes" if source.class_names else ""
    yield f"training on {len(source):,} images{classes}, {_size(source)}; scale {_scale(source)}"
    yield from source.notes


def _size(source: OwnImages) -> str:
    channels, height, width = source.data_shape
    return f"{height} × {width}, {channels} channel{'s'[: channels - 1]}"


def _scale(source: OwnImages) -> str:
    if source.levels is None:
        return "as they are"
    return f"{source.levels.low:g} to 0, {source.levels.high:g} to 1: {source.levels.why}"


def _understood(source: OwnImages, config: OwnImageData) -> dict[str, str]:
    labels, splits = source.classes_of[source.numbers], source.splits[source.numbers]
    told = {"images": f"{len(source):,}, {_size(source)}", "scale": _scale(source)}
    counts = {name: int((labels == n).sum()) for n, name in enumerate(source.class_names)}
    for name, count in [*counts.items()][:_LISTED]:
        told[f"class {name}"] = f"{count:,}"
    if len(counts) > _LISTED:
        told["more classes"] = f"{len(counts) - _LISTED:,}"
    told["without a label"] = f"{int((labels < 0).sum()):,}"
    for number, name in enumerate(("train", "validation", "test")):
        told[name] = f"{int((splits == number).sum()):,}"
    if config.ignore_labels:
        told["labels"] = "hidden from the training"
    return told


def _by_class(source: OwnImages, count: int) -> tuple[Tensor, list[str]]:
    """Return some images of every class, evenly spread, in rows filled up with paper."""
    labels = source.classes_of[source.numbers]
    rows, titles = [], []
    for label in [*np.unique(labels)][:_LISTED]:
        mine = np.flatnonzero(labels == label)
        chosen = mine[np.linspace(0, len(mine) - 1, min(count, len(mine))).astype(np.int64)]
        images = source.batch(torch.from_numpy(chosen), torch.Generator()).images
        paper = images.new_full((count - len(images), *images.shape[1:]), float(images.max()))
        rows.append(torch.cat([images, paper]))
        titles.append("without a label" if label < 0 else source.class_names[label])
    (pictures,) = as_pictures(torch.stack(rows), dims=3)
    return pictures, titles


def _recommended(source: OwnImages, config: OwnImageData) -> str:
    """Return the command of a training on images."""
    words = ["symgen", "train", "ace", "--data", str(config.data)]
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name != "data" and value != entry.default:
            several = value if isinstance(value, tuple) else (value,)
            given = [f"{one:g}" if isinstance(one, float) else str(one) for one in several]
            words += [f"--{entry.name.replace('_', '-')}", *([] if value is True else given)]
    if source.labelled == "none" and config.classes is None:
        words += ["--classes", str(_CLUSTERS)]
    training = int((source.splits[source.numbers] == 0).sum())
    if training < preset("ace").experiment.training.batch_size:
        words += ["--batch-size", str(training)]
    if source.levels is None or _GRAY < source.ground < 1 - _GRAY:
        words += ["--likelihood", "gaussian"]
    return shlex.join(words)
