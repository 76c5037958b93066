"""Squared errors compared with those of baselines, over all and recording by recording."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from symgen.experiments.families.family import defined

_RESAMPLES, _CHUNK = 1_000, 50
_TAIL = 0.025  # on either side of the interval

Errors = Mapping[str, Float[Tensor, " n"]]


def gains(errors: Errors, recordings: Sequence[str] | None = None) -> dict[str, Any]:
    """Return by how many percent a squared error is less than that of each baseline.

        100 (1 - Σ squared_error / Σ baseline)

    The interval is a bootstrap's: the recordings are drawn 1,000 times with replacement, each with
    all of its sequences, or the sequences where there are not several recordings. The seed is
    fixed.

    Args:
        errors: `squared_error` of each sequence, and `NAME_squared_error` of every baseline.
        recordings: name of each sequence's recording.

    Returns:
        `over` and `count` of what is drawn, numbers of `sequences` and of `recordings`, and for
        each baseline `percent`, `low` and `high`, the bounds of 95 %; None for a baseline that is
        not defined or never errs.

    Example:
        >>> errors = torch.tensor([1.0, 2.0, 3.0])
        >>> found = gains({"squared_error": errors, "mean_squared_error": 2 * errors})
        >>> found["over"], found["count"], found["mean"]
        ('sequences', 3, {'percent': 50.0, 'low': 50.0, 'high': 50.0})
    """
    named = None if recordings is None else len(set(recordings))
    several = named is not None and named > 1
    group = _numbered(recordings) if several else torch.arange(len(errors["squared_error"]))
    count = int(group.max()) + 1
    sums = {name: _sums(values.double(), group, count) for name, values in errors.items()}
    names = [name for name in errors if name != "squared_error"]
    told = {
        name.removesuffix("_squared_error"): _gain(sums["squared_error"], sums[name])
        for name in names
    }
    over = "recordings" if several else "sequences"
    about = {"over": over, "count": count, "sequences": len(group), "recordings": named}
    return about | told


def by_recording(errors: Errors, recordings: Sequence[str]) -> dict[str, Any]:
    """Return the number of clips and the mean errors of each recording, by its name."""
    group, names = _numbered(recordings), list(dict.fromkeys(recordings))
    clips = torch.bincount(group)
    means = {name: _sums(values, group, len(names)) / clips for name, values in errors.items()}
    told = {
        name: {"clips": int(clips[k]), **{key: defined(v[k]) for key, v in means.items()}}
        for k, name in enumerate(names)
    }
    return {"recordings": dict(sorted(told.items()))}


def _numbered(names: Sequence[str] | None) -> Int64[Tensor, " n"]:
    """Number names in the order of their first appearance."""
    known = {name: k for k, name in enumerate(dict.fromkeys(names or ()))}
    return torch.tensor([known[name] for name in names or ()])


def _sums(values: Tensor, group: Tensor, count: int) -> Tensor:
    return values.new_zeros(count).index_add_(0, group, values)


def _gain(error: Tensor, baseline: Tensor) -> dict[str, float | None] | None:
    """Return a gain with its interval; None where the baseline has no errors."""
    if not baseline.sum() > 0:
        return None
    whole = float(_percent(error.sum(), baseline.sum()))
    if len(error) < 2:
        return {"percent": whole, "low": None, "high": None}
    drawn = []
    generator = torch.Generator().manual_seed(0)
    for _ in range(_RESAMPLES // _CHUNK):
        chosen = torch.randint(len(error), (_CHUNK, len(error)), generator=generator)
        drawn.append(_percent(error[chosen].sum(1), baseline[chosen].sum(1)))
    ends = torch.cat(drawn).nan_to_num(0).quantile(torch.tensor([_TAIL, 1 - _TAIL]).double())
    low, high = ends.clamp(-1e6, 1e6).tolist()
    return {"percent": whole, "low": low, "high": high}


def _percent(error: Tensor, baseline: Tensor) -> Tensor:
    return 100 * (1 - error / baseline)
