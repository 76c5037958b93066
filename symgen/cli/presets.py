"""The verb presets: the experiments that have a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from symgen.cli._terminal import console, parse, say
from symgen.experiments import presets as known

__all__ = ["presets"]


@dataclass(frozen=True)
class _Presets:
    """List the experiments that have a name: a dozen to begin with, or those of a word."""

    words: Positional[tuple[Annotated[str, arg(metavar="WORD")], ...]] = ()
    """List those whose name or description has all of these, such as: presets growth."""
    all: bool = False
    """List all of them, every row of the papers' tables included."""


def presets(words: Sequence[str]) -> None:
    """List the presets."""
    options = parse(_Presets, "presets", words)
    every = list(known.presets())
    chosen = [preset for preset in every if preset.first]
    if options.all or options.words:
        chosen = [p for p in every if all(w.lower() in _text(p) for w in options.words)]
    if not chosen:
        raise ValueError(
            f"no preset has {' and '.join(options.words)} in it: symgen presets --all"
        )
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", no_wrap=True)  # to be copied
    table.add_column("what it is", overflow="fold")
    table.add_column("frames seen", no_wrap=True, justify="right")
    for preset in chosen:
        seen = preset.experiment.training.examples * preset.experiment.data.frames
        table.add_row(preset.name, preset.about, f"{seen / 1e6:.2f} million")
    console.print(table)
    if len(chosen) < len(every) and not options.words:
        say(
            f"\nThese are {len(chosen)} of {len(every)}; symgen presets WORD finds others by a "
            "word, --all lists all."
        )
    say("\nTrain one with: symgen train PRESET   (its settings: symgen train PRESET -h)")


def _text(preset: known.Preset) -> str:
    return f"{preset.name} {preset.about} {preset.experiment.builder}".lower()
