"""Topographies: which squared activations share their energy, in time and within capsules."""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from symgen._compiled import constant_when_compiled
from symgen._typed import Count, Whole, type_fields
from symgen.latents.capsules import Boundary
from symgen.latents.topographic import Energy, Topographic
from symgen.latents.window import box, extended, pool_cyclic, weights

__all__ = ["Topography"]

# Above this many entries of W the windowed sum, whose cost is linear in S, is faster than the
# matrix product on two cores (bench/topography.py).
_DENSE_LIMIT = 1024 * 1024
_FARTHEST = 10_000  # units per frame
_MOST_ROWS = 2**14  # of W, whose square are 2 GiB


@dataclass(frozen=True)
class Topography(Topographic):
    """A neighbourhood structure W over time and capsule units: `energy(u) = W u²`.

    The energy of unit (l, c, j), frame l, capsule c, unit j, is

        v[l, c, j] = sum_δ a_δ sum_ε b_ε u²[l + δ, c, j + shift·δ + ε]

    with all indices cyclic unless a boundary is "zero": units that follow one another along
    `shift` in time share variance, so that a transformation that advances by one step a frame
    becomes a roll (Topographic VAE, Keller & Welling 2021, eq. 9, with the sign that agrees with
    its eq. 13 and 18). Windows are
    symmetric: an odd extent k covers offsets -(k-1)/2 .. (k-1)/2 with weight one; an even extent
    covers -k/2 .. k/2 and halves the outer two, so that the weights always add up to k and a
    window of all S frames is uniform. A fractional shift interpolates u² linearly between two
    units, the partial roll of eq. 19 and 20, which keeps W non-negative.

    Beyond a zero boundary lie padding variables (appendix C.2), about which the data say nothing.
    They enter with their expected energy under the prior, E[u²] = 1, so that t has the same scale
    at the ends as in the middle, and a sequence may have any number of frames.

    Attributes:
        capsules: number of capsules, C.
        units: units in a capsule, D.
        frames: frames in a sequence, S.
        window: frames whose energy is shared, k = 2L in the paper (1: no temporal coherence,
            L = 0); 0 stands for no topography at all (plain VAE).
        neighbourhood: extent of the neighbourhood over the units of a capsule, K.
        shift: units by which the neighbourhood advances per frame: 1 for shifting coherence
            (TVAE), 0 for stationary coherence (BubbleVAE), D/S to wrap around once in a sequence.
        capsule_neighbourhood: extent of the neighbourhood over capsules, as in the 2-D torus.
        reference_window: use the window of the authors' code instead: an even extent covers
            -(k/2-1) .. k/2 at weight one, and with a shift every term must stay inside the k × k
            kernel (|ε| ≤ (K-1)/2 and both δ and δ+ε inside the window), which cuts its corners.
        boundary: of time, "cyclic" or "zero".
        capsule_boundary: of the units of a capsule, "cyclic" or "zero".
        causal: share energy with past frames only (eq. 22): the window covers -(k-1) .. 0 at
            weight one.

    Raises:
        ValueError: if an extent does not fit, for example a window longer than the sequence.

    Example:
        >>> topography = Topography.tvae(capsules=2, units=6, frames=6, window=3)
        >>> u = torch.ones(1, 6, 2, 6)
        >>> topography.energy(u)[0, 0, 0]
        tensor([3., 3., 3., 3., 3., 3.])
        >>> topography.receptive_field()
        tensor([ True,  True, False, False, False,  True])
    """

    capsules: Count
    units: Count
    frames: Count
    window: Whole
    neighbourhood: Whole = 1
    shift: int | float = 1
    capsule_neighbourhood: Count = 1
    reference_window: bool = False
    boundary: Boundary = "cyclic"
    capsule_boundary: Boundary = "cyclic"
    causal: bool = False

    def __post_init__(self) -> None:
        type_fields(self)
        for name, axis, least in (
            ("window", "frames", int(self.neighbourhood != 0)),
            ("neighbourhood", "units", int(self.window != 0)),
            ("capsule_neighbourhood", "capsules", 1),
        ):
            extent, size = getattr(self, name), getattr(self, axis)
            if not least <= extent <= size:
                raise ValueError(
                    f"{name}={extent} does not fit {axis}={size}: "
                    f"choose a {name} between {least} and {size}"
                )
        if not abs(self.shift) <= _FARTHEST:
            raise ValueError(
                f"shift={self.shift}: give a number of units per frame, at most {_FARTHEST}"
            )
        if self.shift % 1 == 0:
            object.__setattr__(self, "shift", int(self.shift))
        extended_by = self.causal or self.shift % 1 or "zero" in self.boundaries
        if self.reference_window and extended_by:
            raise ValueError(
                "reference_window goes with whole shifts, cyclic boundaries and a symmetric "
                f"window, which is all that the authors' code has: {self}"
            )
        if self.reference_window and self.shift and self.neighbourhood % 2 == 0:
            raise ValueError(
                f"neighbourhood={self.neighbourhood} with reference_window: the reference kernel "
                "of a shifting window needs an odd neighbourhood"
            )

    @classmethod
    def tvae(
        cls, capsules: int, units: int, frames: int, window: int, **extents: Any
    ) -> "Topography":
        """Build shifting temporal coherence; `window=1` is the paper's L = 0."""
        return cls(capsules, units, frames, window, **extents)

    @classmethod
    def bubble(
        cls, capsules: int, units: int, frames: int, window: int, **extents: Any
    ) -> "Topography":
        """Build stationary temporal coherence (BubbleVAE), which does not shift."""
        return cls(capsules, units, frames, window, shift=0, **extents)

    @classmethod
    def torus(cls, grid: tuple[int, int], patch: int = 5) -> "Topography":
        """Build a 2-D torus of rows × columns units with square neighbourhoods, one frame."""
        rows, columns = grid
        return cls(rows, columns, 1, 1, patch, shift=0, capsule_neighbourhood=patch)

    @classmethod
    def none(cls, capsules: int, units: int, frames: int) -> "Topography":
        """Build the absence of a topography: latents are independent (VAE)."""
        return cls(capsules, units, frames, window=0, neighbourhood=0)

    @property
    def is_none(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether there is no energy to share (plain VAE)."""
        return self.window == 0

    @property
    def open_ended(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a sequence may have any number of frames: time has a zero boundary."""
        return self.boundary == "zero"

    @property
    def speed(self) -> int | float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Units by which capsules roll per step: the shift, or 1 (as in the paper) without one."""
        return self.shift or 1

    @property
    def boundaries(self) -> tuple[Boundary, Boundary]:
        """Boundaries of time and of capsules."""
        return self.boundary, self.capsule_boundary

    def weights(self) -> Float[Tensor, " terms"]:
        """Return the weights of the units that a unit which no zero boundary cuts receives."""
        folded: dict[tuple[int, int], float] = defaultdict(float)
        for (delta, unit), weight in self._terms().items():
            frame = delta % self.frames if self.boundary == "cyclic" else delta
            folded[frame, unit % self.units if self.capsule_boundary == "cyclic" else unit] += (
                weight
            )
        return torch.tensor(list(folded.values()), dtype=torch.float64)

    @property
    def window_weights(self) -> dict[int, float]:
        """Weights a of the offsets δ in time."""
        return weights(self.window, self.reference_window, self.causal)

    def receptive_field(self) -> Bool[Tensor, " S"]:
        """Tell which frames of a sequence t of frame 0 depends on."""
        offsets = [0] if self.is_none else self.window_weights
        seen = {o % self.frames for o in offsets if o >= 0 or not self.open_ended}
        return torch.tensor([frame in seen for frame in range(self.frames)])

    def energy(self, u: Energy) -> Energy:
        """Return W u², the energy that the neighbours of every unit share."""
        return self.pool(u.square())

    def pool(self, energy: Energy) -> Energy:
        """Return W e for non-negative e, never negative itself: nothing is subtracted."""
        self._require_fit(energy)
        if self.capsule_neighbourhood > 1:
            energy = pool_cyclic(energy, -2, self.capsule_neighbourhood, self.reference_window)
        dense = (energy.shape[-3] * self.units) ** 2 <= _DENSE_LIMIT
        if dense or self._cuts_corners:
            return self._pool_dense(energy)
        if self.shift % 1 or self.capsule_boundary == "zero":
            return self._pool_terms(energy)
        if self.neighbourhood > 1:
            energy = pool_cyclic(energy, -1, self.neighbourhood, self.reference_window)
        return self._pool_window(energy)

    def inverse_scale(self, energy: Energy, eps: float) -> Energy:
        """Return what multiplies z - μ in t, `1 / sqrt(W e + eps)`."""
        return torch.rsqrt(self.pool(energy) + eps)

    def expected_inverse_scale(self, energy: Energy, variance: Energy, eps: float) -> Energy:
        """Return the expectation of `inverse_scale`, to second order in the energies' spread.

        With v = W e + eps it is `E[v]^(-1/2) (1 + 3/8 Var[v] / E[v]²)`, where Var[v] is W Var[e]
        as long as W holds zeros and ones: with a fractional shift the result is of first order.
        Half weights at the ends of even windows make Var[v] too large, by less than what the
        series leaves out.
        The energy of padding does not vary.
        """
        if self.shift % 1:
            return self.inverse_scale(energy, eps)
        summed, pooled = self.pool(torch.stack([energy, variance]))
        if "zero" in self.boundaries:
            pooled = pooled - self.pool(torch.zeros_like(variance))
        return second_order(torch.rsqrt(summed + eps), pooled)

    def matrix(self) -> Float[Tensor, "SD SD"]:
        """Return W of one capsule, for inspection; rows l·D + j are what receives energy."""
        if (rows := self.frames * self.units) > _MOST_ROWS:
            raise ValueError(
                f"W of frames={self.frames}, units={self.units} has {rows:,} rows: inspect one of "
                f"{_MOST_ROWS:,} at most"
            )
        return _matrix(self, self.frames, torch.float64, torch.device("cpu"))[0].clone()

    @property
    def _cuts_corners(self) -> bool:
        return self.reference_window and self.shift != 0 and self.neighbourhood > 1

    def _require_fit(self, energy: Tensor) -> None:
        frames = "any number of frames" if self.open_ended else self.frames
        given = (self.frames if self.open_ended else energy.shape[-3], *energy.shape[-2:])
        if given != (self.frames, self.capsules, self.units) or self.is_none:
            raise ValueError(
                f"energy of shape {tuple(energy.shape)} does not fit {self}: expected (*batch, "
                f"{frames}, {self.capsules}, {self.units}) and a window of at least 1"
            )

    def _terms(self) -> dict[tuple[int, int], float]:
        """Weights of the offsets (δ, shift·δ + ε), a fraction divided between two units."""
        terms: dict[tuple[int, int], float] = defaultdict(float)
        half = (self.neighbourhood - 1) // 2
        for delta, in_time in self.window_weights.items():
            if self._cuts_corners:
                near = {e: 1.0 for e in range(-half, half + 1) if delta + e in self.window_weights}
            else:
                near = weights(self.neighbourhood, self.reference_window)
            for epsilon, in_space in near.items():
                offset = self.shift * delta + epsilon
                unit, part = math.floor(offset), offset % 1
                terms[delta, unit] += in_time * in_space * (1 - part)
                if part:
                    terms[delta, unit + 1] += in_time * in_space * part
        return terms

    def _pool_dense(self, energy: Tensor) -> Tensor:
        frames = energy.shape[-3]
        matrix, padding = _matrix(self, frames, energy.dtype, energy.device)
        by_capsule = energy.transpose(-3, -2).flatten(-2)  # (*batch, C, S·D)
        pooled = by_capsule @ matrix.T
        if "zero" in self.boundaries:
            pooled = pooled + padding
        return pooled.unflatten(-1, (frames, self.units)).transpose(-3, -2)

    def _pool_terms(self, energy: Tensor) -> Tensor:
        """Add up the terms of the window one after the other, in time linear in S."""
        terms = self._terms()
        times, units = zip(*terms, strict=True)
        reach = (min(*units, 0), max(*units, 0))
        first, last = min(times), max(times)
        size, padding = energy.shape[-3], float(self.capsule_neighbourhood)
        energy = extended(energy, -3, first, last, self.boundary, padding)
        energy = extended(energy, -1, *reach, self.capsule_boundary, padding)
        parts = (
            weight * energy.narrow(-3, delta - first, size).narrow(-1, unit - reach[0], self.units)
            for (delta, unit), weight in terms.items()
        )
        return reduce(torch.add, parts)

    def _pool_window(self, energy: Tensor) -> Tensor:
        """Sum over the window in time along the shift, in time linear in S."""
        frames, padding = energy.shape[-3], float(self.capsule_neighbourhood * self.neighbourhood)
        frame = torch.arange(frames, device=energy.device)
        unit = torch.arange(self.units, device=energy.device)
        first, last = min(self.window_weights), max(self.window_weights)
        padded = torch.arange(first, frames + last, device=energy.device)
        # Aligned copy: its unit m of padded frame p is unit m + shift·p of frame p mod S.
        columns = (unit + self.shift * padded[:, None]) % self.units
        padded_energy = extended(energy, -3, first, last, self.boundary, padding)
        aligned = padded_energy.gather(-1, columns[:, None, :].expand_as(padded_energy))
        summed = box(aligned, -3, self.window_weights)
        back = (unit - self.shift * frame[:, None]) % self.units
        return summed.gather(-1, back[:, None, :].expand_as(energy))


def second_order(scale: Tensor, variance: Tensor) -> Tensor:
    """Return E[v^(-1/2)] of v with this variance and `E[v]^(-1/2) = scale`, to second order."""
    return scale * (1 + 0.375 * variance * scale.square().square())


@constant_when_compiled
def _matrix(
    topography: Topography, frames: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return W over (frame, unit), and the energy that padding adds to each."""
    return _cached_matrix(topography, frames, dtype, device)


@lru_cache(maxsize=32)
def _cached_matrix(
    topography: Topography, frames: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    units = topography.units
    matrix = torch.zeros(frames, units, frames, units, dtype=torch.float64)
    padding = torch.zeros(frames, units, dtype=torch.float64)
    frame, unit = torch.meshgrid(torch.arange(frames), torch.arange(units), indexing="ij")
    for (in_time, in_units), weight in topography._terms().items():
        at_frame, at_unit = frame + in_time, unit + in_units
        inside = torch.ones_like(frame, dtype=torch.bool)
        if topography.boundary == "zero":
            inside &= (at_frame >= 0) & (at_frame < frames)
        if topography.capsule_boundary == "zero":
            inside &= (at_unit >= 0) & (at_unit < units)
        matrix[frame, unit, at_frame % frames, at_unit % units] += weight * inside
        padding += weight * topography.capsule_neighbourhood * ~inside
    matrix = matrix.flatten(2).flatten(0, 1)
    return matrix.to(device, dtype), padding.flatten().to(device, dtype)
