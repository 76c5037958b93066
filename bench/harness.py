"""What the benchmarks share: options, measures taken in turn, and the record of their medians."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from symgen.training import commit, hardware

Result = TypeVar("Result")
Measure = Callable[[], float]
_LEAST = 0.1  # seconds that an action is repeated for, where one call is shorter


class Benchmark:
    """A benchmark on the command line: its options, and what becomes of its numbers.

    Options of its own have a default and a meaning; None stands for a path that may be left out.
    """

    def __init__(
        self,
        about: str | None,
        threads: int = 2,
        rounds: int | None = 5,
        **options: tuple[Any, str],
    ) -> None:
        parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
        parser.add_argument("--json", type=Path, help="file of the record")
        options = {"threads": (threads, "threads to compute with")} | options
        if rounds is not None:
            options["rounds"] = (rounds, "how often everything is measured in turn")
        for name, (default, meaning) in options.items():
            kind = Path if default is None else type(default)
            parser.add_argument(f"--{name}", type=kind, default=default, help=meaning)
        self.options = parser.parse_args()
        torch.set_num_threads(self.options.threads)
        torch.manual_seed(0)

    def record(self, device: str = "cpu", **parts: Any) -> None:
        """Print what was measured, and write it to the file that was asked for."""
        about = {"command": self._command(), "commit": commit(), "hardware": hardware(device)}
        _show(about | parts)
        if self.options.json is not None:
            self.options.json.parent.mkdir(parents=True, exist_ok=True)
            partial = self.options.json.with_suffix(".partial")
            partial.write_text(json.dumps(about | parts, indent=2) + "\n")
            partial.replace(self.options.json)  # whole, whenever the benchmark is cut off

    def _command(self) -> str:
        """Tell how to measure again, without the places of files on this machine."""
        words = ["python", f"bench/{Path(sys.argv[0]).name}"]
        for name, value in vars(self.options).items():
            if name != "json" and value is not None:
                words += [f"--{name}", name.upper() if isinstance(value, Path) else f"{value}"]
        return " ".join(words)


def fastest(action: Callable[[], object]) -> float:
    """Return the seconds of an action, the least of as many calls as a tenth of a second holds."""
    best, total = float("inf"), 0.0
    while total < _LEAST:
        start = time.perf_counter()
        action()
        seconds = time.perf_counter() - start
        best, total = min(best, seconds), total + seconds
    return best


def milliseconds(action: Callable[[], object], items: int = 1) -> Measure:
    """Measure an action by the milliseconds that an item takes."""
    action()  # what is done once is done before it counts
    return lambda: 1e3 * fastest(action) / items


def rate(action: Callable[[], object], work: float) -> Measure:
    """Measure an action by the work that it does in a second."""
    action()
    return lambda: work / fastest(action)


def in_turn(actions: Mapping[Any, Callable[[], Result]], rounds: int) -> dict[Any, list[Result]]:
    """Take all actions in turn, several rounds, so that a busy machine slows all of them alike."""
    found: dict[Any, list[Result]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(action())
    return found


def medians(measures: Mapping[Any, Measure], rounds: int) -> dict[Any, float]:
    """Take all measures in turn and return the median of each."""
    return {name: statistics.median(each) for name, each in in_turn(measures, rounds).items()}


def _show(value: Any, name: str = "") -> None:
    """Print values by their names, and rows as a table."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            _show(part, f"{name} {key}".strip())
    elif isinstance(value, list) and isinstance(value[0], Mapping):
        rows = [list(value[0]), *(list(row.values()) for row in value)]
        cells = [[f"{v:,.3f}" if isinstance(v, float) else str(v) for v in row] for row in rows]
        widths = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)]
        for row in cells:
            print("".join(f"{v:>{width}}" for v, width in zip(row, widths, strict=True)))
    else:
        print(f"{name:75}", f"{value:12,.2f}" if isinstance(value, float) else value)
