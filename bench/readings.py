"""What it is worth to read a pose more than once.

    python bench/readings.py [--json results/bench/readings.json] [--sequences 120000]

The preset `ace-rts`, trained on the first 58,000 training images of MNIST with one, two and three
readings of the pose, and measured on the other 2,000, each in one distortion: no test image
decides.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from symgen.data import Batches, DistortedImages, Images, load
from symgen.experiments import ACEExperiment, hardware, preset
from symgen.experiments.ace_evaluation import evaluate
from symgen.experiments.runs import commit
from symgen.models import ACE
from symgen.training import fit

HELD_OUT = 2_000


def trial(readings: int, sequences: int) -> dict[str, Any]:
    experiment = preset("ace-rts")
    assert isinstance(experiment, ACEExperiment)
    config = replace(experiment.model, pose_readings=readings)
    training = replace(experiment.training, sequences=sequences)
    images = load("mnist", split="train")
    seen, held_out = (
        Images(images.pixels[part], images.labels[part])
        for part in (slice(-HELD_OUT), slice(-HELD_OUT, None))
    )
    source = DistortedImages(seen, "rts", fixed=False)
    torch.manual_seed(training.seed)
    model = ACE(image_shape=source.image_shape, classes=source.classes, **asdict(config))
    run = fit(model, Batches(source, training.batch_size, training.seed), training)
    test = Batches(DistortedImages(held_out, "rts"), training.batch_size, shuffle=False)
    return {"readings": readings, "seconds": run.seconds, **evaluate(model, test, samples=2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sequences", type=int, default=120_000)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    words = f"python bench/readings.py --threads {given.threads} --sequences {given.sequences}"
    rows = []
    for readings in (1, 2, 3):
        rows.append(trial(readings, given.sequences))
        bound, r2 = rows[-1]["bounds"]["valid"], rows[-1]["pose_r2"]["angle"]
        print(f"{readings} readings: U_valid {bound:.1f} nats, R² of the angle {r2:.2f}")
        if given.json is not None:
            record = {"command": words, "commit": commit(), "hardware": hardware(), "rows": rows}
            given.json.write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()
