"""Everything that needs a GPU, in one call of under ten minutes.

    python bench/gpu.py --out DIR [--device cuda] [--minutes 9] [--budget laptop] [--root IMAGES]

In this order, each with what is left of the time: the tests of what computes on a device; how many
sequences a second `fit` trains on, at the paper's size and batch, in float32 and in bfloat16; and
the lines of Tables 1 and 2, seed by seed, whose records are written after every run and can be
continued by the next call with the same DIR. Leaves `gpu.json`, `table1.json`, `table2.json` and
the run folders in DIR. It asks for no more than the core of the package, so that it also runs on
a machine without a package index. `--device cpu --budget smoke` rehearses it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from symgen.experiments.reproduce import reproduce_topographic

from symgen import fit
from symgen.experiments import Experiment, hardware, preset
from symgen.experiments.runs import commit
from symgen.training import TrainingStopped, multiplies_bfloat16

TESTED = ("models", "topography", "capsules", "warp", "fit", "resume", "ace", "roll_prediction")
TEST_SECONDS = 180
RATED = ("tvae-mnist-13-36-paper", "vae-mnist-paper", "tvae-sprites-third-paper")


def tests(device: str, seconds: float) -> dict[str, Any]:
    files = [f"tests/test_{name}.py" for name in TESTED]
    words = [sys.executable, "-m", "pytest", "-q", "--device", device, *files]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"passed": False, "tail": f"stopped after {seconds:.0f} s"}
    return {"passed": done.returncode == 0, "tail": (done.stdout + done.stderr)[-2000:]}


def rate(name: str, precision: str, options: argparse.Namespace) -> float:
    """Sequences a second of `fit`, data included, after a short run that warms up."""
    experiment = preset(name)
    assert isinstance(experiment, Experiment)
    images = replace(experiment.data, root=options.root)
    model, data = replace(experiment, data=images).build(options.device)
    settings = {"batch_size": data.batch_size, "precision": precision, "log_every": 100}
    fit(model, data, experiment.training, sequences=80, **settings)
    run = fit(model, data, experiment.training, sequences=options.rated, **settings)
    return run.sequences / run.seconds


def tables(options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Work at the tables until the time is over; a run in progress is stopped and saved."""
    alarm = threading.Timer(max(seconds, 1), os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    found: dict[str, Any] = {}
    try:
        for item in ("table1", "table2"):
            record = options.out / f"{item}.json"
            result = reproduce_topographic(
                item,
                options.out / "runs",
                record,
                budget=options.budget,
                seeds=options.seeds,
                root=options.root,
                device=options.device,
                observe=lambda done, total, text: print(text, flush=True),
            )
            found[item] = {"entries": len(result["entries"]), "missing": result["missing"]}
    except (TrainingStopped, KeyboardInterrupt) as stopped:
        found["stopped"] = str(stopped) or "between two runs"
    finally:
        alarm.cancel()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Everything that needs a GPU")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--budget", default="laptop")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rated", type=int, default=8_000, help="sequences of a speed")
    parser.add_argument("--root", type=Path)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()

    def left() -> float:
        return 60 * options.minutes - (time.monotonic() - begin)

    record: dict[str, Any] = {
        "command": f"python bench/gpu.py --device {options.device} --budget {options.budget}",
        "commit": commit(),
        "hardware": hardware(options.device),
        "torch": torch.__version__,
    }

    def note(name: str, make: Callable[[], Any]) -> None:
        record[name] = make()
        print(name, json.dumps(record[name])[:300], flush=True)
        (options.out / "gpu.json").write_text(json.dumps(record, indent=2) + "\n")

    note("tests", lambda: tests(options.device, min(TEST_SECONDS, left() / 3)))
    formats = ["float32"] + ["bfloat16"] * multiplies_bfloat16(options.device)
    for name in RATED:
        for precision in formats:
            measured = f"{name}, {precision} [sequences/s]"
            note(measured, lambda n=name, p=precision: rate(n, p, options))
    note("tables", lambda: tables(options, left()))


if __name__ == "__main__":
    main()
