"""What studies measure of a run, by name: each a function of the run to values for JSON."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from symgen.data.batches import Batches
from symgen.experiments.families import family_of
from symgen.experiments.studies import ace_measures
from symgen.experiments.studies.forecast import forecast
from symgen.experiments.studies.probes import probes
from symgen.metrics import class_selectivity

__all__ = ["MEASURES", "selectivity_of"]


def evaluation(measured: Any, held_out: bool = True) -> dict[str, Any]:
    """Evaluate a model on held-out data, with every metric of its family."""
    data, budget = measured.experiment.data, measured.budget
    family = family_of(type(measured.model))
    train, source = data.source(train=True), data.source(train=not held_out)
    seed = measured.experiment.training.seed
    return family.evaluate(
        measured.model,
        Batches(source, min(family.batch_size, len(source)), 0, shuffle=False),
        Batches(train, min(family.batch_size, len(train)), seed),
        items=None if budget.items is None else min(budget.items, len(source)),
        samples=budget.samples if held_out else 1,
        canonical=getattr(data, "canonical", 0),
        observe=measured.observed,
    )


def trained(measured: Any) -> dict[str, Any]:
    """Evaluate a model on what it was trained on, as the paper does on dSprites."""
    return evaluation(measured, held_out=False)


def selectivity(measured: Any) -> dict[str, int | float | None]:
    """Count the units of a torus that tell a class from the others, and neighbours that agree."""
    images, labels = measured.experiment.data.labelled_images()
    device = next(measured.model.parameters()).device
    t = [
        measured.model.latents(x[:, None].to(device).float() / 255)[:, 0].cpu()
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


MEASURES: dict[str, Callable[[Any], Any]] = {
    "evaluation": evaluation,
    "trained": trained,
    "selectivity": selectivity,
    "forecast": forecast,
    "probes": probes,
    **ace_measures.MEASURES,
}
"""Measures by name."""
