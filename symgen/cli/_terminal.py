"""What the verbs share: the terminal, reading of arguments, progress, folders to write to."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tyro
from jaxtyping import Int64
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor

from symgen.data import SequenceSource

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def parse(kind: Any, verb: str, words: Sequence[str], default: Any = None) -> Any:
    """Read the words after a verb into a dataclass."""
    given = {} if default is None else {"default": default}
    return tyro.cli(kind, prog=f"symgen {verb}", args=list(words), **given)


@contextmanager
def progress(verb: str) -> Iterator[Callable[[int, int, str], None]]:
    """Give a function that shows how much is done: a bar, or a line twice a minute in a log."""
    if errors.is_terminal:
        columns = (TextColumn(verb), BarColumn(None), TextColumn("{task.fields[text]}"))
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


def sequence_titles(source: SequenceSource, moved: Int64[Tensor, " n"]) -> list[str]:
    """Name what moves in sequences, or number them where nothing is known to move."""
    if not source.factor_names:
        return [str(number) for number in range(len(moved))]
    names = (*source.factor_names, "combined")  # moved is -1 where several move together
    return [names[int(index)] for index in moved]


def duration(seconds: float) -> str:
    """Write a time for a person."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def folder_to_write(path: Path) -> Path:
    """Make a folder if it is not there, once everything that goes into it has been made."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file: name a folder to write to")
    path.mkdir(parents=True, exist_ok=True)
    return path


def print_paths(paths: Sequence[Path]) -> None:
    """Say what was written, one path a line that nothing breaks."""
    console.print("\n".join(map(str, paths)), markup=False, soft_wrap=True)
