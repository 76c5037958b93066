"""What studies measure of a run, by name: each a function of the run to values for JSON."""

from collections.abc import Callable
from typing import Any

import torch

from symgen.data.batches import Batches
from symgen.experiments.families import evenly_spread, family_of
from symgen.experiments.runs import held_out as in_order
from symgen.experiments.studies import ace_measures
from symgen.experiments.studies.forecast import forecast
from symgen.experiments.studies.probes import probes
from symgen.metrics import class_selectivity, selectivity_summary


def evaluation(measured: Any, held_out: bool = True) -> dict[str, Any]:
    """Evaluate a model on held-out data, with every metric of its family."""
    data, budget = measured.experiment.data, measured.budget
    family = family_of(type(measured.model))
    train, source = data.source(train=True), data.source(train=not held_out)
    size, seed = min(family.batch_size, len(train)), measured.experiment.training.seed
    test = in_order(source, family)
    return family.evaluate(
        measured.model,
        evenly_spread(test) if budget.spread else test,
        Batches(train, size, seed),
        items=None if budget.items is None else min(budget.items, len(source)),
        samples=budget.samples if held_out else 1,
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
    return selectivity_summary(class_selectivity(torch.cat(t), labels))


MEASURES: dict[str, Callable[[Any], Any]] = {
    "evaluation": evaluation,
    "trained": trained,
    "selectivity": selectivity,
    "forecast": forecast,
    "probes": probes,
    **ace_measures.MEASURES,
}
"""Measures by name."""
