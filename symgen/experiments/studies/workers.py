"""Workers that share the runs of a study: processes of this machine, or jobs of a cluster."""

import os
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from symgen._signals import signals_clean_up
from symgen.experiments.studies.engine import Missing
from symgen.experiments.studies.plan import JOBS, Job, Plan, name_of, steps_taken
from symgen.training import TrainingStopped

Place = Literal["local", "slurm", "debug"]
Tell = Callable[[], object]
_POLL = 0.3  # seconds
_LONG = 60 * 24 * 7  # minutes that a worker of this machine may take
_ASKED = tuple(
    getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)  # by a cluster that is about to stop a job


class Worker:
    """Makes runs of a plan that nobody else is making, until there are none; for submitit.

    The runs are claimed by locks, which the system opens when a worker ends, however it ends. A
    signal that announces the end of the job saves the run in progress; the job is queued again
    then, and goes on from there. A run that fails is made no more by this worker, nor by a copy of
    it that takes its place. It prints what it makes, and how long that takes.

    Args:
        plan: what is asked for.
        jobs: which of its runs; all of them may be given to several workers.
        threads: of torch.
    """

    def __init__(self, plan: Plan, jobs: Sequence[Job], threads: int) -> None:
        self.plan, self.jobs, self.threads = plan, list(jobs), threads
        self.since = time.time()

    def __call__(self) -> None:
        """Make the runs."""
        torch.set_num_threads(self.threads)
        before = {number: signal.signal(number, _stop) for number in _ASKED}
        before[signal.SIGTERM] = signal.signal(signal.SIGTERM, _end)
        try:
            self._work()
        except (TrainingStopped, _Ended) as stopped:
            again = before.get(_ASKED[-1]) if _ASKED else None
            if getattr(stopped, "signal", signal.SIGTERM) == signal.SIGTERM and callable(again):
                again(_ASKED[-1], None)  # submitit's handler, which queues the job again
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def checkpoint(self) -> Any:
        """Return what submitit is to run when the job comes again: the same."""
        import submitit

        return submitit.helpers.DelayedSubmission(self)

    def _work(self) -> None:
        """Make runs until the rest is on record, has failed or is made by others."""
        left, before = self.jobs, -1
        while len(left) != before:
            before = len(left)
            left = [job for job in left if not self._settled(job)]

    def _settled(self, job: Job) -> bool:
        """Make a run, unless it is made or has failed by now; False if another makes it."""
        note = _note(self.plan, name_of(job))
        try:
            with self.plan.claimed(job):
                failed = note.is_file() and note.stat().st_mtime >= self.since
                if not failed and not self.plan.has(job):
                    self._make(job, note)
        except BlockingIOError:
            return False
        return True

    def _make(self, job: Job, note: Path) -> None:
        note.unlink(missing_ok=True)
        note.with_suffix(".began").touch()
        name, start = name_of(job), time.perf_counter()
        print(f"{name}: from step {steps_taken(self.plan.workshop, *job)}", flush=True)
        try:
            self.plan.make(*job)
        except TrainingStopped:
            raise
        except Missing as reason:
            note.write_text(f"{reason}\n", encoding="utf-8")
        except Exception:
            note.write_text(traceback.format_exc(), encoding="utf-8")
        ended = "failed" if note.is_file() else "done"
        print(f"{name}: {ended} after {time.perf_counter() - start:.1f} s", flush=True)


@dataclass(frozen=True)
class Standing:
    """How far a run of a plan is.

    Attributes:
        name: of the run.
        state: "done", "running", "failed", "stopped" (it has begun, and nobody makes it) or
            "waiting".
        step: updates done.
        steps: updates in all.
        why: last line of the error of a run that failed.
    """

    name: str
    state: Literal["done", "running", "failed", "stopped", "waiting"]
    step: int
    steps: int
    why: str = ""


def standings(plan: Plan) -> list[Standing]:
    """Return how far every run of a plan is, by what lies in its folders."""
    return [_standing(plan, job) for job in plan.jobs]


def _standing(plan: Plan, job: Job) -> Standing:
    line, seed = job
    name = name_of(job)
    steps = plan.workshop.budget.experiment(line, seed).training.steps
    step = steps_taken(plan.workshop, line, seed)
    if plan.has(job):
        return Standing(name, "done", steps, steps)
    try:
        with plan.claimed(job):
            pass
    except BlockingIOError:
        return Standing(name, "running", step, steps)
    note = _note(plan, name)
    if note.is_file():
        *_, why = note.read_text(encoding="utf-8").strip().split("\n")
        return Standing(name, "failed", step, steps, why.removeprefix(f"{name}: "))
    began = step or note.with_suffix(".began").is_file()
    return Standing(name, "stopped" if began else "waiting", step, steps)


def work_locally(plan: Plan, jobs: int, tell: Tell) -> None:
    """Work off a plan with processes of this machine, which have equal shares of its processors.

    A process that dies is replaced, and its run goes on from its last checkpoint: as often as
    there are processes, since what kills one may kill the next; then what is left has failed.
    Ctrl-C ends all, and gives each a second to save.

    Args:
        plan: what is asked for.
        jobs: processes at a time.
        tell: is called a few times a second.
    """
    threads = max(1, torch.get_num_threads() // jobs)
    executor, spare = _executor(plan, "local", {"timeout_min": _LONG}), jobs
    worker, why = Worker(plan, plan.pending(), threads), ""

    def start() -> Any:
        with _errors_to(plan.workshop.out / JOBS / "submitit.log"):
            return executor.submit(worker)

    with _threads(threads), signals_clean_up():
        working = [start() for _ in range(min(jobs, len(worker.jobs)))]
        try:
            while working:
                time.sleep(_POLL)
                tell()
                for job in [each for each in working if each.done()]:
                    working.remove(job)
                    died = _death(job)
                    why = died or why
                    if died and spare:
                        spare -= 1
                        working.append(start())
        except BaseException:
            for job in working:
                job.cancel()
            while any(not job.done() for job in working):
                time.sleep(_POLL)
            raise
    for job in plan.jobs if why else ():
        if _standing(plan, job).state in ("stopped", "waiting"):
            told = f"its process ended ({why}): give the same command again"
            _note(plan, name_of(job)).write_text(f"{told}\n", encoding="utf-8")


def work_here(plan: Plan) -> None:
    """Work off a plan in this process, as a worker does."""
    try:
        Worker(plan, plan.pending(), torch.get_num_threads())()
    except _Ended:
        signal.raise_signal(signal.SIGTERM)


def submit(plan: Plan, **asked: Any) -> list[str]:
    """Queue the runs of a plan as an array of SLURM jobs; return their numbers.

    Args:
        plan: what is asked for.
        **asked: what submitit calls them, such as `time` in minutes, `partition`,
            `gpus_per_node`, `cpus_per_task`, `array_parallelism`.

    Raises:
        ValueError: if there is no SLURM here, or no such option.
    """
    jobs = plan.pending()
    threads = asked.get("cpus_per_task", 1)
    named = {f"slurm_{name}": value for name, value in asked.items()}
    executor = _executor(plan, "slurm", named)
    with executor.batch():
        queued = [executor.submit(Worker(plan, [job], threads)) for job in jobs]
    return [job.job_id for job in queued]


def _executor(plan: Plan, on: Place, asked: dict[str, Any]) -> Any:
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"--on {on} needs submitit: pip install 'symgen[cluster]'"
        ) from error
    folder = (plan.workshop.out / JOBS).absolute()
    try:
        executor = submitit.AutoExecutor(folder, cluster=on)
        executor.update_parameters(name=plan.about.name, **asked)
    except (RuntimeError, ValueError, AssertionError, NameError, TypeError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(f"--on {on} does not work here ({first}): take --on local") from error
    return executor


class _threads:
    """Let processes that are started have so many threads, before they load torch."""

    _NAMES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

    def __init__(self, count: int) -> None:
        self.count = count

    def __enter__(self) -> None:
        self.before = {name: os.environ.get(name) for name in self._NAMES}
        os.environ.update(dict.fromkeys(self._NAMES, str(self.count)))

    def __exit__(self, *error: object) -> None:
        for name, value in self.before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _errors_to(path: Path) -> Iterator[None]:
    """Let processes that are started write errors to a file: submitit's do when they end."""
    with path.open("ab") as file:
        before = os.dup(2)
        try:
            os.dup2(file.fileno(), 2)
            yield
        finally:
            os.dup2(before, 2)
            os.close(before)


def _death(job: Any) -> str:
    """Say how a job ended that has not come to its end; nothing if it has."""
    try:
        job.result()
    except Exception:  # whatever submitit makes of it
        return (job.stderr() or "").strip().rpartition("\n")[2] or "without a word"
    return ""


class _Ended(BaseException):
    """The job is to end while no training goes on."""


def _end(*_: Any) -> None:
    raise _Ended


def _stop(*_: Any) -> None:
    signal.raise_signal(signal.SIGTERM)  # at which a training saves and ends


def _note(plan: Plan, name: str) -> Path:
    """Return the file that tells why a run failed."""
    return plan.workshop.out / JOBS / f"{name}.failed"
