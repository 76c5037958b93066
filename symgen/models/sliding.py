"""Latents of recordings of any length: windows that slide over their frames."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from numpy import ndarray
from torch import Tensor

from symgen.latents import AxesTopography, Topographic, Topography
from symgen.models.checks import check_data
from symgen.models.topographic import TopographicVAE

__all__ = ["SlidingLatents"]

Rows = dict[str, Tensor]
_POSTERIOR = ("z_mean", "z_std", "u_mean", "u_std")
_MOMENTS = (*_POSTERIOR, "energy", "variance")


class _Lines(NamedTuple):
    """Stretches of recordings, each with what the windows of its frames reach."""

    numbers: Int64[ndarray, "lines frames"]  # among all frames, anything for padding
    padding: Bool[ndarray, "lines frames"]  # where there is no frame
    rows: Int64[ndarray, " rows"]  # places of the frames that are asked for, line after line


class SlidingLatents:
    """Infers the latents t of every frame of recordings that are handed in part by part.

    Every frame goes through the encoder once; what is kept of it are the moments of z and u, for
    as long as a window can reach it. So the memory does not grow with the recordings.

    * A frame whose window lies in its recording is `inside`: its t is that of any clip of the
      recording in which the window does not wrap around.
    * At the ends of a recording the window goes on as it did in training. In an open-ended model
      padding variables lie there. A model of cyclic time, which knows clips whose ends meet, goes
      round the first or last S frames, so that t is that of the first or last clip; of a recording
      shorter than S frames, the missing ones are padding variables.
    * A `closed` recording has no ends: its last frame is followed by its first.
    * A topography of one's own may treat frames in any way: its recordings are cut into clips of
      S frames, the last one ending with the recording, and no frame is said to be inside.

    Args:
        model: the model.
        lengths: frames of each recording, 1 or more, in the order in which they come.
        closed: whether the recordings come full circle; they are kept whole, each while it lasts.
        posterior: return means and standard deviations of z and u, too.

    Example:
        >>> from symgen import TVAE
        >>> model = TVAE((12,), capsules=2, units=6, frames=6, window=3, likelihood="gaussian")
        >>> x = torch.randn(100, 12)
        >>> sliding = SlidingLatents(model, [70, 30])
        >>> found = [sliding.push(part) for part in x.split(32)]
        >>> [len(part["t"]) for part in found]
        [27, 32, 32, 9]
        >>> clip = model.latents(x[None, 10:16])[0]  # whose ends wrap around
        >>> torch.allclose(found[0]["t"][11:15], clip[1:5], atol=1e-4)
        True
        >>> found[0]["inside"][:3].tolist()
        [False, True, True]
    """

    def __init__(
        self,
        model: TopographicVAE,
        lengths: Sequence[int] | Int64[ndarray, " n"],
        *,
        closed: bool = False,
        posterior: bool = False,
    ) -> None:
        self.model, self.closed, self.posterior = model, closed, posterior
        self._lengths = np.asarray(lengths, dtype=np.int64)
        if not len(self._lengths) or self._lengths.min() < 1:
            raise ValueError(f"lengths={lengths}: give recordings of one frame or more")
        self._ends = self._lengths.cumsum()
        self._starts = self._ends - self._lengths
        self._seen = self._done = self._first = 0  # frames: given, returned, no longer kept
        self._kept: Rows = {}
        window = _window_of(model.topography)
        self._in_clips = window is None
        self._back, self._ahead = (0, 0) if window is None else window
        self._stretch = model.topography
        if isinstance(self._stretch, Topography | AxesTopography) and not self._stretch.is_none:
            frames = model.frames + self._back + self._ahead
            self._stretch = replace(self._stretch, frames=frames)

    @torch.no_grad()
    def push(
        self, frames: Float[Tensor, " n *data"], known: Mapping[str, Tensor] | None = None
    ) -> Rows:
        """Take the next frames, which may end one recording and begin others.

        Args:
            frames: the frames.
            known: further values of each, by name, which are returned with its latents.

        Returns:
            By name, values of the frames whose windows are complete by now, in order, maybe none:
            what is `known`, whether a frame is `inside`, `t` (rows, C, D), and with `posterior`
            also `z_mean`, `z_std`, `u_mean`, `u_std`.

        Raises:
            ValueError: for frames that do not fit the model, or more than were announced.
        """
        check_data(self.model, "frames", frames)
        if self._seen + len(frames) > (total := int(self._ends[-1])):
            raise ValueError(
                f"{self._seen + len(frames):,} frames, but lengths announce {total:,}: give those"
            )
        z, u = self.model.posterior(self.model.encoded(frames))
        moments = dict(known or {}) | {"z_mean": z.mean}
        moments |= {"z_std": z.std} if self.posterior else {}
        if u is not None:
            moments |= {"energy": u.second_moment(), "variance": u.square_variance()}
            moments |= {"u_mean": u.mean, "u_std": u.std} if self.posterior else {}
        kept = self._kept
        self._kept = {n: torch.cat([kept[n], m]) if kept else m for n, m in moments.items()}
        self._seen += len(frames)
        begin, self._done = self._done, self._ready()
        found = self._rows(begin, self._done)
        needed = self._needed()
        self._kept = {n: m[needed - self._first :].clone() for n, m in self._kept.items()}
        self._first = needed
        return found

    # --- which frames ----------------------------------------------------------------------

    def _reach(self, recording: int) -> int:
        """Return how far from a frame others lie that its t may depend on, and one more."""
        if self.closed:
            return int(self._lengths[recording])
        if self._in_clips or self._cyclic:
            return self.model.frames
        return max(self._back, self._ahead) + 1

    @property
    def _cyclic(self) -> bool:
        return not (self.model.topography.open_ended or self.model.topography.is_none)

    def _ready(self) -> int:
        """Return up to which frame all windows are complete."""
        recording = int(np.searchsorted(self._ends, self._seen, side="right"))
        if recording == len(self._ends):
            return self._seen
        reached = max(int(self._starts[recording]), self._seen - self._reach(recording) + 1)
        return max(self._done, min(reached, self._seen))

    def _needed(self) -> int:
        """Return the first frame that windows still reach."""
        recording = int(np.searchsorted(self._ends, self._done, side="right"))
        if recording == len(self._ends):
            return self._done
        return max(int(self._starts[recording]), self._done - self._reach(recording) + 1)

    def _lines(self, begin: int, end: int) -> _Lines:
        """Lay out some frames, counted over all recordings, and what their windows reach."""
        hop = self.model.frames
        first, last = np.searchsorted(self._ends, [begin, end - 1], side="right")
        lengths, starts = (each[first : last + 1] for each in (self._lengths, self._starts))
        low = np.maximum(begin - starts, 0)
        rows = np.minimum(end - starts, lengths) - low
        lines = -(-rows // hop)  # of each piece
        piece = np.repeat(np.arange(len(lines)), lines)
        before = lines.cumsum() - lines
        offset = low[piece] + hop * (np.arange(len(piece)) - before[piece])
        place = offset[:, None] + np.arange(-self._back, hop + self._ahead)
        length = lengths[piece, None]
        if self.closed or self._cyclic:
            place = _around(place, length, length if self.closed else self.model.frames)
        padding = (place < 0) | (place >= length)
        skipped = np.repeat(hop * before - (rows.cumsum() - rows), rows)
        return _Lines(place + starts[piece, None], padding, np.arange(end - begin) + skipped)

    # --- what they become ------------------------------------------------------------------

    def _rows(self, begin: int, end: int) -> Rows:
        own = slice(begin - self._first, end - self._first)
        kept = {name: values[own] for name, values in self._kept.items()}
        z = kept["z_mean"]
        found = {name: values for name, values in kept.items() if name not in _MOMENTS}
        number = np.arange(begin, end)
        recording = np.searchsorted(self._ends, number, side="right")
        inside = np.full(len(number), self.closed) | (
            (number - self._back >= self._starts[recording])
            & (number + self._ahead < self._ends[recording])
        )
        found["inside"] = torch.from_numpy(inside & (not self._in_clips))
        posterior = {n: kept[n] for n in _POSTERIOR if n in kept} if self.posterior else {}
        if "energy" in kept and len(z):
            in_part = self._clips if self._in_clips else self._windows
            z = (z - cast(Tensor, self.model.mu)) * in_part(begin, end)
        return found | {"t": z} | posterior

    def _windows(self, begin: int, end: int) -> Float[Tensor, "rows C D"]:
        """Return what multiplies z - μ in t, from windows over stretches of S frames."""
        lines = self._lines(begin, end)
        moments = self._moments(lines.numbers, lines.padding)
        scale = self._stretch.expected_inverse_scale(*moments, self.model.eps)
        scale = scale[:, self._back : self._back + self.model.frames].flatten(0, 1)
        return scale[torch.from_numpy(lines.rows).to(scale.device)]

    def _clips(self, begin: int, end: int) -> Float[Tensor, "rows C D"]:
        """Return what multiplies z - μ in t, from clips that the recordings are cut into."""
        frames = self.model.frames
        number = np.arange(begin, end)
        recording = np.searchsorted(self._ends, number, side="right")
        start, length = self._starts[recording], self._lengths[recording]
        place = number - start
        first = np.minimum(place - place % frames, np.maximum(length - frames, 0)) + start
        clips, clip = np.unique(first, return_inverse=True)
        numbers = clips[:, None] + np.arange(frames)
        stop = self._ends[np.searchsorted(self._ends, clips, side="right")]
        moments = self._moments(numbers, numbers >= stop[:, None])
        scale = self._stretch.expected_inverse_scale(*moments, self.model.eps)
        at = (torch.from_numpy(index).to(scale.device) for index in (clip, number - first))
        return scale[tuple(at)]

    def _moments(
        self, numbers: Int64[ndarray, "*line"], padding: Bool[ndarray, "*line"]
    ) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the energies of frames, and of padding variables."""
        energy, variance = self._kept["energy"], self._kept["variance"]
        padding = padding | (numbers >= self._seen)  # which no frame that is asked for needs
        index = np.where(padding, 0, numbers - self._first)
        energy, variance = (
            each[torch.from_numpy(index).to(each.device)] for each in (energy, variance)
        )
        if padding.any():
            beyond = torch.from_numpy(padding).to(energy.device)
            energy[beyond], variance[beyond] = 1.0, 0.0
        return energy, variance


def _window_of(topography: Topographic) -> tuple[int, int] | None:
    """Return how many frames before and after a frame share energy with it, if that is known."""
    if topography.is_none:
        return 0, 0
    known = topography.axes[0] if isinstance(topography, AxesTopography) else topography
    if not isinstance(known, Topography):
        return None
    offsets = known.window_weights
    return -min(offsets), max(offsets)


def _around(
    place: Int64[ndarray, "lines frames"],
    length: Int64[ndarray, "lines 1"],
    period: int | Int64[ndarray, "lines 1"],
) -> Int64[ndarray, "lines frames"]:
    """Return which places of a recording take the place of those before and after it.

    They go round the first and the last frames, so many as a period has.
    """
    end = np.maximum(length, period)
    after = end - period + (place - end) % period
    return np.where(place < 0, place % period, np.where(place >= end, after, place))
