"""What is understood of recordings, in words, and the command that trains on them."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped

from symgen.data import Recordings
from symgen.data.recordings.period import Period
from symgen.experiments.datasets import RecordingData
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import preset
from symgen.likelihoods import make_likelihood

__all__ = ["count_of", "cut_to_period", "few_clips", "in_short", "kept_where", "recommended"]
__all__ += ["remarks", "require_support", "understood"]

_LISTED = 10  # lengths, and what was left out
_IN_SHORT = 3  # remarks before a training
_FEWEST, _LONGEST = 4, 32  # frames of a period that is a clip as it is
_FEW_CLIPS = 5  # of a split
_UNEVEN = 10.0  # times as large as another
_UNITS = range(8, 25)  # of a capsule that a longer one is thinned to
_NAMES = {"N": "recordings", "T": "frames", "C": "channels", "Z": "depth", "Y": "height"}
_NAMES |= {"X": "width", "F": "features"}


def understood(source: Recordings, period: Period | None) -> dict[str, str]:
    """Say in words what the footage is, its period, and how it is cut."""
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
    bad, known = len(footage.cuts), zip(source.factor_names, source.factor_sizes, strict=True)
    factors = ", ".join(f"{name} of {size:,} values" for name, size in known)
    return {
        "kind": footage.kind,
        **({} if footage.axes is None else {"axes": _meaning(footage.axes)}),
        **({"factors": factors} if factors else {}),
        "recordings": f"{recordings:,}{cut}, {footage.lengths.sum():,} frames",
        "lengths": lengths + (f" and {len(counted) - _LISTED} more" if counted[_LISTED:] else ""),
        "frame": frame,
        "values": f"{sample.dtype} from {sample.min():g} to {sample.max():g} in {len(sample):,} "
        "frames looked at",
        "scale": _scale(source),
        "clips": f"{spec.length} frames{f', one of every {spec.every}' if spec.every > 1 else ''}"
        f"{', from the last frame on to the first' if spec.wrap else ''}",
        **({} if period is None else {"period": _period(period)}),
        "cut": f"in {bad:,} place{'s' * (bad != 1)}",
        "skipped": f"{len(source.skipped):,}",
    }


def _period(period: Period) -> str:
    """Say what the period is, and of how many recordings."""
    of = f"{period.recordings:,} recording{'s' * (period.recordings != 1)} looked at"
    if not period.recordings:
        return "unknown: no recording has eight frames"
    if period.frames is None:
        return (
            f"none found in the first {period.length:,} frames of {of}; noise or changing light "
            "can hide one"
        )
    return f"{period.frames:,} frames, in {period.found:,} of {of}"


def cut_to_period(
    source: Recordings, config: RecordingData, period: Period | None
) -> tuple[Recordings, RecordingData]:
    """Cut recordings into clips of one period, if most have one and no length is given.

    A long period is thinned to a number of frames that is as nearly whole as can be. Recordings
    stay as they are where a split has no room for such clips.
    """
    if period is None or period.frames is None or config.length is not None:
        return source, config
    frames = period.frames
    if frames in (*range(_FEWEST), source.frames) or 2 * period.found <= period.recordings:
        return source, config
    step = 1
    if frames > _LONGEST:
        steps = [k for k in range(2, frames) if round(frames / k) in _UNITS]
        step = min(steps, key=lambda k: abs(frames / k - round(frames / k)))
    clips = replace(config, length=round(frames / step), every=config.every * step)
    try:
        if config.validation != 0:
            clips.open("validation")
        if config.test != 0:
            clips.open("test")
        return clips.open("train"), clips
    except ValueError:
        return source, config


def in_short(source: Recordings) -> Iterator[str]:
    """Say before a training what is trained on, its scale, and the first of the remarks."""
    footage = source.footage
    shape = " × ".join(map(str, footage.data_shape))
    said = [*remarks(source)]
    yield f"training on {count_of(source)}, frames of {shape}; scale {_scale(source)}"
    yield from islice(said, _IN_SHORT)
    if len(said) > _IN_SHORT:
        yield f"... and {len(said) - _IN_SHORT} more, which symgen data inspect says"


def require_support(path: Path, source: Recordings, likelihood: Any) -> None:
    """Refuse numbers to which a likelihood gives no probability, before anything is written."""
    if likelihood is None:
        return
    name, numbers = str(path), source.footage.extremes
    mend = "give --likelihood gaussian, or --scale LOW HIGH"
    if source.levels is not None:
        name, numbers = f"{name}, scaled,", (0.0, 0.5, 1.0)
        mend = "give --scale none, which leaves counts as they are, or --likelihood gaussian"
    try:
        make_likelihood(likelihood).require_support(name, torch.tensor(numbers))
    except ValueError as error:
        raise ValueError(f"{error}: {mend}") from error


def _scale(source: Recordings) -> str:
    if (levels := source.levels) is None:
        return "none: numbers stay as they are"
    return f"{levels.low:g} → 0, {levels.high:g} → 1: {levels.why}"


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
    if source.levels is None and sample.ndim == 2:
        yield from _uneven(sample)


def _uneven(vectors: Shaped[np.ndarray, "n F"]) -> Iterator[str]:
    """Warn of features that a likelihood of one scale weighs unequally, or all too much."""
    spreads = vectors.astype(np.float64).std(0)
    moving = spreads[spreads > 0]
    if len(moving) and moving.max() > _UNEVEN * moving.min():
        yield (
            f"the standard deviations of the features reach from {moving.min():.3g} to "
            f"{moving.max():.3g}: bring them to a similar spread, or the largest decide alone"
        )
    elif len(moving) and not 1 / _UNEVEN <= np.median(moving) <= _UNEVEN:
        yield (
            f"the standard deviations of the features are about {np.median(moving):.3g}: models "
            "expect about 1, so divide the numbers by that first"
        )


def few_clips(splits: Mapping[str, Recordings]) -> Iterator[str]:
    """Warn of splits from which little can be learned or told."""
    train, test = splits["train"], splits.get("test")
    if len(train) < _FEW_CLIPS:
        clips = f"{len(train)} clip{'s' * (len(train) > 1)}"
        yield f"{clips} to train on: a model can only learn them by heart; take more recordings"
    if test is not None and len(test) < _FEW_CLIPS:
        clips = f"{len(test)} clip{'s' * (len(test) > 1)}"
        yield f"{clips} to test on, which says little: hold out more by --test, or record more"


def kept_where(source: Recordings, config: RecordingData) -> str:
    """Say where the frames are read."""
    files = source.footage.reader.files
    if config.data is not None and files[0].is_relative_to(config.data.absolute()):
        return "read in place, batch by batch"
    until = " until this command ends; --cache FOLDER keeps it" if config.cache is None else ""
    return f"decoded into {source.footage.path}{until}"


def count_of(source: Recordings) -> str:
    """Count the clips of a split."""
    pieces, apart = len(source.part.length), source.spec.stride
    each = "each of " if pieces > 1 else ""
    of = f"a stretch of {each}" if source.in_time else ""
    of = "some starts in " if source.part.starts[0] > 1 else of
    return (
        f"{len(source):,} clip{'s' if len(source) > 1 else ''}, starting {apart} "
        f"frame{'s' if apart > 1 else ''} apart, from {of}{pieces:,} "
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
