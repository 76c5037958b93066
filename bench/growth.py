"""How the time of a sequence grows with its frames S, the units D and the capsules C.

    python bench/growth.py [--threads 2] [--json results/bench/growth.json]

Window 13, K = 3, starting from 18 frames, 18 capsules and 18 units; one of the three grows. For
each size the time of one sequence, forward and backward, of the construction of t alone and of
the whole ELBO, of 8 × 8 images behind nets whose hidden layers have 64 units whatever the number
of latents. The exponent is the slope of log time over log size, over the larger half of the sizes:
1 is linear.
"""

import math
import statistics
from typing import Any

import torch
from harness import Benchmark, Measure, medians, milliseconds

from symgen import TVAE

SIZES = {
    "frames": (18, 36, 72, 144, 288, 576, 1152),
    "units": (18, 36, 72, 144, 288),
    "capsules": (18, 36, 72, 144, 288),
}
WAYS = ("latents", "elbo")


def batch_of(size: int) -> int:
    """Return how many sequences keep the tensors of a call at about one size, 16 at most."""
    return max(1, 16 * 18 // size)


def measures_of(axis: str, size: int) -> dict[str, Measure]:
    sizes: dict[str, Any] = {"frames": 18, "capsules": 18, "units": 18, axis: size}
    batch = batch_of(size)
    model = TVAE((1, 8, 8), window=13, neighbourhood=3, width=64, depth=2, **sizes)
    shape = (batch, model.frames, model.capsules, model.units)
    z, u = torch.randn(shape, requires_grad=True), torch.randn(shape, requires_grad=True)
    x = torch.rand(batch, model.frames, 1, 8, 8)
    actions = (
        lambda: model.latents_from(z, u).sum().backward(),
        lambda: (model.zero_grad(), model(x).loss.backward()),
    )
    return {way: milliseconds(act, batch) for way, act in zip(WAYS, actions, strict=True)}


def exponent(rows: list[dict[str, float]], key: str) -> float:
    larger = rows[len(rows) // 2 :]
    sizes, times = ([math.log(row[name]) for row in larger] for name in ("size", key))
    return statistics.linear_regression(sizes, times).slope


def main() -> None:
    bench = Benchmark(__doc__)
    measures: dict[tuple[str, int, str], Measure] = {
        (axis, size, way): measure
        for axis, sizes in SIZES.items()
        for size in sizes
        for way, measure in measures_of(axis, size).items()
    }
    found = medians(measures, bench.options.rounds)
    grown = {}
    for axis, sizes in SIZES.items():
        rows = [
            {"size": size, "batch": batch_of(size)}
            | {f"{way}_ms": found[axis, size, way] for way in WAYS}
            for size in sizes
        ]
        exponents = {way: exponent(rows, f"{way}_ms") for way in WAYS}
        grown[axis] = {"rows": rows, "exponents": exponents}
    bench.record(grown=grown)


if __name__ == "__main__":
    main()
