"""Two processes that share a batch beside one: what it takes, and what was to be expected.

    python bench/ddp.py [--processes 2] [--batch 32] [--rounds 7] [--json results/bench/ddp.json]

All processes have one thread. In every round, in turn: a step of one process on the whole batch;
of all processes at once on their shares, with nothing summed; the same with gradients summed, by
`fit` and by torch's DistributedDataParallel on the same model and optimiser; and the sum of the
gradients alone. The prediction is a step on the share, with the others at theirs, and the sum
after it. Ratios are taken round by round, since a busy machine slows all of a round alike; the
least and the most of them are the noise.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
from harness import Benchmark
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from worker import on_digits

from symgen.training import Peers, Training, step
from symgen.training.optimizer import make_optimizer

PRESETS = {"tvae": "tvae-mnist-13-36-paper", "vae": "vae-mnist-paper"}
STEPS = 4  # of a measurement


def times(preset: str, batch: int, rounds: int) -> list[dict[str, float]]:
    """Measure in a process of the group; rank 0 alone does what one process does."""
    experiment = on_digits(preset, batch_size=batch)
    model, data = experiment.build()
    training: Training = experiment.training
    optimizer = make_optimizer(model, training)
    rank, world = distributed.get_rank(), distributed.get_world_size()
    peers, alone = Peers(), Peers.__new__(Peers)
    alone.rank, alone.world, alone._works, alone._small = 0, 1, [], []
    whole = list(data.batch(0).inputs)
    share = [x[peers.rows(batch)].contiguous() for x in whole]
    wrapped = DistributedDataParallel(model, gradient_as_bucket_view=True)
    gradients = [torch.zeros_like(weight) for weight in model.parameters()]

    def shared() -> None:
        with peers.summing(model):
            step(model, optimizer, share, lambda name: 1.0, peers=peers)

    def by_torch() -> None:
        optimizer.zero_grad()
        terms = wrapped(*share)
        torch.stack([term.mean() for term in terms]).sum().backward()
        optimizer.step()

    def summed() -> None:
        works: list[Any] = [distributed.all_reduce(g, async_op=True) for g in gradients]
        for work in works:
            work.wait()

    def drawn() -> None:
        torch.randn(batch * model.frames * 2 * model.capsules * model.units)

    together: dict[str, Callable[[], object]] = {
        "together": shared,
        "together, DistributedDataParallel": by_torch,
        "sum of the gradients": summed,
        "shares, nothing summed": lambda: step(
            model, optimizer, share, lambda name: 1.0, peers=alone
        ),
    }
    single: dict[str, Callable[[], object]] = {
        "one process": lambda: step(model, optimizer, whole, lambda name: 1.0, peers=alone),
        "noise of the whole batch": drawn,
        "data of the whole batch": lambda: data.batch(1),
    }  # every process draws the noise of the whole batch
    found = []
    for turn in range(rounds + 1):
        took = {}
        for name, action in {**together, **single}.items():
            distributed.barrier()
            if name in single and rank:
                continue
            start = time.perf_counter()
            for _ in range(STEPS):
                action()
            if name in together:
                distributed.barrier()
            took[name] = 1e3 * (time.perf_counter() - start) / STEPS
        if turn:  # what is done once is done in the first one
            found.append(took)
    assert world == peers.world
    return found


def measured(preset: str, processes: int, batch: int, rounds: int) -> list[dict[str, float]]:
    """Start processes that measure, and return what the first one found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, __file__, "--inside", preset, f"{batch}", f"{rounds}"]
    started = []
    for rank in range(processes):
        told = {"RANK": rank, "WORLD_SIZE": processes, "MASTER_PORT": port, "OMP_NUM_THREADS": 1}
        environment = os.environ | {name: str(value) for name, value in told.items()}
        environment["MASTER_ADDR"] = "127.0.0.1"
        started.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
    said = [process.communicate()[0] for process in started]
    return json.loads(said[0])


def inside(preset: str, batch: str, rounds: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", timeout=timedelta(seconds=300))
    found = times(preset, int(batch), int(rounds))
    if distributed.get_rank() == 0:
        print(json.dumps(found))
    distributed.destroy_process_group()


def summary(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Return medians, and ratios of the same round with their spread."""
    found = {f"{n} [ms]": statistics.median(r[n] for r in rounds) for n in rounds[0]}
    speedups = [r["one process"] / r["together"] for r in rounds]
    predicted = [
        r["one process"] / (r["shares, nothing summed"] + r["sum of the gradients"])
        for r in rounds
    ]
    torchs = [r["together, DistributedDataParallel"] / r["together"] for r in rounds]
    for name, values in (
        ("speedup", speedups),
        ("speedup, predicted", predicted),
        ("DistributedDataParallel / ours", torchs),
    ):
        found[name] = statistics.median(values)
        found[f"{name}, least"], found[f"{name}, most"] = min(values), max(values)
    return found


def main() -> None:
    bench = Benchmark(
        __doc__,
        threads=1,
        rounds=7,
        processes=(2, "processes that share a batch"),
        batch=(32, "sequences of the whole batch"),
    )
    options = bench.options
    parts: dict[str, Any] = {}
    for name, preset in PRESETS.items():
        model, _ = on_digits(preset).build()
        weights = sum(weight.numel() for weight in model.parameters())
        rounds = measured(preset, options.processes, options.batch, options.rounds)
        parts[name] = {"weights": weights, "gradients [MB]": 4e-6 * weights} | summary(rounds)
        sent = parts[name]["gradients [MB]"] / parts[name]["sum of the gradients [ms]"]
        parts[name]["sum of the gradients [GB/s]"] = sent
    bench.record(**parts)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        inside(*sys.argv[2:])
    else:
        main()
