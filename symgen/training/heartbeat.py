"""Signs of life between the processes of a training, by which the others know who has died."""

import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from torch import distributed
from torch.distributed.distributed_c10d import _get_default_store

__all__ = ["PeerLost"]

_EVERY = 0.3  # seconds between two beats
_PATIENCE = 2.0  # seconds without one, after which a process is dead


class PeerLost(ConnectionError):
    """Another process of the training has ended; `told` is whether something was said of it."""

    def __init__(self, message: str, told: bool) -> None:
        super().__init__(message)
        self.told = told


@contextmanager
def beating() -> Iterator[None]:
    """Give signs of life, until the end, to the other processes of the group."""
    store, rank, end = _store(), distributed.get_rank(), threading.Event()
    store.set(f"symgen/who/{rank}", f"{os.getpid()} on {platform.node()}")

    def beat() -> None:
        with suppress(RuntimeError):  # the store has gone, and with it whoever could look
            while True:
                store.add(f"symgen/beats/{rank}", 1)
                if end.wait(_EVERY):
                    return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def says(rank: int) -> None:
    """Let the others know that this process says by itself why it ends."""
    with suppress(RuntimeError):
        _store().set(f"symgen/said/{rank}", "")


def said(rank: int, seconds: float) -> bool:
    """Tell whether another process says by itself why it ends, within some seconds."""
    end = time.monotonic() + seconds
    with suppress(RuntimeError):
        while not (found := _store().check([f"symgen/said/{rank}"])) and time.monotonic() < end:
            time.sleep(_EVERY)
        return found
    return False


@contextmanager
def lost(rank: int, world: int) -> Iterator[None]:
    """Turn the failure of what processes do together into a `PeerLost` that names the dead one."""
    try:
        yield
    except RuntimeError as error:
        raise _lost(rank, world, str(error)) from error


def _lost(rank: int, world: int, why: str) -> PeerLost:
    others = [other for other in range(world) if other != rank]
    try:
        store = _store()
        if not store.check([f"symgen/who/{other}" for other in range(world)]):  # nobody's beats
            return PeerLost(f"another of {world} processes has ended ({why})", False)
        before = {other: store.add(f"symgen/beats/{other}", 0) for other in others}
        time.sleep(_PATIENCE)
        dead = [o for o in others if store.add(f"symgen/beats/{o}", 0) == before[o]]
        named = [f"{o} (process {store.get(f'symgen/who/{o}').decode()})" for o in dead]
    except RuntimeError:  # process 0 had the store
        dead, named = [0], ["0"]
    if not dead:
        return PeerLost(f"the {world} processes have lost each other ({why})", rank != 0)
    others_say = any(said(other, 0.0) for other in dead)
    speaker = min(set(range(world)) - set(dead)) == rank
    which = "rank" if len(dead) == 1 else "ranks"
    return PeerLost(
        f"{which} {', '.join(named)} of {world} ended without a word, and the others "
        "with it: resume the run, which goes on from its last checkpoint",
        others_say or not speaker,
    )


def _store() -> Any:
    return _get_default_store()
