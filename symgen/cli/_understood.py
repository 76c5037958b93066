"""What is understood of recordings, in words, and the command that trains on them."""

import shlex
from collections import Counter
from collections.abc import Iterator

import numpy as np

from symgen.data import Recordings
from symgen.experiments.datasets import RecordingData
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import preset

__all__ = ["count_of", "kept_where", "recommended", "remarks", "understood"]

_LISTED = 10  # lengths, and what was left out
_NAMES = {"N": "recordings", "T": "frames", "C": "channels", "Z": "depth", "Y": "height"}
_NAMES |= {"X": "width", "F": "features"}


def understood(source: Recordings) -> dict[str, str]:
    """Say in words what the footage is and how it is cut."""
    footage, spec, sample = source.footage, source.spec, source.footage.sample
    counted = sorted(Counter(footage.lengths.tolist()).items())
    lengths = ", ".join(f"{length} frames: {count:,}" for length, count in counted[:_LISTED])
    recordings, pieces = len(np.unique(footage.pieces.recording)), len(footage.lengths)
    cut = f" in {pieces:,} pieces" if pieces > recordings else ""
    channels, *size = footage.data_shape
    frame = f"{channels} features"
    if size:
        sides = " × ".join(map(str, size))
        frame = f"{sides}, {channels} channel{'s' if channels > 1 else ''}"
    scale = "as they are"
    if (levels := source.levels) is not None:
        scale = f"{levels.low:g} to 0, {levels.high:g} to 1: {levels.why}"
    bad = len(footage.cuts)
    return {
        "kind": footage.kind,
        **({} if footage.axes is None else {"axes": _meaning(footage.axes)}),
        "recordings": f"{recordings:,}{cut}, {footage.lengths.sum():,} frames",
        "lengths": lengths + (f" and {len(counted) - _LISTED} more" if counted[_LISTED:] else ""),
        "frame": frame,
        "values": f"{sample.dtype} from {sample.min():g} to {sample.max():g} in {len(sample):,} "
        "frames looked at",
        "scale": scale,
        "clips": f"{spec.length} frames, {spec.every} apart"
        f"{', from the last frame on to the first' if spec.wrap else ''}",
        "cut": f"in {bad:,} place{'s' * (bad != 1)}",
        "skipped": f"{len(source.skipped):,}",
    }


def _meaning(axes: str) -> str:
    return f"{axes}: {', '.join(_NAMES[letter] for letter in axes)}"


def remarks(source: Recordings) -> Iterator[str]:
    """Say what should be known: where recordings were cut, what was left out, what looks odd."""
    yield from source.notes
    for what, entries in (("cut at", source.footage.cuts), ("skipped", source.skipped)):
        for entry in entries[:_LISTED]:
            yield f"{what} {entry.name}: {entry.reason}"
        if len(entries) > _LISTED:
            yield f"... and {len(entries) - _LISTED} more {what.removesuffix(' at')}"
    sample = source.footage.sample
    if source.data_shape[0] == 3 and sample.ndim > 2 and (sample == sample[:, :1]).all():
        yield "the three channels are equal: gray, which --gray makes one channel of"


def kept_where(source: Recordings, config: RecordingData) -> str:
    """Say where the frames are read."""
    files = source.footage.reader.files
    if config.data is not None and files[0].is_relative_to(config.data.absolute()):
        return "read in place, batch by batch"
    until = " until this command ends; --cache FOLDER keeps it" if config.cache is None else ""
    return f"decoded into {source.footage.path}{until}"


def count_of(source: Recordings) -> str:
    """Count the clips of a split."""
    pieces = len(source.part.length)
    of = "a part in time of " if source.in_time else ""
    of = "some starts in " if source.part.starts[0] > 1 else of
    return (
        f"{len(source):,} clips, starting {source.spec.stride} apart, of {of}{pieces:,} "
        f"sequence{'s' if pieces > 1 else ''}"
    )


def recommended(source: Recordings, config: RecordingData) -> tuple[Experiment, str]:
    """Return a training on recordings that will be accepted, and the command for it.

    The preset's batch and neighbourhood are made smaller for few clips or short ones, and its
    likelihood one for numbers outside [0, 1].
    """
    experiment = preset("tvae").experiment
    model, training = {}, {}
    words = ["symgen", "train", "tvae", "--data", str(config.data), *config.words()]
    if len(source) < experiment.training.batch_size:
        training["batch_size"] = len(source)
        words += ["--batch-size", str(len(source))]
    if source.frames < experiment.model["neighbourhood"]:
        model |= {"neighbourhood": 1, "standardise": False}
        words += ["--neighbourhood", "1", "--no-standardise"]
    low, high = source.footage.extremes
    if source.levels is None and not (low >= 0 and high <= 1):
        model["likelihood"] = "gaussian"
        words += ["--likelihood", "gaussian"]
    experiment = experiment.changed(model, training=training)
    return Experiment(
        experiment.builder, experiment.model, config, experiment.training
    ), shlex.join(words)
