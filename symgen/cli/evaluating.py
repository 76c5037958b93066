"""The verb evaluate and its tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from symgen.cli._terminal import console, parse, progress
from symgen.experiments import (
    ACEExperiment,
    RecordingExperiment,
    counted,
    evaluate_run,
    measures,
    open_run,
)

__all__ = ["evaluate"]


@dataclass(frozen=True)
class _Evaluate:
    """Measure a run on held-out sequences or test images, print the table, write summary.json."""

    run: Positional[Path]
    """Run folder."""
    sequences: Annotated[int | None, arg(aliases=["--images"])] = None
    """Number of held-out sequences, or of test images; all by default."""
    samples: int = 10
    """Samples of the posteriors, over which likelihoods or bounds are taken."""
    seed: int = 0
    """Seed of the transformations and of the samples."""
    record: Path | None = None
    """Also write the record to this file, for example results/NAME.json."""
    root: Path | None = None
    """Folder of the image files, or recordings, if they have moved."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""


def evaluate(words: Sequence[str]) -> None:
    """Measure a run."""
    options = parse(_Evaluate, "evaluate", words)
    run = open_run(options.run, options.root)
    with progress("evaluating") as show:
        record = evaluate_run(
            run,
            items=options.sequences,
            samples=options.samples,
            seed=options.seed,
            device=options.device,
            record=options.record,
            observe=lambda done, total: show(done, total, f"batch {done} of {total}"),
        )
    measured = record["evaluation"]
    where = "test images" if isinstance(run.experiment, ACEExperiment) else "held out"
    table = Table("measure", "value", "beside it", box=None, pad_edge=False)
    table.title = f"{run.name}, {where}"
    for row in measures(run.experiment, measured):
        table.add_row(*row)
    console.print(table)
    if isinstance(run.experiment, RecordingExperiment):
        console.print(
            "Roll prediction assumes steady motion that comes round with the capsule, one unit a "
            "frame: recordings that stop, turn or run on are predicted as if they did not.",
            soft_wrap=True,
        )
    items = counted(run.experiment, measured)
    console.print(f"{items}; all numbers: {run.folder / 'summary.json'}", soft_wrap=True)
