"""Frames held back from recordings, to be compared with their forecasts."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.experiments.reel import SPLITS, Blocks, Reel, recording_of, rows_of_each

__all__ = ["Held", "errors_of", "held_back", "in_words", "truth_of"]


class RunningMean:
    """The mean of frames that come block by block."""

    def __init__(self) -> None:
        self._sum, self._count = torch.zeros(()), 0

    def add(self, frames: Float[Tensor, " n *data"]) -> None:
        """Take more frames."""
        self._sum, self._count = self._sum + frames.double().sum(0), self._count + len(frames)

    def value(self) -> Float[Tensor, " *data"]:
        """Return the mean of those taken so far."""
        return self._sum / self._count


class Held(NamedTuple):
    """Recordings without their last frames.

    Attributes:
        reel: what is left of the recordings that are longer.
        frames: the last frame that is left of each, and those held back, (1 + count, *data), by
            the number of the recording.
        trained_on: numbers of the recordings of which a frame that is held back was trained on.
        mean: the mean of all frames that are left. These three are there once the blocks of the
            reel have been gone through.
        left_out: names of recordings that are not longer.
    """

    reel: Reel
    frames: dict[int, Tensor]
    trained_on: set[int]
    mean: RunningMean
    left_out: list[str]


def held_back(reel: Reel, count: int) -> Held:
    """Take the last frames of every recording off, to be compared with their forecasts.

    Args:
        count: frames; recordings whose last piece has no more are left out.

    Raises:
        ValueError: if that leaves no recording.
    """
    recording = recording_of(reel)
    last = np.append(recording[1:] != recording[:-1], True)
    short = recording[last & (reel.lengths <= count)]
    kept = ~np.isin(recording, short)
    names = reel.names["recording"]
    if not kept.any():
        raise ValueError(
            f"hold_back={count}: no recording has more frames, the longest has "
            f"{reel.lengths[last].max()}"
        )
    lengths = reel.lengths - count * last
    ends = reel.lengths.cumsum()
    begin = np.where(last & kept, lengths - 1, reel.lengths)  # the place of the first to be seen
    left = np.where(kept, lengths, 0)
    frames: dict[int, Tensor] = {}
    trained_on: set[int] = set()
    mean = RunningMean()

    def blocks() -> Blocks:
        done = 0
        for block, known in reel.blocks:
            row = np.arange(done, done := done + len(block))
            of = np.searchsorted(ends, row, side="right")
            at = row - (ends - reel.lengths)[of]
            compared = torch.from_numpy(at >= begin[of])
            for mine in rows_of_each(known["recording"]):
                number = int(known["recording"][mine[0]])
                seen = mine[compared[mine]]
                if len(seen):
                    frames[number] = torch.cat([frames.get(number, block[:0]), block[seen]])
            stay = torch.from_numpy(at < left[of])
            trained = ~stay & compared & (known["split"] == SPLITS.index("train"))
            trained_on.update(known["recording"][trained].tolist())
            if stay.any():
                mean.add(block[stay])
                yield block[stay], {name: values[stay] for name, values in known.items()}

    left_out = [names[number] for number in np.unique(short)]
    parts = replace(
        reel, lengths=lengths[kept], blocks=blocks(), closed=False, recording=recording[kept]
    )
    return Held(parts, frames, trained_on, mean, left_out)


def truth_of(
    model: Any, held: Held, recordings: Int64[Tensor, " n"]
) -> Float[Tensor, "n frames *data"]:
    """Return the last frame given of some recordings, by number, and those held back.

    Raises:
        ValueError: for frames that the model's likelihood does not allow.
    """
    names, numbers = held.reel.names["recording"], recordings.tolist()
    for number in numbers:
        what = f"what is held back of {names[number]}"
        model.likelihood.require_support(what, held.frames[number])
    return torch.stack([held.frames[number] for number in numbers]).detach()


def errors_of(
    frames: Float[Tensor, "n H *data"],
    truth: Float[Tensor, "n frames *data"],
    mean: Float[Tensor, "*data"],
    unit: float = 1.0,
) -> dict[str, Float[Tensor, "n H"]]:
    """Return the squared errors of forecasts, and of repeating the last and the mean frame given.

    They are summed over the values of a frame, in units of the data squared.

    Args:
        frames: the forecasts.
        truth: see `truth_of`.
        mean: see `Held`.
        unit: by what values are multiplied before they are compared.
    """
    was = truth[:, 1:].flatten(2)
    guesses = {"": frames, "nearest_": truth[:, :1], "mean_": mean[None, None].to(was)}
    return {
        f"{name}squared_error": (unit * (guess.flatten(2) - was)).square().sum(-1)
        for name, guess in guesses.items()
    }


def in_words(errors: dict[str, Float[Tensor, "n H"]]) -> str:
    """Say how far forecasts are from what was, beside the two guesses; see `errors_of`."""
    error, repeated, average = (each.mean(1) for each in errors.values())
    better = int(((error < repeated) & (error < average)).sum())
    profile = errors["squared_error"].mean(0)
    ends = f" ({profile[0]:.4g} of the first, {profile[-1]:.4g} of the last)"
    return (
        f"squared error {error.mean():.4g} a frame{ends * (len(profile) > 1)}; repeating the last "
        f"frame before them {repeated.mean():.4g}, the mean of all before them "
        f"{average.mean():.4g}; better than both in {better:,} of {len(error):,} "
        f"recording{'s' * (len(error) > 1)}"
    )
