"""What the verbs share: the terminal, progress, folders to write to."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor

from symgen._files import claimed, require_file
from symgen.data.batches import factor_names
from symgen.training import Progress as TrainingProgress


class _Output(Console):
    """Standard output, which an error names, and which a reader may close early."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as Rich does."""
        try:
            super().print(*objects, **options)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OSError(error.errno, error.strerror, "standard output") from error

    def on_broken_pipe(self) -> None:
        """Raise what Rich would make a failure of the command."""
        with suppress(SystemExit):
            super().on_broken_pipe()
        raise BrokenPipeError


console = _Output(highlight=False, emoji=False, markup=False)
errors = Console(stderr=True, highlight=False, emoji=False, markup=False)
Show = Callable[[int, int, str], None]


class Unfinished(RuntimeError):
    """A verb has done all that it could, but not what it was asked for; the message says so."""


def say(text: str) -> None:
    """Print lines that nothing breaks."""
    console.print(text, soft_wrap=True)


@contextmanager
def progress(verb: str) -> Iterator[Show]:
    """Give a function that shows how much is done: a bar, or a line twice a minute in a log."""
    if errors.is_terminal:
        columns = (
            TextColumn(verb),
            BarColumn(None),
            TextColumn("{task.fields[text]}", markup=False),
        )
        with Progress(*columns, console=errors, transient=True) as bar:
            task = bar.add_task(verb, total=None, text="")
            yield lambda done, total, text: bar.update(
                task, completed=done, total=total, text=text
            )
        return
    last = time.monotonic()

    def line(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= 30:
            last = time.monotonic()
            errors.print(f"{verb} {100 * done // total} %: {text}", soft_wrap=True)

    yield line


def training_shown(show: Show, about: str = "") -> Callable[[TrainingProgress], None]:
    """Return what shows the progress of a training."""

    def observe(now: TrainingProgress) -> None:
        if now.news:
            errors.print(f"symgen: {now.news}", soft_wrap=True)
        show(now.step, now.steps, f"{about}{now}")

    return observe


def batches_shown(show: Show, about: str = "") -> Callable[[int, int], None]:
    """Return what shows the progress of an evaluation."""
    return lambda done, total: show(done, total, f"{about}batch {done} of {total}")


def sequence_titles(source: Any, batch: Any) -> list[str]:
    """Name what moves in sequences, or number them where nothing is known to move."""
    known = factor_names(source)
    if not known:
        return [str(number) for number in range(len(batch.inputs[0]))]
    names = (*known, "combined")  # moved is -1 where several move together
    return [names[int(index)] for index in batch.moved]


def chosen(batch: Any, indices: list[int]) -> Any:
    """Return some of the items of a batch."""
    return batch._make(part[indices] if isinstance(part, Tensor) else part for part in batch)


def folder_to_write(path: Path) -> Path:
    """Make a folder if it is not there, once everything that goes into it has been made."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file: name a folder to write to")
    path.mkdir(parents=True, exist_ok=True)
    return path


def new_file(path: Path, force: bool, source: Path | None = None) -> None:
    """Refuse a path where no file can be, and a file that is there, unless it may be replaced.

    Args:
        source: file or folder that is read, of which nothing may be replaced.
    """
    require_file(path)
    if not path.is_file():
        return
    if source is not None and source.resolve() in (here := path.resolve(), *here.parents):
        raise ValueError(f"{path} is part of what is read, {source}: give another name")
    if not force:
        raise ValueError(f"{path} is there already: give another name, or --force to replace it")


@contextmanager
def writing_new(path: Path, force: bool) -> Iterator[None]:
    """Write a file that no other process writes, nor has written since `new_file`."""
    with claimed(path):
        new_file(path, force)
        yield


def free_name(stem: str) -> Path:
    """Return the first name for a picture that is not taken: stem.png, stem-2.png and so on."""
    names = (Path(f"{stem}-{number}.png" if number > 1 else f"{stem}.png") for number in count(1))
    return next(name for name in names if not name.exists())


def print_paths(paths: Sequence[Path]) -> None:
    """Say what was written, one path a line."""
    say("\n".join(map(str, paths)))
