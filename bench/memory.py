"""Memory of a training on an array that is larger than the memory may be.

    python bench/memory.py [--gigabytes 20] [--steps 240] [--json results/bench/memory.json]

Trains a small TVAE with `symgen.fit` on random clips of a sparse `.npy` file (its frames are
black: holes that the file system reads as zeros, which occupy memory like any others). For
comparison the same training on the file mapped once and for all, as `np.load(mmap_mode="c")`
gives it: every page that was touched then counts as the process's, until the system takes it
back. Each in a process of its own. Peaks are the kernel's own (VmHWM); what is resident after the
last step is told apart into anonymous memory and pages of files, libraries included.
"""

import multiprocessing
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Benchmark

import symgen

SHAPE = (64, 3, 128, 128)  # of a recording: 3.1 MB
LENGTH, BATCH = 16, 16  # a batch of clips: 13 MB
LIMIT = 2.0  # GB beyond the model


def status() -> dict[str, float]:
    """Return the memory of this process in GB, by the kernel's names."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 / 1e9 for name, value in pairs}


def train(path: Path, kept: bool, steps: int, threads: int) -> dict[str, float | str]:
    torch.set_num_threads(threads)
    data: Any = symgen.open(path, axes="NTCYX", length=LENGTH)
    if kept:  # the first clips of all recordings, which are as much as the training reads
        data = np.load(path, mmap_mode="c")[:, :LENGTH]
    sizes: dict[str, Any] = {"capsules": 8, "units": 16, "frames": LENGTH, "window": 9}
    model = symgen.TVAE(SHAPE[1:], **sizes, width=64, depth=1)
    weights = sum(weight.numel() for weight in model.parameters()) * 4 / 1e9
    before = status()
    symgen.fit(model, data, examples=steps * BATCH, batch_size=BATCH)
    after = status()
    return {
        "file": "mapped once" if kept else "mapped for each batch (symgen)",
        "read_gb": steps * BATCH * LENGTH * np.prod(SHAPE[1:]).item() / 1e9,
        "model_gb": 4 * weights,  # weights, gradients and Adam's two moments
        "before_gb": before["VmRSS"],
        "peak_gb": after["VmHWM"],
        "anonymous_gb": after["RssAnon"],
        "file_pages_gb": after["RssFile"],
    }


def main() -> None:
    sizes = {"gigabytes": (20.0, "size of the file"), "steps": (240, "steps of the training")}
    bench = Benchmark(__doc__, rounds=None, **sizes)
    recordings = int(np.ceil(bench.options.gigabytes * 1e9 / np.prod(SHAPE)))
    shape = (recordings, *SHAPE)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sparse.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
        size = path.stat().st_size / 1e9
        for kept in (False, True):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                given = (path, kept, bench.options.steps, bench.options.threads)
                rows.append(pool.apply(train, given))
    passed = rows[0]["peak_gb"] - rows[0]["model_gb"] < LIMIT
    bench.record(file_gb=size, shape=shape, passed=passed, rows=rows)


if __name__ == "__main__":
    main()
