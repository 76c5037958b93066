"""The verb evaluate and its table."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from tyro.conf import Positional

from symgen.cli._terminal import batches_shown, console, parse, progress, say, usable_device
from symgen.experiments.datasets import RecordingData
from symgen.experiments.runs import evaluate_run, open_run

__all__ = ["evaluate"]


@dataclass(frozen=True)
class _Evaluate:
    """Measure a run on held-out sequences or test images, print the table, write summary.json."""

    run: Positional[Path]
    """Run folder."""
    examples: int | None = None
    """Number of held-out sequences, or of test images; all by default."""
    samples: int = 10
    """Samples of the posteriors, over which likelihoods or bounds are taken."""
    seed: int = 0
    """Seed of the transformations and of the samples."""
    record: Path | None = None
    """Also write the record to this file, for example results/NAME.json."""
    root: Path | None = None
    """Folder of the image files, if they have moved."""
    data: Path | None = None
    """Recordings, if they have moved, or what to measure a run from Python on."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""


def evaluate(words: Sequence[str]) -> None:
    """Measure a run."""
    options = parse(_Evaluate, "evaluate", words)
    run = open_run(options.run, options.data or options.root)
    with progress("evaluating") as show:
        record = evaluate_run(
            run,
            items=options.examples,
            samples=options.samples,
            seed=options.seed,
            device=usable_device(options.device),
            record=options.record,
            observe=batches_shown(show),
        )
    measured = record["evaluation"]
    table = Table("measure", "value", "reference", box=None, pad_edge=False)
    table.title = f"{run.name}, held out"
    for row in run.family.rows(run.arguments, measured):
        table.add_row(*row)
    console.print(table)
    if isinstance(run.data, RecordingData):
        say(
            "Roll prediction assumes steady motion that wraps around with the capsule, one unit a "
            "frame: recordings that stop, turn or run on are predicted as if they did not."
        )
    say(f"{run.family.counted(measured)}; everything: {run.folder / 'summary.json'}")
