"""How the time of a sequence grows with its frames S, the units D and the capsules C.

    python bench/growth.py [--threads 2] [--json results/bench/growth.json]

Window 13, K = 3, starting from 18 frames, 18 capsules and 18 units; one of the three grows. For
each size the time of one sequence, forward and backward, of the construction of t alone and of
the whole ELBO, of 8 × 8 images behind nets whose hidden layers have 64 units whatever the number
of latents. The exponent is the slope of log time over log size, over the larger half of the sizes:
1 is linear.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _record import write_record

from symgen import TVAE
from symgen.experiments import hardware

SIZES = {
    "frames": (18, 36, 72, 144, 288, 576, 1152),
    "units": (18, 36, 72, 144, 288),
    "capsules": (18, 36, 72, 144, 288),
}


def milliseconds(action: Callable[[], object], rounds: int = 5) -> float:
    action()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def measure(axis: str, size: int) -> dict[str, float]:
    extents: dict[str, Any] = {"frames": 18, "units": 18, "capsules": 18, axis: size}
    # As many sequences a call as keep its tensors at about the same size, up to 16.
    batch = max(1, 16 * 18**3 // math.prod(extents.values()))
    model = TVAE(image_shape=(1, 8, 8), window=13, neighbourhood=3, hidden=(64, 64), **extents)
    shape = (batch, extents["frames"], extents["capsules"], extents["units"])
    z, u = torch.randn(shape, requires_grad=True), torch.randn(shape, requires_grad=True)
    x = torch.rand(batch, extents["frames"], 1, 8, 8)

    def latent_variables() -> None:
        model.latents_from(z, u).sum().backward()

    def whole() -> None:
        model.zero_grad()
        model.elbo(x).loss.backward()

    return {
        "size": size,
        "batch": batch,
        "latents_ms": milliseconds(latent_variables) / batch,
        "elbo_ms": milliseconds(whole) / batch,
    }


def exponent(rows: list[dict[str, float]], key: str) -> float:
    larger = rows[len(rows) // 2 :]
    sizes, times = ([math.log(row[name]) for row in larger] for name in ("size", key))
    return statistics.linear_regression(sizes, times).slope


def main() -> None:
    parser = argparse.ArgumentParser(description="Growth with S, D and C")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(hardware())
    grown: dict[str, object] = {}
    for axis, sizes in SIZES.items():
        print(f"{axis:>8} {'batch':>6} {'t [ms]':>10} {'ELBO [ms]':>10}   a sequence")
        rows = []
        for size in sizes:
            rows.append(row := measure(axis, size))
            print(
                f"{size:8} {row['batch']:6} {row['latents_ms']:10.3f} {row['elbo_ms']:10.3f}",
                flush=True,
            )
        slopes = {key: exponent(rows, f"{key}_ms") for key in ("latents", "elbo")}
        print(f"exponent {'':6} {slopes['latents']:10.2f} {slopes['elbo']:10.2f}")
        grown[axis] = {"rows": rows, "exponents": slopes}
    command = f"python bench/growth.py --threads {options.threads}"
    write_record(options.json, command, grown=grown)


if __name__ == "__main__":
    main()
