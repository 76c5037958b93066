"""Speed of ACE: a training step over its floor, growth with classes, evaluation of all classes.

    python bench/ace.py [--json results/bench/ace.json] [--threads 2] [--batch 250]

The floor of a step is computed from what the same run measures: its arithmetic at the rate of a
large float32 matrix product, plus what Adam must touch (weights, gradients and two moments: 28
bytes a weight) at the speed of a plain copy. Beside it stands the time of the matrix products at
the layers' own sizes, convolutions as the products they are (rows = pixels), each class's decoder
with its own share of the batch; convolutions are faster than that, so it is no floor.
Everything is measured in turn, several rounds, and the median round counts.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import torch
from _record import write_record
from torch import nn

from symgen import ACE
from symgen.data import Batches
from symgen.experiments import ACEExperiment, preset
from symgen.nets import Convolutions, GroupedLinear, Linear, linear
from symgen.training.memory import keep_freed_memory

DATA = ("mnist", "rts", "tc")


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def best(action: Callable[[], object], rounds: int = 5) -> float:
    action()
    return min(timed(action) for _ in range(rounds))


def products(model: ACE, batch: int) -> list[tuple[int, int, int, int]]:
    """Matrix products of a step: rows, inputs, outputs, and how many of them."""
    found: list[tuple[int, int, int, int]] = []
    pose = model.pose
    again = [] if pose is None else list(pose.modules()) * (pose.readings - 1)
    for module in (*model.modules(), *again):
        if isinstance(module, GroupedLinear):
            groups, outputs, inputs = module.weight.shape
            found.append((batch // groups, inputs, outputs, groups))
        elif isinstance(module, Linear):
            outputs, inputs = module.weight.shape
            found.append((batch, inputs, outputs, 1))
        elif isinstance(module, Convolutions):
            sizes = [module.size, *[shape[1:] for shape in module.shapes]]
            for layer, (height, width) in zip(module.convolutions, sizes, strict=False):
                outputs, inputs, kernel, _ = cast(nn.Conv2d, layer).weight.shape
                found.append((batch * height * width, inputs * kernel**2, outputs, 1))
    return found


def product_seconds(rows: int, inputs: int, outputs: int, count: int) -> float:
    """Time of forward and both backward products of `count` layers of this size."""
    weights = [torch.randn(outputs, inputs) for _ in range(count)]
    gradients = [torch.empty(outputs, inputs) for _ in range(count)]
    bias = torch.zeros(outputs)
    x, to_output = torch.randn(rows, inputs), torch.randn(rows, outputs)

    def products_of_layers() -> None:
        for weight, gradient in zip(weights, gradients, strict=True):
            linear(x, weight, bias)
            torch.mm(to_output, weight)
            torch.mm(to_output.t(), x, out=gradient)

    return best(products_of_layers)


def copy_bandwidth() -> float:
    """Bytes read and written per second by a copy that no cache holds."""
    source = torch.randn(32_000_000)
    target = torch.empty_like(source)
    return 8 * len(source) / best(lambda: target.copy_(source))


def peak_rate(size: int = 2048) -> float:
    """Rate of a large float32 product by the fastest way at hand, in FLOP/s."""
    x, weight, bias = torch.randn(size, size), torch.randn(size, size), torch.zeros(size)
    return 2 * size**3 / best(lambda: linear(x, weight, bias))


def stepper(model: ACE, x: torch.Tensor, y: torch.Tensor, reduced: bool) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=reduced):
            loss = model.elbo(x, y).loss
        loss.backward()
        optimizer.step()

    return step


def every_decoder(model: ACE, x: torch.Tensor, y: torch.Tensor) -> Callable[[], None]:
    """The step that computes all decoders and picks the label's, as a plain rewrite would."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        terms = model.class_terms(x)
        own = (terms.nll + terms.kl_z).gather(1, y[:, None])[:, 0]
        loss = own + terms.kl_pose - terms.log_omega.gather(1, y[:, None])[:, 0]
        loss.mean().backward()
        optimizer.step()

    return step


def forward_backward(classes: int, batch: int) -> Callable[[], None]:
    """Forward and backward of a small ACE without pose and classifier trunk to speak of."""
    model = ACE(
        image_shape=(1, 28, 28),
        classes=classes,
        hidden=(64,),
        decoder_hidden=(64,),
        pose=None,
        classifier_channels=(8,),
        classifier_hidden=16,
        classifier_pool=4,
    )
    x, y = torch.rand(batch, 1, 28, 28), torch.randint(classes, (batch,))

    def both() -> None:
        model.zero_grad()
        model.elbo(x, y).loss.backward()

    return both


def loop_over_classes(model: ACE, x: torch.Tensor) -> None:
    for label in range(model.classes):
        model.elbo(x, torch.full((len(x),), label))


def measure(rounds: int, batch: int) -> dict[str, dict[str, float]]:
    measured: dict[str, float] = {
        "copy bandwidth [GB/s]": copy_bandwidth() / 1e9,
        "large matrix product [GFLOP/s]": peak_rate() / 1e9,
    }
    ratios: dict[str, float] = {}
    actions: dict[str, Callable[[], object]] = {}
    floors: dict[str, float] = {}
    own: dict[str, float] = {}
    for name in DATA:
        experiment = cast(ACEExperiment, preset(f"ace-{name}"))
        experiment = replace(experiment, data=replace(experiment.data, images="digits"))
        model, data = experiment.build()
        data = Batches(data.source, batch)
        x, y = data.batch(0).images, data.batch(0).labels
        sizes = products(model, batch)
        weights = sum(p.numel() for p in model.parameters())
        arithmetic = sum(product_seconds(*size) for size in sizes)
        traffic = 28 * weights / (1e9 * measured["copy bandwidth [GB/s]"])
        flops = sum(6 * rows * inputs * outputs * n for rows, inputs, outputs, n in sizes)
        ideal = flops / (1e9 * measured["large matrix product [GFLOP/s]"])
        floors[name] = ideal + traffic
        own[name] = arithmetic + traffic
        measured[f"{name}: floor, arithmetic [ms]"] = 1e3 * ideal
        measured[f"{name}: floor, Adam's traffic [ms]"] = 1e3 * traffic
        measured[f"{name}: products at the layers' sizes [ms]"] = 1e3 * arithmetic
        actions[f"{name}: step, float32 [ms]"] = stepper(model, x, y, False)
        actions[f"{name}: step, bfloat16 [ms]"] = stepper(model, x, y, True)
        actions[f"{name}: step computing all decoders [ms]"] = every_decoder(model, x, y)
        actions[f"{name}: data of a batch [ms]"] = lambda data=data: data.batch(1)
        actions[f"{name}: all classes at once [ms]"] = torch.no_grad()(
            lambda model=model, x=x: model.class_terms(x)
        )
        actions[f"{name}: loop over classes [ms]"] = torch.no_grad()(
            lambda model=model, x=x: loop_over_classes(model, x)
        )
    for classes in (10, 100):
        actions[f"{classes} classes, small: forward and backward [ms]"] = forward_backward(
            classes, batch
        )
    for action in actions.values():
        action()
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            times[name].append(min(timed(action) for _ in range(2)))
    measured |= {name: 1e3 * statistics.median(values) for name, values in times.items()}
    for name in DATA:
        step = measured[f"{name}: step, float32 [ms]"]
        ratios[f"{name}: step / floor, float32"] = step / (1e3 * floors[name])
        ratios[f"{name}: step / (products at the layers' sizes + Adam's traffic)"] = step / (
            1e3 * own[name]
        )
        ratios[f"{name}: float32 / bfloat16"] = step / measured[f"{name}: step, bfloat16 [ms]"]
        ratios[f"{name}: all decoders / the label's"] = (
            measured[f"{name}: step computing all decoders [ms]"] / step
        )
        ratios[f"{name}: evaluation, loop over classes / at once"] = (
            measured[f"{name}: loop over classes [ms]"]
            / measured[f"{name}: all classes at once [ms]"]
        )
    small = "classes, small: forward and backward [ms]"
    ratios["100 classes / 10, forward and backward"] = (
        measured[f"100 {small}"] / measured[f"10 {small}"]
    )
    return {"measured": measured, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    result = measure(given.rounds, given.batch)
    for part in ("measured", "ratios"):
        for name, value in result[part].items():
            print(f"{name:60s} {value:10.2f}")
    command = f"python bench/ace.py --threads {given.threads} --batch {given.batch}"
    write_record(given.json, command, **result)


if __name__ == "__main__":
    main()
