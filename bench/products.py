"""Float32 products of a linear layer on the CPU: oneDNN's against those that torch takes itself.

    python bench/products.py [--threads 2] [--json results/bench/products.json]

Forward, and backward to the input and the weight, at the sizes of colour MNIST's layers with 8
sequences of 18 frames. `chosen` is what `symgen.nets.linear` takes on this machine, by a shorter
measurement of its own.
"""

from collections.abc import Callable, Sequence

import torch
from harness import Benchmark, medians, rate
from torch import Tensor
from torch.nn import functional

from symgen.nets import linear
from symgen.nets.products import fastest_product, use_product

SIZES = ((2352, 1944), (972, 648), (648, 648), (324, 648), (648, 972), (972, 2352))
ROWS = 8 * 18


def layer_products(
    product: Callable[[Tensor, Tensor, Tensor], Tensor],
    sizes: Sequence[tuple[int, int]],
    rows: int,
) -> tuple[Callable[[], object], float]:
    """Return an action that takes the products of layers, and their number in 10⁹ operations."""
    layers = [
        (
            torch.randn(rows, inputs, requires_grad=True),
            torch.randn(outputs, inputs, requires_grad=True),
            torch.zeros(outputs, requires_grad=True),
        )
        for inputs, outputs in sizes
    ]
    gradients = [torch.randn(rows, outputs) for _, outputs in sizes]

    def action() -> None:
        for layer, gradient in zip(layers, gradients, strict=True):
            torch.autograd.grad(product(*layer), layer, gradient)

    return action, 6e-9 * rows * sum(inputs * outputs for inputs, outputs in sizes)


def onednn(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    use_product("onednn")
    return linear(x, weight, bias)


def main() -> None:
    bench = Benchmark(__doc__)
    chosen = fastest_product()
    ways = {"torch": functional.linear, "oneDNN": onednn}
    measures = {
        (size, way): rate(*layer_products(product, [size], ROWS))
        for size in SIZES
        for way, product in ways.items()
    }
    found = medians(measures, bench.options.rounds)
    rows = [
        {"inputs": size[0], "outputs": size[1], **{way: found[size, way] for way in ways}}
        for size in SIZES
    ]
    bench.record(chosen=chosen, rows=rows)


if __name__ == "__main__":
    main()
