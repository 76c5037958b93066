"""Selectivity: to which item, and to which class, a neuron responds most."""

import math

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.metrics.inputs import one_hot, takes_arrays

__all__ = ["class_selectivity", "max_activating", "selectivity_summary"]


@takes_arrays
def max_activating(
    activations: Float[Tensor, " n *neurons"], items: Float[Tensor, "..."], absolute: bool = False
) -> Float[Tensor, "..."]:
    """Find for every neuron the item, such as an image, to which it responds most.

    Args:
        activations: response t of every neuron to every item; neurons in any arrangement.
        items: `(n, *data_shape)`, of which `(*neurons, *data_shape)` are returned.
        absolute: whether to take the greatest |t| rather than the greatest t.

    Example:
        >>> t, items = torch.tensor([[1.0, -9.0], [4.0, 2.0], [3.0, 5.0]]), torch.rand(3, 8)
        >>> (max_activating(t, items, absolute=True) == items[[1, 0]]).all()
        tensor(True)
    """
    if not 0 < len(activations) == len(items):
        given = f"activations {tuple(activations.shape)} and items {tuple(items.shape)}"
        raise ValueError(f"{given}: give one row of activations for each item")
    response = activations.abs() if absolute else activations
    return items[response.argmax(dim=0)]


@takes_arrays
def class_selectivity(
    t: Float[Tensor, " n *neurons"], labels: Int64[Tensor, " n"], threshold: float = 0.85
) -> Int64[Tensor, "*neurons"]:
    """Find for every neuron the class that it tells best from all others, -1 for none.

    The measure is the discriminability of a class c from the rest,
    `d' = (mean_c - mean_rest) / sqrt((var_c + var_rest) / 2)`, with variances over the images, of
    at least `threshold`. Of several such classes the one of greatest d' wins; in the published
    code of the Topographic VAE (Keller & Welling 2021) it is the one of greatest index.

    Args:
        t: response of every neuron to every image, neurons in any arrangement.
        labels: class of every image, `(n,)`, counted from 0; two or more.
        threshold: least d' of a class that counts, without unit.

    Example:
        >>> t = torch.tensor([[0.0, 5.0], [1.0, 4.0], [8.0, 5.0], [9.0, 4.0]])
        >>> class_selectivity(t, torch.tensor([0, 0, 1, 1]))
        tensor([ 1, -1])
    """
    present, member = one_hot(labels)
    if len(present) < 2 or present[0] < 0:
        given = f"labels holds the classes {present.tolist()}"
        raise ValueError(f"{given}: selectivity compares at least two, counted from 0")
    # Less the first response, the sums of squares keep their digits, and a neuron that never
    # changes is exactly 0.
    response = t.detach().flatten(1).to(torch.float64)
    response = response - response[:1]
    member = member.to(response)

    def moments(weights: Tensor) -> tuple[Tensor, Tensor]:
        total = weights.sum(0)[:, None]
        mean = weights.T @ response / total
        return mean, (weights.T @ response.square() / total - mean.square()).clamp_min(0)

    mean, variance = moments(member)  # (classes, neurons)
    mean_rest, variance_rest = moments(1 - member)
    discriminability = (mean - mean_rest) / ((variance + variance_rest) / 2).sqrt()
    # 0 / 0: a neuron that never changes.
    greatest, best = discriminability.nan_to_num(nan=-math.inf).max(dim=0)
    best = present.to(best)[best]
    return best.where(greatest >= threshold, -1).reshape(t.shape[1:])


@takes_arrays
def selectivity_summary(best: Int64[Tensor, "rows columns"]) -> dict[str, int | float | None]:
    """Summarise a map of the class that each unit of a torus tells best, -1 for none.

    `selective_percent` of the units tell one of `classes` classes. Of the pairs of neighbouring
    selective units, `alike_percent` tell the same class, and `alike_chance_percent` would in
    random order; None where there is no such pair.

    Args:
        best: numbers of classes, such as `class_selectivity` returns.

    Example:
        >>> selectivity_summary(torch.tensor([[0, 0, 1], [0, 0, 1], [1, 1, -1]]))["classes"]
        2
    """
    if not best.numel() or best.min() < -1:
        found = f"best of shape {tuple(best.shape)}, values {best.unique()[:3].tolist()}, …"
        raise ValueError(
            f"{found}: give the class of one unit at least, from 0 on, or -1 for none"
        )
    chosen = best[best >= 0]
    counts = chosen.unique(return_counts=True)[1].double()
    wide = [axis for axis in (0, 1) if best.shape[axis] > 1]  # elsewhere units have themselves
    neighbours = torch.stack([best.roll(1, axis) for axis in wide] or [torch.full_like(best, -1)])
    both = (best >= 0) & (neighbours >= 0)
    pairs, alike = int(both.sum()), int((both & (neighbours == best)).sum())
    ordered = len(chosen) * (len(chosen) - 1)
    by_chance = float((counts * (counts - 1)).sum())
    return {
        "selective_percent": 100 * len(chosen) / best.numel(),
        "classes": len(chosen.unique()),
        "alike_percent": 100 * alike / pairs if pairs else None,
        "alike_chance_percent": 100 * (by_chance / ordered) if ordered else None,
    }
