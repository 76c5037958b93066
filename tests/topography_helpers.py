"""Topographies of every kind, and their energy by a loop over the equation."""

import itertools
import math

from torch import Tensor

from symgen.latents import AxesTopography, Topography

TOPOGRAPHIES = {
    "tvae odd": Topography.tvae(2, 6, 6, 5, neighbourhood=3),
    "tvae even": Topography.tvae(2, 6, 7, 4),
    "tvae full": Topography.tvae(2, 6, 6, 6, neighbourhood=2),
    "tvae L=0": Topography.tvae(2, 6, 5, 1, neighbourhood=3),
    "more frames than units": Topography.tvae(2, 4, 9, 7, neighbourhood=3),
    "bubble": Topography.bubble(2, 6, 7, 5, neighbourhood=3),
    "fast and backwards": Topography(2, 6, 7, 4, 3, shift=-2),
    "torus": Topography.torus((6, 7), patch=5),
    "reference even": Topography.tvae(2, 6, 7, 4, reference_window=True),
    "reference corners": Topography.tvae(2, 6, 6, 5, neighbourhood=3, reference_window=True),
    "reference full": Topography.tvae(2, 6, 6, 6, neighbourhood=3, reference_window=True),
    "reference bubble": Topography.bubble(2, 6, 7, 4, neighbourhood=2, reference_window=True),
    "half": Topography(2, 5, 7, 4, 3, shift=0.5),
    "backwards by a third": Topography(2, 6, 5, 3, shift=-1 / 3),
    "zero time": Topography(2, 5, 6, 4, 3, boundary="zero"),
    "zero capsules": Topography(2, 5, 6, 5, 3, capsule_boundary="zero"),
    "zero both": Topography(2, 5, 6, 5, shift=2, boundary="zero", capsule_boundary="zero"),
    "zero both, half": Topography(2, 5, 6, 3, 3, 0.5, 2, False, "zero", "zero"),
    "causal": Topography(2, 5, 6, 4, 3, causal=True),
    "causal, zero": Topography(3, 5, 6, 4, 3, causal=True, boundary="zero"),
    "causal, zero both, half": Topography(
        2, 5, 6, 3, shift=0.5, causal=True, boundary="zero", capsule_boundary="zero"
    ),
}
AXES = {
    "two axes": AxesTopography(2, (3, 4), 4, 3),
    "three axes": AxesTopography(1, (2, 3, 2), 5, 4, shift=-1),
    "axes, zero both, half": AxesTopography(
        2, (4, 3), 5, 3, 3, 0.5, boundary="zero", capsule_boundary="zero"
    ),
    "axes, causal": AxesTopography(2, (3, 3), 5, 3, boundary="zero", causal=True),
}


def offsets(extent: int, reference: bool = False, causal: bool = False) -> dict[int, float]:
    """Offsets of a window with their weights; the ends of an even one count half."""
    half = extent // 2
    if causal:
        return dict.fromkeys(range(1 - extent, 1), 1.0)
    if reference and extent % 2 == 0:
        return dict.fromkeys(range(1 - half, half + 1), 1.0)
    ends = 1.0 if extent % 2 else 0.5
    return {d: ends if half and abs(d) == half else 1.0 for d in range(-half, half + 1)}


def pool_by_loop(topography: Topography, energy: Tensor) -> Tensor:
    """Sum the energy (S, C, D) around every unit, one term of the equation after the other."""
    frames, capsules, units = energy.shape
    values, reference = energy.tolist(), topography.reference_window
    in_time = offsets(topography.window, reference, topography.causal)
    near = offsets(topography.neighbourhood, reference)
    across = offsets(topography.capsule_neighbourhood, reference)
    corners_cut = reference and topography.shift and topography.neighbourhood > 1

    def read(frame: int, capsule: int, unit: int) -> float:
        """Beyond a zero boundary there is padding of energy 1 (appendix C.2)."""
        if topography.boundary == "zero" and not 0 <= frame < frames:
            return 1.0
        if topography.capsule_boundary == "zero" and not 0 <= unit < units:
            return 1.0
        return values[frame % frames][capsule % capsules][unit % units]

    def between(frame: int, capsule: int, position: float) -> float:
        """A partial roll, eq. 19 and 20."""
        low, part = math.floor(position), position - math.floor(position)
        above = part * read(frame, capsule, low + 1) if part else 0.0
        return (1 - part) * read(frame, capsule, low) + above

    pooled = energy.new_zeros(energy.shape)
    for frame, capsule, unit in itertools.product(range(frames), range(capsules), range(units)):
        pooled[frame, capsule, unit] = sum(
            a * b * c * between(frame + δ, capsule + γ, unit + topography.shift * δ + ε)
            for (δ, a), (ε, b), (γ, c) in itertools.product(
                in_time.items(), near.items(), across.items()
            )
            if not corners_cut or δ + ε in in_time
        )
    return pooled
