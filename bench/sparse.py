"""What `sparse` does to the result and to the time of training with many classes.

    python bench/sparse.py [--json results/bench/sparse.json] [--threads 1] [--steps 1000]

With `sparse=True` the decoders of classes that a batch lacks are left alone: neither their weights
nor their moments move, and each class counts its own steps. Dense Adam moves them on by what their
moments still hold. The embedded digits, turned by a multiple of 36 degrees, make a hundred classes
(digit × turn), of which a batch of ten holds about ten. Both ways start from the same weights and
see the same batches; the bound on the labelled class is measured on test digits turned likewise.
"""

import math
import statistics
from functools import partial
from typing import Literal

import torch
from harness import Benchmark, in_turn

from symgen import ACE, fit
from symgen.data import Batches, DistortedImages, Images, load
from symgen.groups import affine, warp

TURNS = 10


def turned(split: Literal["train", "test"]) -> DistortedImages:
    """Return every digit in every turn, labelled by both."""
    images = load("digits", split=split)
    angle = torch.arange(TURNS) * (2 * math.pi / TURNS)
    poses = affine.from_parameters(angle, torch.ones(TURNS))
    pixels = warp(images.pixels[:, None].float(), poses).round().clamp(0, 255).to(torch.uint8)
    labels = images.labels[:, None] * TURNS + torch.arange(TURNS)
    return DistortedImages(Images(pixels.flatten(0, 1), labels.flatten()))


def train(sparse: bool, steps: int, batch: int) -> tuple[float, float]:
    """Return the seconds of a training and the bound that it leads to."""
    torch.manual_seed(0)
    model = ACE(
        (1, 28, 28),
        classes=10 * TURNS,
        hidden=(100,),
        decoder_hidden=(100,),
        pose=None,
        classifier_channels=(8,),
        classifier_hidden=50,
        classifier_pool=2,
    )
    data = Batches(turned("train"), batch)
    adam = {"optimizer": "AdamW", "optimizer_options": {"weight_decay": 0.0}, "sparse": sparse}
    run = fit(model, data, examples=steps * batch, **adam)
    torch.manual_seed(1)
    with torch.no_grad():
        model.eval()
        elbos = [model(*each.inputs) for each in Batches(turned("test"), 359, shuffle=False)]
    return run.seconds, float(torch.cat([elbo.nll + elbo.kl for elbo in elbos]).mean())


def main() -> None:
    sizes = {"steps": (1000, "steps of a training"), "batch": (10, "images in a step")}
    bench = Benchmark(__doc__, threads=1, rounds=1, **sizes)
    steps, batch = bench.options.steps, bench.options.batch
    ways = {name: partial(train, name == "sparse", steps, batch) for name in ("dense", "sparse")}
    rows = {}
    for name, found in in_turn(ways, bench.options.rounds).items():
        seconds, bounds = zip(*found, strict=True)
        rows[name] = {"seconds": statistics.median(seconds), "labelled_bound": bounds[0]}
    bench.record(rows=rows)


if __name__ == "__main__":
    main()
