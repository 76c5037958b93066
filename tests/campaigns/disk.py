"""Full disks and folders that cannot be written: one line, the old state whole, resumable."""

import errno
import os
import resource
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from fixtures import (
    differences,
    left_of,
    small_run,
    stopped_run,
    stray_files,
    write_films,
)
from harness import Case, Verdict, command, judge

_NOBODY = 65534
_VERBS = ("train", "resume", "evaluate", "encode", "export", "traverse", "inspect", "cache")


def prepare(base: Path) -> None:
    """Leave a stopped run, and what it becomes undisturbed."""
    write_films(base)
    stopped_run("tvae", base, base / "run")
    shutil.copytree(base / "run", base / "whole")
    command("train", "--resume", base / "whole", "--device", "cpu")
    for path in (base, *base.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every verb with every way in which a disk may refuse."""
    ways: dict[str, Callable[[Path], Callable[[], None] | None]] = {
        "file-limit": lambda folder: partial(_limit, 2_000),
        "fsync": lambda folder: partial(_failing, "fsync", errno.ENOSPC, 1),
        "replace": lambda folder: partial(_failing, "replace", errno.ENOSPC, 1),
        "later": lambda folder: partial(_failing, "replace", errno.EIO, 3),
        "mkdir": lambda folder: partial(_failing, "mkdir", errno.EROFS, 1),
        "read-only": _read_only,
        "full": _full,
    }
    return [
        Case(f"{verb}-{way}", partial(_tried, base, verb, make))
        for verb in _VERBS
        for way, make in ways.items()
    ]


def _words(base: Path, folder: Path, verb: str) -> list[str]:
    run, films = str(folder / "run"), str(base / "films.npy")
    return {
        "train": small_run("tvae", base, "--out", str(folder / "new")),
        "resume": ["train", "--resume", run, "--device", "cpu"],
        "evaluate": ["evaluate", run, "--examples", "8", "--samples", "1"],
        "encode": ["encode", run, "--out", str(folder / "out.npz")],
        "export": ["export", run, "--out", str(folder / "out")],
        "traverse": ["traverse", run],
        "inspect": ["data", "inspect", films, "--out", str(folder / "sheet.png")],
        "cache": ["data", "inspect", films, "--size", "9", "9", "--cache", str(folder / "cache")],
    }[verb]


def _tried(base: Path, verb: str, way: Callable, folder: Path) -> Verdict:
    """Run a command on a disk that refuses, and again on one that does not."""
    shutil.copytree(base / "run", folder / "run")
    before = left_of(folder / "run")
    hook = way(folder)
    ended = command(*_words(base, folder, verb), before=hook)
    if hook is not None:
        _mended(folder)
    verdict = judge(ended, (folder, folder.parent, "recordings.png"))
    if verdict.ended not in ("fine", "detected"):
        return verdict
    if verb not in ("train", "resume") and (lost := differences(left_of(folder / "run"), before)):
        return Verdict("silent", f"the run has changed: {lost}")
    if stray := stray_files(folder):
        return Verdict("silent", f"left behind: {stray}")
    return _again(base, verb, folder) or verdict


def _again(base: Path, verb: str, folder: Path) -> Verdict | None:
    """Give the command again, now that there is room."""
    words = _words(base, folder, verb)
    if verb == "train" and (folder / "new" / "state" / "checkpoint.safetensors").exists():
        words = ["train", "--resume", str(folder / "new"), "--device", "cpu"]
    again = command(*words)
    if again.status:
        return Verdict("traceback", f"blocked afterwards: {again.error.strip()}")
    run = {"train": folder / "new", "resume": folder / "run"}.get(verb)
    if run is not None and (differ := differences(left_of(run), left_of(base / "whole"))):
        return Verdict("silent", f"afterwards differ: {differ}")
    return None


def _limit(size: int) -> None:
    """Let no file grow beyond a size."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _failing(name: str, number: int, count: int) -> None:
    """Let a call of the system fail from the n-th time on."""
    whole, calls = getattr(os, name), 0

    def failing(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls >= count:
            paths = [str(each) for each in arguments if not isinstance(each, int)]
            raise OSError(number, os.strerror(number), *paths[:1])
        return whole(*arguments, **options)

    setattr(os, name, failing)


def _read_only(folder: Path) -> Callable[[], None]:
    """Take the right to write from everybody, and be somebody who is not root."""
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (folder.parent / "tmp").chmod(0o777)

    def drop() -> None:
        if os.getuid() == 0:
            os.setuid(_NOBODY)

    return drop


def _full(folder: Path) -> Callable[[], None]:
    """Put the folder on a disk that is full; where nothing can be mounted, limit the files."""
    kept = folder.parent / "kept"
    shutil.copytree(folder, kept)
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    if subprocess.run(words, capture_output=True).returncode:
        return partial(_limit, 4_000)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    os.chdir(folder)
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass
    return lambda: None


def _mended(folder: Path) -> None:
    """Make room, and give the rights back."""
    (folder / "ballast").unlink(missing_ok=True)
    if os.path.ismount(folder):
        kept = folder.parent / "freed"
        shutil.copytree(folder, kept)
        os.chdir(folder.parent)
        subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)
        kept.rename(folder)
        os.chdir(folder)
    for path in (folder, folder.parent, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
