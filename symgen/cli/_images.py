"""What is understood of single images and their classes, in words, and the training on them."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from rich.table import Table
from torch import Tensor
from tyro.conf import OmitArgPrefixes

from symgen.cli._estimate import time_of_images
from symgen.cli._options import parse
from symgen.cli._terminal import console, free_name, new_file, say
from symgen.data.image_labels import has_labels
from symgen.data.labelled import SHARE, OwnImages
from symgen.data.own_images import class_folders
from symgen.data.recordings.containers import CONTAINER_SUFFIXES
from symgen.experiments.experiment import Experiment
from symgen.experiments.image_data import OwnImageData
from symgen.experiments.presets import preset
from symgen.figures import as_pictures, contact_sheet

__all__ = ["images_in_short", "inspect_images", "told_as_images"]

_LISTED = 30  # classes
_FEW = 30  # labels of the test
_CLUSTERS = 10  # that are recommended where there is no label
_GRAY = 0.15  # from black or white, of a ground whose noise is no shade between the two


@dataclass(frozen=True)
class _Inspect:
    """Say what is understood of single images and their classes, and draw some of each class."""

    images: OmitArgPrefixes[OwnImageData]
    out: Path | None = None
    """Image to write; by default images.png, or the first of images-2.png and so on that is not
    there."""
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
    out = free_name("images") if options.out is None else options.out
    new_file(out, options.force)
    source = options.images.open("all")
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _understood(source, options.images).items():
        table.add_row(name, value)
    contact_sheet(*_by_class(source, options.examples), out)
    console.print(table)
    experiment, command = _recommended(source, options.images)
    about = [note for note in (_few_labels(source), *_choices(options.images, experiment)) if note]
    about.append(time_of_images(experiment))
    say("\n".join([*source.notes, *about, str(out), f"next: {command}"]))


def _choices(config: OwnImageData, experiment: Experiment) -> Iterator[str]:
    """Say what of a recommended training is a guess."""
    if experiment.data != config:
        yield f"--classes {_CLUSTERS} is a guess: give as many clusters as kinds are expected"
    if experiment.model["likelihood"] != "gaussian":
        yield (
            "where gray values matter, as in photographs and noisy micrographs, add "
            "--likelihood gaussian; without it images count as ink on a ground"
        )


def told_as_images(path: Path | None) -> str | None:
    """Say in a line that folders can be classes, or an array labels, where they can."""
    if path is None:
        return None
    counts = class_folders(path)
    if counts is None and path.suffix.lower() in CONTAINER_SUFFIXES and has_labels(path):
        return (
            f"{path} has labels: are these single images? symgen data inspect "
            f"{shlex.quote(str(path))} --images tells what ACE would make of them"
        )
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
    known, classes = source.known, len(source.class_names)
    sure = int((known >= 0).sum())
    told = f" in {classes} class{'es' * (classes > 1)}" if source.labelled == "all" else ""
    if source.labelled == "some":
        told = (
            f": {sure:,} with a label, in {classes} classes, which are repeated until one image "
            f"in {SHARE} has one, and {len(known) - sure:,} without"
        )
    yield f"training on {len(known):,} images{told}; {_size(source)}; scale {_scale(source)}"
    if (few := _few_labels(source)) is not None:
        yield few
    yield from source.notes


def _few_labels(source: OwnImages) -> str | None:
    """Say that hardly any labels are left to measure errors by."""
    labels = source.classes_of[source.splits == 2]
    held_out = int((labels >= 0).sum())
    if source.hidden or not source.class_names or not len(labels) or held_out >= _FEW:
        return None
    return (
        f"errors will be rough: {held_out} of {len(labels):,} images of the test have a label "
        "(--test keeps more)"
    )


def _size(source: OwnImages) -> str:
    channels, height, width = source.data_shape
    return f"{height} × {width}, {channels} channel{'s'[: channels - 1]}"


def _scale(source: OwnImages) -> str:
    if source.levels is None:
        return "none: numbers stay as they are"
    return f"{source.levels.low:g} → 0, {source.levels.high:g} → 1: {source.levels.why}"


def _understood(source: OwnImages, config: OwnImageData) -> dict[str, str]:
    labels, splits = source.classes_of[source.numbers], source.splits[source.numbers]
    told = {"images": f"{len(source):,}, {_size(source)}", "scale": _scale(source)}
    counts = {name: int((labels == n).sum()) for n, name in enumerate(source.class_names)}
    for name, count in [*counts.items()][:_LISTED]:
        told[f"class {name}"] = f"{count:,}"
    if len(counts) > _LISTED:
        told["more classes"] = f"{len(counts) - _LISTED:,}"
    if missing := int((labels < 0).sum()):
        told["without a label"] = f"{missing:,}"
    for number, name in enumerate(("train", "validation", "test")):
        mine = labels[splits == number]
        sure = int((mine >= 0).sum())
        few = f", {sure:,} with a label" if missing and counts else ""
        told[name] = f"{len(mine):,}{few}"
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


def _recommended(source: OwnImages, config: OwnImageData) -> tuple[Experiment, str]:
    """Return a training on images, and its command."""
    experiment = replace(preset("ace").experiment, data=config)
    words = ["symgen", "train", "ace", "--data", str(config.data)]
    for entry in fields(config):
        value = getattr(config, entry.name)
        if entry.name != "data" and value != entry.default:
            several = value if isinstance(value, tuple) else (value,)
            given = [f"{one:g}" if isinstance(one, float) else str(one) for one in several]
            words += [f"--{entry.name.replace('_', '-')}", *([] if value is True else given)]
    if source.labelled == "none" and config.classes is None:
        words += ["--classes", str(_CLUSTERS)]
        experiment = experiment.changed(data={"classes": _CLUSTERS})
    training = int((source.splits[source.numbers] == 0).sum())
    if training < experiment.training.batch_size:
        words += ["--batch-size", str(training)]
        experiment = experiment.changed(training={"batch_size": training})
    if source.levels is None or _GRAY < source.ground < 1 - _GRAY:
        words += ["--likelihood", "gaussian"]
        experiment = experiment.changed(model={"likelihood": "gaussian"})
    return experiment, shlex.join(words)
