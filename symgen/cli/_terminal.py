"""What the verbs share: the terminal, options, progress, folders to write to."""

import inspect
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from torch import Tensor
from tyro.conf import Positional, arg

from symgen.data.batches import factor_names
from symgen.training import Progress as TrainingProgress

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)
Show = Callable[[int, int, str], None]


RunFolder = Annotated[Positional[Path], arg(metavar="RUN", help="Run folder.")]
Root = Annotated[Path | None, arg(help="Folder of the image files, if they have moved.")]
Data = Annotated[
    Path | None, arg(help="Recordings, if they have moved, or data for a run from Python.")
]
Device = Annotated[str, arg(help="Where to compute: cpu, cuda.")]


def call(verb: Callable[..., None], name: str, words: Sequence[str]) -> None:
    """Call the function of a verb with the words after it."""
    if "words" in inspect.signature(verb).parameters:
        verb(words)
    else:
        parse(verb, name, words)


def parse(kind: Any, verb: str, words: Sequence[str], default: Any = None) -> Any:
    """Take words for the arguments of a function or of a dataclass."""
    given = {} if default is None else {"default": default}
    return tyro.cli(kind, prog=f"symgen {verb}", args=list(words), **given)


def say(text: str) -> None:
    """Print lines that nothing breaks and in which nothing is taken for markup."""
    console.print(text, markup=False, soft_wrap=True)


def usable_device(name: str) -> str:
    """Return the name of a device that computes.

    Raises:
        ValueError: if there is no such device here.
    """
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={name!r} does not compute here ({reason}): take cpu") from error
    if device.type == "meta":
        raise ValueError(f"device={name!r} holds no values: take cpu")
    return name


def best_device() -> str:
    """Name the device to compute on unless another is asked for."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@contextmanager
def progress(verb: str) -> Iterator[Show]:
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


def training_shown(show: Show, about: str = "") -> Callable[[TrainingProgress], None]:
    """Return what shows the progress of a training."""
    return lambda now: show(now.step, now.steps, f"{about}{now}")


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


def print_paths(paths: Sequence[Path]) -> None:
    """Say what was written, one path a line."""
    say("\n".join(map(str, paths)))
