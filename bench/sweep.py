"""The time of a sweep, compared with that of its runs over its processes.

    python bench/sweep.py [--jobs 2] [--examples 8000] [--json results/bench/sweep.json]

Twelve runs, three windows and four seeds, are trained and measured by `symgen sweep` in a folder
of their own, from the command to the figure. Its workers print how long each run took them, by
the clock, while the others were at theirs. The sum of that over the processes is what the sweep
would take if it did nothing else and never waited: to load, to tell how long it takes, to share
out the runs, to wait for the last one, to make the table. Both are taken at the same time, so a
machine that others use slows both alike; processor time is that of all processes of the sweep.
"""

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Benchmark

WINDOWS, SEEDS = ("3", "5", "7"), ("0", "1", "2", "3")
SMALL = ("--capsules", "4", "--width", "64", "--items", "100", "--samples", "5")
MADE = re.compile(r"^.+: done after ([\d.]+) s$", re.MULTILINE)


def command(jobs: int, examples: int) -> list[str]:
    words = ["sweep", "demo", "--window", *WINDOWS, "--seed", *SEEDS, *SMALL]
    return [*words, "--examples", str(examples), "--on", "local", "--jobs", str(jobs)]


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def swept(jobs: int, examples: int) -> dict[str, float]:
    """Sweep in an empty folder, and return what it took beside what its runs took."""
    with tempfile.TemporaryDirectory() as folder:
        start, before = time.time(), processor_seconds()  # as files tell time
        words = [sys.executable, "-m", "symgen", *command(jobs, examples)]
        subprocess.run(words, cwd=folder, check=True, stdout=subprocess.PIPE)
        end, out = time.time(), Path(folder, "runs/sweeps/demo")
        logs = [*out.glob("jobs/*_log.out")]
        runs = [float(took) for log in logs for took in MADE.findall(log.read_text())]
        first = min(path.stat().st_mtime for path in out.glob("jobs/*.began"))
        last = (out / "sweep.json").stat().st_mtime
    if len(runs) != len(WINDOWS) * len(SEEDS):
        raise RuntimeError(f"{len(runs)} runs of {len(WINDOWS) * len(SEEDS)} were made")
    return {
        "sweep [s]": end - start,
        "runs, over the processes [s]": sum(runs) / jobs,
        "sweep / runs": (end - start) * jobs / sum(runs),
        "before the first run [s]": first - start,
        "after the last run [s]": end - last,
        "longest run [s]": max(runs),
        "processor time of the sweep [s]": processor_seconds() - before,
    }


def main() -> None:
    bench = Benchmark(
        __doc__,
        threads=1,
        rounds=3,
        jobs=(2, "processes of the sweep"),
        examples=(8_000, "of every run"),
    )
    options = bench.options
    rounds = [swept(options.jobs, options.examples) for _ in range(options.rounds)]
    found: dict[str, Any] = {n: statistics.median(r[n] for r in rounds) for n in rounds[0]}
    ratios = [each["sweep / runs"] for each in rounds]
    found |= {"sweep / runs, least": min(ratios), "sweep / runs, most": max(ratios)}
    bench.record(sweep=" ".join(["symgen", *command(options.jobs, options.examples)]), **found)


if __name__ == "__main__":
    main()
