"""Speed of the metrics: sequences a second against plain loops and the authors' code.

    python bench/metrics.py [--threads 2] [--batch 64] [--seconds 1] [--json PATH]

"loop" is the metric written straight from its equation in batched torch, in the same run.
"authors" is their released code, measured once on two cores (likelihood: colour MNIST).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _record import write_record
from torch import Tensor

from symgen import metrics
from symgen.latents import standard_normal_log_prob
from symgen.models.tvae import TVAE

SIZES = {
    "colour MNIST": {"image_shape": (3, 28, 28), "size": 18, "window": 13, "neighbourhood": 3},
    "dSprites": {"image_shape": (1, 64, 64), "size": 15, "window": 10, "neighbourhood": 1},
}
AUTHORS = {"E_eq": 3981, "CapCorr": 1107, "log p, 10 samples": 5.9}
SAMPLES = 10


def equivariance_loop(t: Tensor) -> Tensor:
    """Eq. 13 by a loop over the shifts between frames."""
    unit = t / t.norm(dim=-1, keepdim=True)
    frames = t.shape[1]
    by_shift = [
        (unit[:, :-shift].roll(shift, -1) - unit[:, shift:]).abs().sum((1, 2, 3))
        for shift in range(1, frames)
    ]
    return torch.stack(by_shift).sum(0)


def capcorr_loop(t: Tensor, factors: Tensor, moved: Tensor) -> list[float]:
    """Observed rolls by a loop over sequences and shifts."""
    observed = []
    for sequence, pose, factor in zip(t, factors, moved, strict=True):
        start = pose[0, factor]
        best = None
        for frame in (pose[:, factor] == 0).nonzero()[:, 0]:
            scores = torch.stack(
                [
                    (sequence[0].roll(-shift, -1) * sequence[frame]).sum(-1)
                    for shift in range(t.shape[-1])
                ]
            )
            roll = scores.argmax(0).mode().values
            if best is None or (roll - start).abs() < (best - start).abs():
                best = roll
        observed.append(float("nan") if best is None else float(best))
    return observed


@torch.no_grad()
def likelihood_loop(model: TVAE, x: Tensor) -> Tensor:
    """Ten samples, each with its own pass through encoder and decoder."""
    weights = []
    for _ in range(SAMPLES):
        z_posterior, u_posterior = model.encode(x)
        assert u_posterior is not None
        z, u = z_posterior.sample(), u_posterior.sample()
        ratio = sum(
            (standard_normal_log_prob(value) - posterior.log_prob(value)).sum((-2, -1))
            for value, posterior in ((z, z_posterior), (u, u_posterior))
        )
        weights.append(model.decode(model.latents_from(z, u)).log_prob(x) + ratio)
    return torch.stack(weights).logsumexp(0).mean(-1)


def rate(call: Callable[[], object], sequences: int, seconds: float) -> float:
    """Sequences a second by the fastest of the calls in `seconds`, least disturbed by others."""
    call()
    durations: list[float] = []
    end = time.perf_counter() + seconds
    while len(durations) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        durations.append(time.perf_counter() - start)
    return sequences / min(durations)


def measure(name: str, batch: int, seconds: float) -> list[dict]:
    """Measure every metric at one size."""
    size, image_shape = SIZES[name]["size"], SIZES[name]["image_shape"]
    t = torch.randn(batch, size, size, size)
    start = torch.randint(0, size, (batch, 1, 1))
    factors = (start + torch.arange(size)[:, None]) % size
    moved = torch.zeros(batch, dtype=torch.int64)
    model = TVAE(
        image_shape=image_shape,
        capsules=size,
        units=size,
        frames=size,
        window=SIZES[name]["window"],
        neighbourhood=SIZES[name]["neighbourhood"],
    )
    x = torch.rand(batch, size, *image_shape)
    few = 8  # sequences for the loop over sequences
    calls: dict[str, tuple[Callable[[], object], Callable[[], object], int]] = {
        "E_eq": (
            lambda: metrics.equivariance_error(t),
            lambda: equivariance_loop(t),
            batch,
        ),
        "CapCorr": (
            lambda: metrics.capcorr(t, factors, moved),
            lambda: capcorr_loop(t[:few], factors[:few], moved[:few]),
            few,
        ),
        "log p, 10 samples": (
            lambda: metrics.log_likelihood(model, x, SAMPLES),
            lambda: likelihood_loop(model, x),
            batch,
        ),
    }
    return [
        {
            "metric": metric,
            "data": name,
            "shape": f"{size}x{size}x{size}",
            "sequences_per_second": rate(call, batch, seconds),
            "loop": rate(loop, looped, seconds),
            "authors": AUTHORS[metric],
        }
        for metric, (call, loop, looped) in calls.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", type=int, default=64, help="sequences in a call")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    rows = [row for name in SIZES for row in measure(name, options.batch, options.seconds)]
    print(
        f"{options.threads} threads, {options.batch} sequences a call, torch {torch.__version__}"
    )
    print(f"{'metric':18} {'S x C x D':9} {'sequences/s':>12} {'x loop':>8} {'x authors':>10}")
    for row in rows:
        speed = row["sequences_per_second"]
        print(
            f"{row['metric']:18} {row['shape']:9} {speed:12,.0f} "
            f"{speed / row['loop']:8.1f} {speed / row['authors']:10.1f}"
        )
    command = f"python bench/metrics.py --threads {options.threads} --batch {options.batch}"
    write_record(options.json, command, rows=rows)


if __name__ == "__main__":
    main()
