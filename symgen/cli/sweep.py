"""The verb sweep: a preset with every combination of some values, shared by processes."""

import itertools
import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from symgen._devices import best_device, usable_device
from symgen.cli._options import parse
from symgen.cli._study import Distributed, distribute, require_all, show_tables
from symgen.cli._terminal import print_paths, say
from symgen.cli.train import read_train
from symgen.data.options import require_whole
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import preset
from symgen.experiments.studies import Plan, draw_sweep, planned, sweep_study

_USAGE = """\
usage: symgen sweep PRESET --window 5 9 13 --seed 0 1 2 [--on local] [--jobs 2]
       trains every combination of the values, measures it, and ends in a table and a figure.
       Options are those of symgen train PRESET, each with one value or more, and:"""


@dataclass(frozen=True)
class _Sweep(Distributed):
    """Where the runs of a sweep go, and how they are measured."""

    out: Path | None = None
    """Folder of runs, record, table and figure; by default runs/sweeps/PRESET."""
    items: int | None = 200
    """Held-out sequences or images that every run is measured on; None for all."""
    samples: int = 10
    """Samples of the posteriors."""
    device: str = best_device()
    """Where to compute: cpu, cuda, mps."""


def sweep(words: Sequence[str]) -> None:
    """Train a preset with every combination of some values, measure all, compare them."""
    if not words or words[0] in ("-h", "--help"):
        say(_USAGE)
        if words:
            parse(_Sweep, "sweep PRESET", ["--help"])
        return
    if words[0].startswith("-"):
        raise ValueError(f"{words[0]!r} came before the name of a preset")
    name, own, swept, seeds = _read(words)
    options = parse(_Sweep, f"sweep {name}", own)
    plan = _planned(name, options, swept, seeds, shlex.join(["symgen", "sweep", *words]))
    missing = distribute(plan, options, "sweeping")
    if missing is None:
        return
    found = plan.result(missing)
    if show_tables(plan.about, found, plan.budget):
        picture = plan.workshop.out / "sweep.png"
        first = next((option[2:] for option, values in swept.items() if len(values) > 1), "")
        draw_sweep(plan, first, found, picture)
        print_paths([plan.record, picture])
    require_all(missing, len(plan.jobs))


def _read(words: Sequence[str]) -> tuple[str, list[str], dict[str, list[str]], list[int]]:
    """Sort words into those of `_Sweep`, values by option, and seeds."""
    name, *rest = words
    preset(name)
    owned = {f"--{entry.replace('_', '-')}" for entry in _Sweep.__dataclass_fields__}
    owned |= {f"--no-{entry[2:]}" for entry in owned}
    own: list[str] = []
    given: dict[str, list[str]] = {}
    for option, values in _by_option(rest):
        if option in owned:
            own += [option, *values]
        elif option in given:
            raise ValueError(f"{option} came twice: give all its values after it once")
        else:
            given[option] = values
    if given.get("--seed") == []:
        raise ValueError("--seed came without a value: give whole numbers")
    try:
        seeds = [int(word) for word in given.pop("--seed", ["0"])]
    except ValueError as error:
        raise ValueError(f"--seed: {error}: give whole numbers") from error
    for option, values in [*given.items(), ("--seed", [*map(str, seeds)])]:
        if len({*values}) < len(values):
            raise ValueError(f"{option} {' '.join(values)}: give every value once")
    return name, own, given, seeds


def _by_option(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            option, equals, value = word.partition("=")
            found.append((option, [value] if equals else []))
        elif found:
            found[-1][1].append(word)
        else:
            raise ValueError(f"{word!r} came before an option")
    return found


def _planned(
    name: str, options: _Sweep, given: dict[str, list[str]], seeds: list[int], command: str
) -> Plan:
    """Understand every combination as `symgen train` does, and plan a run for each and seed."""
    require_whole("samples", options.samples, 1)
    if options.items is not None:
        require_whole("items", options.items, 1)
    several = {option: values for option, values in given.items() if len(values) > 1}
    fixed = [w for option, values in given.items() if len(values) < 2 for w in (option, *values)]
    runs: dict[str, Experiment] = {}
    known: dict[str, Any] = {}  # data, of which one's own are looked through once
    for chosen in itertools.product(*several.values()):
        pairs = list(zip(several, chosen, strict=True))
        words = [name, *fixed, *(word for pair in pairs for word in pair)]
        experiment, where = read_train(words)
        if where != replace(where, out=None, minutes=None, start=None):
            raise ValueError(f"{shlex.join(fixed)}: leave out --minutes and --from in a sweep")
        told = json.dumps(experiment.to_json()["data"])
        if told not in known:
            data = experiment.data
            own = data.place == "data"
            known[told] = data.resolved(data.source(True)) if own else data
        experiment = replace(experiment, data=known[told])
        about = ",".join(f"{option[2:]}={value}" for option, value in pairs) or name
        about = about.replace("/", "_")
        if about in runs or experiment in runs.values():
            raise ValueError(
                f"{about} is there twice: give every value once, by names that differ"
            )
        runs[about] = experiment
    out = options.out or Path("runs/sweeps") / name
    study, budget = sweep_study(name, runs, options.items, options.samples)
    return planned(
        study,
        out,
        out / "sweep.json",
        budget="sweep",
        seeds=seeds,
        spending=budget,
        device=usable_device(options.device),
        command=command,
    )
