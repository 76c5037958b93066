"""Speed of a stream: frames a second of a causal TVAE that sees one frame a call.

    python bench/online.py [--threads 1] [--frames 20000] [--json results/bench/online.json]

Sprites of 64 x 64 pixels that move on and on, capsules of the demonstration (15 of 15 units,
window 10). The rate over the first and the last thousand frames says whether it depends on what
has been seen; the state, whose size is recorded, is all that is kept. On a machine that others use
too, the frames per second of processor time say what a core of one's own would give. Rows: the
size of the hidden layers; frames of sprites, or of noise without a black pixel; streams followed
together; and `model.step`, which `Stream` should beat.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from _record import write_record
from torch import Tensor

from symgen import TVAE
from symgen.data import MovingSprites
from symgen.experiments import hardware
from symgen.models import Stream

PART = 1000


def seconds_by_part(step, frames: Tensor, count: int) -> tuple[list[float], list[float], int]:
    """Take `count` steps; return seconds of each thousand, of the clock and the processor.

    The third is the size of the state in bytes.
    """
    state, seconds, processor = None, [], []
    for part in range(count // PART):
        start, start_processor = time.perf_counter(), time.process_time()
        for index in range(part * PART, (part + 1) * PART):
            _, state = step(frames[index % len(frames)], state)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    assert state is not None
    return seconds, processor, state.untyped_storage().nbytes()


def main() -> None:
    parser = argparse.ArgumentParser(description="Speed of a stream")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    source = MovingSprites("test")
    sprites = source.make(torch.arange(64), torch.Generator()).frames.flatten(
        0, 1
    )  # (960, 1, ...)
    noise = torch.rand_like(sprites).clamp_min(1e-3)
    print(f"{hardware()}, {options.threads} threads")
    print(f"{'frames a second, by thousands':34}{'of the clock':>27}{'of the processor':>27}")
    print(f"{'':34}" + 2 * f"{'first':>9}{'last':>9}{'median':>9}")
    rows = []
    for way, hidden, kind, streams, share in (
        ("Stream", 450, "sprites", 1, 1.0),
        ("Stream", 225, "sprites", 1, 0.25),
        ("Stream", 450, "noise", 1, 0.25),
        ("Stream", 225, "noise", 1, 0.25),
        ("Stream", 450, "sprites", 8, 0.25),
        ("Stream", 450, "noise", 8, 0.25),
        ("model.step", 450, "sprites", 1, 0.25),
    ):
        size = {"image_shape": (1, 64, 64), "capsules": 15, "units": 15, "frames": 15}
        model = TVAE(
            **size, window=10, hidden=(hidden, hidden), causal=True, boundary="zero"
        ).eval()
        frames = (sprites if kind == "sprites" else noise)[:, None]
        frames = torch.cat([frames.roll(-7 * n, 0) for n in range(streams)], 1)
        with torch.inference_mode():
            step = Stream(model).step if way == "Stream" else model.step
            count = max(2, int(options.frames * share) // PART // streams) * PART
            seconds, processor, state = seconds_by_part(step, frames, count)
        rates, processor_rates = (
            [PART * streams / each for each in parts] for parts in (seconds, processor)
        )
        row = {
            "way": way,
            "hidden": hidden,
            "frames_of": kind,
            "streams": streams,
            "steps": count,
            "frames_per_second_first": rates[0],
            "frames_per_second_last": rates[-1],
            "frames_per_second_median": statistics.median(rates),
            "frames_per_processor_second_first": processor_rates[0],
            "frames_per_processor_second_last": processor_rates[-1],
            "frames_per_processor_second_median": statistics.median(processor_rates),
            "state_bytes": state,
        }
        rows.append(row)
        name = f"{way}, hidden {hidden}, {streams} x {kind}"
        columns = (
            rates[0], rates[-1], statistics.median(rates),
            processor_rates[0], processor_rates[-1], statistics.median(processor_rates),
        )  # fmt: skip
        print(f"{name:34}" + "".join(f"{value:9.0f}" for value in columns))
    command = f"python bench/online.py --threads {options.threads} --frames {options.frames}"
    write_record(options.json, command, threads=options.threads, rows=rows)


if __name__ == "__main__":
    main()
