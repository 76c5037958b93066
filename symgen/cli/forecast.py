"""The verb forecast: the frames that follow the last ones of recordings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from symgen._files import file_to_write
from symgen._signals import signals_clean_up
from symgen.cli._frames import levels_of, write_frames
from symgen.cli._options import Data, Device, Root, RunFolder, usable_device
from symgen.cli._terminal import errors, new_file, print_paths, progress, writing_new
from symgen.cli._understood import reading_by
from symgen.data.options import require_whole
from symgen.experiments.encoding import reel_of_run
from symgen.experiments.forecasting import Ends, ends_of, first_ends, forecasts, require_roll
from symgen.experiments.runs import OpenRun, open_run
from symgen.figures import as_pictures, forecast_gif

_FARTHEST, _LONGEST = 100_000, 1_000  # frames; of a film
_MOST, _MOST_SHOWN, _SHOWN, _NAMED = 2**31, 100, 9, 5  # recordings; of a film; in a note


def forecast(
    folder: RunFolder,
    /,
    *,
    out: Path,
    horizon: int | None = None,
    split: Literal["all", "train", "validation", "test"] | None = None,
    examples: int | None = None,
    original_scale: bool = False,
    force: bool = False,
    root: Root = None,
    data: Data = None,
    axes: str | None = None,
    key: str | None = None,
    device: Device = "cpu",
) -> None:
    """Continue a run's recordings, or others: forecast the frames that follow their last ones.

    The latents of a frame near the end are rolled step by step and decoded. Train for that with
    --causal --boundary zero --rolled 0.5.

    Args:
        out: File to write: .npy of shape (recordings, horizon, channels, height, width) or
            (recordings, horizon, features), or .gif, the end of some recordings and what follows.
        horizon: Number of frames; by default as many as a clip of the training has.
        split: Recordings of one split only. By default all, or the held-out items of others.
        examples: How many recordings or sequences; by default all, in a .gif nine.
        original_scale: Undo the scale of the run's recordings: the numbers that they had.
        force: Replace a file that is there.
        axes: Axes of the arrays of --data, if they are not those of the run.
        key: Name of the array in a file of --data, if it is not that of the run.
    """
    film = out.suffix.lower() == ".gif"
    if not film and out.suffix != ".npy":
        raise ValueError(f"out={out}: let the name end in .npy or .gif")
    if film and original_scale:
        raise ValueError("--original-scale with a .gif, whose colours have a scale of their own")
    if examples is not None:
        require_whole("examples", examples, 1, _MOST_SHOWN if film else _MOST)
    new_file(out, force)
    run = reading_by(open_run(folder, data or root), axes=axes, key=key, factors=None)
    levels = levels_of(run) if original_scale else None
    model: Any = run.model().to(usable_device(device)).eval()
    require_roll(model)
    steps: int = model.frames if horizon is None else horizon
    require_whole("horizon", steps, 1, _LONGEST if film else _FARTHEST)
    if film and len(model.data_shape) == 1:
        raise ValueError(f"out={out} for vectors, which are no pictures: write a .npy")
    reel = reel_of_run(run, split, examples)
    for note in (*reel.notes, *_notes(run, model, steps)):
        errors.print(f"symgen: {note}", soft_wrap=True)
    file_to_write(out)
    with writing_new(out, force), signals_clean_up(), progress("forecasting") as show:
        reading = lambda done, total: show(done, total, f"row {done:,} of {total:,}")  # noqa: E731
        if film:
            reel, given = first_ends(reel, examples or _SHOWN, model.frames)
            ends = ends_of(model, reel, reading)
            _write_film(out, model, ends, given, steps)
        else:
            ends = ends_of(model, reel, reading)
            shape = (len(ends.names), steps, *model.data_shape)
            write_frames(out, shape, forecasts(model, ends, steps), levels)
    if ends.left_out:
        few, count = ", ".join(ends.left_out[:_NAMED]), len(ends.left_out)
        errors.print(
            f"symgen: left out {count:,} shorter than the window: {few}{', …' * (count > _NAMED)}",
            soft_wrap=True,
        )
    print_paths([out])


def _write_film(out: Path, model: Any, ends: Ends, given: dict[int, Tensor], steps: int) -> None:
    known = [given[number] for number in ends.recording.tolist()]
    shortest = min(map(len, known))
    before = torch.stack([frames[-shortest:] for frames in known])
    after = torch.cat([*forecasts(model, ends, steps)]).unflatten(0, (-1, steps))
    before, after = as_pictures(before, after, dims=len(model.data_shape))
    forecast_gif(before, after, out, ends.names)


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
        yield (
            f"capsules of {model.units} units come full circle in {turn:g} steps, and so does the "
            "forecast: train with --units of the period of the motion, where that is longer"
        )
