"""The verb train: train a preset into a run folder, or continue there."""

import shlex
from argparse import ArgumentError, ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, make_dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import OmitArgPrefixes, arg

from symgen._devices import best_device, usable_device
from symgen.cli._images import images_in_short
from symgen.cli._options import parse
from symgen.cli._terminal import progress, say, training_shown
from symgen.cli._understood import in_short, require_support
from symgen.experiments.builders import options_of
from symgen.experiments.datasets import OwnImageData, RecordingData
from symgen.experiments.experiment import Experiment
from symgen.experiments.families import family_of
from symgen.experiments.presets import preset
from symgen.experiments.runs import open_run
from symgen.experiments.starting import longer, resume_run, start_run, with_options_of, within
from symgen.training import Run, extension_told, launched, local_device, saved_step
from symgen.training.checkpoint import CHECKPOINT
from symgen.training.progress import duration


@dataclass(frozen=True)
class _Resume:
    """Continue a run that was stopped, bit for bit as if it had never been, or make it longer."""

    resume: Path
    """Run folder."""
    examples: int | None = None
    """Go on until so many are seen in all, more than before; a cosine schedule is stretched over
    them, which is said."""
    patience: int | None = None
    """Measurements in a row without a better one after which the training ends, from now on."""
    root: Path | None = None
    """Folder of the image files, if they have moved."""
    data: Path | None = None
    """Recordings, if they have moved, or the array that a run from Python was trained on."""
    device: str = best_device()
    """Where to compute: cpu, cuda, mps. It must be the kind of device of the run."""


@dataclass(frozen=True)
class _Where:
    """Where to train and to write."""

    out: Path | None = None
    """Run folder to write; by default runs/PRESET."""
    minutes: float | None = None
    """Shorten the training and its schedule to what this machine does in this many minutes."""
    start: Annotated[str | None, arg(name="from")] = None
    """Start from the weights of a run folder, of a folder of a model, or of owner/name on the
    Hugging Face hub, and with the options of that model."""
    device: str = best_device()
    """Where to compute: cpu, cuda, mps."""


def read_train(words: Sequence[str]) -> tuple[Experiment, _Where]:
    """Take the name of a preset, and the options after it."""
    experiment, missing = preset(words[0]).experiment, None
    if (start := _start(words)) is not None:
        try:
            experiment = with_options_of(experiment, start)
        except FileNotFoundError as error:  # told once the words are understood
            missing = error
    parts: dict[str, Any] = {
        "model": _options(experiment.kind)(**experiment.model),
        "data": experiment.data,
        "training": experiment.training,
        "where": _Where(),
    }
    entries = [(name, OmitArgPrefixes[type(value)]) for name, value in parts.items()]  # type: ignore
    kind = make_dataclass("Train", entries, frozen=True)
    kind.__doc__ = f"Train {words[0]}. Every setting of it can be replaced by an option below."
    given = parse(kind, f"train {words[0]}", words[1:], kind(**parts))
    if missing is not None:
        raise missing
    training, was = given.training, experiment.training
    if training.optimizer != was.optimizer and training.optimizer_options == was.optimizer_options:
        training = replace(training, optimizer_options={})  # which were the other optimiser's
    changed = replace(experiment, model=asdict(given.model), data=given.data, training=training)
    return changed, given.where


def _options(kind: type[Any]) -> type[Any]:
    """Make a dataclass of a builder's options, for the command line to fill in."""
    entries = [
        (name, Annotated[option.type, arg(help=option.help)], field(default=option.default))
        for name, option in options_of(kind).items()
    ]
    return make_dataclass(f"{kind.__name__}Options", entries, frozen=True)


def _start(words: Sequence[str]) -> str | None:
    """Find what to start from, whose options take the place of the preset's as defaults."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--from", dest="start")
    with suppress(ArgumentError):  # which is told when all is parsed
        return parser.parse_known_args(words)[0].start
    return None


def train(words: Sequence[str]) -> None:
    """Train a preset into a run folder, or continue there, with all that torchrun started."""
    with launched():
        _train(words)


def _train(words: Sequence[str]) -> None:
    if words and words[0].startswith("--resume"):
        options = parse(_Resume, "train", words)
        run = open_run(options.resume, options.data or options.root)
        training = longer(run.training, options.examples, options.patience)
        device = local_device(usable_device(options.device))
        if options.examples is not None:
            step = saved_step(run.folder / CHECKPOINT)
            say(extension_told(run.training, training.examples, step))
        with progress("training") as show:
            done = resume_run(run, training, device=device, observe=training_shown(show))
        _tell(done, run.kind)
    elif not words or words[0].startswith("-"):
        say(
            "usage: symgen train PRESET [options]   (symgen presets lists them)\n"
            "       symgen train PRESET --from RUN   start from its weights\n"
            "       symgen train --resume RUN [--examples N]   continue it, or make it longer\n"
            "       symgen train PRESET --help     all options with the preset's values"
        )
        if words and words[0] not in ("-h", "--help"):
            raise ValueError(f"{words[0]!r} came before the name of a preset")
    else:
        experiment, where = read_train(words)
        folder = Path("runs") / words[0] if where.out is None else where.out
        device = local_device(usable_device(where.device))
        if where.minutes is not None:
            whole, experiment = experiment, within(experiment, where.minutes, device)
            words = [*_without_minutes(words), *_lengths(whole, experiment)]
            say(f"{experiment.training.examples:,} examples in about {where.minutes:g} minutes")
        if isinstance(experiment.data, RecordingData):
            source = experiment.data.source(train=True)
            path = experiment.data.data or source.footage.path
            require_support(path, source, experiment.model.get("likelihood"))
            say("\n".join(in_short(source)))
        if isinstance(experiment.data, OwnImageData):
            say("\n".join(images_in_short(experiment.data.open("train"))))
        for note in _doubts(experiment):
            say(note)
        with progress("training") as show:
            done = start_run(
                words[0],
                experiment,
                folder,
                command=shlex.join(["symgen", "train", *words]),
                device=device,
                observe=training_shown(show),
                weights=where.start,
            )
        _tell(done, experiment.kind)


def _without_minutes(words: Sequence[str]) -> Iterator[str]:
    """Leave the time out of a command: on another machine it is another training."""
    rest = iter(words)
    for word in rest:
        if word == "--minutes":
            next(rest)
        elif not word.startswith("--minutes="):
            yield word


def _lengths(whole: Experiment, shorter: Experiment) -> Iterator[str]:
    """Return the options by which a training becomes as short as one in a time is."""
    for name in ("examples", "warmup", "kl_warmup"):
        length = getattr(shorter.training, name)
        if length != getattr(whole.training, name):
            yield from (f"--{name.replace('_', '-')}", str(length))
    if (balanced := shorter.model.get("balanced")) != whole.model.get("balanced"):
        yield from ("--balanced", str(balanced))


def _doubts(experiment: Experiment) -> Iterator[str]:
    """Say which settings probably do not do what was meant."""
    examples, warm = experiment.training.examples, experiment.training.kl_warmup
    if warm >= examples:
        yield (
            f"the weights of the KL terms grow over {warm:,} examples, and the training has only "
            f"{examples:,}: give a --kl-warmup below that, such as {round(0.6 * examples)}"
        )
    if experiment.model.get("causal") and experiment.model.get("boundary") == "cyclic":
        yield (
            "a causal window in cyclic time sees the last frames before the first: with "
            "--boundary zero it sees the past alone, which forecasts and streams need"
        )
    balanced = experiment.model.get("balanced") or 0
    clusters = getattr(experiment.data, "classes", None) or 1  # given where no label is known
    if balanced >= examples and clusters > 1:
        yield (
            f"images without labels are dealt out evenly to clusters for {balanced:,} examples, "
            f"and the training has only {examples:,}, so that clusters of another size are not "
            "found: give a --balanced below that"
        )


def _tell(run: Run, kind: type[Any]) -> None:
    family = family_of(kind)
    drawn = ("evaluate", family.verbs[0], "report")
    verbs = "; ".join(f"symgen {verb} {run.folder}" for verb in drawn)
    topography = getattr(run.model, "topography", None)
    if topography is not None and topography.causal and topography.open_ended:
        suffix = "gif" if len(run.model.data_shape) > 1 else "npy"
        verbs += f"; symgen forecast {run.folder} --out forecast.{suffix}"
    say(
        f"{run.examples:,} {family.examples} in {duration(run.seconds)}: {run.folder}\n"
        f"{_validated(run)}next: {verbs}"
    )


def _validated(run: Run) -> str:
    """Tell where the validation loss was least, if it was not at the end."""
    found = [line for line in run.records if "validation" in line]
    best = [line for line in found if line["validation"]["best"]]
    if not best or best[-1] is found[-1]:
        return ""
    least, last = (line["validation"]["loss"] for line in (best[-1], found[-1]))
    return (
        f"the validation loss was least at step {best[-1]['step']:,}, {least:.2f}, and is "
        f"{last:.2f} now: those "
        f"weights are in {run.folder}/best, which symgen evaluate --best takes\n"
    )
