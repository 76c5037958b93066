"""Rate and memory of `symgen encode`, next to the encoder net alone.

    python bench/encode.py [--threads 1] [--frames 1000000] [--json results/bench/encode.json]

Recordings of 32 × 32 gray frames: ten in a sparse `.npy` of bytes, whose frames are black, holes
that the file system reads as zeros; a dense net does not care. `symgen encode` runs as a command,
from its start to the finished `.npz`; a tenth of the frames tells whether its memory depends on
their number. Before and after, the encoder net alone is given batches of the same size that lie in
memory, a tenth as many frames. The first row, with two dense layers of 1024 units and 8 capsules
of 16 units, has to reach 80 % of the encoder's rate. In the second the net is lighter, of the
sizes by default for 16 capsules of 16 units, and takes a tenth of the frames: there energies and
files are the larger part. `share_beyond_start` leaves out what the command takes before its first
frame, by what a tenth of the frames takes. Shares compare frames per second of processor time,
since others use the machine, too; those by the clock are recorded beside them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Benchmark

from symgen import TVAE

SIDE, RECORDINGS, BATCH = 32, 10, 1024
WANTED = 0.8  # of the encoder's own rate
TIMES = ("seconds", "processor")
SIZES = {
    "two dense layers of 1024, 8 × 16 latents": "--capsules 8 --width 1024 --depth 2",
    "default sizes, 16 × 16 latents": "",
}


class Spent(NamedTuple):
    """What some frames took."""

    frames: int
    seconds: float
    processor: float  # seconds
    peak: float  # MB


def command(folder: Path, threads: int, frames: int, *words: str) -> Spent:
    """Run a command and wait for it."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "symgen", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"symgen {' '.join(words)} failed")
    seconds = time.perf_counter() - start
    return Spent(frames, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


@torch.inference_mode()
def alone(model: Any, frames: int) -> Spent:
    """Give batches to the encoder net and to nothing else."""
    x = torch.zeros(BATCH, 1, SIDE, SIDE)
    model.encoder(x)
    start, processor = time.perf_counter(), time.process_time()
    for _ in range(steps := -(-frames // BATCH)):
        model.encoder(x)
    taken = time.perf_counter() - start, time.process_time() - processor
    return Spent(steps * BATCH, *taken, 0.0)


def sparse(path: Path, frames: int) -> str:
    """Write recordings that take no room on the disk, and name the file."""
    shape = (RECORDINGS, frames // RECORDINGS, SIDE, SIDE)
    np.lib.format.open_memmap(path, "w+", np.uint8, shape).flush()
    return path.name


def row(name: str, folder: Path, threads: int, frames: int) -> dict[str, Any]:
    """Measure the command and the encoder alone with a model of some sizes."""
    few = frames // 10
    films, short = (sparse(folder / f"{n}.npy", n) for n in (frames, few))
    data = ("--data", short, "--axes", "NTYX", "--scale", "0", "255")
    sizes = (*SIZES[name].split(), "--neighbourhood", "1", "--activation", "silu")
    training = ("--examples", "16", "--warmup", "0", "--out", f"run-{frames}")
    command(folder, threads, 0, "train", "tvae", *data, *sizes, *training)
    model = TVAE.from_pretrained(folder / f"run-{frames}")
    encoder = [alone(model, few)]
    words = ("encode", f"run-{frames}", "--data")
    part = command(folder, threads, few, *words, short, "--out", "short.npz", "--force")
    whole = command(folder, threads, frames, *words, films, "--out", "long.npz", "--force")
    encoder += [alone(model, few)]
    own, rate = (
        {n: sum(e.frames for e in each) / sum(getattr(e, n) for e in each) for n in TIMES}
        for each in (encoder, [whole])
    )
    return {
        "model": name,
        "weights": sum(each.numel() for each in model.encoder.parameters()),
        "latents": model.capsules * model.units,
        "frames": frames,
        "encoder_per_second": own["processor"],
        "command_per_second": rate["processor"],
        "share": rate["processor"] / own["processor"],
        "share_by_clock": rate["seconds"] / own["seconds"],
        "share_beyond_start": (frames - few)
        / (whole.processor - part.processor)
        / own["processor"],
        "peak_mb_of_a_tenth": part.peak,
        "peak_mb": whole.peak,
    }


def main() -> None:
    sizes = {"frames": (1_000_000, "frames of all recordings")}
    bench = Benchmark(__doc__, threads=1, rounds=None, **sizes)
    frames, threads = bench.options.frames, bench.options.threads
    with tempfile.TemporaryDirectory() as name:
        counts = (frames, frames // 10)
        rows = [row(sizes, Path(name), threads, n) for sizes, n in zip(SIZES, counts, strict=True)]
    passed = rows[0]["share"] >= WANTED
    bench.record(frame=[1, SIDE, SIDE], batch=BATCH, passed=passed, rows=rows)


if __name__ == "__main__":
    main()
