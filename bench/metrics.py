"""Speed of the metrics: sequences a second against plain loops and the authors' code.

    python bench/metrics.py [--threads 2] [--batch 64] [--json results/bench/metrics.json]

"loop" is the metric written straight from its equation in batched torch, in the same run.
"authors" is their released code, measured once on two cores (likelihood: colour MNIST).
"""

from functools import partial
from typing import Any

import torch
from harness import Benchmark, medians, rate
from torch import Tensor

from symgen import TVAE, metrics
from symgen.latents import standard_normal_log_prob

# Shape of a frame, and options of the model; capsules, units and frames are as many.
SIZES: dict[str, tuple[tuple[int, ...], int, dict[str, Any]]] = {
    "colour MNIST": ((3, 28, 28), 18, {"window": 13, "neighbourhood": 3}),
    "dSprites": ((1, 64, 64), 15, {"window": 10, "neighbourhood": 1}),
}
AUTHORS = {"E_eq": 3981, "CapCorr": 1107, "log p, 10 samples": 5.9}
SAMPLES = 10
FEW = 8  # sequences for the loop over sequences


def equivariance_loop(t: Tensor) -> Tensor:
    """Eq. 13 by a loop over the shifts between frames."""
    unit = t / t.norm(dim=-1, keepdim=True)
    by_shift = [
        (unit[:, :-shift].roll(shift, -1) - unit[:, shift:]).abs().sum((1, 2, 3))
        for shift in range(1, t.shape[1])
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
        posterior = model.encode(x)
        assert posterior.u is not None
        z, u = posterior.z.rsample(), posterior.u.rsample()
        ratio = sum(
            (standard_normal_log_prob(value) - density.log_prob(value)).sum((-2, -1))
            for value, density in ((z, posterior.z), (u, posterior.u))
        )
        weights.append(model.decode(model.latents_from(z, u)).log_prob(x) + ratio)
    return torch.stack(weights).logsumexp(0).mean(-1)


def main() -> None:
    bench = Benchmark(__doc__, batch=(64, "sequences in a call"))
    batch, measures = bench.options.batch, {}
    for name, (data_shape, size, options) in SIZES.items():
        t = torch.randn(batch, size, size, size)
        start = torch.randint(0, size, (batch, 1, 1))
        factors = (start + torch.arange(size)[:, None]) % size
        moved = torch.zeros(batch, dtype=torch.int64)
        model = TVAE(data_shape, capsules=size, units=size, frames=size, **options)
        x = torch.rand(batch, size, *data_shape)
        few = (t[:FEW], factors[:FEW], moved[:FEW])
        pairs = {
            "E_eq": (partial(metrics.equivariance_error, t), partial(equivariance_loop, t), batch),
            "CapCorr": (
                partial(metrics.capcorr, t, factors, moved),
                partial(capcorr_loop, *few),
                min(FEW, batch),
            ),
            "log p, 10 samples": (
                partial(metrics.log_likelihood, model, x, SAMPLES),
                partial(likelihood_loop, model, x),
                batch,
            ),
        }
        for metric, (ours, loop, looped) in pairs.items():
            measures[name, metric, "ours"] = rate(ours, batch)
            measures[name, metric, "loop"] = rate(loop, looped)
    found = medians(measures, bench.options.rounds)
    rows = [
        {
            "metric": metric,
            "data": name,
            "shape": f"{size}x{size}x{size}",
            "sequences_per_second": found[name, metric, "ours"],
            "loop": found[name, metric, "loop"],
            "authors": authors,
        }
        for name, (_, size, _) in SIZES.items()
        for metric, authors in AUTHORS.items()
    ]
    bench.record(rows=rows)


if __name__ == "__main__":
    main()
