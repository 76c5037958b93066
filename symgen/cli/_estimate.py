"""How long a training would take here."""

import math
from dataclasses import asdict

from symgen._devices import best_device
from symgen.experiments.experiment import Experiment
from symgen.experiments.starting import examples_per_second
from symgen.training import fit
from symgen.training.progress import duration

_MOST = 2e7  # parameters of a model that is measured
_STEPS = (1, 5)  # for what is done once, and to be measured
_SOON = 0.3  # seconds of a few steps, after which more are measured


def time_of_images(experiment: Experiment) -> str:
    """Say how long a training on images takes, by a few steps of it."""
    device, examples = best_device(), experiment.training.examples
    seconds = examples / examples_per_second(experiment, device, _STEPS)
    return f"{examples:,} examples take about {duration(seconds)} on this {device} as it is"


def training_time(experiment: Experiment, data_shape: tuple[int, ...], frames: int) -> str:
    """Say how long a training takes, by a few steps of it, or how much it computes if it is large.

    Args:
        experiment: a dense model of sequences.
        data_shape: what one frame is.
        frames: frames in a sequence.
    """
    width, examples = experiment.model["width"], experiment.training.examples
    parameters = 3 * math.prod(data_shape) * width  # in the widest products
    if parameters > _MOST:
        work = 6 * parameters * frames * examples / 1e12
        return f"{examples:,} examples take about {work:,.0f} TFLOP"
    device, size = best_device(), experiment.training.batch_size
    model, batches = experiment.build(device)
    seconds, steps = 0.0, 0
    for steps in (3, 10):
        short = experiment.training.changed({"examples": steps * size, "warmup": 0})
        seconds = fit(model, batches, **asdict(short), progress=False).seconds
        if seconds > _SOON:
            break
    whole = seconds / steps * math.ceil(examples / size)
    return f"{examples:,} examples take about {duration(whole)} on this {device}"
