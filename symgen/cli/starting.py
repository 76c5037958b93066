"""The verb train."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import torch
from tyro.conf import OmitArgPrefixes

from symgen import training
from symgen.cli._terminal import console, duration, parse, progress
from symgen.experiments import ACEExperiment, AnyExperiment, open_run, preset, start_run

__all__ = ["train"]

ExperimentT = TypeVar("ExperimentT", bound=AnyExperiment)


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
    """Folder of the image files, or recordings, if they have moved."""
    device: str = "cuda" if torch.cuda.is_available() else "cpu"
    """Where to compute: cpu, cuda. It must be the kind of device of the run."""


def train(words: Sequence[str]) -> None:
    """Train a preset into a run folder, or continue there."""
    if words and words[0].startswith("--resume"):
        options = parse(_Resume, "train", words)
        run = open_run(options.resume, options.root)
        name, experiment, folder, resume = run.name, run.experiment, run.folder, True
    elif not words or words[0].startswith("-"):
        console.print(
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
        experiment = preset(name)
        kind = _Train[type(experiment)]  # so that the options are those of its family
        options = parse(kind, f"train {name}", words[1:], _Train(experiment))
        experiment = options.experiment
        folder = Path("runs") / name if options.out is None else options.out
    with progress("training") as show:

        def observe(now: training.Progress) -> None:
            terms = ", ".join(f"{name} {value:.2f}" for name, value in now.terms.items())
            text = (
                f"{now.sequences:,} seen, {now.sequences_per_second:,.0f}/s, "
                f"loss {now.loss:.2f} ({terms}), {duration(now.seconds_left)} left"
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
    seen, draw = ("sequences", "traverse")
    if isinstance(experiment, ACEExperiment):
        seen, draw = ("images", "manifold")
    console.print(
        f"{run.sequences:,} {seen} in {duration(run.seconds)}: {folder}\n"
        f"next: symgen evaluate {folder}; symgen {draw} {folder}",
        markup=False,
        soft_wrap=True,
    )
