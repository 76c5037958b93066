"""What training costs by sequence and by model, and from these how it grows with GPUs.

    python bench/scaling.py [--json results/bench/scaling.json] [--batch 512] [--tflops 100]
                            [--bandwidth 200] [--launch 0.3]

Counted: the operations of a sequence, forward and backward; the bytes of a model's weights,
gradients and moments; those that a sequence keeps until the backward pass. Measured: the rate of a
step on this machine, one thread. Predicted, for 1, 8 and 64 processes that share a batch: the time
of a step, and of 10⁹ frames, on devices that multiply at `--tflops` 10¹² operations a second in
practice, are sent gradients at `--bandwidth` 10⁹ bytes a second, and take `--launch` milliseconds
for the smallest step. A ring sends 2 (N - 1) / N times the gradients. If the sum hides behind the
backward pass, a step takes the longer of both, else their sum: the two ends of a prediction. These
three rates are assumptions, to be replaced by what `bench/gpu.py` measures.
"""

from typing import Any

import torch
from harness import Benchmark
from torch.utils.flop_counter import FlopCounterMode
from worker import on_digits, seconds_per_step

PRESETS = {
    "TVAE, colour MNIST": "tvae-mnist-13-36-paper",
    "VAE, colour MNIST": "vae-mnist-paper",
    "TVAE, dSprites": "tvae-sprites-third-paper",
    "ACE, digits": "ace-digits",
}
PROCESSES = (1, 8, 64)
FRAMES = 1e9
STEPS = 8


def counted(name: str) -> dict[str, float]:
    """Count operations and bytes of a preset's model."""
    model, data = on_digits(name, batch_size=2).build()
    inputs = data.batch(0).inputs
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with FlopCounterMode(display=False) as counter:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = torch.stack([term.mean() for term in model(*inputs)]).sum()
        loss.backward()
    own = {weight.data_ptr() for weight in model.parameters()}
    activations = sum(size for place, size in kept.items() if place not in own)
    weights = sum(weight.numel() for weight in model.parameters())
    moments = 2 if on_digits(name).training.optimizer.startswith("Adam") else 1
    return {
        "million weights": 1e-6 * weights,
        "gradients [MB]": 4e-6 * weights,
        "weights, gradients, moments [MB]": 4e-6 * weights * (2 + moments),
        "kept by a sequence [MB]": 1e-6 * activations / 2,
        "operations of a sequence [GFLOP]": 1e-9 * counter.get_total_flops() / 2,
        "frames": float(getattr(model, "frames", 1)),
    }


def predicted(row: dict[str, float], processes: int, options: Any) -> dict[str, float]:
    """Predict a step of so many processes, and 10⁹ frames."""
    share = options.batch / processes
    work = row["operations of a sequence [GFLOP]"] * share / options.tflops
    compute = max(options.launch, work)  # milliseconds
    send = 2 * (processes - 1) / processes * row["gradients [MB]"] / options.bandwidth
    steps = FRAMES / (row["frames"] * options.batch)
    best, worst = max(compute, send), compute + send
    return {
        "processes": processes,
        "step [ms]": best,
        "step at worst [ms]": worst,
        "10⁹ frames [hours]": steps * best / 3.6e6,
        "10⁹ frames at worst [hours]": steps * worst / 3.6e6,
    }


def main() -> None:
    bench = Benchmark(
        __doc__,
        threads=1,
        rounds=None,
        batch=(512, "sequences that the processes share"),
        tflops=(100.0, "10¹² operations a second of a device"),
        bandwidth=(200.0, "10⁹ bytes of gradients a second"),
        launch=(0.3, "milliseconds of the smallest step"),
    )
    parts: dict[str, Any] = {}
    for name, preset in PRESETS.items():
        row = counted(preset)
        size = on_digits(preset).training.batch_size
        seconds = seconds_per_step(preset, size, STEPS)
        row["sequences a second here"] = size / seconds
        row["GFLOP/s here"] = row["operations of a sequence [GFLOP]"] * size / seconds
        grown = [predicted(row, processes, bench.options) for processes in PROCESSES]
        parts[name] = {**row, "predicted": grown}
    bench.record(**parts)


if __name__ == "__main__":
    main()
