"""Everything that needs a GPU, in one call of at most twelve minutes.

    python bench/gpu.py --out DIR [--device cuda] [--minutes 12] [--budget paper] [--root IMAGES]

In this order: the tests of what computes on a device, in several processes; what the device does
at most; how long a step takes, as a CUDA graph and one by one, in float32, tf32 and bfloat16,
beside its floor; one small model and several side by side; and the lines of Table 1, the first
seed of each first, as many as the time allows. Leaves `gpu.json`, `table1.json` and the run
folders in DIR.

Every number and every run is on record as soon as it is there, so the script may be cut off at
any second. The next call with the same DIR goes on: parts that are whole, of this device, are left
as they are, and so are runs on record; a run that was stopped goes on from its checkpoint. It ends
with status 1 if a part failed. It asks for no more than torch, what the models and metrics import,
and what the tests do: it also runs on a machine without a package index.

`--device cpu --budget smoke` rehearses it in a minute, with few tests, a small model and two lines
of the table; its numbers mean nothing. The suite does so (`tests/bench/test_gpu.py`). One line is
left to CUDA: that of `wait`. That a step is captured is not rehearsed either: steps that are to be
captured are taken one by one, and the record says so.

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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import Benchmark
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode
from worker import log_of_steps, on_digits, per_step

from symgen import TVAE
from symgen._devices import usable_device
from symgen._files import read_json
from symgen.experiments.studies import Plan, planned
from symgen.training import TrainingStopped, commit, hardware, multiplies_bfloat16
from symgen.training.process import multiplying

ROOT = Path(__file__).resolve().parents[1]
TEST_SECONDS = 150
PASSES = 9  # over the weights in a step of SGD with momentum: see above
SIDE_BY_SIDE = 8

Found = Iterator[tuple[str, Any]]  # names and numbers, as they come


@dataclass(frozen=True)
class Extent:
    """How much is done."""

    tests: tuple[str, ...]  # files
    presets: tuple[str, ...]  # whose steps are measured
    steps: int
    square: int  # rows of the matrices that are multiplied
    copied: int  # numbers
    lines: tuple[str, ...] | None  # of the table
    seeds: int  # of every line


WHOLE = Extent(
    tests=("groups/test_*.py", "latents/test_*.py", "models/test_*.py", "training/test_*.py"),
    presets=("tvae-mnist-13-36-paper", "vae-mnist-paper", "tvae-sprites-third-paper"),
    steps=400,
    square=8192,
    copied=2**28,
    lines=None,
    seeds=3,
)
REHEARSAL = Extent(
    tests=("latents/test_gaussian.py",),
    presets=("demo",),
    steps=4,
    square=256,
    copied=2**22,
    lines=("tvae-mnist-0", "vae-mnist"),
    seeds=1,
)


def tests(extent: Extent, device: str, seconds: float) -> Found:
    """Run the tests that compute on a device, a process for every file that has some."""
    files = [path for name in extent.tests for path in sorted(ROOT.glob(f"tests/{name}"))]
    files = [path for path in files if "device" in path.read_text(encoding="utf-8")]
    end, failed = time.monotonic() + seconds, []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        said = pool.map(lambda path: _tested(path, device, end), files)
        for path, (code, text) in zip(files, said, strict=True):
            name = str(path.relative_to(ROOT))
            yield name, text[-1500:] if code else text.strip().rpartition("\n")[2]
            failed += [name] * (code != 0)
    if failed:
        raise RuntimeError(f"tests failed: {', '.join(failed)}")


def _tested(path: Path, device: str, end: float) -> tuple[int, str]:
    words = [sys.executable, "bench/on_device.py", "-p", "no:cacheprovider", "--device", device]
    how: dict[str, Any] = {"cwd": ROOT, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    how |= {"env": os.environ | {"OMP_NUM_THREADS": "1"}}  # they share the processors
    try:
        done = subprocess.run([*words, str(path)], **how, timeout=max(1.0, end - time.monotonic()))
    except subprocess.TimeoutExpired as late:
        return 1, f"{(late.stdout or b'').decode()}\nthe time was over"
    none = pytest.ExitCode.NO_TESTS_COLLECTED
    return 0 if done.returncode == none else done.returncode, done.stdout.decode()


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


def machine(extent: Extent, device: str) -> Found:
    """Measure what a device does at most: products by precision, and bytes of a copy."""
    a, b = torch.randn(2, extent.square, extent.square, device=device)
    for precision in precisions(device):
        kind = torch.bfloat16 if precision == "bfloat16" else torch.float32
        x, y = a.to(kind), b.to(kind)
        with multiplying(precision):
            seconds = timed(lambda x=x, y=y: x @ y, device)
        yield f"products, {precision} [TFLOP/s]", 2e-12 * extent.square**3 / seconds
    big = torch.empty(extent.copied, device=device)
    other = torch.empty_like(big)
    yield "copy [GB/s]", 8e-9 * big.numel() / timed(lambda: other.copy_(big), device)


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


def steps(extent: Extent, device: str, rates: dict[str, float]) -> Found:
    """Measure the milliseconds of a step of `fit`, data included, beside its floor."""
    for name in extent.presets:
        batch = on_digits(name).training.batch_size
        for precision in precisions(device):
            least = floor(name, device, rates, precision)
            found: dict[str, Any] = {"floor [ms]": 1e3 * least}
            for way, capture in {"captured": True, "one by one": False}.items():
                log = log_of_steps(name, batch, extent.steps, precision, device, capture)
                found[f"{way} [ms]"] = 1e3 * per_step(log)
                found[f"{way} / floor"] = per_step(log) / least
                found[f"{way}, taken"] = log[-1].get("steps_taken", f"one by one: on {device}")
            yield f"{name}, {precision}", found


def side_by_side(device: str) -> Found:
    """Measure gradients of several small models, one after the other and with stacked weights."""
    sizes: dict[str, Any] = {"capsules": 4, "units": 8, "frames": 8, "width": 64}
    models = [TVAE((1, 16, 16), **sizes).to(device) for _ in range(SIDE_BY_SIDE)]
    x = torch.rand(8, 8, 1, 16, 16, device=device)
    weights, buffers = stack_module_state(models)  # pyright: ignore[reportArgumentType]

    def loss(weights: Any, buffers: Any) -> Any:
        return functional_call(models[0], (weights, buffers), (x,)).loss

    stacked = vmap(grad(loss), randomness="different")
    one_by_one = timed(lambda: [model(x).loss.backward() for model in models], device)
    yield f"{SIDE_BY_SIDE} small models, one by one [ms]", 1e3 * one_by_one
    together = timed(lambda: stacked(weights, buffers), device)
    yield f"{SIDE_BY_SIDE} small models, stacked [ms]", 1e3 * together


def table(plan: Plan) -> Found:
    """Work at Table 1; a run in progress is saved when the time is over."""
    missing = plan.work()
    yield "entries", len(plan.entries())
    if missing:
        raise RuntimeError("; ".join(f"{run} was not made: {why}" for run, why in missing.items()))


class Script:
    """The parts, one after the other, and their record."""

    def __init__(self, bench: Benchmark) -> None:
        self.bench, self.options = bench, bench.options
        self.options.json = self.options.json or self.options.out / "gpu.json"
        self.here = hardware(self.options.device)
        self.parts: dict[str, Any] = self._on_record()

    def _on_record(self) -> dict[str, Any]:
        """Return the parts that are whole and of this machine."""
        path, budget = self.options.json, self.options.budget
        if not path.is_file():
            return {}
        try:
            record = read_json(path)
            made, parts = record["budget"], record["parts"]
            parts = {name: part for name, part in parts.items() if part["hardware"] == self.here}
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is no record of bench/gpu.py: move it away") from error
        if made != budget:
            raise ValueError(
                f"{path} is of the budget {made!r}, not {budget!r}: choose another --out"
            )
        return {name: part for name, part in parts.items() if "seconds" in part}

    def keep(self, **more: Any) -> None:
        """Write the record, with no word."""
        with redirect_stdout(None):
            self.bench.record(
                self.options.device, budget=self.options.budget, parts=self.parts, **more
            )

    def work(self, name: str, make: Callable[[], Found]) -> None:
        """Work off a part; one that fails leaves the time to the others."""
        found = {"hardware": self.here, "commit": commit()}
        self.parts[name], start = found, time.monotonic()
        try:
            for key, value in make():
                found[key] = value
                print(f"{name}: {key}: {value}", flush=True)
                self.keep()
            found["seconds"] = time.monotonic() - start
        except TrainingStopped:
            raise
        except Exception as error:
            found["failed"] = f"{type(error).__name__}: {error}"[:2000]
            print(f"{name}: {found['failed']}", flush=True)
        self.keep()


def main() -> None:
    bench = Benchmark(
        __doc__,
        rounds=None,
        out=(Path("runs/gpu"), "folder of records and runs"),
        device=("cuda", "where to compute"),
        minutes=(12.0, "time for everything"),
        budget=("paper", "of Table 1; smoke rehearses everything"),
        root=(None, "folder of the image files"),
    )
    options, device = bench.options, usable_device(bench.options.device)
    extent = REHEARSAL if options.budget == "smoke" else WHOLE
    plan = planned(
        "table1",
        options.out / "runs",
        options.out / "table1.json",
        budget=options.budget,
        seeds=extent.seeds,
        only=extent.lines,
        place=options.root,
        device=device,
        show=lambda done, total, text: print(text, flush=True),
    )
    script, seconds = Script(bench), 60 * options.minutes
    parts: dict[str, Callable[[], Found]] = {
        "tests": lambda: tests(extent, device, min(TEST_SECONDS, seconds / 3)),
        "machine": lambda: machine(extent, device),
        "steps": lambda: steps(extent, device, script.parts["machine"]),
        "side by side": lambda: side_by_side(device),
        "table1": lambda: table(plan),
    }
    # A shell starts what runs in its background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    alarm = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    alarm.daemon = True
    try:
        alarm.start()
        for name, make in parts.items():
            if name not in script.parts:
                script.work(name, make)
    except (TrainingStopped, KeyboardInterrupt) as stopped:
        script.keep(stopped=str(stopped) or "the time is over")
    finally:
        alarm.cancel()
    sys.exit(any("failed" in part for part in script.parts.values()))


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"bench/gpu.py: {error}")
