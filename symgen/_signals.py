"""SIGINT and SIGTERM, taken in a way that leaves nothing behind; SIGUSR1, which asks to save."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["asked_to_save", "handled", "signals_clean_up", "signals_wait"]

_STOPS = (signal.SIGINT, signal.SIGTERM)
_SAVE = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))


@contextmanager
def signals_wait() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the end: for libraries that abort if they interrupt."""
    waiting: list[int] = []
    with handled(lambda number, _: waiting.append(number)):
        yield
    if waiting:
        signal.raise_signal(waiting[0])


@contextmanager
def signals_clean_up() -> Iterator[None]:
    """Let the first SIGINT or SIGTERM raise KeyboardInterrupt, and no other disturb what follows.

    SIGTERM ends the process only then, as by default it does at once.
    """
    stop: list[int] = []

    def interrupt(number: int, _: object) -> None:
        if not stop:
            stop.append(number)
            raise KeyboardInterrupt

    try:
        with handled(interrupt):
            yield
    except KeyboardInterrupt:
        if stop == [signal.SIGTERM]:
            signal.raise_signal(signal.SIGTERM)
        raise


@contextmanager
def asked_to_save(answer: Callable[[], object]) -> Iterator[None]:
    """Answer SIGUSR1, as of a cluster that is about to stop a job, instead of ending with it.

    Windows has no such signal. An answer within another takes its place.

    Example:
        >>> with asked_to_save(lambda: print("saved")):
        ...     signal.raise_signal(signal.SIGUSR1)
        saved
    """
    with handled(lambda *_: answer(), _SAVE):
        yield


@contextmanager
def handled(
    handler: Callable[[int, object], Any], numbers: tuple[int, ...] = _STOPS
) -> Iterator[Callable[[], None]]:
    """Handle SIGINT and SIGTERM, which only the main thread can; give what ends it early."""
    previous: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        previous = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}

    def restore() -> None:
        for number, before in previous.items():
            signal.signal(number, before)

    try:
        for number in previous:
            signal.signal(number, handler)
        yield restore
    finally:
        restore()
