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
OTHERS = {"ace-rts-one": "one class, no labels", "ace-circle": "rts at any angle, eight starts"}
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


def measures_of(name: str, batch: int, steps: int) -> tuple[dict[str, Measure], float, float]:
    """Return the measures of a preset, the 10⁹ operations of a step and Adam's 10⁹ bytes."""
    model, data = on_digits(f"ace-{name}", batch_size=batch).build()
    x, y = data.batch(0).inputs
    measures: dict[str, Measure] = {}
    for precision in ("float32", "bfloat16"):
        step = partial(seconds_per_step, f"ace-{name}", batch, steps, precision)
        measures[f"{name}: step, {precision} [ms]"] = lambda step=step: 1e3 * step()
    plain, labels = torch.no_grad(), [torch.full_like(y, label) for label in range(model.classes)]
    actions = {
        "step computing all decoders": every_decoder(model, x, y),
        "data of a batch": partial(data.batch, 1),
        "all classes at once": plain(lambda: model.class_terms(x)),
        "loop over classes": plain(lambda: [model(x, label) for label in labels]),
    }
    for what, action in actions.items():
        measures[f"{name}: {what} [ms]"] = milliseconds(action)
    weights = sum(parameter.numel() for parameter in model.parameters())
    return measures, gigaflops(lambda: model(x, y).loss.backward()), 28e-9 * weights


def ratios_of(name: str, measured: dict[str, float]) -> dict[str, float]:
    def of(what: str) -> float:
        return measured[f"{name}: {what} [ms]"]

    step, floor = of("step, float32"), of("floor, arithmetic") + of("floor, Adam's traffic")
    return {
        f"{name}: step / floor, float32": step / floor,
        f"{name}: float32 / bfloat16": step / of("step, bfloat16"),
        f"{name}: all decoders / the label's": of("step computing all decoders") / step,
        f"{name}: evaluation, loop over classes / at once": of("loop over classes")
        / of("all classes at once"),
    }


def main() -> None:
    bench = Benchmark(
        __doc__, batch=(250, "images in a step"), steps=(8, "steps of a round"), against=AGAINST
    )
    batch, measures, work = bench.options.batch, machine(), {}
    for name in DATA:
        own, *work[name] = measures_of(name, batch, bench.options.steps)
        measures |= own
    for preset, what in OTHERS.items():
        step = partial(seconds_per_step, preset, batch, bench.options.steps, "float32")
        measures[f"{what}: step, float32 [ms]"] = lambda step=step: 1e3 * step()
    few, many = (f"{count} classes, small: forward and backward [ms]" for count in (10, 100))
    measures |= {few: milliseconds(small(10, batch)), many: milliseconds(small(100, batch))}
    measured = medians(measures, bench.options.rounds)
    ratios: dict[str, float] = {}
    for name, (arithmetic, traffic) in work.items():
        floor = 1e3 * arithmetic / measured["large matrix product [GFLOP/s]"]
        measured[f"{name}: floor, arithmetic [ms]"] = floor
        moved = 1e3 * traffic / measured["copy bandwidth [GB/s]"]
        measured[f"{name}: floor, Adam's traffic [ms]"] = moved
        ratios |= ratios_of(name, measured)
    for what in OTHERS.values():
        of_rts = measured["rts: step, float32 [ms]"]
        ratios[f"{what} / rts, step"] = measured[f"{what}: step, float32 [ms]"] / of_rts
    ratios["100 classes / 10, forward and backward"] = measured[many] / measured[few]
    bench.record(measured=measured, ratios=ratios, **compared(bench.options, {"rts": "ace-rts"}))


if __name__ == "__main__":
    main()
