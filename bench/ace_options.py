"""What the options of ACE are worth at a small, equal budget.

    python bench/ace_options.py [--only NAME ...] [--json results/bench/ace-options]

Every option is trained on 120,000 images, drawn from the training images without the last 2,000,
and measured on those, each in one distortion: no test image decides what becomes a recipe. One
record for each.
"""

import argparse
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from _record import write_record

from symgen.data import Batches, DistortedImages, Images, load
from symgen.experiments import ACEExperiment, preset
from symgen.experiments.ace_evaluation import evaluate
from symgen.models import ACE
from symgen.training import fit

HELD_OUT = 2_000
ONE: dict[str, Any] = {"pose_readings": 1}
OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "rts-1-reading": ("ace-rts", ONE),
    "rts-2-readings": ("ace-rts", {"pose_readings": 2}),
    "rts-3-readings": ("ace-rts", {}),
    "rts-shared-trunk": ("ace-shared", {}),
    "rts-two-groups": ("ace-groups", {}),
    "hue-affine": ("ace-hue", {"colour_pose": False}),
    "hue-affine-colour": ("ace-hue", {}),
    "cifar-affine": ("ace-cifar", ONE),
    "cifar-affine-colour": ("ace-cifar-colour", {}),
}


def measure(name: str, sequences: int) -> dict[str, Any]:
    base, changes = OPTIONS[name]
    experiment = preset(base)
    assert isinstance(experiment, ACEExperiment)
    config = replace(experiment.model, **changes)
    training = replace(experiment.training, sequences=sequences)
    images = load(experiment.data.images, split="train")
    distortion = experiment.data.distortion
    seen, held_out = (
        Images(images.pixels[part], images.labels[part])
        for part in (slice(-HELD_OUT), slice(-HELD_OUT, None))
    )
    source = DistortedImages(seen, distortion, fixed=False)
    torch.manual_seed(training.seed)
    model = ACE(image_shape=source.image_shape, classes=source.classes, **asdict(config))
    run = fit(model, Batches(source, training.batch_size, training.seed), training)
    test = Batches(DistortedImages(held_out, distortion), training.batch_size, shuffle=False)
    weights = sum(parameter.numel() for parameter in model.parameters())
    return {
        "option": name,
        "preset": base,
        "changes": changes,
        "weights": weights,
        "seconds": run.seconds,
        "evaluation": evaluate(model, test, samples=2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, default=Path("results/bench/ace-options"))
    parser.add_argument("--only", nargs="+", choices=OPTIONS, default=list(OPTIONS))
    parser.add_argument("--sequences", type=int, default=120_000)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    for name in given.only:
        measured = measure(name, given.sequences)
        print(f"{name}: U_valid {measured['evaluation']['bounds']['valid']:.1f} nats")
        command = f"python bench/ace_options.py --only {name} --sequences {given.sequences}"
        write_record(given.json / f"{name}.json", command, **measured)


if __name__ == "__main__":
    main()
