"""Cases in processes of their own: how they are started, watched and judged.

The parent imports everything once. Each case runs in a fork of it, in an empty folder, without a
network, with capped memory; each command of the case runs in a fork of that.
"""

import atexit
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

OUTCOMES = ("fine", "detected", "altered", "silent", "traceback", "hang", "memory")
"""How a case may end: it worked and the result is right; one clear error; the damage made another
file that is as valid (a pixel of an array), which no reader can tell; a wrong result without a
word; an error of another kind, or one that names nothing; over the time; over the memory."""

FAILURES = OUTCOMES[3:]
GIGABYTES = 4.0
_CAP = 6 * 2**30  # bytes of data, so that a case that asks for more harms nobody else
_UNEXPECTED = 70
_NEW_MOUNTS, _BIND = 0x20000, 0x1000  # of Linux's sched.h and mount.h
_PRIVATE, _READ_ONLY = 0x44000, 0x1021  # recursive; remounted
_OUT_OF_MEMORY = re.compile(r"MemoryError|can't allocate memory|Unable to allocate|bad_alloc")
_WARNING = re.compile(
    r"^\S+:\d+: \w*Warning: .*\n(?:  .*\n?)?(?:\w*Warning: Enable tracemalloc .*\n?)?",
    re.MULTILINE,
)
_ERROR = re.compile(r"[\w.]+(Error|Exception|Interrupt|Warning)\b")
_FRAMES = re.compile(r"[\s│╭╮╰╯─]+")


class Verdict(NamedTuple):
    """How a case ended, and what was said."""

    ended: str
    message: str = ""


class Case(NamedTuple):
    """Something to try, under a name by which it can be tried again."""

    name: str
    run: Callable[[Path], Verdict]


class Ended(NamedTuple):
    """How a command ended."""

    status: int  # negative: the signal that killed it
    output: str
    error: str
    peak: float  # gigabytes of memory

    @property
    def said(self) -> str:
        """What it said, without Python's warnings."""
        return self.output + without_warnings(self.error)


def without_warnings(error: str) -> str:
    """Leave out what Python's warnings say."""
    return _WARNING.sub("", error)


def start(words: Iterable[str | Path], before: Callable[[], object] | None = None) -> int:
    """Start `symgen words` in a process of its own and return its number.

    Args:
        words: words of the command line.
        before: what to do in that process first, such as to lay a hook.
    """
    from symgen.cli import main

    def run() -> int:
        atexit._clear()  # the parent's
        if before is not None:
            before()
        sys.argv = ["symgen", *map(str, words)]
        status = main()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        atexit._run_exitfuncs()
        return status

    return _fork(run, Path.cwd().parent)


def finish(pid: int) -> Ended:
    """Wait for a command to end."""
    _, status, usage = os.wait4(pid, 0)
    box = Path.cwd().parent
    output, error = (
        (box / name).read_text(errors="replace") if (box / name).exists() else ""
        for name in ("stdout", "stderr")
    )
    peak = usage.ru_maxrss / 2**20
    return Ended(os.waitstatus_to_exitcode(status), output, error, peak)


def command(*words: str | Path, before: Callable[[], object] | None = None) -> Ended:
    """Run `symgen words` to its end."""
    return finish(start(words, before))


def at_replacement(
    name: str, act: Callable[[Path, int], object], after: bool = False
) -> Callable[[], None]:
    """Return a hook that acts right before or after files of a name are replaced.

    Args:
        name: name of the file.
        act: is given the path of the content, and how many replacements there have been.
        after: act after it.
    """

    def lay() -> None:
        replace, seen = os.replace, 0

        def hooked(source: Any, target: Any, **options: Any) -> None:
            nonlocal seen
            due = Path(target).name == name
            seen += due
            if due and not after:
                act(Path(source), seen)
            replace(source, target, **options)
            if due and after:
                act(Path(target), seen)

        os.replace = hooked

    return lay


def signal_at(count: int, number: int) -> Callable[[Path, int], None]:
    """Return what sends this process a signal at the n-th replacement."""
    return lambda _, seen: os.kill(os.getpid(), number) if seen == count else None


def judge(
    ended: Ended, names: Iterable[str | Path], right: Callable[[], Verdict] | None = None
) -> Verdict:
    """Judge a command.

    Args:
        ended: how it ended.
        names: what an error must name, any of them.
        right: judges the result of a command that ended well; None finds it fine.
    """
    if ended.peak > GIGABYTES:
        return Verdict("memory", f"{ended.peak:.1f} GB")
    error = without_warnings(ended.error)
    lines = [line for line in error.splitlines() if line.strip()]
    last = next((line for line in reversed(lines) if _ERROR.match(line)), "".join(lines[-1:]))
    if "Traceback (most recent call last)" in error or ended.status not in (0, 1, 2):
        kind = "memory" if _OUT_OF_MEMORY.search(last) else "traceback"
        return Verdict(kind, f"status {ended.status}: {last}")
    if not ended.status:
        return Verdict("fine") if right is None else right()
    framed = error.lstrip().startswith("╭")  # of the parser of the command line
    squeezed = _FRAMES.sub("", error)
    if len(lines) != 1 and not framed:
        return Verdict("traceback", f"{len(lines)} lines: {last}")
    shown = [each for name in names for each in (str(name), repr(str(name))[1:-1])]
    if not any(_FRAMES.sub("", name) in squeezed for name in shown):
        return Verdict("traceback", f"names nothing: {_FRAMES.sub(' ', error).strip()}")
    return Verdict("detected", _FRAMES.sub(" ", error).strip())


def protect(place: Path) -> None:
    """Let nothing be written outside a folder, by this process and all that it starts.

    Whoever is not root is held back by rights. Root gets mounts of its own, which are read-only:
    a case that is given `--out /` or a device must not harm the machine.
    """
    if os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: Path | None, target: str, flags: int) -> None:
        given = None if source is None else os.fsencode(source)
        if libc.mount(given, os.fsencode(target), None, ctypes.c_ulong(flags), None):
            raise OSError(ctypes.get_errno(), "no mounts of one's own: do not be root", target)

    if libc.unshare(_NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), "no mounts of one's own: do not be root")
    mount(None, "/", _PRIVATE)
    mount(place, str(place), _BIND)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        target = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[1])
        if target not in (str(place), "/proc", "/dev/shm"):  # where semaphores are
            mount(None, target, _READ_ONLY)


def run_cases(
    cases: Iterable[Case], place: Path, jobs: int = 1, seconds: float = 45.0
) -> Iterator[tuple[Case, Verdict]]:
    """Run cases, so many at once, each with so many seconds; their folders go as they end."""
    waiting, running = iter(cases), dict[int, tuple[Case, Path, float]]()
    tools = _false_tools(place)
    while True:
        while len(running) < jobs and (case := next(waiting, None)) is not None:
            box = Path(tempfile.mkdtemp(prefix="case-", dir=place))
            pid = _fork(lambda case=case, box=box: _run(case, box, tools), box, "case-")
            running[pid] = case, box, time.monotonic() + seconds
        if not running:
            return
        pid, status, usage = os.wait4(-1, os.WNOHANG)
        if pid in running:
            case, box, _ = running.pop(pid)
            _kill_group(pid)
            yield case, _verdict(box, status, usage.ru_maxrss / 2**20)
            shutil.rmtree(box, ignore_errors=True)
            continue
        for pid, (case, box, deadline) in list(running.items()):
            if time.monotonic() > deadline:
                _kill_group(pid)
                os.waitpid(pid, 0)
                del running[pid]
                yield case, Verdict("hang", f"over {seconds:g} s")
                shutil.rmtree(box, ignore_errors=True)
        time.sleep(0.005)


def prepare(build: Callable[[Path], object], base: Path) -> None:
    """Build what the cases of a campaign share, in a process of its own."""
    (base / "work").mkdir(parents=True)

    def run() -> int:
        os.chdir(base / "work")
        os.environ |= {"TMPDIR": str(base), "COLUMNS": "100"}  # panels in one column
        tempfile.tempdir = None
        build(base)
        return 0

    if finish_status(_fork(run, base, "build-")):
        raise RuntimeError((base / "build-stderr").read_text())


def finish_status(pid: int) -> int:
    """Wait for a process, for nothing but its status."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _fork(function: Callable[[], int], box: Path, prefix: str = "") -> int:
    """Run a function in a fork, its output in files of the box, and return the fork's number."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = _UNEXPECTED
    try:
        for number, name in ((1, "stdout"), (2, "stderr")):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            os.dup2(os.open(box / f"{prefix}{name}", flags, 0o666), number)
        status = function()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(bool(error.code))
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        traceback.print_exc()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _run(case: Case, box: Path, tools: Path) -> int:
    """Run a case in its box: folders, environment, limits; and write its verdict."""
    os.setsid()
    box.chmod(0o755)  # for a case that is not root
    for name in ("work", "tmp"):
        (box / name).mkdir()
    os.chdir(box / "work")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    os.environ |= {"TMPDIR": str(box / "tmp"), "PATH": path, "ALARM": str(box / "alarm")}
    os.environ["COLUMNS"] = "400"
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_DATA, (_CAP, _CAP))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def refuse(*_: Any, **__: Any) -> Any:
        (box / "alarm").write_text("asked the network")
        raise OSError("there is no network in a campaign")

    socket.getaddrinfo = refuse
    warnings.simplefilter("default")
    try:
        verdict = case.run(box / "work")
    except MemoryError:
        verdict = Verdict("memory", "MemoryError")
    except Exception as error:
        traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{Path(where.filename).name}:{where.lineno}"
        verdict = Verdict("traceback", f"in the case, {at}: {error!r}")
    (box / "verdict").write_text(json.dumps(verdict))
    return 0


def _verdict(box: Path, status: int, peak: float) -> Verdict:
    if (box / "alarm").exists():
        return Verdict("silent", (box / "alarm").read_text())
    if not (box / "verdict").exists():
        return Verdict("traceback", f"the process ended: {os.waitstatus_to_exitcode(status)}")
    verdict = Verdict(*json.loads((box / "verdict").read_text()))
    return Verdict("memory", f"{peak:.1f} GB") if peak > GIGABYTES else verdict


def _false_tools(place: Path) -> Path:
    """Write programs that image libraries have been seen to start; ours raise the alarm."""
    tools = place / "tools"
    tools.mkdir(exist_ok=True)
    for name in ("gs", "convert", "magick", "ffmpeg", "xdg-open"):
        (tools / name).write_text(f'#!/bin/sh\necho "started {name}" > "$ALARM"\nexit 1\n')
        (tools / name).chmod(0o755)
    return tools


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
