"""The demonstration's recipe learns faster than the one that the tables were made with."""

from dataclasses import asdict
from typing import Any

import torch

from symgen.data import MovingSprites
from symgen.experiments.presets import preset
from symgen.metrics import roll_prediction
from symgen.training import fit


def error(name: str, **training: Any) -> tuple[float, float]:
    """Train a preset on 2,000 sequences; return the error of rolls and of the mean image."""
    training |= {"examples": 2_000, "precision": "float32", "seed": 0}
    experiment = preset(name).experiment.changed(training=training)
    model, batches = experiment.build("cpu")
    fit(model, batches, **asdict(experiment.training), progress=False)
    x = MovingSprites("test").batch(torch.arange(200), torch.Generator()).frames
    found = roll_prediction(model.eval(), x, x.mean((0, 1))).outside()
    return found["squared_error"].mean().item(), found["mean_squared_error"].mean().item()


def test_five_percent_of_the_demonstration_beat_the_recipe_before_it_by_far() -> None:
    """By 15 % is asked for. Measured: 88 against 522, the mean image's 167 between them."""
    new, mean = error("demo", warmup=40, kl_warmup=1_200)
    old, _ = error("tvae-sprites-third", warmup=25)  # the same window
    assert new < 0.85 * min(old, mean)
