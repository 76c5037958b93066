"""Options: what verbs take from the words of a command, and the kinds that several share."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from tyro.conf import Positional, arg

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
