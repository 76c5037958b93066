"""Speed of W u²: one matrix product against the windowed sum, over the length of the sequence.

    python bench/topography.py [--threads 2] [--json results/bench/topography.json]

Sequences of S frames, 18 capsules of 18 units, window 13, K = 3, about the same number of frames
in every row. Says where `Topography` should change from one to the other.
"""

from functools import partial

import torch
from harness import Benchmark, medians, milliseconds

from symgen.latents import Topography, topography

LIMITS = {"matrix": 10**12, "window": 0}  # entries of W up to which it is a matrix
BATCHES = {18: 32, 36: 16, 72: 8, 144: 4, 288: 2}  # sequences of so many frames


def energy(frames: int, u: torch.Tensor, limit: int) -> None:
    topography._DENSE_LIMIT = limit  # pyright: ignore[reportPrivateUsage]
    Topography.tvae(18, 18, frames, 13, neighbourhood=3).energy(u)


def main() -> None:
    bench = Benchmark(__doc__)
    measures = {
        (frames, way): milliseconds(partial(energy, frames, u, limit))
        for frames, batch in BATCHES.items()
        for u in [torch.randn(batch, frames, 18, 18)]
        for way, limit in LIMITS.items()
    }
    found = medians(measures, bench.options.rounds)
    rows = [
        {"frames": frames, "batch": batch, **{f"{way}_ms": found[frames, way] for way in LIMITS}}
        for frames, batch in BATCHES.items()
    ]
    bench.record(rows=rows)


if __name__ == "__main__":
    main()
