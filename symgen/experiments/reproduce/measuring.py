"""The evaluation of a run for a line of a table."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from symgen.data import Sequences
from symgen.experiments.evaluation import evaluate
from symgen.experiments.experiment import Experiment
from symgen.experiments.reproduce.items import TestMode
from symgen.experiments.runs import OpenRun
from symgen.figures import class_selectivity
from symgen.models import TopographicVAE

__all__ = ["measure", "selectivity_of"]

_MEAN_OF = 2_000  # sequences whose mean image is a baseline


@torch.no_grad()
def measure(
    run: OpenRun,
    test_mode: TestMode | None,
    evaluated: dict[str, Any],
    *,
    device: str = "cpu",
    observe: Callable[[int, int], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Evaluate a run on held-out sequences and, as the paper does on dSprites, on trained ones.

    Args:
        run: a finished run.
        test_mode: what happens to the test digits; None leaves it to the run.
        evaluated: number of sequences (None for all), of importance samples, and the seed.
        device: where to compute.
        observe: is told how many batches of how many are done.

    Returns:
        Parts of a record: `evaluation`, of dSprites also `evaluation_on_training_sequences`.
    """
    experiment = run.experiment
    assert isinstance(experiment, Experiment)
    data = replace(experiment.data, test_mode=test_mode or experiment.data.test_mode)
    experiment = replace(experiment, data=data)
    model: TopographicVAE = run.model().to(device)
    count, samples, seed = (evaluated[name] for name in ("sequences", "samples", "seed"))
    mean_image = experiment.mean_image(min(count or _MEAN_OF, _MEAN_OF))

    def evaluation(train: bool) -> dict[str, Any]:
        source = data.source(train=train)
        return evaluate(
            model,
            Sequences(source, 50, seed=seed, shuffle=False),
            mean_image,
            sequences=count,
            samples=1 if train else samples,  # of trained sequences the paper has no likelihood
            seed=seed,
            observe=observe,
            canonical=data.canonical,
        )

    held_out = evaluation(train=False)
    if model.frames == 1:
        held_out["selectivity"] = _selectivity(model, experiment, device)
    if data.scene != "sprites":
        return {"evaluation": held_out}
    return {
        "evaluation": held_out,
        "evaluation_on_training_sequences": evaluation(train=True),
    }


def _selectivity(model: TopographicVAE, experiment: Experiment, device: str) -> dict[str, Any]:
    """Count the units of a torus that tell a class from the others, and neighbours that agree."""
    images, labels = experiment.data.labelled_images()
    t = [
        model.latents(model.encode(x[:, None].to(device).float() / 255), sampled=False)[:, 0].cpu()
        for x in images.split(500)
    ]
    return selectivity_of(class_selectivity(torch.cat(t), labels))


def selectivity_of(best: Int64[Tensor, "rows columns"]) -> dict[str, int | float | None]:
    """Sum up a map of the class that each unit of a torus tells best, -1 for none.

    Returns:
        `selective_percent`: share of the units that tell a class; `classes`: how many classes are
        told by some unit; `alike_percent`: of the pairs of selective units side by side, the
        share that tells the same class; `alike_chance_percent`: the same for units in random
        order. None where there is no such pair.

    Example:
        >>> selectivity_of(torch.tensor([[0, 0, 1], [0, 0, 1], [1, 1, -1]]))["classes"]
        2
    """
    chosen = best[best >= 0]
    counts = chosen.bincount().double()
    alike, pairs = 0, 0
    for axis in (0, 1):
        beside = best.roll(1, axis)
        both = (best >= 0) & (beside >= 0)
        pairs += int(both.sum())
        alike += int((both & (best == beside)).sum())
    ordered = len(chosen) * (len(chosen) - 1)
    return {
        "selective_percent": 100 * len(chosen) / best.numel(),
        "classes": len(chosen.unique()),
        "alike_percent": 100 * alike / pairs if pairs else None,
        "alike_chance_percent": (
            100 * float((counts * (counts - 1)).sum()) / ordered if ordered else None
        ),
    }
