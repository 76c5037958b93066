"""Speed of training end to end, beside the machine's matrix products and a plain rewrite.

    python bench/step.py [--json results/bench/step.json] [--threads 2] [--batch 8]

Colour MNIST at the paper's size. `plain torch` is the stronger baseline: the same mathematics from
`nn.Linear`, one 324 × 324 matrix, BCE with logits and fused SGD, on a ready-made batch. The
authors' figures were measured on two cores with their code: 29.7 sequences/s for the model, 16.3
with its data (VAE with data 23.1). `--against` compares the step with that of another commit.
"""

import itertools
from collections.abc import Callable
from functools import partial

import torch
from against import AGAINST, compared
from harness import Benchmark, Measure, medians, rate
from products import layer_products
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from worker import on_digits, seconds_per_step

from symgen.nets import linear

LATENTS, PIXELS = 324, 2352
ENCODER = (PIXELS, 3 * LATENTS, 2 * LATENTS, 2 * LATENTS)
DECODER = (LATENTS, 2 * LATENTS, 3 * LATENTS, PIXELS)
MODELS = {"tvae": "tvae-mnist-13-36-paper", "vae": "vae-mnist-paper"}
AUTHORS = {"tvae": 16.3, "vae": 23.1}


class PlainTorch(nn.Module):
    """The model written from the equations with nothing but torch's own layers."""

    def __init__(self, weights: torch.Tensor | None) -> None:
        super().__init__()
        count = 1 if weights is None else 2
        self.encoders = nn.ModuleList(self.perceptron(ENCODER) for _ in range(count))
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


def plain_step(kind: str, x: torch.Tensor) -> Callable[[], None]:
    topography = on_digits(MODELS[kind]).build()[0].topography
    matrix = None if topography.is_none else topography.matrix().float().T.contiguous()
    model = PlainTorch(matrix)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        model(x).backward()
        optimizer.step()

    return step


def measures_of(kind: str, x: torch.Tensor, steps: int) -> tuple[dict[str, Measure], float]:
    """Return the measures of a model, and the 10⁹ operations of a step."""
    batch, plain = len(x), plain_step(kind, x)
    with FlopCounterMode(display=False) as counter:
        plain()
    ready_made = rate(lambda: [plain() for _ in range(steps)], steps * batch)
    measures = {f"{kind}, plain torch, model only [sequences/s]": ready_made}
    for precision in ("float32", "bfloat16"):
        step = partial(seconds_per_step, MODELS[kind], batch, steps, precision)
        measures[f"{kind}, fit, {precision} [sequences/s]"] = lambda step=step: batch / step()
    return measures, 1e-9 * counter.get_total_flops()


def main() -> None:
    bench = Benchmark(
        __doc__, batch=(8, "sequences in a step"), steps=(30, "steps of a round"), against=AGAINST
    )
    batch = bench.options.batch
    _, data = on_digits(MODELS["tvae"], batch_size=batch).build()
    layers = [*itertools.pairwise(ENCODER)] * 2 + [*itertools.pairwise(DECODER)]
    square = torch.randn(2, 4096, 4096)
    measures: dict[str, Measure] = {
        f"matrix products, {name} [GFLOP/s]": rate(*layer_products(product, layers, batch * 18))
        for name, product in (("torch", functional.linear), ("ours", linear))
    }
    measures["matrix products, torch at 4096³ [GFLOP/s]"] = rate(
        lambda: square[0] @ square[1], 2e-9 * 4096**3
    )
    measures["data alone [sequences/s]"] = rate(lambda: data.batch(1), batch)
    work = {}
    for kind in MODELS:
        own, work[kind] = measures_of(kind, data.batch(0).frames, bench.options.steps)
        measures |= own
    measured = medians(measures, bench.options.rounds)
    ratios: dict[str, float] = {}
    for kind in MODELS:
        plain, ours, reduced = (
            measured[f"{kind}, {way} [sequences/s]"]
            for way in ("plain torch, model only", "fit, float32", "fit, bfloat16")
        )
        part = ours / batch * work[kind] / measured["matrix products, ours [GFLOP/s]"]
        ratios |= {
            f"{kind}, fit / plain torch model only": ours / plain,
            f"{kind}, fit / authors' code with data": ours / AUTHORS[kind],
            f"{kind}, fit, part of the product rate at the layers' sizes": part,
            f"{kind}, fit, bfloat16 / float32": reduced / ours,
        }
    bench.record(measured=measured, ratios=ratios, **compared(bench.options, MODELS))


if __name__ == "__main__":
    main()
