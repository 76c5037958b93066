"""Speed of ACE: a training step over its floor, growth with classes, evaluation of all classes.

    python bench/ace.py [--json results/bench/ace.json] [--threads 2] [--batch 250]

The floor of a step is computed from what the same run measures: its arithmetic at the rate of a
large float32 matrix product, plus what Adam must touch (weights, gradients and two moments: 28
bytes a weight) at the speed of a plain copy. `--against` compares the step on distorted digits
with that of another commit.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from against import AGAINST, compared
from harness import Benchmark, Measure, medians, milliseconds, rate
from torch.utils.flop_counter import FlopCounterMode
from worker import on_digits, seconds_per_step

from symgen import ACE
from symgen.nets import linear
from symgen.nets.products import fastest_product, use_product

DATA = ("mnist", "rts", "tc")
GROUPED = torch.ops.symgen.grouped_linear, torch.ops.symgen.grouped_linear_backward


def machine() -> dict[str, Measure]:
    """Measure what the floor is computed from."""
    source, size = torch.randn(32_000_000), 2048  # no cache holds the one or the other
    target = torch.empty_like(source)
    x, weight, bias = torch.randn(size, size), torch.randn(size, size), torch.zeros(size)
    return {
        "copy bandwidth [GB/s]": rate(lambda: target.copy_(source), 8e-9 * len(source)),
        "large matrix product [GFLOP/s]": rate(lambda: linear(x, weight, bias), 2e-9 * size**3),
    }


def gigaflops(action: Callable[[], object]) -> float:
    """Count the arithmetic of an action in matrix products and convolutions."""

    def multiplied(x: Any, weight: Any, *_: Any, **__: Any) -> int:
        return 2 * x[0] * weight[1] * weight[2]

    def multiplied_back(_: Any, *shapes: Any, **__: Any) -> int:
        return 2 * multiplied(*shapes)

    known = dict(zip(GROUPED, (multiplied, multiplied_back), strict=True))
    product = fastest_product()
    use_product("torch")  # the counter does not know oneDNN's
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        action()
    use_product(product)
    return 1e-9 * counter.get_total_flops()


def every_decoder(model: ACE, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """Take a step that computes all decoders and picks the label's, as a plain rewrite would."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        terms = model.class_terms(x)
        own = (terms.nll + terms.kl_z - terms.class_log_probs).gather(1, y[:, None])[:, 0]
        (own + terms.kl_pose).mean().backward()
        optimizer.step()

    return step


def small(classes: int, batch: int) -> Callable[[], None]:
    """Take forward and backward of an ACE without pose and classifier trunk to speak of."""
    sizes: dict[str, Any] = {"hidden": (64,), "decoder_hidden": (64,), "classifier_hidden": 16}
    trunk = {"classifier_channels": (8,), "classifier_pool": 4}
    model = ACE((1, 28, 28), classes, pose=None, **sizes, **trunk)
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(classes, (batch,))

    def both() -> None:
        model.zero_grad()
        model(x, y).loss.backward()

    return both


@torch.no_grad()
def at_once(model: ACE, x: torch.Tensor) -> None:
    model.class_terms(x)


@torch.no_grad()
def one_by_one(model: ACE, x: torch.Tensor) -> None:
    for label in range(model.classes):
        model(x, torch.full((len(x),), label))


def main() -> None:
    bench = Benchmark(__doc__, batch=(250, "images in a step"), steps=(8, "steps of a round"), against=AGAINST)
    batch, steps, rounds = bench.options.batch, bench.options.steps, bench.options.rounds
    measures = machine()
    work: dict[str, tuple[float, float]] = {}  # 10⁹ operations, and 10⁹ bytes of Adam
    for name in DATA:
        model, data = on_digits(f"ace-{name}", batch_size=batch).build()
        x, y = data.batch(0).inputs
        weights = sum(parameter.numel() for parameter in model.parameters())
        work[name] = gigaflops(lambda m=model, x=x, y=y: m(x, y).loss.backward()), 28e-9 * weights
        for precision in ("float32", "bfloat16"):
            step = partial(seconds_per_step, f"ace-{name}", batch, steps, precision)
            measures[f"{name}: step, {precision} [ms]"] = lambda step=step: 1e3 * step()
        measures |= {
            f"{name}: {what} [ms]": milliseconds(action)
            for what, action in {
                "step computing all decoders": every_decoder(model, x, y),
                "data of a batch": partial(data.batch, 1),
                "all classes at once": partial(at_once, model, x),
                "loop over classes": partial(one_by_one, model, x),
            }.items()
        }
    for classes in (10, 100):
        name = f"{classes} classes, small: forward and backward [ms]"
        measures[name] = milliseconds(small(classes, batch))
    measured = medians(measures, rounds)
    ratios: dict[str, float] = {}
    for name in DATA:
        arithmetic = 1e3 * work[name][0] / measured["large matrix product [GFLOP/s]"]
        traffic = 1e3 * work[name][1] / measured["copy bandwidth [GB/s]"]
        measured[f"{name}: floor, arithmetic [ms]"] = arithmetic
        measured[f"{name}: floor, Adam's traffic [ms]"] = traffic
        step, reduced, every, once, loop = (
            measured[f"{name}: {what} [ms]"]
            for what in (
                "step, float32",
                "step, bfloat16",
                "step computing all decoders",
                "all classes at once",
                "loop over classes",
            )
        )
        ratios[f"{name}: step / floor, float32"] = step / (arithmetic + traffic)
        ratios[f"{name}: float32 / bfloat16"] = step / reduced
        ratios[f"{name}: all decoders / the label's"] = every / step
        ratios[f"{name}: evaluation, loop over classes / at once"] = loop / once
    few, many = (
        measured[f"{count} classes, small: forward and backward [ms]"] for count in (10, 100)
    )
    ratios["100 classes / 10, forward and backward"] = many / few
    bench.record(measured=measured, ratios=ratios, **compared(bench.options, {"rts": "ace-rts"}))


if __name__ == "__main__":
    main()
