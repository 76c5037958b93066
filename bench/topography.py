"""Speed of W u²: one matrix product against the windowed sum, over the length of the sequence.

    python bench/topography.py [--threads 2] [--json results/bench/topography.json]

Sequences of S frames, 18 capsules of 18 units, window 13, K = 3, about the same number of frames
in every row. Says where `Topography` should change from one to the other.
"""

import torch
from harness import Benchmark, medians, milliseconds

from symgen.latents import Topography, topography

LIMITS = {"matrix": 10**12, "window": 0}  # entries of W up to which it is a matrix
FRAMES = (18, 36, 72, 144, 288)


def energy(value: Topography, u: torch.Tensor, limit: int) -> None:
    topography._DENSE_LIMIT = limit  # pyright: ignore[reportPrivateUsage]
    value.energy(u)


def main() -> None:
    bench = Benchmark(__doc__)
    measures = {}
    for frames in FRAMES:
        value = Topography.tvae(18, 18, frames, 13, neighbourhood=3)
        u = torch.randn(max(1, 576 // frames), frames, 18, 18)
        for way, limit in LIMITS.items():
            measures[frames, way] = milliseconds(
                lambda value=value, u=u, limit=limit: energy(value, u, limit)
            )
    found = medians(measures, bench.options.rounds)
    rows = [
        {"frames": frames, "batch": max(1, 576 // frames)}
        | {f"{way}_ms": found[frames, way] for way in LIMITS}
        for frames in FRAMES
    ]
    bench.record(rows=rows)


if __name__ == "__main__":
    main()
