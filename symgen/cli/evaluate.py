"""The verb evaluate, its table and its verdict."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.table import Table

from symgen._devices import usable_device
from symgen.cli._options import Best, Data, Device, Factors, Root, RunFolder
from symgen.cli._terminal import Show, console, errors, progress, say
from symgen.experiments import evaluation, runs
from symgen.experiments.datasets import RecordingData
from symgen.experiments.families import Limit, TimeLimit
from symgen.experiments.summaries import SUMMARY, main_summary, summary_of
from symgen.experiments.verdict import addressed, worst_and_best
from symgen.training import launched, local_device
from symgen.training.process import stop_signals
from symgen.training.progress import duration

_SECONDS = 60.0  # of an evaluation that nobody gave a size
_NONE = "before the first batch was measured: there is no table"


@launched()
def evaluate(
    folder: RunFolder,
    /,
    *,
    examples: int | None = None,
    all: bool = False,
    best: Best = False,
    samples: int = 10,
    seed: int = 0,
    record: Path | None = None,
    root: Root = None,
    data: Data = None,
    factors: Factors = None,
    device: Device = "cpu",
) -> None:
    """Measure a run on held-out sequences or images, print the table, write it to the run folder.

    By default as many are measured as a minute allows, at least a batch, evenly spread over what
    was held out. Ctrl-C ends it early and prints what was measured so far.

    Args:
        examples: Number of held-out sequences, or of images, to measure.
        all: Measure all of them.
        samples: Samples of the posteriors, over which likelihoods or bounds are taken.
        seed: Seed of the transformations and of the samples.
        record: Also write the record to this file, for example results/NAME.json. A record that
            is there is replaced, no other file.
    """
    if all and examples is not None:
        raise ValueError(f"examples={examples} and all: give one of --examples and --all")
    run = runs.reading_by(runs.open_run(folder, data or root, best=best), factors=factors)
    timed = TimeLimit(_SECONDS) if examples is None and not all else None
    first: list[int] = []
    stoppable = _stoppable(timed, first)
    with _said_if_early(first), progress("evaluating") as show, stoppable as (limit, stopped):
        measured = evaluation.evaluate(
            run,
            items=examples,
            samples=samples,
            seed=seed,
            device=local_device(usable_device(device)),
            record=record,
            observe=_shown(show),
            limit=limit,
        )
    _tell(run, measured)
    asked = measured["held_out"] if examples is None else examples
    if stopped and measured["examples"] < asked:
        errors.print(
            f"symgen: stopped after {measured['examples']:,} of {asked:,} {run.family.examples}; "
            "the table is of these",
            soft_wrap=True,
        )
        raise SystemExit(128 + stopped[0])
    if timed and measured["examples"] < asked:
        say(
            f"{measured['examples']:,} are as many as a minute allows here, evenly spread; --all "
            "measures all, --examples N so many."
        )


@contextmanager
def _said_if_early(first: list[int]) -> Iterator[None]:
    """Say that there is no table where Ctrl-C comes before the first batch is done, or again.

    Args:
        first: holds something once the first batch is done.
    """
    try:
        yield
    except KeyboardInterrupt:
        why = "at once: there is no table of what was measured" if first else _NONE
        errors.print(f"symgen: stopped {why}", soft_wrap=True)
        raise SystemExit(128 + signal.SIGINT) from None


@contextmanager
def _stoppable(limit: Limit | None, first: list[int]) -> Iterator[tuple[Limit, list[int]]]:
    """Let SIGINT and SIGTERM end a pass once its first batch is done, rather than the process.

    Yields the limit of the pass, which holds another one too, and the signal that came, if any.

    Args:
        limit: the other limit.
        first: gets the number of batches that were done as signals began to be held.
    """
    stopped: list[int] = []
    caught: list[list[int]] = []
    with ExitStack() as stack:

        def stop(done: int, batches: int) -> int:
            if done and not caught:
                first.append(done)
                caught.append(stack.enter_context(stop_signals()))
            stopped[:] = caught[0] if caught else []
            if stopped:
                return done
            return batches if limit is None else limit(done, batches)

        yield stop, stopped


def _shown(show: Show) -> Callable[[int, int], None]:
    """Return what shows how far an evaluation is, and the time left at the present speed."""
    first: list[float] = []

    def observe(done: int, batches: int) -> None:
        first.append(time.monotonic())
        left = ""
        if done > 1:
            each = (first[-1] - first[0]) / (done - 1)
            left = f", {duration(each * (batches - done))} left"
        show(done, batches, f"batch {done} of {batches}{left}")

    return observe


def _tell(run: runs.OpenRun, measured: Mapping[str, Any]) -> None:
    """Print the table, what it means, and where it was written."""
    table = Table("measure", "value", "reference", box=None, pad_edge=False)
    table.title = ", ".join(filter(None, (run.name, "held out", run.progress)))
    for row in run.family.rows(run.arguments, measured):
        table.add_row(*row)
    console.print(table)
    _tell_recordings(measured)
    if isinstance(run.data, RecordingData) and (still := _still(run.data, measured)):
        say(f"no CapCorr of {', '.join(still)}: it is of clips in which one factor alone changes")
    if measured["verdict"]:
        say("\n".join(["", *addressed(measured["verdict"], run.folder), ""]))
    if isinstance(run.data, RecordingData):
        say(
            "Roll prediction assumes steady motion that wraps around with the capsule, one unit a "
            "frame: recordings that stop, turn or run on are predicted as if they did not."
        )
    say(f"{run.family.counted(measured)}; everything: {summary_of(run.summaries, measured)}")
    main = main_summary(run.summaries)
    if main is not None and (most := main["evaluation"]["examples"]) != measured["examples"]:
        say(f"{SUMMARY}, which the model card shows, stays that of {most:,}")


def _still(data: RecordingData, measured: Mapping[str, Any]) -> list[str]:
    """Name the factors that no clip was found to roll by."""
    return [name for name in data.factors if name not in measured.get("capcorr", {})]


def _tell_recordings(measured: Mapping[str, Any]) -> None:
    """Print the recordings that are predicted worst and best, or the only one."""
    ranked = worst_and_best(measured)
    if not ranked:
        return
    table = Table(box=None, pad_edge=False)
    for name in ("recording", "clips", "squared\nerror"):
        table.add_column(name, overflow="fold")
    for name in ("nearest\nseen", "interpolation", "mean\nimage", "against\nnearest"):
        table.add_column(name, justify="right", overflow="fold")
    every = len(measured["recordings"])
    some = f", {len(ranked)} of {every:,}" * (len(ranked) < every)
    table.title = f"unseen frames by recording{some}{', worst first' * (len(ranked) > 1)}"
    for name, less in ranked:
        told = measured["recordings"][name]
        table.add_row(name, f"{told['clips']}", *_errors(told), f"{-less:+.1f} %")
    console.print(table)


def _errors(told: Mapping[str, Any]) -> Iterator[str]:
    for name in ("", "nearest_", "interpolation_", "mean_"):
        value = told[f"{name}squared_error"]
        yield "–" if value is None else f"{value:.1f}"
