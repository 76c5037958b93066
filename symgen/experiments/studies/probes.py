"""Probes: what simple classifiers and regressions find in the latents of moving dSprites.

On frames of held-out sequences: shape by a linear classifier of t, and of the lengths of the
capsules (no roll changes these), given few labels and many; the other factors by a linear
regression on the capsules' phases; MIG and DCI. No two sequences walk the same orbit, so the
probes are measured on orbits that they were not fitted to.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from symgen.data import MovingSprites
from symgen.data.batches import Batches
from symgen.metrics import dci, linear_probe, mutual_information_gap, phase_r2, pooled_capsules

_TESTED = 1_000  # held-out sequences, of which one of an orbit stays
_LABELS = (10, 100, 1000, None)
_CHOSEN = (0, 4, 9)  # frames of each sequence


class _Frames(NamedTuple):
    """Frames of held-out sequences, a few of each, with their factors."""

    x: Tensor  # (B, S, 1, 64, 64)
    factors: Tensor  # (n, F)

    def of(self, values: Tensor) -> Tensor:
        """Choose the frames' values of (B, S, ...) as (n, ...)."""
        return values[:, list(_CHOSEN)].flatten(0, 1)


def probes(measured: Any) -> dict[str, Any]:
    """Measure what is found in the latents of a model, and in the pixels."""
    source = MovingSprites("test")
    frames = _held_out(source, max(100, min(_TESTED, measured.budget.items or _TESTED)))
    t = frames.of(torch.cat([measured.model.latents(x) for x in frames.x.split(50)]))  # (n, C, D)
    seed, half = measured.seed, len(t) // 2
    codes, factors = t.flatten(1), frames.factors
    shapes = factors[:, source.factor_names.index("shape")]
    r2 = {
        name: phase_r2(
            t[:half],
            factors[:half, index],
            source.factor_sizes[index],
            t[half:],
            factors[half:, index],
        )
        for index, name in enumerate(source.factor_names)
        if name != "shape"
    }
    scores = dci(codes[:half], factors[:half], codes[half:], factors[half:], trees=10, seed=seed)
    return {
        "frames": len(t),
        "t": _accuracies(codes, shapes, seed),
        "pooled": _accuracies(pooled_capsules(t), shapes, seed),
        "pixels": _accuracies(frames.of(frames.x).flatten(1), shapes, 0),
        "phase_r2": r2,
        "mig": mutual_information_gap(codes, factors),
        "dci": scores._asdict(),
    }


def _held_out(source: MovingSprites, count: int) -> _Frames:
    batch = Batches(source, count, seed=1).batch(0)
    kept = _one_of_each_orbit(batch.factors, batch.moved)
    return _Frames(batch.frames[kept], batch.factors[kept][:, list(_CHOSEN)].flatten(0, 1))


def _one_of_each_orbit(factors: Tensor, moved: Tensor) -> Tensor:
    """Choose the first sequence of every orbit: elsewhere the same frames begin elsewhere."""
    # The factor that moves wraps around and so passes 0; the others stay.
    orbits = torch.cat([factors.amin(1), moved[:, None]], 1)
    _, orbit = orbits.unique(dim=0, return_inverse=True)
    first = torch.full((int(orbit.max()) + 1,), len(orbit))
    first.scatter_reduce_(0, orbit, torch.arange(len(orbit)), "amin")
    return first.sort().values[: len(first) // 2 * 2]  # halves of whole sequences


def _accuracies(codes: Tensor, shapes: Tensor, seed: int) -> dict[str, Any]:
    half = len(codes) // 2
    sizes = [size for size in _LABELS if size is None or size <= half]
    found = linear_probe(
        codes[:half], shapes[:half], codes[half:], shapes[half:], sizes, draws=3, seed=seed
    )
    return {
        str(accuracy.labels): {
            "mean": accuracy.mean,
            "std": None if math.isnan(accuracy.std) else accuracy.std,
        }
        for accuracy in found
    }
