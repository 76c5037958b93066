"""Training steps here and in a checkout of another commit, measured in turn in the same run."""

import json
import statistics
import subprocess
import sys
from argparse import Namespace
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from harness import in_turn

AGAINST = (None, "checkout of another commit, with its own .venv, to compare the step with")


class _Worker:
    """A process that measures steps with the package of a checkout, see `worker.py`."""

    def __init__(self, python: Path) -> None:
        words = [python, Path(__file__).with_name("worker.py"), str(torch.get_num_threads())]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
        self.commit = self._answer()

    def seconds_per_step(self, *given: Any) -> float:
        assert self.process.stdin is not None
        print(json.dumps(given), file=self.process.stdin, flush=True)
        return self._answer()

    def close(self) -> None:
        self.process.communicate()  # without a further line it ends

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} has ended, see its error above")
        return json.loads(line)


def compared(options: Namespace, names: Mapping[str, str]) -> dict[str, Any]:
    """Compare the steps of presets, which have a short name each, if it was asked for.

    Returns:
        What joins the record: the times of a step on either side, and their ratios.
    """
    if options.against is None:
        return {}
    here = _Worker(Path(sys.executable))
    there = _Worker(options.against.absolute() / ".venv/bin/python")
    actions = {
        (kind, worker): partial(worker.seconds_per_step, name, options.batch, options.steps)
        for kind, name in names.items()
        for worker in (here, there)
    }
    found = in_turn(actions, options.rounds)
    measured: dict[str, float] = {}
    ratios: dict[str, float] = {}
    for kind in names:
        pairs = list(zip(found[kind, here], found[kind, there], strict=True))
        for place, seconds in zip(("here", "there"), zip(*pairs, strict=True), strict=True):
            measured[f"{kind}, step {place} [ms]"] = 1e3 * statistics.median(seconds)
        # Round by round, as what disturbs one side mostly disturbs the other.
        ratios[f"{kind}, step there / here"] = statistics.median(b / a for a, b in pairs)
    for worker in (here, there):
        worker.close()
    return {"against": {"commit": there.commit, "measured": measured, "ratios": ratios}}
