"""Attack the package from outside: `python tests/campaigns --help`."""

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import TextIO

import api_calls
import disk
import inspect_files
import kills
import options
import run_files
import torch
import videos
from harness import FAILURES, OUTCOMES, Case, Verdict, finish_status, prepare, protect, run_cases

CAMPAIGNS: dict[str, ModuleType] = {
    module.__name__: module
    for module in (kills, run_files, inspect_files, options, api_calls, disk, videos)
}


def main() -> int:
    """Run campaigns, or some of their cases, and print how these ended."""
    given = _arguments()
    place = Path(tempfile.mkdtemp(prefix="symgen-campaigns-")).resolve()
    place.chmod(0o755)
    log = None if given.log is None else given.log.open("w")
    sys.stdout.flush()
    try:
        if not (pid := os.fork()):  # so that this process can still write the record
            os._exit(_attack(given, place, log))
        status = finish_status(pid)
        if given.record and (place / "counts").exists():
            _record(given.record, json.loads((place / "counts").read_text()), given.seed)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return status


def _attack(given: argparse.Namespace, place: Path, log: TextIO | None) -> int:
    """Run what was asked for, in a process that can write nowhere but to a folder."""
    try:
        protect(place)
        os.environ |= {"MPLCONFIGDIR": str(place), "TMPDIR": str(place)}
        _import_everything()
        counts = {name: _counted(name, given, place, log) for name in given.only or CAMPAIGNS}
        total = {k: sum(c[k] for c in counts.values()) for k in ("tried", *OUTCOMES, "seconds")}
        print(_row("all", total), flush=True)
        (place / "counts").write_text(json.dumps({**counts, "all": total}))
        return int(any(total[outcome] for outcome in FAILURES))
    except BaseException:
        traceback.print_exc()
        return 2


def _counted(
    name: str, given: argparse.Namespace, place: Path, log: TextIO | None
) -> dict[str, float]:
    """Run a campaign and count how its cases ended."""
    begin, ended = time.monotonic(), Counter[str]()
    for case, verdict in _campaign(name, given, place):
        ended[verdict.ended] += 1
        if log and verdict.ended in FAILURES:
            print(name, *_line(case, verdict), sep="\t", file=log, flush=True)
    counts = {"tried": ended.total(), **{outcome: ended[outcome] for outcome in OUTCOMES}}
    counts["seconds"] = round(time.monotonic() - begin)
    print(_row(name, counts), flush=True)
    return counts


def _campaign(name: str, given: argparse.Namespace, place: Path):
    module, base = CAMPAIGNS[name], place / name
    cases: list[Case] = []
    if given.case is None or given.case.startswith(f"{name}/"):
        prepare(module.prepare, base)
        cases = module.cases(base, given.seed)
    chosen = [case for case in cases if given.case in (None, f"{name}/{case.name}")]
    count = min(given.count or len(chosen), len(chosen))
    chosen = [chosen[i * len(chosen) // count] for i in range(count)]
    for case, verdict in run_cases(chosen, place, given.jobs, given.seconds):
        if given.case or given.verbose:
            print(name, *_line(case, verdict), sep="\t", flush=True)
        yield case, verdict
    shutil.rmtree(base, ignore_errors=True)


def _line(case: Case, verdict: Verdict) -> tuple[str, str, str]:
    return case.name, verdict.ended, " ".join(verdict.message.split())[:400]


def _row(name: str, counts: dict[str, float]) -> str:
    return f"{name:14}" + "  ".join(f"{key} {counts[key]:g}" for key in counts)


def _record(path: Path, counts: dict[str, dict[str, float]], seed: int) -> None:
    """Write the counts of what was run, and keep those of other campaigns on record."""
    from symgen.training import commit, hardware

    words = " ".join(sys.argv[1:]).partition(" --log")[0]
    about = {"command": f"python tests/campaigns {words}", "seed": seed}
    about |= {"commit": commit(), "hardware": hardware("cpu")}
    found = json.loads(path.read_text())["campaigns"] if path.exists() else {}
    found |= {name: {**about, **ended} for name, ended in counts.items() if name != "all"}
    newest = {"command": about["command"], "campaigns": found}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(newest, indent=2) + "\n")


def _import_everything() -> None:
    """Import what commands import, so that forks need not; compute nothing, start no thread."""
    import importlib

    from symgen.cli import VERBS

    torch.set_num_threads(1)
    names = [f"symgen.cli.{verb}" for verb in VERBS]
    names += ["torch.utils.tensorboard.writer", "matplotlib.pyplot", "sklearn.datasets"]
    names += [
        "importlib.readers",
        "sklearn.linear_model",
        "torch.export",
        "av",
        "PIL.PngImagePlugin",
        "scipy.stats",
    ]
    for name in names:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/campaigns", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, help="campaigns; all by default")
    parser.add_argument("--count", type=int, help="cases of each, evenly spread; all by default")
    parser.add_argument("--case", help="run this case alone, such as videos/mp4-truncate-3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="cases at once")
    parser.add_argument("--seconds", type=float, default=45, help="limit of a case")
    parser.add_argument("--record", type=Path, help="write the counts to a file of JSON")
    parser.add_argument("--log", type=Path, help="write the cases that failed, a line each")
    parser.add_argument("--verbose", action="store_true", help="print every case")
    given = parser.parse_args()
    if given.case:
        given.only = [given.case.partition("/")[0]]
    return given


if __name__ == "__main__":
    sys.exit(main())
