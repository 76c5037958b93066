"""Everything that needs a GPU, in one call of under ten minutes.

    python bench/gpu.py --out DIR [--device cuda] [--minutes 9] [--budget laptop] [--root IMAGES]

In this order, each with what is left of the time: the tests of what computes on a device; how many
sequences a second `fit` trains on, at the paper's size and batch, in float32 and in bfloat16; and
the lines of Tables 1 and 2, seed by seed, whose records are written after every run and can be
continued by the next call with the same DIR. Leaves `gpu.json`, `table1.json`, `table2.json` and
the run folders in DIR. It asks for no more than torch, what the models and metrics import, and
pytest, so that it also runs on a machine without a package index.
`--device cpu --budget smoke` rehearses it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Benchmark
from worker import on_digits, seconds_per_step

from symgen.experiments.studies import run_study
from symgen.training import TrainingStopped, multiplies_bfloat16

ROOT = Path(__file__).resolve().parents[1]
TESTED = ("groups", "latents", "models", "training")  # rooms that compute on a device
TEST_SECONDS = 180
RATED = ("tvae-mnist-13-36-paper", "vae-mnist-paper", "tvae-sprites-third-paper")
RATED_STEPS = {"cuda": 1000}  # elsewhere a rehearsal


def tests(device: str, seconds: float) -> dict[str, Any]:
    folders = [f"tests/{room}" for room in TESTED]
    words = [sys.executable, "bench/on_device.py", "-q", "--device", device]
    words += ["--continue-on-collection-errors", *folders]
    try:
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as stopped:
        so_far = (stopped.stdout or b"").decode()[-2000:]
        return {"passed": False, "tail": f"{so_far}\nstopped after {seconds:.0f} s"}
    return {"passed": done.returncode == 0, "tail": (done.stdout + done.stderr)[-2000:]}


def rates(device: str) -> dict[str, float]:
    """Measure the sequences a second of `fit`, data included."""
    steps = RATED_STEPS.get(device, 8)
    found = {}
    for name in RATED:
        batch = on_digits(name).training.batch_size
        for precision in ["float32"] + ["bfloat16"] * multiplies_bfloat16(device):
            seconds = seconds_per_step(name, batch, steps, precision, device)
            found[f"{name}, {precision} [sequences/s]"] = batch / seconds
    return found


def tables(options: Namespace, seconds: float) -> dict[str, Any]:
    """Work at the tables until the time is over; a run in progress is stopped and saved."""
    alarm = threading.Timer(max(seconds, 1), os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    found: dict[str, Any] = {}
    try:
        for name in ("table1", "table2"):
            result = run_study(
                name,
                options.out / "runs",
                options.out / f"{name}.json",
                budget=options.budget,
                seeds=options.seeds,
                place=options.root,
                device=options.device,
                show=lambda done, total, text: print(text, flush=True),
            )
            found[name] = {"entries": len(result["entries"]), "missing": result["missing"]}
    except (TrainingStopped, KeyboardInterrupt) as stopped:
        found["stopped"] = str(stopped) or "between two runs"
    finally:
        alarm.cancel()
    return found


def main() -> None:
    bench = Benchmark(
        __doc__,
        rounds=None,
        out=(Path("runs/gpu"), "folder of records and runs"),
        device=("cuda", "where to compute"),
        minutes=(9.0, "time for everything"),
        budget=("laptop", "of the tables"),
        seeds=(3, "of every line of the tables"),
        root=(None, "folder of the image files"),
    )
    options = bench.options
    options.json = options.json or options.out / "gpu.json"
    end = time.monotonic() + 60 * options.minutes

    def left() -> float:
        return end - time.monotonic()

    parts: dict[str, Callable[[], Any]] = {
        "tests": lambda: tests(options.device, min(TEST_SECONDS, left() / 3)),
        "measured": lambda: rates(options.device),
        "tables": lambda: tables(options, left()),
    }
    done: dict[str, Any] = {}
    for name, make in parts.items():
        done[name] = make()
        bench.record(options.device, **done)  # each time, in case the next is cut off


if __name__ == "__main__":
    main()
