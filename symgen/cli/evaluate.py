"""The verb evaluate and its table."""

from pathlib import Path

from rich.table import Table

from symgen.cli._options import Data, Device, Root, RunFolder, usable_device
from symgen.cli._terminal import batches_shown, console, progress, say
from symgen.experiments import runs
from symgen.experiments.datasets import RecordingData


def evaluate(
    folder: RunFolder,
    /,
    *,
    examples: int | None = None,
    samples: int = 10,
    seed: int = 0,
    record: Path | None = None,
    root: Root = None,
    data: Data = None,
    device: Device = "cpu",
) -> None:
    """Measure a run on held-out sequences or test images, print the table, write summary.json.

    Args:
        examples: Number of held-out sequences, or of test images; all by default.
        samples: Samples of the posteriors, over which likelihoods or bounds are taken.
        seed: Seed of the transformations and of the samples.
        record: Also write the record to this file, for example results/NAME.json.
    """
    run = runs.open_run(folder, data or root)
    with progress("evaluating") as show:
        measured = runs.evaluate(
            run,
            items=examples,
            samples=samples,
            seed=seed,
            device=usable_device(device),
            record=record,
            observe=batches_shown(show),
        )
    table = Table("measure", "value", "reference", box=None, pad_edge=False)
    table.title = ", ".join(filter(None, (run.name, "held out", run.progress)))
    for row in run.family.rows(run.arguments, measured):
        table.add_row(*row)
    console.print(table)
    if isinstance(run.data, RecordingData):
        say(
            "Roll prediction assumes steady motion that wraps around with the capsule, one unit a "
            "frame: recordings that stop, turn or run on are predicted as if they did not."
        )
    say(f"{run.family.counted(measured)}; everything: {run.folder / runs.SUMMARY}")
