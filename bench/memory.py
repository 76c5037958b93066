"""Memory of a training on an array that is larger than the memory may be.

    python bench/memory.py [--gigabytes 20] [--steps 240] [--threads 2]
                           [--json results/bench/memory.json]

Trains a small TVAE with `symgen.fit` on random clips of a sparse `.npy` file (its frames are
black: holes that the file system reads as zeros, which occupy memory like any others). For
comparison the same training with the file mapped once and for all, as `np.load(mmap_mode="r")`
leaves it: every page that was touched then counts as the process's, until the system takes it
back. Each in a process of its own. Peaks are the kernel's own (VmHWM); what is resident after the
last step is told apart into anonymous memory and pages of files, libraries included.
"""

import argparse
import multiprocessing
import tempfile
from pathlib import Path

import numpy as np
import torch
from _record import write_record

from symgen import TVAE, fit
from symgen.data import Recordings, Sequences
from symgen.data import open as open_recordings
from symgen.experiments import hardware

SHAPE = (64, 3, 128, 128)  # of a recording: 3.1 MB
LENGTH, BATCH = 16, 16  # a batch of clips: 13 MB
LIMIT = 2.0  # GB beyond the model


def status() -> dict[str, float]:
    """Memory of this process in GB, by the kernel's names."""
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = (line.split(":", 1) for line in lines if line.endswith(" kB"))
    return {name: int(value.split()[0]) * 1024 / 1e9 for name, value in pairs}


def keep_mapped(source: Recordings) -> None:
    """Read through one map that stays open."""
    mapped = np.load(source.footage.path, mmap_mode="r").reshape(-1, *source.image_shape)
    object.__setattr__(source.footage, "read", lambda frames: np.asarray(mapped[frames]))


def train(path: Path, kept: bool, steps: int, threads: int) -> dict[str, float | str]:
    torch.set_num_threads(threads)
    source = open_recordings(path, length=LENGTH)
    if kept:
        keep_mapped(source)
    model = TVAE(
        image_shape=source.image_shape, capsules=8, units=16, frames=LENGTH, window=9, hidden=(64,)
    )
    weights = sum(weight.numel() for weight in model.parameters()) * 4 / 1e9
    before = status()
    fit(model, Sequences(source, BATCH), sequences=steps * BATCH)
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
    parser = argparse.ArgumentParser(description="Memory of a training on a large file")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--gigabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    recordings = int(np.ceil(options.gigabytes * 1e9 / np.prod(SHAPE)))
    shape = (recordings, *SHAPE)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sparse.npy"
        np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape).flush()
        size = path.stat().st_size / 1e9
        print(f"{hardware()}\n{shape} bytes, {size:.1f} GB, {options.steps} steps")
        head = ("file", "read", "before", "peak", "anonymous", "of files", "model")
        print(f"{head[0]:32}" + "".join(f"{name:>11}" for name in head[1:]) + "  [GB]")
        for kept in (False, True):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row = pool.apply(train, (path, kept, options.steps, options.threads))
            rows.append(row)
            names = ("read", "before", "peak", "anonymous", "file_pages", "model")
            print(f"{row['file']:32}" + "".join(f"{row[f'{n}_gb']:11.2f}" for n in names))
    beyond = rows[0]["peak_gb"] - rows[0]["model_gb"]
    print(f"peak beyond the model {beyond:.2f} GB: {'under' if beyond < LIMIT else 'OVER'} 2 GB")
    command = f"python bench/memory.py --gigabytes {options.gigabytes:g} "
    command += f"--steps {options.steps} --threads {options.threads}"
    passed = beyond < LIMIT
    write_record(options.json, command, file_gb=size, shape=shape, passed=passed, rows=rows)


if __name__ == "__main__":
    main()
