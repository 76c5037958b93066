"""Speed of a stream: frames a second of a causal TVAE that sees one frame a call.

    python bench/online.py [--threads 1] [--frames 20000] [--json results/bench/online.json]

Sprites of 64 × 64 pixels that move on and on, capsules of the demonstration (15 of 15 units,
window 10). All streams go on in turn, a round at a time; the rates of the first and the last round
say whether they depend on what has been seen; the state, whose size is recorded, is all that is
kept. On a machine that others use too, the frames per second of processor time say what a core of
one's own would give. Rows: the size of the hidden layers; frames of sprites, or of noise without a
black pixel; streams followed together; and `model.step`, which `Stream` should beat.
"""

import statistics
import time
from typing import Any

import torch
from harness import Benchmark, in_turn
from torch import Tensor

from symgen import TVAE
from symgen.data import MovingSprites
from symgen.models import Stream

ROWS = (
    ("Stream", 450, "sprites", 1),
    ("Stream", 225, "sprites", 1),
    ("Stream", 450, "noise", 1),
    ("Stream", 225, "noise", 1),
    ("Stream", 450, "sprites", 8),
    ("Stream", 450, "noise", 8),
    ("model.step", 450, "sprites", 1),
)


class Followed:
    """Streams that are followed together: each call follows them for some frames more."""

    def __init__(self, way: str, hidden: int, frames: Tensor, streams: int, count: int) -> None:
        sizes: dict[str, Any] = {"capsules": 15, "units": 15, "frames": 15, "window": 10}
        sizes |= {"width": hidden, "depth": 2}
        model = TVAE((1, 64, 64), **sizes, causal=True, boundary="zero").eval()
        self.step = Stream(model).step if way == "Stream" else model.step
        self.frames = torch.stack([frames.roll(-7 * n, 0) for n in range(streams)], 1)
        self.steps = count // streams
        self.state: Tensor | None = None
        self.taken = 0

    @torch.inference_mode()
    def __call__(self) -> tuple[float, float]:
        """Return frames a second of the clock, and of the processor's time."""
        start, start_processor = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            frame = self.frames[self.taken % len(self.frames)]
            _, self.state = self.step(frame, self.state)
            self.taken += 1
        count = self.steps * self.frames.shape[1]
        seconds, processor = time.perf_counter() - start, time.process_time() - start_processor
        return count / seconds, count / processor

    def state_bytes(self) -> int:
        assert self.state is not None
        return self.state.untyped_storage().nbytes()


def main() -> None:
    bench = Benchmark(__doc__, threads=1, rounds=20, frames=(20_000, "frames of every row"))
    rounds = bench.options.rounds
    sprites = MovingSprites("test").batch(torch.arange(64), torch.Generator()).frames
    frames = {"sprites": sprites.flatten(0, 1)}
    frames["noise"] = torch.rand_like(frames["sprites"]).clamp_min(1e-3)
    count = bench.options.frames // rounds
    followed = {
        (way, hidden, kind, streams): Followed(way, hidden, frames[kind], streams, count)
        for way, hidden, kind, streams in ROWS
    }
    rows = []
    for place, rates in in_turn(followed, rounds).items():
        row: dict[str, Any] = dict(
            zip(("way", "hidden", "frames_of", "streams"), place, strict=True)
        )
        for unit, values in zip(
            ("second", "processor_second"), zip(*rates, strict=True), strict=True
        ):
            row[f"frames_per_{unit}_first"] = values[0]
            row[f"frames_per_{unit}_last"] = values[-1]
            row[f"frames_per_{unit}_median"] = statistics.median(values)
        rows.append(row | {"state_bytes": followed[place].state_bytes()})
    bench.record(rows=rows)


if __name__ == "__main__":
    main()
