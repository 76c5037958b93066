"""Speed of training end to end, beside the machine's matrix products and a plain rewrite.

    python bench/step.py [--json results/bench/step.json] [--threads 2] [--batch 8]

Colour MNIST at the paper's size. Everything is measured in turn in one process, several rounds,
and the median round counts, so that a busy machine slows all rows alike. `plain torch` is the
stronger baseline: the same mathematics from `nn.Linear`, one 324 × 324 matrix, BCE with logits
and fused SGD, on ready-made batches. The authors' figures were measured on two cores with their
code: 29.7 sequences/s for the model, 16.3 with its data (VAE with data 23.1).
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import torch
from _record import write_record
from torch import nn
from torch.nn import functional

from symgen import TopographicVAE
from symgen.data import Sequences, TransformingDigits, load
from symgen.experiments import Experiment, hardware, preset
from symgen.latents import Topography
from symgen.nets import linear
from symgen.training import fit

LATENTS, PIXELS, FRAMES = 324, 2352, 18
ENCODER = (PIXELS, 3 * LATENTS, 2 * LATENTS, 2 * LATENTS)
DECODER = (LATENTS, 2 * LATENTS, 3 * LATENTS, PIXELS)
AUTHORS = {"tvae": 16.3, "vae": 23.1}


class PlainTorch(nn.Module):
    """The model written from the equations with nothing but torch's own layers."""

    def __init__(self, weights: torch.Tensor | None) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            self.perceptron(ENCODER) for _ in range(1 if weights is None else 2)
        )
        self.decoder = self.perceptron(DECODER)
        self.offset = nn.Parameter(torch.tensor(30.0))
        self.register_buffer("weights", weights)

    @staticmethod
    def perceptron(sizes: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2)
        samples, kl = [], torch.zeros(())
        for encoder in self.encoders:
            mean, log_variance = encoder(x).chunk(2, -1)
            kl = kl + 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
            samples.append(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean))
        t = samples[0]
        if len(samples) == 2:
            u = samples[1].square().unflatten(-1, (18, 18)).transpose(1, 2).flatten(2)
            v = (u @ self.weights).unflatten(-1, (18, 18)).transpose(1, 2).flatten(2)  # pyright: ignore
            t = (t + self.offset) / torch.sqrt(v + 1e-6)
        nll = functional.binary_cross_entropy_with_logits(self.decoder(t), x, reduction="sum")
        return (nll + kl) / (x.shape[0] * x.shape[1])


def flops(encoders: int, batch: int) -> float:
    """Arithmetic of a training step: twice forward for the gradients, less the input's."""

    def products(sizes: tuple[int, ...]) -> int:
        return sum(a * b for a, b in itertools.pairwise(sizes))

    forward = encoders * products(ENCODER) + products(DECODER)
    unneeded = encoders * ENCODER[0] * ENCODER[1]
    return 2 * batch * FRAMES * (3 * forward - unneeded)


def product_rate(product: Callable, rows: int, sizes: Iterable[tuple[int, int]]) -> float:
    """Rate of the matrix products of the layers, forward and backward, in FLOP/s."""
    seconds = work = 0.0
    for inputs, outputs in sizes:
        x = torch.randn(rows, inputs, requires_grad=True)
        weight = torch.randn(outputs, inputs, requires_grad=True)
        bias = torch.zeros(outputs, requires_grad=True)
        gradient = torch.randn(rows, outputs)

        def both(x=x, weight=weight, bias=bias, gradient=gradient) -> None:
            torch.autograd.grad(product(x, weight, bias), (x, weight, bias), gradient)

        both()
        best = min(timed(both) for _ in range(5))
        seconds += best
        work += 3 * 2 * rows * inputs * outputs
    return work / seconds


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def paper_model(name: str) -> TopographicVAE:
    experiment = preset(name)
    assert isinstance(experiment, Experiment)
    return experiment.model.build(FRAMES, (3, 28, 28))


def plain_step(kind: str, x: torch.Tensor) -> Callable[[], None]:
    weights = None
    if kind == "tvae":
        topography = paper_model("tvae-mnist-13-36-paper").topography
        assert isinstance(topography, Topography)
        weights = topography.matrix().float().T.contiguous()
    model = PlainTorch(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        model(x).backward()
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of training end to end")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batch, steps = options.batch, options.steps
    # Scikit-learn's digits in MNIST's format: the work is the same, and no file is needed.
    data = Sequences(TransformingDigits(load("digits").pixels), batch)
    x = data.batch(0).frames
    sizes = [*itertools.pairwise(ENCODER)] * 2
    sizes += [*itertools.pairwise(DECODER)]
    models: dict[str, tuple[TopographicVAE, str]] = {}
    for kind, name in (("tvae", "tvae-mnist-13-36-paper"), ("vae", "vae-mnist-paper")):
        models[kind] = paper_model(name), name
    plain = {kind: plain_step(kind, x) for kind in models}
    rounds: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        rounds.setdefault(name, []).append(value)

    rows = batch * FRAMES
    for _ in range(options.rounds):
        note(
            "matrix products, torch [GFLOP/s]", product_rate(functional.linear, rows, sizes) / 1e9
        )
        note("matrix products, ours [GFLOP/s]", product_rate(linear, rows, sizes) / 1e9)
        big = torch.randn(2, 4096, 4096)
        big_seconds = min(timed(lambda big=big: big[0] @ big[1]) for _ in range(2))
        note("matrix products, torch at 4096³ [GFLOP/s]", 2 * 4096**3 / big_seconds / 1e9)
        making = timed(lambda: [data.batch(step) for step in range(steps)])
        note("data alone [sequences/s]", steps * batch / making)
        for kind, (model, name) in models.items():
            plain[kind]()
            seconds = timed(lambda kind=kind: [plain[kind]() for _ in range(steps)])
            note(f"{kind}, plain torch, model only [sequences/s]", steps * batch / seconds)
            for precision in ("float32", "bfloat16"):
                training = replace(
                    preset(name).training,
                    sequences=steps * batch,
                    batch_size=batch,
                    precision=precision,
                )
                run = fit(model, data, training)
                note(f"{kind}, fit, {precision} [sequences/s]", run.sequences / run.seconds)
    result = {name: statistics.median(values) for name, values in rounds.items()}
    peak = result["matrix products, ours [GFLOP/s]"] * 1e9
    ratios = {}
    for kind in models:
        ours = result[f"{kind}, fit, float32 [sequences/s]"]
        work = flops(2 if kind == "tvae" else 1, batch) / batch
        ratios[f"{kind}, fit / plain torch model only"] = (
            ours / result[f"{kind}, plain torch, model only [sequences/s]"]
        )
        ratios[f"{kind}, fit / authors' code with data"] = ours / AUTHORS[kind]
        ratios[f"{kind}, fit, part of the product rate at the layers' sizes"] = ours * work / peak
        ratios[f"{kind}, fit, bfloat16 / float32"] = (
            result[f"{kind}, fit, bfloat16 [sequences/s]"] / ours
        )
    print(f"{hardware()}; batch {batch}, {options.rounds} rounds of {steps} steps\n")
    for name, value in (result | ratios).items():
        print(f"{name:65} {value:10.2f}")
    command = f"python bench/step.py --threads {options.threads} --batch {batch}"
    write_record(options.json, command, measured=result, ratios=ratios, rounds=rounds)


if __name__ == "__main__":
    main()
