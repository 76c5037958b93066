"""The verb presets: the experiments that have a name."""

from typing import Annotated

from rich.table import Table
from tyro.conf import Positional, arg

from symgen.cli._terminal import console, say
from symgen.experiments import presets as known

Words = Annotated[Positional[tuple[str, ...]], arg(metavar="[WORD ...]")]


def presets(names: Words = (), /, *, all: bool = False) -> None:
    """List the experiments that have a name: a dozen to begin with, or those of a word.

    Args:
        names: List those whose name or description has all of these, such as: presets growth.
        all: List all of them, every row of the papers' tables included.
    """
    every = list(known.presets())
    chosen = [preset for preset in every if preset.first]
    if all or names:
        chosen = [p for p in every if {*names} == {w for w in names if w.lower() in _text(p)}]
    if not chosen:
        raise ValueError(f"no preset has {' and '.join(names)} in it: symgen presets --all")
    table = Table(box=None, pad_edge=False)
    table.add_column("preset", no_wrap=True)  # to be copied
    table.add_column("what it is", overflow="fold")
    table.add_column("frames seen", no_wrap=True, justify="right")
    for preset in chosen:
        seen = preset.experiment.training.examples * preset.experiment.data.frames
        table.add_row(preset.name, preset.about, f"{seen / 1e6:.2f} million")
    console.print(table)
    if len(chosen) < len(every) and not names:
        say(
            f"\nThese are {len(chosen)} of {len(every)}; symgen presets WORD finds others by a "
            "word, --all lists all."
        )
    say("\nTrain one with: symgen train PRESET   (its settings: symgen train PRESET -h)")


def _text(preset: known.Preset) -> str:
    return f"{preset.name} {preset.about} {preset.experiment.builder}".lower()
