"""Topographies: which squared activations share their energy, in time and within capsules."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__ = ["Topography", "student_t"]

# Above this many entries of W the windowed sum, whose cost is linear in S, is faster than the
# matrix product on two cores (bench/topography.py).
_DENSE_LIMIT = 1024 * 1024


@dataclass(frozen=True)
class Topography:
    """A neighbourhood structure W over time and capsule units: `energy(u) = W u²`.

    The energy of unit (l, c, j), frame l, capsule c, unit j, is

        v[l, c, j] = sum_δ a_δ sum_ε b_ε u²[l + δ, c, j + shift·δ + ε]

    with all indices cyclic: units that follow one another along `shift` in time share variance, so
    that a transformation that advances by one step a frame becomes a roll (Topographic VAE,
    Keller & Welling 2021, eq. 9, with the sign that agrees with its eq. 13 and 18). Windows are
    symmetric: an odd extent k covers offsets -(k-1)/2 .. (k-1)/2 with weight one; an even extent
    covers -k/2 .. k/2 and halves the two ends, so that the weights always add up to k and a
    window of all S frames is uniform.

    Attributes:
        capsules: number of capsules, C.
        units: units in a capsule, D.
        frames: frames in a sequence, S.
        window: frames whose energy is shared, k = 2L in the paper (1: no temporal coherence,
            L = 0); 0 stands for no topography at all (plain VAE).
        neighbourhood: extent of the neighbourhood over the units of a capsule, K.
        shift: units by which the neighbourhood advances per frame: 1 for shifting coherence
            (TVAE), 0 for stationary coherence (BubbleVAE).
        capsule_neighbourhood: extent of the neighbourhood over capsules, for grids of units such
            as the 2-D torus.
        reference_window: use the window of the authors' code instead: an even extent covers
            -(k/2-1) .. k/2 at weight one, and with a shift every term must stay inside the k × k
            kernel (|ε| ≤ (K-1)/2 and both δ and δ+ε inside the window), which cuts its corners.

    Raises:
        ValueError: if an extent does not fit, for example a window longer than the sequence.

    Example:
        >>> topography = Topography.tvae(capsules=2, units=6, frames=6, window=3)
        >>> u = torch.ones(1, 6, 2, 6)
        >>> topography.energy(u)[0, 0, 0]
        tensor([3., 3., 3., 3., 3., 3.])
        >>> topography.seen_frames()
        tensor([ True,  True, False, False, False,  True])
    """

    capsules: int
    units: int
    frames: int
    window: int
    neighbourhood: int = 1
    shift: int = 1
    capsule_neighbourhood: int = 1
    reference_window: bool = False

    def __post_init__(self) -> None:
        for name in ("capsules", "units", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: a topography needs at least one")
        limits = {
            "window": ("frames", 0 if self.neighbourhood == 0 else 1),
            "neighbourhood": ("units", 0 if self.window == 0 else 1),
            "capsule_neighbourhood": ("capsules", 1),
        }
        for name, (axis, least) in limits.items():
            extent, size = getattr(self, name), getattr(self, axis)
            if not least <= extent <= size:
                raise ValueError(
                    f"{name}={extent} does not fit {axis}={size}: "
                    f"choose a {name} between {least} and {size}"
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
        """Build stationary temporal coherence (BubbleVAE): energy is shared without a shift."""
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
    def is_none(self) -> bool:
        """Whether there is no energy to share (plain VAE)."""
        return self.window == 0

    def seen_frames(self) -> Bool[Tensor, " S"]:
        """Tell which frames of a sequence t of frame 0 depends on."""
        seen = torch.zeros(self.frames, dtype=torch.bool)
        offsets = [0] if self.is_none else _weights(self.window, self.reference_window)
        seen[torch.tensor(list(offsets)) % self.frames] = True
        return seen

    def energy(self, u: Float[Tensor, "*batch S C D"]) -> Float[Tensor, "*batch S C D"]:
        """Return W u², the energy that the neighbours of every unit share."""
        return self.pool(u.square())

    def pool(self, energy: Float[Tensor, "*batch S C D"]) -> Float[Tensor, "*batch S C D"]:
        """Return W e for any non-negative e, such as the expected square E[u²].

        Never negative: one product with a non-negative W, or block-wise sums without subtraction.
        """
        if energy.shape[-3:] != (self.frames, self.capsules, self.units) or self.is_none:
            raise ValueError(
                f"energy of shape {tuple(energy.shape)} does not fit {self}: expected (*batch, "
                f"{self.frames}, {self.capsules}, {self.units}) and a window of at least 1"
            )
        if self.capsule_neighbourhood > 1:
            energy = _pool_cyclic(energy, -2, self.capsule_neighbourhood, self.reference_window)
        dense = (self.frames * self.units) ** 2 <= _DENSE_LIMIT
        if dense or self._cuts_corners:
            return self._pool_dense(energy)
        if self.neighbourhood > 1:
            energy = _pool_cyclic(energy, -1, self.neighbourhood, self.reference_window)
        return self._pool_window(energy)

    def matrix(self) -> Float[Tensor, "SD SD"]:
        """Return W over (frame, unit) of one capsule as a dense matrix, for inspection.

        Rows are the units that receive energy, index l·D + j.
        """
        return _matrix(self, torch.float64, torch.device("cpu")).clone()

    @property
    def _cuts_corners(self) -> bool:
        return self.reference_window and self.shift != 0 and self.neighbourhood > 1

    def _terms(self) -> dict[tuple[int, int], float]:
        """Weights of the offsets (δ, shift·δ + ε)."""
        terms: dict[tuple[int, int], float] = {}
        window = _weights(self.window, self.reference_window)
        half = (self.neighbourhood - 1) // 2
        for delta, in_time in window.items():
            if self._cuts_corners:
                near = {e: 1.0 for e in range(-half, half + 1) if delta + e in window}
            else:
                near = _weights(self.neighbourhood, self.reference_window)
            for epsilon, in_space in near.items():
                terms[delta, self.shift * delta + epsilon] = in_time * in_space
        return terms

    def _pool_dense(self, energy: Tensor) -> Tensor:
        weights = _matrix(self, energy.dtype, energy.device)
        by_capsule = energy.transpose(-3, -2).flatten(-2)  # (*batch, C, S·D)
        pooled = by_capsule @ weights.T
        return pooled.unflatten(-1, (self.frames, self.units)).transpose(-3, -2)

    def _pool_window(self, energy: Tensor) -> Tensor:
        """Sum over the window in time along the shift, in time linear in S."""
        frame = torch.arange(self.frames, device=energy.device)
        unit = torch.arange(self.units, device=energy.device)
        offsets = _weights(self.window, self.reference_window)
        first, last = min(offsets), max(offsets)
        padded = torch.arange(first, self.frames + last, device=energy.device)
        # Aligned copy: its unit m of padded frame p is unit m + shift·p of frame p mod S.
        columns = (unit + self.shift * padded[:, None]) % self.units
        aligned = energy[..., padded % self.frames, :, :].gather(
            -1,
            columns[:, None, :].expand(*energy.shape[:-3], -1, self.capsules, -1),
        )
        summed = _box(aligned, -3, offsets)
        back = (unit - self.shift * frame[:, None]) % self.units
        return summed.gather(-1, back[:, None, :].expand_as(energy))


def _weights(extent: int, reference: bool) -> dict[int, float]:
    """Weights of the offsets of a window of `extent` (see Topography)."""
    half = extent // 2
    if extent % 2:
        return dict.fromkeys(range(-half, half + 1), 1.0)
    if reference:
        return dict.fromkeys(range(1 - half, half + 1), 1.0)
    return {d: 0.5 if abs(d) == half else 1.0 for d in range(-half, half + 1)}


def _pool_cyclic(energy: Tensor, axis: int, extent: int, reference: bool) -> Tensor:
    terms = [w * energy.roll(-d, axis) for d, w in _weights(extent, reference).items()]
    return torch.stack(terms).sum(0)


def _box(padded: Tensor, axis: int, offsets: dict[int, float]) -> Tensor:
    """Sum over a sliding window along `axis`, from running sums within blocks.

    A window [a, a+k) is the rest of the block of length k that a lies in, plus the start of the
    next block: two additions for any k, and no difference of large sums that would lose digits.
    """
    ends_halved = min(offsets.values()) < 1
    k = len(offsets) - ends_halved
    moved = padded.movedim(axis, 0)
    length = moved.shape[0]
    blocks = -(-length // k) + 1
    filled = torch.cat([moved, moved.new_zeros(blocks * k - length, *moved.shape[1:])])
    by_block = filled.unflatten(0, (blocks, k))
    rest = by_block.flip(1).cumsum(1).flip(1).flatten(0, 1)
    start = (by_block.cumsum(1) - by_block).flatten(0, 1)
    windows = rest[: length - k + 1] + start[k : length + 1]
    if ends_halved:
        windows = 0.5 * (windows[:-1] + windows[1:])
    return windows.movedim(0, axis)


@lru_cache(maxsize=32)
def _build(topography: Topography) -> Float[Tensor, "SD SD"]:
    frames, units = topography.frames, topography.units
    weights = torch.zeros(frames, units, frames, units, dtype=torch.float64)
    frame = torch.arange(frames)[:, None]
    unit = torch.arange(units)[None, :]
    for (in_time, in_units), weight in topography._terms().items():
        weights[frame, unit, (frame + in_time) % frames, (unit + in_units) % units] += weight
    return weights.flatten(2).flatten(0, 1)


@lru_cache(maxsize=32)
def _cached_matrix(
    topography: Topography, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "SD SD"]:
    return _build(topography).to(device=device, dtype=dtype)


@torch.compiler.assume_constant_result
def _matrix(
    topography: Topography, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "SD SD"]:
    return _cached_matrix(topography, dtype, device)


def student_t(
    z: Float[Tensor, "*batch S C D"],
    u: Float[Tensor, "*batch S C D"],
    topography: Topography,
    mu: float | Tensor,
    eps: float = 1e-6,
) -> Float[Tensor, "*batch S C D"]:
    """Construct topographic Student-t variables `t = (z - μ) / sqrt(W u² + eps)`.

    With z and u standard normal, t is marginally a (shifted) Student-t variable up to scale, and
    units that share energy are large together (Keller & Welling 2021, eq. 2 and 9).

    Args:
        z: numerators.
        u: what the energy is made of.
        topography: the neighbourhoods W.
        mu: offset μ, shared by all units.
        eps: keeps the root away from zero.

    Returns:
        Variables t, in the shape of z.

    Example:
        >>> topography = Topography.tvae(capsules=1, units=4, frames=4, window=4)
        >>> z, u = torch.zeros(1, 4, 1, 4), torch.ones(1, 4, 1, 4)
        >>> student_t(z, u, topography, mu=-30.0)[0, 0, 0]
        tensor([15.0000, 15.0000, 15.0000, 15.0000])
    """
    return (z - mu) * torch.rsqrt(topography.energy(u) + eps)
