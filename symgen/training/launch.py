"""Taking part in what torchrun has started: several processes that train one model."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress

import torch
from torch import distributed

from symgen.training.heartbeat import PeerLost, beating, said, says
from symgen.training.trainer import TrainingDiverged, TrainingStopped

__all__ = ["launched", "local_device"]

_WAIT = 3.0  # seconds for the first process to fail, too, and to say why


def local_device(name: str) -> str:
    """Name the device of this process: its own GPU where torchrun started one for each.

    Example:
        >>> local_device("cpu")
        'cpu'
    """
    rank = os.environ.get("LOCAL_RANK")
    return name if name != "cuda" or rank is None else f"cuda:{rank}"


@contextmanager
def launched() -> Iterator[None]:
    """Join the other processes that torchrun has started, if it has, until the end.

    The first process prints; the others do so only if they fail alone. If one dies, the others
    end, and one of them says which.

    Raises:
        ValueError: if the environment says that there are others, but not how to find them.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    rank = _join()
    try:
        with ExitStack() as stack:
            stack.enter_context(beating())
            if rank:
                nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
                stack.enter_context(redirect_stdout(nowhere))
                stack.enter_context(redirect_stderr(nowhere))
            try:
                yield
            except BaseException as error:
                _fail(error, rank)
                raise
    except PeerLost as error:
        if error.told:
            _leave(1)
        raise
    distributed.destroy_process_group()


def _join() -> int:
    """Make the group of the processes, and return the number of this one."""
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ValueError(
            f"WORLD_SIZE={os.environ['WORLD_SIZE']} but {', '.join(missing)} is not set: start "
            "several processes with torchrun, or unset WORLD_SIZE"
        )
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("cpu:gloo,cuda:nccl")
    else:
        distributed.init_process_group("gloo")
    return distributed.get_rank()


def _fail(error: BaseException, rank: int) -> None:
    """Say why this process ends, or leave that to the first one if it fails in the same way."""
    if isinstance(error, PeerLost):
        if not error.told:
            says(rank)
        return
    if rank == 0:
        says(rank)
    elif said(0, _WAIT):
        _leave(_status(error))
    else:
        says(rank)


def _status(error: BaseException) -> int:
    """Return the exit status of an error, as the command line has it."""
    if isinstance(error, TrainingStopped):
        return 128 + error.signal
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 0
    return 1 if isinstance(error, TrainingDiverged) else 2


def _leave(status: int) -> None:
    """End this process without a word; the connections of the group may never close."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)
