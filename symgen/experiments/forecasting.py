"""Forecasts: the frames that follow the last ones of recordings."""

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from symgen._devices import placed
from symgen.data.options import require_whole
from symgen.experiments.encoding import Observe, at_rest, encoding_of, reel_for
from symgen.experiments.evaluation import model_of
from symgen.experiments.held_back import errors_of, held_back, truth_of
from symgen.experiments.reel import SPLITS, Blocks, Reel, recording_of, rows_of_each
from symgen.experiments.runs import OpenRun
from symgen.latents import Topography
from symgen.likelihoods.base import full_precision
from symgen.models import Pretrained
from symgen.training import Run

__all__ = [
    "Ends",
    "ends_of",
    "first_ends",
    "forecast",
    "forecasts",
    "require_roll",
    "span_of",
    "steps_of",
]

FARTHEST = 100_000  # frames
_ROWS, _ROOM = 1024, 2**26  # decoded together: frames, or their numbers if that is less


class Ends(NamedTuple):
    """What is known at the ends of recordings.

    Attributes:
        recording: number of each recording in the reel.
        names: of the recordings.
        last: number of the frame, in its recording, that the forecast follows.
        passed: steps from the last frame whose window is known to that one.
        t: latents of the former.
        trained_on: whether the last frame of each, as given, was in the training.
        left_out: names of recordings without a frame whose window lies in them.
    """

    recording: Int64[Tensor, " n"]
    names: list[str]
    last: Int64[Tensor, " n"]
    passed: Int64[Tensor, " n"]
    t: Float[Tensor, "n C D"]
    trained_on: Bool[Tensor, " n"]
    left_out: list[str]


def forecast(
    run: Run | OpenRun | Pretrained | Path | str,
    data: Any = None,
    *,
    horizon: int | None = None,
    hold_back: int | None = None,
    split: str | None = None,
    device: str | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Continue recordings: roll the latents of a frame near their ends, and decode them.

    The frame is the last one whose window lies in its recording: with a causal window the last of
    all. See `symgen.metrics.roll_forecast`, which does the same with clips.

    Args:
        run: a trained run of a Topographic VAE, its folder, or a model.
        data: recordings, see `symgen.encode`: a path, or tensors with axes of frames and channels,
            scaled as in training; None: the run's own data.
        horizon: number of frames to forecast, H; None: as many as a clip of the training has.
        hold_back: forecast the last H frames of each recording from those before them.
        split, device, **parts: as of `symgen.encode`.

    Returns:
        `frames` (n, H, *data_shape), the means of the likelihood; `last`, the number of the frame
        in its recording that they follow; `recording_names`; `left_out`, names of recordings that
        are too short; and with `hold_back` the frames held back, `truth` (n, H, *data_shape), and
        summed over the values of a frame `squared_error` (n, H), `nearest_squared_error` of
        repeating the frame before them, and `mean_squared_error` of the mean of all before them.

    Raises:
        ValueError: if the model has no roll, all recordings are too short, or as `symgen.encode`.

    Example:
        >>> from symgen import TVAE
        >>> how = {"window": 3, "causal": True, "boundary": "zero", "likelihood": "gaussian"}
        >>> model = TVAE((12,), capsules=2, units=6, frames=6, **how)
        >>> found = forecast(model, [torch.randn(100, 12), torch.randn(8, 12)], horizon=5)
        >>> found["frames"].shape, found["last"].tolist()
        (torch.Size([2, 5, 12]), [99, 7])
    """
    model, opened = model_of(run, parts)
    require_roll(model)
    steps = steps_of(model, horizon, hold_back)
    model = placed(model, device)
    reel = reel_for(model, opened, data, split)
    held = None if hold_back is None else held_back(reel, steps)
    ends = ends_of(model, reel if held is None else held.reel, exactly=held is not None)
    found: dict[str, Any] = {
        "frames": torch.cat([*forecasts(model, ends, steps)]).unflatten(0, (-1, steps)),
        "last": ends.last,
        "recording_names": ends.names,
        "left_out": ends.left_out,
    }
    if held is not None:
        found["left_out"] = held.left_out + ends.left_out
        truth = truth_of(model, held, ends.recording)
        found |= {"truth": truth[:, 1:]} | errors_of(found["frames"], truth, held.mean.value())
    return found


def steps_of(
    model: Any,
    horizon: SupportsIndex | None,
    hold_back: SupportsIndex | None,
    most: int = FARTHEST,
) -> int:
    """Return how many frames are to be forecast: by default as many as a clip has.

    Raises:
        ValueError: if there are none or too many, or both are given.
    """
    if horizon is not None and hold_back is not None:
        raise ValueError(
            f"horizon={horizon} and hold_back={hold_back}: give one of them, the frames that are "
            "held back are those that are forecast"
        )
    if hold_back is not None:
        require_whole("hold_back", hold_back, 1, most)
        return int(hold_back)
    steps = model.frames if horizon is None else horizon
    require_whole("horizon", steps, 1, most)
    return int(steps)


def ends_of(
    model: Any, reel: Reel, observe: Observe | None = None, *, exactly: bool = False
) -> Ends:
    """Infer the latents near the ends of recordings, which are read part by part.

    Args:
        exactly: leave out recordings that were cut such that their very last frame is no whole
            number of steps after one whose window is known.

    Raises:
        ValueError: if all recordings are too short.
    """
    last: dict[int, tuple[int, int]] = {}  # number, and split
    known: dict[int, tuple[int, Tensor]] = {}
    piece = torch.from_numpy(np.repeat(np.arange(len(reel.lengths)), reel.lengths))
    full = not model.topography.open_ended and model.topography.window == model.frames
    whole = torch.from_numpy(reel.lengths >= model.frames) & full  # any t has seen all of a clip
    span, done = span_of(model), 0
    enough = reel.closed or bool(whole.any()) or int(reel.lengths.max()) >= span
    blocks = encoding_of(model, reel, observe=observe).blocks if enough else ()
    for block in blocks:
        recording, frame = block["recording"], block["frame"]
        usable = block["inside"] | whole[piece[done : done + len(frame)]]
        done += len(frame)
        for rows in rows_of_each(recording):
            number = int(recording[rows[0]])
            last[number] = int(frame[rows[-1]]), int(block["split"][rows[-1]])
            usable_rows = rows[usable[rows]]
            if len(usable_rows):
                row = usable_rows[-1]
                known[number] = int(frame[row]), block["t"][row].clone()
    for number in [*known] if exactly else ():
        if (last[number][0] - known[number][0]) % reel.every:
            del known[number]
    if not known:
        count = len(np.unique(recording_of(reel)))
        few = f"{count:,} recording{'s' * (count > 1)}"
        before = " before those held back: hold fewer back, the longest piece left has "
        before = f"{before}{reel.lengths.max()}" if exactly else ""
        raise ValueError(f"{few}, none of the {span} frames that a window spans{before}")
    names = reel.names["recording"]
    left_out = [names[number] for number in last if number not in known]
    frames, t = zip(*known.values(), strict=True)
    passed = (torch.tensor([last[n][0] for n in known]) - torch.tensor(frames)) // reel.every
    after = torch.tensor(frames) + reel.every * passed
    told = [names[number] for number in known]
    trained_on = torch.tensor([SPLITS[last[number][1]] == "train" for number in known])
    t = torch.stack(t)
    return Ends(torch.tensor([*known]), told, after, passed, t, trained_on, left_out)


def forecasts(model: Any, ends: Ends, horizon: int) -> Iterator[Float[Tensor, " rows *data"]]:
    """Decode the rolls of what is known at the ends: on the CPU, recording after recording."""
    like = next(model.parameters())
    room = max(1, min(_ROWS, _ROOM // prod(model.data_shape)))
    size = max(1, room // horizon)
    with at_rest(model):
        for t, passed in zip(ends.t.split(size), ends.passed.split(size), strict=True):
            for steps in torch.arange(1, horizon + 1).split(room):  # of one recording, or all
                rolls = (passed[:, None] + steps).to(like.device)  # (part, steps)
                with torch.no_grad():
                    frames = model.decode(model.act(t[:, None].to(like), rolls)).mean
                yield full_precision(frames.flatten(0, 1)).cpu()


def require_roll(model: Any) -> None:
    """Refuse models whose capsules have no roll in time, or more than one.

    Raises:
        ValueError: for ACE, single frames, a VAE, a BubbleVAE, several axes, a topography of one's
            own.
    """
    kind, topography = type(model).__name__, getattr(model, "topography", None)
    if topography is None or model.frames == 1:
        raise ValueError(f"{kind} knows no time: forecast with a TVAE of sequences")
    if topography.is_none or (isinstance(topography, Topography) and not topography.shift):
        raise ValueError(f"{kind}: its capsules do not roll in time: forecast with a TVAE")
    if not isinstance(topography, Topography):
        raise ValueError(
            f"{type(topography).__name__}: which frames its t depends on, or which of its "
            "axes rolls in time, is not known, so forecast clips with symgen.metrics.roll_forecast"
        )


def span_of(model: Any) -> int:
    """Count the frames that t of a frame depends on; the outer ones may count half."""
    offsets = model.topography.window_weights
    return max(offsets) - min(offsets) + 1


def first_ends(
    reel: Reel, count: int, frames: int, least: int
) -> tuple[Reel, dict[int, tuple[Tensor, Int64[Tensor, " frames"]]]]:
    """Return a reel of the first recordings only, and what will be their last frames by number.

    Args:
        count: recordings with a piece of at least so many frames as `least` says, at most.
        frames: frames of each that are kept, at most, with their numbers in it.
    """
    ends: dict[int, tuple[Tensor, Tensor]] = {}
    recording = recording_of(reel)
    enough = np.unique(recording[reel.lengths >= least])
    final = enough[count - 1] if len(enough) > count else recording[-1]

    def blocks() -> Blocks:
        for block, known in reel.blocks:
            for rows in rows_of_each(known["recording"]):
                number, begin = int(known["recording"][rows[0]]), int(rows[0])
                if number > final:
                    if begin:
                        yield block[:begin], {name: each[:begin] for name, each in known.items()}
                    return
                before = ends.get(number, (block[:0], known["frame"][:0]))
                more = zip(before, (block[rows], known["frame"][rows]), strict=True)
                pictures, numbers = (torch.cat(each)[-frames:].clone() for each in more)
                ends[number] = pictures, numbers
            yield block, known

    return replace(reel, blocks=blocks()), ends
