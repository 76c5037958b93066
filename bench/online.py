"""Speed of a stream: frames a second of a causal TVAE that sees one frame a call.

    python bench/online.py [--threads 1] [--frames 20000] [--json results/bench/online.json]

Sprites of 64 x 64 pixels that move on and on, capsules of the demonstration (15 of 15 units,
window 10). The rate over the first and the last thousand frames says whether it depends on what
has been seen; the state, whose size is printed, is all that is kept. Rows: the size of the hidden
layers; frames of sprites, or of noise without a black pixel; streams followed together; and
`model.step`, which `Stream` should beat.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor

from symgen import TVAE
from symgen.data import MovingSprites
from symgen.experiments import hardware
from symgen.models import Stream

PART = 1000


def seconds_by_part(step, frames: Tensor, count: int) -> tuple[list[float], int]:
    """Take `count` steps; return the seconds of each thousand and the bytes of the state."""
    state, seconds = None, []
    for part in range(count // PART):
        start = time.perf_counter()
        for index in range(part * PART, (part + 1) * PART):
            _, state = step(frames[index % len(frames)], state)
        seconds.append(time.perf_counter() - start)
    assert state is not None
    return seconds, state.untyped_storage().nbytes()


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
    print(f"{'':34} {'first':>8} {'last':>8} {'median':>8}  frames/s, by thousands")
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
            seconds, state = seconds_by_part(step, frames, count)
        rates = [PART * streams / each for each in seconds]
        row = {
            "way": way,
            "hidden": hidden,
            "frames_of": kind,
            "streams": streams,
            "steps": count,
            "frames_per_second_first": rates[0],
            "frames_per_second_last": rates[-1],
            "frames_per_second_median": statistics.median(rates),
            "state_bytes": state,
        }
        rows.append(row)
        name = f"{way}, hidden {hidden}, {streams} x {kind}"
        print(f"{name:34} {rates[0]:8.0f} {rates[-1]:8.0f} {statistics.median(rates):8.0f}")
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        command = f"python bench/online.py --threads {options.threads} --frames {options.frames}"
        record = {
            "command": command,
            "hardware": hardware(),
            "threads": options.threads,
            "rows": rows,
        }
        options.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
