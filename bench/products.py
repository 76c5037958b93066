"""Float32 products of a linear layer on the CPU: oneDNN's against those that torch takes itself.

    python bench/products.py [--threads 2] [--json results/bench/products.json]

Forward, and backward to the input and the weight, at the sizes of colour MNIST's layers with 8
sequences of 18 frames. `symgen.nets.linear` takes oneDNN on AMD's processors only; this says
whether that is right on the one at hand. The best of several turns counts.
"""

import argparse
import time
from pathlib import Path

import torch
from _record import write_record
from torch.nn import functional

from symgen.experiments import hardware
from symgen.nets.linear import _OneDNNLinear

SIZES = ((2352, 1944), (972, 648), (648, 648), (324, 648), (648, 972), (972, 2352))
ROWS = 8 * 18
WAYS = {"torch": functional.linear, "oneDNN": _OneDNNLinear.apply}


def gigaflops(way: str, inputs: int, outputs: int, rounds: int = 7) -> float:
    x = torch.randn(ROWS, inputs, requires_grad=True)
    weight = torch.randn(outputs, inputs, requires_grad=True)
    bias = torch.zeros(outputs, requires_grad=True)
    gradient = torch.randn(ROWS, outputs)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        torch.autograd.grad(WAYS[way](x, weight, bias), (x, weight, bias), gradient)
        best = min(best, time.perf_counter() - start)
    return 3 * 2 * ROWS * inputs * outputs / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description="oneDNN's products against torch's")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{hardware()}\n{'in':>6} {'out':>6} {'torch':>8} {'oneDNN':>8}   GFLOP/s")
    rows = []
    for inputs, outputs in SIZES:
        rates = {way: gigaflops(way, inputs, outputs) for way in WAYS}
        rows.append({"inputs": inputs, "outputs": outputs, **rates})
        print(f"{inputs:6} {outputs:6} {rates['torch']:8.0f} {rates['oneDNN']:8.0f}")
    command = f"python bench/products.py --threads {options.threads}"
    write_record(options.json, command, rows=rows)


if __name__ == "__main__":
    main()
