"""What simple readers find in the latents of moving dSprites, with temporal coherence and without.

    python bench/probes.py [--sequences 10000] [--seeds 1] [--json results/probes.json]

Trains, on the same sequences with the same nets: a TVAE, the same without temporal coherence
(L = 0), a VAE and a β-VAE; beside them stand the TVAE before training and the pixels. Measured on
frames of held-out sequences: shape by a linear classifier of t, and of the lengths of the capsules
(no roll changes these), given few labels and many; the other factors by a linear reader of the
capsules' phases; MIG and DCI. The codes are t of the mean of z and the expected energy. No two of
the sequences walk the same orbit, so the readers are measured on orbits that they were not fitted
to. Beside an accuracy stands its standard deviation over three draws of the labels.
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from _record import write_record
from torch import Tensor

from symgen import fit
from symgen.data import MovingSprites, Sequences
from symgen.experiments import ModelConfig
from symgen.metrics import dci, linear_probe, mutual_information_gap, phase_r2, pooled_capsules
from symgen.training import Training

TVAE = ModelConfig(
    capsules=15, units=15, window=10, neighbourhood=1, hidden=(200, 200), standardise=True
)
VAE = ModelConfig(kind="vae", capsules=15, units=15, hidden=(200, 200))
MODELS = {
    "TVAE": (TVAE, 1.0),
    "TVAE, L = 0": (replace(TVAE, kind="bubble", window=1, neighbourhood=3), 1.0),
    "VAE": (VAE, 1.0),
    "β-VAE, β = 4": (VAE, 4.0),
}
LABELS = (10, 100, 1000, None)


@dataclass
class Frames:
    """Frames of held-out sequences, a few of each, with their factors."""

    x: Tensor  # (B, S, 1, 64, 64)
    factors: Tensor  # (n, F)
    chosen: Tensor  # frames of each sequence

    def of(self, values: Tensor) -> Tensor:
        """Choose the frames' values of (B, S, ...) as (n, ...)."""
        return values[:, self.chosen].flatten(0, 1)


def held_out(count: int) -> Frames:
    batch = Sequences(MovingSprites("test"), count, seed=1).batch(0)
    kept = one_of_each_orbit(batch.factors, batch.moved)
    chosen = torch.tensor([0, 4, 9])
    return Frames(batch.frames[kept], batch.factors[kept][:, chosen].flatten(0, 1), chosen)


def one_of_each_orbit(factors: Tensor, moved: Tensor) -> Tensor:
    """Choose the first sequence of every orbit: elsewhere the same frames begin elsewhere."""
    # The factor that moves comes round and so past 0; the others stay.
    orbits = torch.cat([factors.amin(1), moved[:, None]], 1)
    _, orbit = orbits.unique(dim=0, return_inverse=True)
    first = torch.full((int(orbit.max()) + 1,), len(orbit))
    first.scatter_reduce_(0, orbit, torch.arange(len(orbit)), "amin")
    return first.sort().values[: len(first) // 2 * 2]  # halves of whole sequences


@torch.no_grad()
def latents(model: Any, frames: Frames) -> Tensor:
    parts = [model.latents(model.encode(x), sampled=False) for x in frames.x.split(50)]
    return frames.of(torch.cat(parts))  # (n, C, D)


def accuracies(codes: Tensor, shapes: Tensor, seed: int) -> dict[str, Any]:
    half = len(codes) // 2
    found = linear_probe(
        codes[:half], shapes[:half], codes[half:], shapes[half:], LABELS, draws=3, seed=seed
    )
    return {
        str(accuracy.labels): {
            "mean": accuracy.mean,
            "std": None if math.isnan(accuracy.std) else accuracy.std,
        }
        for accuracy in found
    }


def measure(t: Tensor, factors: Tensor, source: MovingSprites, seed: int) -> dict[str, Any]:
    half = len(t) // 2
    codes, shapes = t.flatten(1), factors[:, source.factor_names.index("shape")]
    r2 = {
        name: phase_r2(
            t[:half],
            factors[:half, index],
            source.factor_sizes[index],
            t[half:],
            factors[half:, index],
        )
        for index, name in enumerate(source.factor_names)
        if name != "shape"
    }
    scores = dci(codes[:half], factors[:half], codes[half:], factors[half:], trees=10, seed=seed)
    return {
        "t": accuracies(codes, shapes, seed),
        "pooled": accuracies(pooled_capsules(t), shapes, seed),
        "phase_r2": r2,
        "mig": mutual_information_gap(codes, factors),
        "dci": scores._asdict(),
    }


def over_seeds(statistic: Callable[[list[float]], float], values: list[Any]) -> Any:
    """Apply a statistic to the numbers of several seeds, wherever they lie."""
    if isinstance(values[0], dict):
        keys = values[0]
        return {key: over_seeds(statistic, [value[key] for value in values]) for key in keys}
    return None if values[0] is None else statistic(values)


def main() -> None:
    parser = argparse.ArgumentParser(description="Probes of moving dSprites")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument(
        "--tested",
        type=int,
        default=1000,
        help="held-out sequences, of which one of an orbit stays",
    )
    options = parser.parse_args()
    source, frames = MovingSprites("train"), held_out(options.tested)
    shapes = frames.factors[:, source.factor_names.index("shape")]
    measured: dict[str, list[dict[str, Any]]] = {}
    for seed in range(options.seeds):
        for name, (config, beta) in MODELS.items():
            torch.manual_seed(seed)
            model = config.build(source.frames, source.image_shape)
            if name == "TVAE":
                before = measure(latents(model, frames), frames.factors, source, seed)
                measured.setdefault("TVAE, untrained", []).append(before)
            training = Training(
                sequences=options.sequences,
                batch_size=16,
                learning_rate=1.5e-3,
                warmup=800,
                schedule="cosine",
                beta=beta,
                seed=seed,
            )
            fit(model, Sequences(source, 16, seed), training)
            model.eval()
            row = measure(latents(model, frames), frames.factors, source, seed)
            measured.setdefault(name, []).append(row)
            print(name, seed, json.dumps(row), flush=True)
    rows = {name: over_seeds(statistics.mean, values) for name, values in measured.items()}
    spread = {}
    if options.seeds > 1:
        spread = {name: over_seeds(statistics.stdev, values) for name, values in measured.items()}
    rows["pixels"] = {"t": accuracies(frames.of(frames.x).flatten(1), shapes, 0)}
    write_record(
        options.json,
        f"python bench/probes.py --sequences {options.sequences} --seeds {options.seeds}",
        sequences=options.sequences,
        seeds=options.seeds,
        frames=len(frames.factors),
        rows=rows,
        std_over_seeds=spread,
    )


if __name__ == "__main__":
    main()
