"""Speed of W u²: one matrix product against the windowed sum, over the length of the sequence.

    python bench/topography.py [--threads 2] [--json results/bench/topography.json]

Sequences of S frames, 18 capsules of 18 units, window 13, K = 3, about the same number of frames
in every row. Says where `Topography` should change from one to the other.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _record import write_record

from symgen.experiments import hardware
from symgen.latents import Topography, topography


def milliseconds(action: Callable[[], object], rounds: int = 7) -> float:
    action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of W u²")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{hardware()}\n{'S':>5} {'B':>4} {'matrix [ms]':>12} {'window [ms]':>12}")
    rows = []
    for frames in (18, 36, 72, 144, 288):
        batch = max(1, 576 // frames)
        value = Topography.tvae(18, 18, frames, 13, neighbourhood=3)
        u = torch.randn(batch, frames, 18, 18)
        row: dict[str, float] = {"frames": frames, "batch": batch}
        for name, limit in (("matrix", 10**12), ("window", 0)):
            topography._DENSE_LIMIT = limit  # pyright: ignore
            row[f"{name}_ms"] = milliseconds(lambda value=value, u=u: value.energy(u))
        rows.append(row)
        print(f"{frames:5} {batch:4} {row['matrix_ms']:12.2f} {row['window_ms']:12.2f}")
    command = f"python bench/topography.py --threads {options.threads}"
    write_record(options.json, command, rows=rows)


if __name__ == "__main__":
    main()
