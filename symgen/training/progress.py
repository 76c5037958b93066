"""Progress that a person watches, in a terminal or a notebook."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

__all__ = ["Progress"]


@dataclass(frozen=True)
class Progress:
    """Where a training run stands; loss and terms are means over the latest steps, in nats.

    Taken by `fit`.

    Attributes:
        step: updates done.
        steps: updates in all.
        examples: examples seen: sequences, or single images.
        seconds: time spent on them, evaluations not counted.
        examples_per_second: recent speed.
        seconds_left: time to the end at that speed.
        loss: sum of the terms, KL terms with their weight.
        terms: terms of the loss by name, without weights.
        saved: whether the state has just been saved because SIGUSR1 asked for it.
    """

    step: int
    steps: int
    examples: int
    seconds: float
    examples_per_second: float
    seconds_left: float
    loss: float
    terms: dict[str, float]
    saved: bool = False

    @property
    def news(self) -> str:
        """What is to be said at once, if anything."""
        return f"saved at step {self.step:,} of {self.steps:,}" if self.saved else ""

    def __str__(self) -> str:
        terms = ", ".join(f"{name} {value:.2f}" for name, value in self.terms.items())
        return (
            f"{self.examples:,} seen, {self.examples_per_second:,.0f}/s, "
            f"loss {self.loss:.2f} ({terms}), {duration(self.seconds_left)} left"
        )


Observe = Callable[[Progress], object]


def duration(seconds: float) -> str:
    """Write a time for a person."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def observed(
    observe: Observe | None, every: float = 0.25, reported: float = -1.0
) -> Callable[[Callable[[], Progress], bool], None]:
    """Return a function that reports so often, in seconds, and whenever it is the last time.

    By default a few times per second: for each report a GPU has to be waited for.
    """

    def report(progress: Callable[[], Progress], last: bool) -> None:
        nonlocal reported
        now = time.monotonic()
        if observe is not None and (last or now - reported >= every):
            reported = now
            observe(progress())

    return report


@contextmanager
def shown(wanted: bool | None) -> Iterator[Observe | None]:
    """Show a bar, or lines where there is no terminal; None shows it where a person watches."""
    console = Console(stderr=True, highlight=False, emoji=False)
    watched = console.is_terminal or console.is_jupyter
    if not (watched if wanted is None else wanted):
        yield None
    elif watched:
        columns = (TextColumn("training"), BarColumn(None), TextColumn("{task.fields[text]}"))
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task("training", total=None, text="")

            def update(now: Progress) -> None:
                if now.news:
                    _print(console, now.news)
                bar.update(task, completed=now.step, total=now.steps, text=str(now))

            yield update
    else:
        report = observed(partial(_line, console), every=30.0, reported=time.monotonic())
        yield lambda now: report(lambda: now, now.saved or now.step == now.steps)


def _line(console: Console, now: Progress) -> None:
    done = 100 * now.step // now.steps
    _print(console, f"training {done} %: {now.news or now}")


def _print(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
