"""The verb forecast: the frames that follow the last ones of recordings."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from symgen._devices import usable_device
from symgen._files import file_to_write, write_atomically
from symgen._signals import signals_clean_up
from symgen.cli._frames import levels_of, write_frames
from symgen.cli._options import Data, Device, Root, RunFolder
from symgen.cli._terminal import errors, new_file, progress, say, writing_new
from symgen.data.options import require_whole
from symgen.data.recordings import Levels
from symgen.data.recordings.period import Period, measure_period
from symgen.experiments.datasets import RecordingData
from symgen.experiments.encoding import reel_of_run
from symgen.experiments.forecasting import (
    FARTHEST,
    Ends,
    ends_of,
    first_ends,
    forecasts,
    require_roll,
    span_of,
    steps_of,
)
from symgen.experiments.held_back import errors_of, held_back, in_words, truth_of
from symgen.experiments.reel import recording_of
from symgen.experiments.runs import OpenRun, open_run, reading_by
from symgen.figures import as_pictures, forecast_gif

_LONGEST = 1_000  # frames of a film
Given = dict[int, tuple[Tensor, Tensor]]  # the last frames of recordings, and their numbers
_MOST, _MOST_SHOWN, _SHOWN, _NAMED = 2**31, 100, 9, 5  # recordings; of a film; in a note


def forecast(
    folder: RunFolder,
    /,
    *,
    out: Path,
    horizon: int | None = None,
    hold_back: int | None = None,
    split: Literal["all", "train", "validation", "test"] | None = None,
    examples: int | None = None,
    original_scale: bool = False,
    force: bool = False,
    root: Root = None,
    data: Data = None,
    axes: str | None = None,
    key: str | None = None,
    bad_frames: Path | None = None,
    device: Device = "cpu",
) -> None:
    """Continue a run's recordings, or others: forecast the frames that follow their last ones.

    The latents of the last frame whose window is known are rolled step by step and decoded. Train
    for that with --causal --boundary zero --rolled 0.5.

    Args:
        out: File to write: .npy of shape (recordings, horizon, channels, height, width) or
            (recordings, horizon, features); .npz, the same with the recordings' names and, of
            frames held back, the true ones and the errors; or .gif, the end of some recordings
            and what follows.
        horizon: Number of frames; by default as many as a clip of the training has.
        hold_back: Forecast the last so many frames of each recording from those before them, and
            compare the two.
        split: Recordings of one split only, such as test, which were not trained on. By default
            all recordings; of generated data the held-out sequences.
        examples: How many recordings; by default all, in a .gif nine.
        original_scale: Write values on the scale of the run's recordings.
        force: Replace a file that is there.
        axes: Axes of the arrays of --data, if they are not those of the run.
        key: Name of the array in a file of --data, if it is not that of the run.
        bad_frames: List of the bad frames of --data, if it is not that of the run.
    """
    film, archive = out.suffix.lower() == ".gif", out.suffix == ".npz"
    if not (film or archive or out.suffix == ".npy"):
        raise ValueError(f"out={out}: let the name end in .npy, .npz or .gif")
    if film and original_scale:
        raise ValueError("--original-scale with a .gif, whose colours have a scale of their own")
    if examples is not None:
        require_whole("examples", examples, 1, _MOST_SHOWN if film else _MOST)
    run = reading_by(open_run(folder, data or root), axes=axes, key=key, bad_frames=bad_frames)
    new_file(out, force, getattr(run.data, "data", None))
    levels = levels_of(run) if original_scale else None
    model: Any = run.model().to(usable_device(device)).eval()
    require_roll(model)
    steps = steps_of(model, horizon, hold_back, _LONGEST if film else FARTHEST)
    if film and len(model.data_shape) == 1:
        raise ValueError(f"out={out} for vectors, which are no pictures: write a .npy or .npz")
    reel = reel_of_run(run, split, None if film else examples)
    for note in (*reel.notes, *_notes(run, model, steps)):
        errors.print(f"symgen: {note}", soft_wrap=True)
    if film and examples is not None and examples > (there := len({*recording_of(reel)})):
        raise ValueError(f"examples={examples}: give 1 to {there:,}, the number of recordings")
    held = None if hold_back is None else held_back(reel, steps)
    reel = reel if held is None else held.reel
    given: Given = {}
    if film:
        least = min(span_of(model), model.frames)
        reel, given = first_ends(reel, examples or _SHOWN, model.frames, least)
    with signals_clean_up(), progress("forecasting") as show:
        reading = lambda done, total: show(done, total, f"row {done:,} of {total:,}")  # noqa: E731
        ends = ends_of(model, reel, reading, exactly=held is not None)
        truth = None if held is None else truth_of(model, held, ends.recording)
        if held is not None:
            seen = [number in held.trained_on for number in ends.recording.tolist()]
            ends = ends._replace(trained_on=torch.tensor(seen))
        file_to_write(out)
        parts = forecasts(model, ends, steps)
        measured: dict[str, Tensor] = {}
        if film or archive or truth is not None:
            parts = iter([frames := torch.cat([*parts])])
            frames = frames.unflatten(0, (-1, steps))
            unit = 1.0 if levels is None else levels.high - levels.low
            if held is not None and truth is not None:
                measured = errors_of(frames, truth, held.mean.value(), unit)
        with writing_new(out, force):
            if film:
                _write_film(out, ends, given, frames, truth)
            elif archive:
                pictures = {"frames": frames} | ({} if truth is None else {"truth": truth[:, 1:]})
                _write_archive(out, ends, pictures, measured, levels)
            else:
                write_frames(out, (len(ends.names), steps, *model.data_shape), parts, levels)
    left_out = [*(() if held is None else held.left_out), *ends.left_out]
    left_out.sort(key=reel.names["recording"].index)
    if left_out:
        few, count = ", ".join(left_out[:_NAMED]), len(left_out)
        errors.print(
            f"symgen: left out {count:,} with too few frames in a row at the end: "
            f"{few}{', …' * (count > _NAMED)}",
            soft_wrap=True,
        )
    count, seen = len(ends.names), int(ends.trained_on.sum())
    recordings = f"{count:,} recording{'s' * (count > 1)}"
    trained_on = f", {seen:,} of them trained on" * bool(seen)
    many = f"{steps:,} frame{'s' * (steps > 1)}"
    if truth is None:
        say(f"{recordings} continued by {many}{trained_on}: {out}")
    else:
        say(f"the last {many} of {recordings} forecast{trained_on}: {out}")
        say(in_words(measured))


def _write_archive(
    out: Path,
    ends: Ends,
    frames: dict[str, Tensor],
    errors: dict[str, Tensor],
    levels: Levels | None,
) -> None:
    """Write forecasts, the true frames and the errors, with a row for each recording."""
    scaled = frames if levels is None else {k: levels.undone(v) for k, v in frames.items()}
    columns = scaled | errors | {"last": ends.last, "trained_on": ends.trained_on}
    arrays = {name: values.numpy() for name, values in columns.items()}
    arrays["recording_names"] = np.array(ends.names)

    def write(partial: Path) -> None:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    write_atomically(out, write)


def _write_film(out: Path, ends: Ends, given: Given, frames: Tensor, truth: Tensor | None) -> None:
    """Draw the ends of recordings and their forecasts."""
    known = []
    for number, last in zip(ends.recording.tolist(), ends.last.tolist(), strict=True):
        pictures, numbers = given[number]
        known.append(pictures[numbers <= last])
    true = [] if truth is None else [truth[:, 1:]]
    joined, after, *was = as_pictures(torch.cat(known), frames, *true, dims=frames.dim() - 2)
    before = joined.split([*map(len, known)])
    seen = ends.trained_on.tolist()
    titles = ["* " * mark + name for name, mark in zip(ends.names, seen, strict=True)]
    forecast_gif(before, after, out, titles, *was, note="* trained on" * any(seen))


def _notes(run: OpenRun, model: Any, steps: int) -> Iterator[str]:
    """Say what a training lacked that forecasts need, and when they repeat themselves."""
    if not model.topography.open_ended:
        yield (
            f"{run.folder} was trained in cyclic time, where the first frames of a clip follow "
            "its last ones: where they do not, train with --boundary zero --causal"
        )
    if not run.training.rolled:
        yield (
            f"{run.folder} was not rolled in training, so its forecasts may be poor: train with "
            "--rolled 0.5"
        )
    turn = model.units / abs(model.speed)
    if model.topography.capsule_boundary == "cyclic" and steps > turn:
        period = _period(run)
        if period.frames is None or abs(period.frames - turn) > 0.5:
            few = f"{period.found} of {period.recordings} recordings"
            found = "" if period.frames is None else f", but {few} after {period.frames}"
            yield (
                f"the forecast comes back to its start after {turn:g} frames, as capsules of "
                f"{model.units} units do{found}: train with --units of the period of the motion"
            )


def _period(run: OpenRun) -> Period:
    """Return the period of the recordings of a run, in frames of its clips, where one is found."""
    if not isinstance(run.data, RecordingData):
        return Period(None, 0, 0, 0)
    source = replace(run.data, length=2, stride=1, every=1).open("all")
    return measure_period(source.footage, run.data.every)
