"""What `sparse` does to the result and to the time of training with many classes.

    python bench/sparse.py [--json results/bench/sparse.json] [--threads 1] [--steps 1000]

With `sparse=True` the decoders of classes that a batch lacks are left alone: neither their weights
nor their moments move, and each class counts its own steps. Dense Adam moves them on by what their
moments still hold. The embedded digits, turned by a multiple of 36 degrees, make a hundred classes
(digit × turn), of which a batch of ten holds about ten. Both ways start from the same weights and
see the same batches; the bound on the labelled class is measured on test digits turned likewise.
"""

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from _record import write_record

from symgen import ACE
from symgen.data import Batches, DistortedImages, Images, load
from symgen.groups import affine, warp
from symgen.training import fit

TURNS = 10


def turned(split: str) -> Images:
    """Every digit in every turn, labelled by both."""
    images = load("digits", split=split)  # pyright: ignore[reportArgumentType]
    angle = torch.arange(TURNS) * (2 * math.pi / TURNS)
    poses = affine.from_parameters(angle, torch.ones(TURNS))
    pixels = warp(images.pixels[:, None].float(), poses).round().clamp(0, 255).to(torch.uint8)
    labels = images.labels[:, None] * TURNS + torch.arange(TURNS)
    return Images(pixels.flatten(0, 1), labels.flatten())


def train(sparse: bool, steps: int, batch: int) -> dict[str, Any]:
    torch.manual_seed(0)
    model = ACE(
        image_shape=(1, 28, 28),
        classes=10 * TURNS,
        hidden=(100,),
        decoder_hidden=(100,),
        pose=None,
        classifier_channels=(8,),
        classifier_hidden=50,
        classifier_pool=2,
    )
    data = Batches(DistortedImages(turned("train")), batch)
    run = fit(
        model,
        data,
        sequences=steps * batch,
        batch_size=batch,
        optimizer="AdamW",
        optimizer_options={"weight_decay": 0.0},
        sparse=sparse,
    )
    test = Batches(DistortedImages(turned("test")), 359, shuffle=False)
    torch.manual_seed(1)
    with torch.no_grad():
        model.eval()
        elbos = [model.elbo(*inputs.inputs) for inputs in test]
        bound = torch.cat([elbo.nll + elbo.kl for elbo in elbos])
    return {"seconds": run.seconds, "labelled_bound": float(bound.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    started = time.monotonic()
    rows = {
        name: train(sparse, given.steps, given.batch)
        for name, sparse in (("dense", False), ("sparse", True))
    }
    for name, row in rows.items():
        print(f"{name}: {row['seconds']:.1f} s, bound {row['labelled_bound']:.2f} nats")
    print(f"{time.monotonic() - started:.0f} s in all")
    command = f"python bench/sparse.py --threads {given.threads} --steps {given.steps}"
    write_record(given.json, command, rows=rows)


if __name__ == "__main__":
    main()
