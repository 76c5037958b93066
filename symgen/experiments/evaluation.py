"""What the functions that use a trained model take, and its evaluation."""

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symgen._devices import placed
from symgen._files import write_json
from symgen.data import Recordings
from symgen.data.batches import Batches
from symgen.experiments.families import (
    Limit,
    Metric,
    ObserveBatches,
    evenly_spread,
    family_of,
)
from symgen.experiments.record_files import record_to_write
from symgen.experiments.runs import OpenRun, held_out, open_run
from symgen.experiments.summaries import OWN, write_summary
from symgen.models import Pretrained
from symgen.training import Peers, Run
from symgen.training.trainable import as_batches

__all__ = ["evaluate", "indexed", "model_of", "scaled_otherwise"]


def evaluate(
    run: Run | OpenRun | Pretrained | Path | str,
    data: Any = None,
    *,
    items: int | None = None,
    samples: int = 10,
    seed: int = 0,
    device: str | None = None,
    record: Path | None = None,
    metrics: Mapping[str, Metric] | None = None,
    observe: ObserveBatches | None = None,
    limit: Limit | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Measure a trained model, and write `summary.json` where it has a run folder.

    Items are taken evenly spread over the data, in a fixed order: a part stands for all. The
    summary of n items is `summary-n.json`; `summary.json` is that of the most items, see
    `write_summary`.

    Args:
        run: what `symgen.fit` returned, a run folder, or a model, of which nothing is written.
        data: what to measure on: held-out data of any kind that `symgen.fit` takes; None for what
            the run held out, where a file names its data.
        items: number of held-out sequences or images; None stands for all.
        samples: samples of the posteriors.
        seed: seed of the transformations and of the samples.
        device: where to compute; None leaves the model where it is.
        record: a second file for the same summary, new or of another evaluation.
        metrics: metrics of one's own by name, from model and batch to a value for each item.
        observe: is given how many batches of how many are done.
        limit: says at how many batches to stop, such as `symgen.experiments.families.TimeLimit`.
        **parts: modules of one's own that the model of a run folder was made with, by name.

    Returns:
        Values by name, see `symgen.experiments.families`; `verdict` says in words what they mean.

    Raises:
        ValueError: if there are no data to measure on, they do not fit, or `record` holds what is
            no record of an evaluation.

    Example:
        >>> import torch
        >>> from symgen import TVAE, fit
        >>> x = torch.randn(64, 16, 12)
        >>> model = TVAE((12,), capsules=2, frames=16, likelihood="gaussian", width=32)
        >>> run = fit(model, x[:48], examples=64)
        >>> mean = {"mean": lambda model, batch: batch.x.mean((1, 2))}
        >>> measured = evaluate(run, x[48:], metrics=mean)
        >>> sorted(measured["own"]), measured["examples"]
        (['mean'], 16)
    """
    model, opened = model_of(run, parts)
    if record is not None:
        record_to_write(record)
    model = placed(model, device)
    family = family_of(type(model))
    if data is not None:
        source = indexed(data, model, seed)
        for note in scaled_otherwise(source, model):
            warnings.warn(note, stacklevel=2)
        test = train = held_out(source, family, seed)
    elif opened is None:
        raise ValueError("data=None and no run folder: name what to measure on")
    else:
        test, train = opened.batches(train=False, seed=seed), opened.batches(train=True)
    options = {"items": items, "samples": samples, "seed": seed, "metrics": metrics}
    how = {"observe": observe, "limit": limit}
    measured = family.evaluate(model, evenly_spread(test), train, **how, **options)
    measured["verdict"] = family.verdict(measured | {"given": data is not None})
    if opened is not None and Peers().rank == 0:
        summary = opened.summary(measured, device or "cpu")
        summary["parameters"] = sum(parameter.numel() for parameter in model.parameters())
        summary["evaluated"]["data"] = OWN if data is None else "given"
        opened.summaries.mkdir(parents=True, exist_ok=True)
        write_summary(opened.summaries, summary)
        if record is not None:
            write_json(record, summary)
    return measured


def model_of(run: Any, parts: Mapping[str, Any]) -> tuple[Any, OpenRun | None]:
    """Return the model of a run, see `evaluate`, and what its folder says, if it has one."""
    if isinstance(run, Pretrained):
        return run, None
    if isinstance(run, Run):
        if run.folder is None:
            return run.model, None
        return run.model, open_run(run.folder, **(parts or run.model.own_parts()))
    if not isinstance(run, OpenRun | Path | str):
        raise ValueError(
            f"a {type(run).__name__} is no run: give what symgen.fit returned, a run folder, or a "
            "model of symgen, before it is compiled or wrapped"
        )
    opened = run if isinstance(run, OpenRun) else open_run(run, **parts)
    return opened.model(), opened


def indexed(data: Any, model: Any, seed: int = 0) -> Any:
    """Return data of any kind that `symgen.fit` takes as a source of items by number."""
    feed = as_batches(data, model, None, seed)
    if not isinstance(feed, Batches):
        raise ValueError(
            f"{type(data).__name__} has no items by number: give a tensor, a Dataset, a source or "
            "a path"
        )
    return feed.source


def scaled_otherwise(source: Any, model: Any) -> Iterator[str]:
    """Warn of recordings of which other numbers became 0 and 1 than of those trained on."""
    there = source.scale if isinstance(source, Recordings) else None
    wanted = getattr(model, "data_scale", None)
    if there is not None and wanted is not None and tuple(there) != tuple(wanted):
        yield (
            f"{source.footage.name(0)}: of these recordings {there[0]:g} and {there[1]:g} became "
            f"0 and 1, of those trained on {wanted[0]:g} and {wanted[1]:g}: open them with "
            f"symgen.open(..., scale=({wanted[0]:g}, {wanted[1]:g})), if they are alike"
        )
