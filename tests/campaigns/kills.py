"""Trainings and other commands that are killed or interrupted, then resumed and compared."""

import json
import os
import shutil
import signal
import time
from functools import partial
from pathlib import Path
from random import Random

from fixtures import (
    FAMILIES,
    differences,
    films,
    left_of,
    small_run,
    stopped_run,
    stray_files,
    tensors,
    write_films,
)
from harness import (
    Case,
    Ended,
    Verdict,
    at_replacement,
    command,
    finish,
    signal_at,
    start,
    without_warnings,
)

KILLS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}
_AT = ("checkpoint.safetensors", "model.safetensors", "model.json", "config.json")
_AT += ("metrics.jsonl", "summary.json")
_EXAMPLES, _STEPS = 64, 16
_VERBS = ("evaluate", "encode", "export", "draw", "inspect")


def prepare(base: Path) -> None:
    """Train undisturbed, and note what the weights of every step are."""
    write_films(base)
    for family in FAMILIES:
        folder, begin = base / family, time.monotonic()
        keep = partial(_keep, base / family)
        hook = at_replacement("model.safetensors", keep)
        ended = command(*_training(family, base, folder), before=hook)
        if ended.status:
            raise RuntimeError(ended.error)
        by_step = {n: tensors(base / f"{family}-{n}") for n in range(_STEPS + 1)}
        about = {"seconds": time.monotonic() - begin, "by_step": by_step, "left": left_of(folder)}
        (base / f"{family}.json").write_text(json.dumps(about))
        stopped_run(family, base, base / f"{family}-stopped")


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: at random moments, at replacements of files, and of other commands."""
    made = []
    for family in FAMILIES:
        for name, count in (("kill", 24), ("term", 10), ("int", 10)):
            for number in range(count):
                random = Random(f"{seed} {family} {name} {number}")
                made.append(_random_kill(base, family, name, number, random))
        for file in _AT[:-1]:
            steps = [(step, after) for step in (1, 2, _STEPS + 1) for after in (False, True)]
            made += [_kill_at(base, family, file, *moment) for moment in steps]
        for verb in _VERBS:
            for name in ("int", "twice", "term"):
                random = Random(f"{seed} {family} {verb} {name}")
                made.append(_interrupted(base, family, verb, name, random))
    return made


def _training(family: str, base: Path, folder: Path) -> list[str]:
    return small_run(family, base, "--out", str(folder), examples=_EXAMPLES)


def _keep(folder: Path, source: Path, count: int) -> None:
    """Keep a copy of the model file of a step; the first is of step 0."""
    shutil.copy(source, f"{folder}-{count - 1}")


def _random_kill(base: Path, family: str, name: str, number: int, random: Random) -> Case:
    """Kill a training at random, up to three times, the second time while it is resumed."""
    rounds = random.choice((1, 1, 2, 3))
    moments = [random.random() for _ in range(rounds)]

    def run(folder: Path) -> Verdict:
        run, about = folder / "run", json.loads((base / f"{family}.json").read_text())
        for moment in moments:
            begun = (run / "state" / "checkpoint.safetensors").exists()
            words = ["train", "--resume", run] if begun else _training(family, base, run)
            ended = _signalled(words, KILLS[name], moment * about["seconds"])
            if wrong := _said(ended, name):
                return wrong
        return _resumed(base, family, run, about, evaluate=number % 4 == 0)

    return Case(f"{family}-{name}-{number}", run)


def _kill_at(base: Path, family: str, file: str, count: int, after: bool) -> Case:
    """Kill a training exactly when a file is replaced."""

    def run(folder: Path) -> Verdict:
        run, about = folder / "run", json.loads((base / f"{family}.json").read_text())
        hook = at_replacement(file, signal_at(count, signal.SIGKILL), after)
        command(*_training(family, base, run), before=hook)
        return _resumed(base, family, run, about, evaluate=True)

    return Case(f"{family}-{'after' if after else 'before'}-{file}-{count}", run)


def _interrupted(base: Path, family: str, verb: str, name: str, random: Random) -> Case:
    """Interrupt another command, once or twice; then it works as if that had never been."""
    moment, number = random.random(), signal.SIGTERM if name == "term" else signal.SIGINT

    def run(folder: Path) -> Verdict:
        words = _words(verb, family, base, folder)
        begin = time.monotonic()
        whole = command(*words)
        seconds = time.monotonic() - begin
        if whole.status:
            return Verdict("traceback", f"undisturbed: {whole.error}")
        words = _words(verb, family, base, folder, "again")
        ended = _signalled(words, number, moment * seconds, twice=name == "twice")
        if wrong := _said(ended, name):
            return wrong
        stray = stray_files(folder) + [p.name for p in (folder.parent / "tmp").iterdir()]
        if stray:
            return Verdict("silent", f"left behind: {stray}")
        again = command(*words)
        if again.status and verb == "export" and _names("again") == _names("out"):
            return Verdict("fine")  # the signal came when all was done
        if again.status:
            return Verdict("traceback", f"blocked afterwards: {again.error}")
        return Verdict("detected" if ended.status else "fine")

    return Case(f"{family}-{verb}-{name}", run)


def _words(verb: str, family: str, base: Path, folder: Path, out: str = "out") -> list[str]:
    """Return the words of a command that takes about a second."""
    if verb == "inspect":
        import numpy as np

        np.savez(folder / "films.npz", films(60, 40, 32))
        return ["data", "inspect", str(folder / "films.npz"), "--size", "8", "8"]
    run = str(folder / "run")
    shutil.copytree(base / f"{family}-stopped", run, dirs_exist_ok=True)
    draw = "traverse" if family == "tvae" else "manifold"
    more = {"encode": ["--out", f"{out}.npz"], "export": ["--out", out]}
    return [draw if verb == "draw" else verb, run, *more.get(verb, [])]


def _names(folder: str) -> set[str]:
    return {path.name for path in Path(folder).iterdir()} if Path(folder).is_dir() else set()


def _signalled(words: list, number: int, wait: float, twice: bool = False) -> Ended:
    """Start a command, and send it a signal after a while."""
    pid = start(words)
    time.sleep(wait)
    for _ in range(1 + twice):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        time.sleep(0.02 * twice)
    return finish(pid)


def _said(ended: Ended, name: str) -> Verdict | None:
    """Judge how a command took a signal; None if well."""
    if "Traceback" in ended.error:
        return Verdict("traceback", f"{name}: {ended.error.strip().splitlines()[-1]}")
    allowed = {"kill": (-9, 0), "term": (-15, 143, 1, 0)}.get(name, (-2, 130, 1, 0))
    if ended.status not in allowed:
        return Verdict("traceback", f"{name}: status {ended.status}: {ended.error[-200:]}")
    lines = [line for line in without_warnings(ended.error).splitlines() if line.strip()]
    if len(lines) > 1 or (name == "int" and ended.status and not lines):
        return Verdict("traceback", f"{name}: {len(lines)} lines: {ended.error[-200:]}")
    return None


def _resumed(base: Path, family: str, run: Path, about: dict, evaluate: bool) -> Verdict:
    """Judge what is left of a killed run: its label when measured, and how it goes on."""
    if evaluate and (wrong := _labelled(run, about["by_step"])):
        return wrong
    begun = (run / "state" / "checkpoint.safetensors").exists()
    words = ["train", "--resume", run] if begun else _training(family, base, run)
    ended = command(*words)
    if ended.status:
        return Verdict("traceback", f"cannot be resumed: {ended.error.strip()}")
    if differ := differences(left_of(run), about["left"]):
        return Verdict("silent", f"differ: {', '.join(differ)}")
    if stray := stray_files(run):
        return Verdict("silent", f"left behind: {stray}")
    return Verdict("fine")


def _labelled(run: Path, by_step: dict[str, dict[str, str]]) -> Verdict | None:
    """Evaluate a killed run: an error, or the number of steps that its weights have had."""
    ended = command("evaluate", run, "--examples", "4", "--samples", "1")
    if "Traceback" in ended.error or ended.status not in (0, 2):
        return Verdict("traceback", f"evaluate: {ended.error.strip().splitlines()[-1]}")
    if ended.status:
        return None
    said = json.loads((run / "summary.json").read_text())["step"]
    weights = tensors(run / "model.safetensors")
    true = [int(step) for step, known in by_step.items() if known == weights]
    if said not in true:
        return Verdict("silent", f"summary says step {said}, the weights are of {true}")
    return None
