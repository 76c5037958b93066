"""What a study is asked for, and how it is worked off: run by run, by one process or many."""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from symgen._errors import nearest
from symgen._files import file_to_write
from symgen._locks import held
from symgen.experiments.studies.criteria import judged
from symgen.experiments.studies.engine import Missing, Show, Workshop, entry_made, tells_of
from symgen.experiments.studies.record import Entry, StudyRecord, entry_of, read_entries
from symgen.experiments.studies.study import Budget, Line, Study, study
from symgen.training import commit, hardware, saved_step
from symgen.training.progress import Observe, duration
from symgen.training.run_folder import CHECKPOINT

JOBS = "jobs"  # folder in that of the runs: what is claimed, and what workers write
Job = tuple[Line, int]


@dataclass(frozen=True)
class Plan:
    """The lines and seeds of a study, where they lie, and what may be spent.

    Attributes:
        about: the study.
        budget: name of the budget.
        lines: its lines.
        seeds: of every line.
        workshop: where runs lie.
        record: file of the record.
        command: what makes it.
    """

    about: Study
    budget: str
    lines: tuple[Line, ...]
    seeds: tuple[int, ...]
    workshop: Workshop
    record: Path
    command: str

    @property
    def jobs(self) -> list[Job]:
        """All lines and seeds; the first seed of every line comes first."""
        return [*_runs(self.lines, self.seeds)]

    @property
    def evaluated(self) -> dict[str, Any]:
        """How much is measured of a run."""
        spent = self.workshop.budget
        told = {"items": spent.items, "samples": spent.samples, "seed": 0}
        return told | ({"spread": True} if spent.spread else {})

    @cached_property
    def header(self) -> dict[str, Any]:
        """What the record says of where it comes from."""
        return {
            "study": self.about.name,
            "command": self.command,
            "commit": commit(),
            "hardware": hardware(self.workshop.device),
        }

    def pending(self) -> list[Job]:
        """Return what is not on record."""
        return [job for job in self.jobs if not self.has(job)]

    def has(self, job: Job) -> bool:
        """Tell whether a run is on record, and copy what another study's record has of it.

        An entry whose run folder tells of another run is none.
        """
        line, seed = job
        record = StudyRecord(self.about, self.record)
        wanted = self.workshop.budget.experiment(line, seed, self.workshop.place)
        known = record.find(line, self.budget, seed, wanted, self.evaluated)
        if known is None or not tells_of(known, self.workshop.folder(line, seed), wanted):
            return False
        if entry_of(read_entries(self.record), line, self.budget, seed) != known:
            record.put(known, self.header)
        return True

    def make(self, line: Line, seed: int, observe: Observe | None = None) -> None:
        """Train or resume a run, measure it, and put it on record.

        Raises:
            Missing: if that cannot be; it tells why.
        """
        run = self.workshop.finished(line, seed, observe) if line.trained else None
        entry = entry_made(line, seed, self.budget, self.workshop, run, self.evaluated)
        StudyRecord(self.about, self.record).put(entry, self.header)

    def entries(self) -> list[Entry]:
        """Return what is on record with these settings."""
        known, record = read_entries(self.record), StudyRecord(self.about, self.record)
        found = []
        for line, seed in self.jobs:
            entry = entry_of(known, line, self.budget, seed)
            wanted = self.workshop.budget.experiment(line, seed, self.workshop.place)
            if entry is not None and record.fits(entry, line, wanted, self.evaluated):
                found.append(entry)
        return found

    def work(self) -> dict[str, str]:
        """Make what is not on record, one after the other; return why some could not be made.

        Other processes may do the same: what one of them is making is looked for again later.
        """
        missing: dict[str, str] = {}
        left, number = self.pending(), 0
        count = len(left)
        while left:
            busy: list[Job] = []
            for place, job in enumerate(left):
                later = [*left[place + 1 :], *busy]
                about = f"run {number + 1} of {count}, {name_of(job)}"
                try:
                    with self.claimed(job) if self.workshop.train else nullcontext():
                        if not self.has(job):  # another may have made it by now
                            self.make(*job, _training_shown(self.workshop, about, later))
                except BlockingIOError:
                    busy.append(job)
                    continue
                except Missing as reason:
                    missing[name_of(job)] = str(reason)
                number += 1
            if len(busy) == len(left):
                break
            left = busy
        for job in left:
            missing[name_of(job)] = "another process is making it: give the command again later"
        return missing

    def claimed(self, job: Job) -> Any:
        """Claim a run, or raise a BlockingIOError if somebody makes it."""
        folder = self.workshop.out / JOBS
        folder.mkdir(parents=True, exist_ok=True)
        return held(folder / f"{name_of(job)}.lock", wait=False)

    def result(self, missing: dict[str, str]) -> dict[str, Any]:
        """Return the entries, why others are `missing` by run, and the criteria of ACE."""
        entries = self.entries()
        result = {**self.header, "entries": entries, "missing": missing}
        if "criteria" in self.about.shown:
            others, seeds = self._others()
            found = judged([*entries, *others], seeds, smoke=self.budget == "smoke")
            derived = {"criteria": found, "seeds": seeds}
            result |= derived
            if entries:
                StudyRecord(self.about, self.record).note(derived)
        return result

    def _others(self) -> tuple[list[Entry], int]:
        """Return what else is on record of this budget, and how many seeds are judged by all."""
        mine = {(line.preset, line.variant, seed) for line, seed in self.jobs}
        others = [
            entry
            for entry in read_entries(self.record)
            if entry["budget"] == self.budget
            and (entry["preset"], entry["variant"], entry["seed"]) not in mine
        ]
        return others, max([len(self.seeds), *(entry["seed"] + 1 for entry in others)])


def planned(
    name: str | Study,
    out: Path,
    record: Path,
    *,
    budget: str = "laptop",
    seeds: int | Sequence[int] = 3,
    only: Sequence[str] | None = None,
    train: bool = True,
    place: Path | None = None,
    device: str = "cpu",
    show: Show | None = None,
    spending: Budget | None = None,
    command: str | None = None,
) -> Plan:
    """Plan the lines of a study, or of one of one's own; see `run_study`.

    Raises:
        ValueError: for a budget, a line or a number of seeds that there is not.
    """
    about = study(name) if isinstance(name, str) else name
    lines = _chosen(about, budget, seeds, only, spending)
    file_to_write(record)
    spent = spending or about.budgets[budget]
    workshop = Workshop(out, spent, train, place, device, show or Workshop.show)
    if command is None:
        command = f"symgen reproduce {about.name} --seeds {seeds} --budget {budget}"
        command = " ".join([command, "--only", *only] if only else [command])
    chosen = tuple(range(seeds) if isinstance(seeds, int) else seeds)
    return Plan(about, budget, tuple(lines), chosen, workshop, record, command)


def run_study(name: str | Study, out: Path, record: Path, **options: Any) -> dict[str, Any]:
    """Train and measure the lines of a study, and put them on record.

    What is on record with the same settings, budget and seed is left as it is, here or in the
    record of another study in the same folder, unless its run folder tells of another run. Of the
    others, finished runs are measured, stopped ones resumed, missing ones trained, lines that need
    the same run share it; the record is written after each. Several processes may work at once.

    Args:
        out: folder of the run folders.
        **options: of `planned`: the `budget`; how many `seeds`, or which; `only` the lines of
            these names; whether to `train` what is missing; the `place` of the image files, if not
            the environment variable SYMGEN_DATA; the `device`; what to `show` progress by; and
            `spending`, if the budget comes to something else than its name stands for.

    Returns:
        The entries of the lines, why others are `missing` by run, and the criteria of ACE.
    """
    plan = planned(name, out, record, **options)
    return plan.result(plan.work())


def _chosen(
    about: Study,
    budget: str,
    seeds: int | Sequence[int],
    only: Sequence[str] | None,
    spending: Budget | None,
) -> list[Line]:
    if budget not in about.budgets:
        raise ValueError(f"no budget {budget!r} of {about.name}: {nearest(budget, about.budgets)}")
    if isinstance(seeds, int) and seeds < 1:
        raise ValueError(f"seeds={seeds}: give a positive number")
    if only is not None and not only:
        raise ValueError(f"only={only}: name a line, or leave it out for all")
    lines = about.lines(spending or about.budgets[budget])
    names = {line.name for line in lines}  # which several tests of a run share
    for name in only or ():
        if name not in names:
            raise ValueError(f"no line {name!r} in {about.name}: {nearest(name, names)}")
    return [line for line in lines if only is None or line.name in only]


def _runs(lines: Sequence[Line], seeds: Sequence[int]) -> Iterator[Job]:
    for number, seed in enumerate(seeds):
        for line in lines:
            if line.seeds is None or number < line.seeds:
                yield line, seed


def name_of(job: Job) -> str:
    """Name the run folder of a job."""
    return job[0].run_name(job[1])


def _examples_left(workshop: Workshop, jobs: Sequence[Job]) -> int:
    """Count the examples that runs have still to see; lines share some of them."""
    left = {}
    for line, seed in jobs:
        if line.trained:
            folder = workshop.folder(line, seed)
            left[folder] = examples_left(workshop, line, seed)
    return sum(left.values())


def examples_left(workshop: Workshop, line: Line, seed: int) -> int:
    """Count the examples that a run has still to see."""
    training = workshop.budget.experiment(line, seed).training
    return (training.steps - steps_taken(workshop, line, seed)) * training.batch_size


def steps_taken(workshop: Workshop, line: Line, seed: int) -> int:
    """Return the step of a run's checkpoint; 0 of a damaged one, which resuming will refuse."""
    with suppress(ValueError):
        return saved_step(workshop.folder(line, seed) / CHECKPOINT)
    return 0


def _training_shown(workshop: Workshop, name: str, later: Sequence[Job]) -> Observe:
    after = _examples_left(workshop, later) if workshop.train else 0

    def observe(now: Any) -> None:
        everything = now.seconds_left + after / now.examples_per_second
        left, all_left = duration(now.seconds_left), duration(everything)
        text = f"{name}: loss {now.loss:.1f}, {left} left, {all_left} for all"
        workshop.show(now.step, now.steps, text)

    return observe
