"""Everything that needs a GPU, in one call of at most twelve minutes.

    python bench/gpu.py --out DIR [--device cuda] [--minutes 12] [--budget paper] [--root IMAGES]

In this order, each with what is left of the time: the tests of what computes on a device; how long
a step takes, one by one and as a CUDA graph, in float32, tf32 and bfloat16, beside its floor; one
small model and several side by side; and the lines of Table 1, the first seed of each first, as
many as the time allows. Every part and every run is on record as soon as it is there, so the
script may be cut off at any second; the next call with the same DIR goes on with the runs. Leaves
`gpu.json`, `table1.json` and the run folders in DIR. It asks for no more than torch, what the
models and metrics import, and pytest: it also runs on a machine without a package index.
`--device cpu --budget smoke` rehearses it.

The floor of a step is its arithmetic at the measured rate of large matrix products, and the bytes
of weights, gradients and moments at the measured rate of a copy: each weight is read forward and
backward and by the optimiser, each gradient written and read, each moment read and written, and
the weight written.
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

import torch
from harness import Benchmark
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode
from worker import on_digits, seconds_per_step

from symgen import TVAE
from symgen.experiments.studies import run_study
from symgen.training import TrainingStopped, multiplies_bfloat16
from symgen.training.process import multiplying

ROOT = Path(__file__).resolve().parents[1]
TESTED = ("groups", "latents", "models", "training")  # rooms that compute on a device
TEST_SECONDS = 120
RATED = ("tvae-mnist-13-36-paper", "vae-mnist-paper", "tvae-sprites-third-paper")
STEPS = {"cuda": 1000}  # elsewhere a rehearsal
SQUARE = {"cuda": 8192}
PASSES = 9  # over the weights in a step of SGD with momentum: see above
SIDE_BY_SIDE = 8


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


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def timed(action: Callable[[], object], device: str, times: int = 5) -> float:
    """Return the seconds of an action, the least of some times."""
    action()
    found = []
    for _ in range(times):
        wait(device)
        start = time.perf_counter()
        action()
        wait(device)
        found.append(time.perf_counter() - start)
    return min(found)


def machine(device: str) -> dict[str, float]:
    """Measure what a device does at most: products by precision, and bytes of a copy."""
    size = SQUARE.get(device, 256)
    a, b = torch.randn(2, size, size, device=device)
    found = {}
    for precision in precisions(device):
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        x, y = a.to(kind), b.to(kind)
        with multiplying(precision):
            seconds = timed(lambda x=x, y=y: x @ y, device)
        found[f"products, {precision} [TFLOP/s]"] = 2e-12 * size**3 / seconds
    big = torch.empty(2**28 if device == "cuda" else 2**22, device=device)
    other = torch.empty_like(big)
    found["copy [GB/s]"] = 8e-9 * big.numel() / timed(lambda: other.copy_(big), device)
    return found


def precisions(device: str) -> list[str]:
    found = ["float32"] + ["tf32"] * (device == "cuda")
    return found + ["bfloat16"] * multiplies_bfloat16(device)


def floor(name: str, device: str, rates: dict[str, float], precision: str) -> float:
    """Return the seconds that a step of a preset takes at least."""
    model, data = on_digits(name).build(device)
    with FlopCounterMode(display=False) as counter:
        terms = model(*data.batch(0).inputs)
        torch.stack([term.mean() for term in terms]).sum().backward()
    weights = sum(weight.numel() for weight in model.parameters())
    products = 1e-12 * counter.get_total_flops() / rates[f"products, {precision} [TFLOP/s]"]
    return products + 4e-9 * PASSES * weights / rates["copy [GB/s]"]


def steps(device: str, rates: dict[str, float]) -> dict[str, float]:
    """Measure the milliseconds of a step of `fit`, data included, beside its floor."""
    number, found = STEPS.get(device, 8), {}
    for name in RATED:
        batch = on_digits(name).training.batch_size
        for precision in precisions(device):
            least = floor(name, device, rates, precision)
            found[f"{name}, {precision}, floor [ms]"] = 1e3 * least
            for way, capture in (("graph", True), ("one by one", False))[device != "cuda" :]:
                given = (name, batch, number, precision, device, capture)
                seconds = seconds_per_step(*given)
                found[f"{name}, {precision}, {way} [ms]"] = 1e3 * seconds
                found[f"{name}, {precision}, {way} / floor"] = seconds / least
    return found


def side_by_side(device: str) -> dict[str, float]:
    """Measure gradients of several small models, one after the other and with stacked weights."""
    sizes: dict[str, Any] = {"capsules": 4, "units": 8, "frames": 8, "width": 64}
    models = [TVAE((1, 16, 16), **sizes).to(device) for _ in range(SIDE_BY_SIDE)]
    x = torch.rand(8, 8, 1, 16, 16, device=device)
    weights, buffers = stack_module_state(models)  # pyright: ignore[reportArgumentType]

    def loss(weights: Any, buffers: Any) -> Any:
        return functional_call(models[0], (weights, buffers), (x,)).loss

    stacked = vmap(grad(loss), randomness="different")
    one_by_one = timed(lambda: [model(x).loss.backward() for model in models], device)
    together = timed(lambda: stacked(weights, buffers), device)
    return {
        f"{SIDE_BY_SIDE} small models, one by one [ms]": 1e3 * one_by_one,
        f"{SIDE_BY_SIDE} small models, stacked [ms]": 1e3 * together,
    }


def tables(options: Namespace, seconds: float) -> dict[str, Any]:
    """Work at the tables until the time is over; a run in progress is stopped and saved."""
    alarm = threading.Timer(max(seconds, 1), os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    alarm.start()
    found: dict[str, Any] = {}
    try:
        for name in ("table1",):
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
        minutes=(12.0, "time for everything"),
        budget=("paper", "of Table 1"),
        seeds=(3, "of every line of Table 1"),
        root=(None, "folder of the image files"),
    )
    options = bench.options
    options.json = options.json or options.out / "gpu.json"
    end = time.monotonic() + 60 * options.minutes

    def left() -> float:
        return end - time.monotonic()

    done: dict[str, Any] = {}
    parts: dict[str, Callable[[], Any]] = {
        "tests": lambda: tests(options.device, min(TEST_SECONDS, left() / 3)),
        "machine": lambda: machine(options.device),
        "steps": lambda: steps(options.device, done["machine"]),
        "side by side": lambda: side_by_side(options.device),
        "tables": lambda: tables(options, left()),
    }
    for name, make in parts.items():
        try:
            done[name] = make()
        except RuntimeError as error:  # one part that fails leaves the time to the others
            done[name] = {"failed": str(error)[:500]}
        bench.record(options.device, **done)  # each time, in case the next is cut off


if __name__ == "__main__":
    main()
