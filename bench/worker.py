"""Seconds of a training step by `fit`, with the package that is installed.

    .venv/bin/python bench/worker.py 2

answers on its standard output, with two threads. Run by the Python of another checkout it measures
that one (see `against.py`), so it understands the interface of today and that of the first
edition, which ended with commit f93aa06.
"""

import json
import sys
from dataclasses import asdict, replace
from functools import cache
from typing import Any

import torch

from symgen.experiments import presets
from symgen.experiments.runs import commit
from symgen.training import fit

FIRST_EDITION = hasattr(presets, "PRESETS")


def on_digits(name: str, **training: Any) -> Any:
    """Return the experiment of a preset on images that need no files: the work is the same."""
    found: Any = presets.preset(name)
    if FIRST_EDITION:
        data, training = replace(found.data, images="digits"), replace(found.training, **training)
        return replace(found, data=data, training=training)
    data = {"images": "digits"} if hasattr(found.experiment.data, "images") else {}
    return found.experiment.changed(data=data, training=training)


@cache
def _built(name: str, batch: int, device: str) -> tuple[Any, Any]:
    return on_digits(name, batch_size=batch).build(device)


def log_of_steps(
    name: str,
    batch: int,
    steps: int,
    precision: str = "float32",
    device: str = "cpu",
    capture: bool = True,
) -> list[dict[str, Any]]:
    """Train the model of a preset, data included, and return the lines of its log."""
    model, data = _built(name, batch, device)
    every = -(-steps // 4)  # steps between lines of the log: one to warm up, four that count
    settings: dict[str, Any] = {"batch_size": batch, "precision": precision, "log_every": every}
    settings |= {} if capture else {"capture": False}  # which older commits do not know
    settings["sequences" if FIRST_EDITION else "examples"] = 5 * every * batch
    training = on_digits(name, **settings).training
    given: dict[str, Any] = {"training": training}
    if not FIRST_EDITION:
        given = asdict(training) | {"progress": False}
    return list(fit(model, data, **given).records)


def per_step(log: list[dict[str, Any]]) -> float:
    """Return the mean seconds of a step after the first line of a log."""
    first, *_, last = log
    return (last["seconds"] - first["seconds"]) / (last["step"] - first["step"])


def seconds_per_step(*given: Any) -> float:
    """Train the model of a preset and return the mean time of a step; see `log_of_steps`."""
    return per_step(log_of_steps(*given))


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps(commit()), flush=True)
    for line in sys.stdin:  # the arguments of one measurement
        print(json.dumps(seconds_per_step(*json.loads(line))), flush=True)
