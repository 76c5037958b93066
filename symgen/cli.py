"""The command line `symgen`: the only place that prints, draws progress and reads arguments."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from tyro.conf import OmitArgPrefixes, Positional

from symgen import training
from symgen.data import Sequences
from symgen.experiments import (
    PRESETS,
    DataConfig,
    OpenRun,
    evaluate_run,
    open_run,
    preset,
    start_run,
)
from symgen.figures import (
    contact_sheet,
    learning_curves,
    torus_map,
    traversal_gif,
    traversal_strip,
)
from symgen.training.optimisation import nearest

__all__ = ["main"]

_console = Console(highlight=False)
_errors = Console(stderr=True, highlight=False)

_HELP = """\
symgen: generative models whose latent space carries the symmetries of the data

  symgen presets                  list the experiments that have a name
  symgen train PRESET             train one; leaves a run folder runs/PRESET
  symgen train --resume RUN       continue a run that was stopped
  symgen evaluate RUN             measure it on held-out sequences
  symgen traverse RUN             draw capsule traversals (PNG and GIF), or the torus map
  symgen data                     look at the sequences that a preset trains on

Each takes --help. Start with: symgen train demo
"""


ExperimentT = TypeVar("ExperimentT")


@dataclass(frozen=True)
class _Train(Generic[ExperimentT]):
    """Train a preset. Every number of it can be replaced by an option below."""

    experiment: OmitArgPrefixes[ExperimentT]
    out: Path | None = None
    """Run folder to write; by default runs/PRESET."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where to compute: cpu, cuda."""


@dataclass(frozen=True)
class _Resume:
    """Continue a run that was stopped, bit for bit as if it had never been."""

    resume: Path
    """Run folder."""
    root: Path | None = None
    """Folder of the image files, if it has moved."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where to compute: cpu, cuda. It must be the kind of device of the run."""


@dataclass(frozen=True)
class _Evaluate:
    """Measure a run on held-out sequences, print the table, write summary.json."""

    run: Positional[Path]
    """Run folder."""
    sequences: int | None = None
    """Number of held-out sequences; all by default."""
    samples: int = 10
    """Importance samples of the likelihood."""
    seed: int = 0
    """Seed of the transformations and of the samples."""
    record: Path | None = None
    """Also write the record to this file, for example results/NAME.json."""
    root: Path | None = None
    """Folder of the image files, if it has moved."""
    device: str = "cpu"
    """Where to compute: cpu, cuda."""


@dataclass(frozen=True)
class _Traverse:
    """Draw what rolling the capsules does, and the learning curves, into RUN/figures.

    Row by row: the given frames (those the first frame's latents cannot see are greyed), their
    reconstruction, and the first frame's capsules rolled step by step and decoded.
    """

    run: Positional[Path]
    """Run folder."""
    examples: int = 4
    """Number of held-out sequences; they cover the factors that move in turn."""
    seed: int = 0
    """Seed of their choice."""
    root: Path | None = None
    """Folder of the image files, if it has moved."""


@dataclass(frozen=True)
class _Data:
    """Draw a contact sheet of training sequences, and describe them."""

    data: OmitArgPrefixes[DataConfig] = field(default_factory=DataConfig)
    out: Path = Path("sequences.png")
    """Image to write."""
    examples: int = 6
    """Number of sequences."""
    seed: int = 0
    """Seed of the sequences."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: words after `symgen`; None takes them from the process.

    Returns:
        The exit status: 0 for success, 1 for a run that ended early, 2 for bad input.

    Example:
        >>> main(["trian", "demo"])
        2
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = words[0] if words else "--help"
    try:
        if verb in ("-h", "--help", "help"):
            _console.print(_HELP, markup=False)
            return 0
        if verb not in _VERBS:
            raise ValueError(f"unknown command {verb!r}: {nearest(verb, _VERBS)}")
        _VERBS[verb](words[1:])
        return 0
    except training.TrainingStopped as stopped:
        _errors.print(str(stopped), markup=False, soft_wrap=True)
        return 1
    except training.TrainingDiverged as diverged:
        _errors.print(f"symgen: {diverged}", markup=False, soft_wrap=True)
        return 1
    except (ValueError, OSError) as error:
        _errors.print(f"symgen: {error}", markup=False, soft_wrap=True)
        return 2


def _parse(kind: Any, verb: str, words: Sequence[str], default: Any = None) -> Any:
    given = {} if default is None else {"default": default}
    return tyro.cli(kind, prog=f"symgen {verb}", args=list(words), **given)


def _presets(words: Sequence[str]) -> None:
    @dataclass(frozen=True)
    class Presets:
        """List the experiments that have a name."""

    _parse(Presets, "presets", words)
    table = Table("preset", "what it is", "frames seen", box=None, pad_edge=False)
    for name, (description, experiment) in PRESETS.items():
        frames = 15 if experiment.data.scene == "sprites" else 18
        seen = experiment.training.sequences * (1 if experiment.data.mode == "still" else frames)
        table.add_row(name, description, f"{seen / 1e6:.1f} million")
    _console.print(table)
    _console.print("\nTrain one with: symgen train PRESET   (its numbers: symgen train PRESET -h)")


def _train(words: Sequence[str]) -> None:
    if words and words[0].startswith("--resume"):
        options = _parse(_Resume, "train", words)
        run = open_run(options.resume, options.root)
        name, experiment, folder, resume = run.name, run.experiment, run.folder, True
    elif not words or words[0].startswith("-"):
        _console.print(
            "usage: symgen train PRESET [options]   (symgen presets lists them)\n"
            "       symgen train --resume RUN\n"
            "       symgen train PRESET --help     all options with the preset's values",
            markup=False,
        )
        if words and words[0] not in ("-h", "--help"):
            raise ValueError(f"{words[0]!r} came before the name of a preset")
        return
    else:
        name, resume = words[0], False
        chosen = preset(name)
        options = _parse(_Train[type(chosen)], f"train {name}", words[1:], _Train(chosen))
        experiment = options.experiment
        folder = Path("runs") / name if options.out is None else options.out
    with _progress("training") as show:

        def observe(now: training.Progress) -> None:
            terms = ", ".join(f"{name} {value:.2f}" for name, value in now.terms.items())
            text = (
                f"{now.sequences:,} seen, {now.sequences_per_second:,.0f}/s, "
                f"loss {now.loss:.2f} ({terms}), {_minutes(now.seconds_left)} left"
            )
            show(now.step, now.steps, text)

        run = start_run(
            name,
            experiment,
            folder,
            command=shlex.join(["symgen", "train", *words]),
            resume=resume,
            device=options.device,
            observe=observe,
        )
    _console.print(
        f"{run.sequences:,} sequences in {_minutes(run.seconds)}: {folder}\n"
        f"next: symgen evaluate {folder}; symgen traverse {folder}",
        markup=False,
        soft_wrap=True,
    )


def _evaluate(words: Sequence[str]) -> None:
    options = _parse(_Evaluate, "evaluate", words)
    run = open_run(options.run, options.root)
    with _progress("evaluating") as show:
        record = evaluate_run(
            run,
            sequences=options.sequences,
            samples=options.samples,
            seed=options.seed,
            device=options.device,
            record=options.record,
            observe=lambda done, total: show(done, total, f"batch {done} of {total}"),
        )
    _print_evaluation(run, record)


def _print_evaluation(run: OpenRun, record: dict[str, Any]) -> None:
    measured = record["evaluation"]
    table = Table(
        "measure", "value", "beside it", box=None, pad_edge=False, title=f"{run.name}, held out"
    )
    floor = measured["entropy_floor"]
    paper, bound = measured["log_p_paper"], measured["log_p_bound"]
    table.add_row(
        "log p(x), paper's convention", f"{paper:.1f}", f"nats/frame; data's floor {0 - floor:.1f}"
    )
    table.add_row(
        "log p(x), bound", f"{bound:.1f}", f"{-floor - bound:.1f} nats/frame from the floor"
    )
    if "roll_prediction" in measured:
        table.add_row(
            "E_eq, as printed",
            f"{measured['e_eq']:.0f}",
            f"{measured['e_eq_percent_of_chance']:.1f} % of chance",
        )
        table.add_row(
            "E_eq, centred",
            f"{measured['e_eq_centred']:.0f}",
            f"{measured['e_eq_centred_percent_of_chance']:.1f} % of chance",
        )
    for factor, values in measured["capcorr"].items():
        value, circular = (
            "undefined" if values[key] is None else f"{values[key]:.2f}"
            for key in ("value", "circular")
        )
        beside = f"chance {values['chance']:.2f}; circular {circular}"
        table.add_row(f"CapCorr {factor}", value, beside)
    for place, errors in measured.get("roll_prediction", {}).items():
        if errors["nll"] is None:  # no frame lies outside a full window
            continue
        name = "unseen" if place == "outside" else "seen"
        for key, unit in (("squared_error", "squared error"), ("nll", "NLL")):
            repeat, mean = errors[f"repeat_{key}"], errors[f"mean_{key}"]
            table.add_row(
                f"roll prediction, {name} frames, {unit}",
                f"{errors[key]:.1f}",
                f"repeat last frame {repeat:.1f}; mean image {mean:.1f}",
            )
    _console.print(table)
    _console.print(
        f"{measured['sequences']:,} sequences, {measured['samples']} importance samples; "
        f"all numbers: {run.folder / 'summary.json'}",
        soft_wrap=True,
    )


@torch.no_grad()
def _traverse(words: Sequence[str]) -> None:
    options = _parse(_Traverse, "traverse", words)
    run = open_run(options.run, options.root)
    if options.examples < 1:
        raise ValueError(f"examples={options.examples}: draw at least one")
    figures = run.folder / "figures"
    figures.mkdir(exist_ok=True)
    written = [figures / "curves.png"]
    learning_curves(training.read_records(run.folder / "metrics.jsonl"), written[0])
    model = run.model()
    if model.frames == 1:
        images, labels = run.experiment.data.labelled_images()
        x = images[:, None].float() / 255
        t = model.latents(model.encode(x), sampled=False)[:, 0]
        written.append(figures / "torus.png")
        torus_map(t, x[:, 0], labels, (model.capsules, model.units), written[-1])
    else:
        frames, titles = _examples(run, options.examples, options.seed)
        reconstruction = model.decode(model.latents(model.encode(frames), sampled=False)).mean
        rolled = model.traverse(frames, steps=model.frames)
        seen = model.topography.seen_frames()
        written += [figures / "traversal.png", figures / "traversal.gif"]
        traversal_strip(frames, reconstruction, rolled, seen, written[1], titles)
        traversal_gif(frames, reconstruction, rolled, seen, written[2])
    _console.print("\n".join(str(path) for path in written), soft_wrap=True)


def _examples(run: OpenRun, count: int, seed: int) -> tuple[torch.Tensor, list[str]]:
    """Choose held-out sequences so that the factors take turns."""
    source = run.experiment.data.source(train=False)
    batch = Sequences(source, min(len(source), 40 * count), seed=seed).batch(0)
    by_factor = [(batch.moved == f).nonzero()[:, 0].tolist() for f in batch.moved.unique()]
    chosen = []
    while len(chosen) < min(count, len(batch.moved)):
        chosen += [indices.pop(0) for indices in by_factor if indices]
    chosen = chosen[:count]
    names = (*source.factor_names, "combined")  # moved is -1 where several move together
    return batch.frames[chosen], [names[int(batch.moved[i])] for i in chosen]


def _data(words: Sequence[str]) -> None:
    default = _Data()
    if words and not words[0].startswith("-"):
        default, words = _Data(preset(words[0]).data), words[1:]
    options = _parse(_Data, "data [PRESET]", words, default)
    source = options.data.source(train=True)
    batch = Sequences(source, options.examples, seed=options.seed).batch(0)
    names = (*source.factor_names, "combined")
    titles = [names[int(index)] for index in batch.moved]
    sheet = contact_sheet(batch.frames, titles, options.out)
    channels, height, width = source.image_shape
    _console.print(
        f"{source!r}\n{len(source):,} items; sequences of {source.frames} frames, "
        f"{channels} × {height} × {width}\nfactors: "
        + ", ".join(
            f"{name} ({size} values)"
            for name, size in zip(source.factor_names, source.factor_sizes, strict=True)
        )
        + f"\n{options.out} ({sheet.width} × {sheet.height})",
        markup=False,
        soft_wrap=True,
    )


@contextmanager
def _progress(verb: str) -> Iterator[Callable[[int, int, str], None]]:
    """Give a function that shows how much is done: a bar, or a line twice a minute in a log."""
    if _errors.is_terminal:
        columns = (TextColumn(verb), BarColumn(None), TextColumn("{task.fields[text]}"))
        with Progress(*columns, console=_errors, transient=True) as bar:
            task = bar.add_task(verb, total=None, text="")
            yield lambda done, total, text: bar.update(
                task, completed=done, total=total, text=text
            )
        return
    last = time.monotonic()

    def line(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 30:
            last = time.monotonic()
            _errors.print(f"{verb} {100 * done // total} %: {text}", soft_wrap=True)

    yield line


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


_VERBS: dict[str, Callable[[Sequence[str]], None]] = {
    "presets": _presets,
    "train": _train,
    "evaluate": _evaluate,
    "traverse": _traverse,
    "data": _data,
}
