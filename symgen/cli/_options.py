"""Options: what verbs take from the words of a command, and the kinds that several share."""

import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial, wraps
from io import StringIO
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import Positional, arg

RunFolder = Annotated[Positional[Path], arg(metavar="RUN", help="Run folder.")]
Root = Annotated[Path | None, arg(help="Folder of the image files, if they have moved.")]
Data = Annotated[
    Path | None, arg(help="Where the run's recordings are now, or others to take instead.")
]
Best = Annotated[
    bool, arg(help="Take the weights of the least validation loss, not the last ones.")
]
Factors = Annotated[
    tuple[str, ...] | None,
    arg(
        help="Arrays beside that of the recordings, in place of the run's; none for none of them."
    ),
]
Device = Annotated[str, arg(help="Where to compute: cpu, cuda, mps.")]

_REWORDED = (
    (r"^Error parsing (\w+: (?=\w+=))?", ""),
    (r"^Missing value for argument '(.*?)'.*", r"\1: its value is missing"),
    (r"no type matching (?:\{None\}\|)?(.*) could .* \[(.*)\]$", r"no \1, \2"),
    (r"invalid literal for int\(\) with base 10:|no INT,", "no whole number,"),
    (r"could not convert string to float:|no FLOAT,", "no number,"),
)
"""What tyro says, and what is said in its place."""


def call(verb: Callable[..., None], name: str, words: Sequence[str]) -> None:
    """Call the function of a verb with the words after it."""
    if "words" in inspect.signature(verb).parameters:
        verb(words)
    else:
        parse(_chosen(verb), name, words)()


def _chosen(verb: Callable[..., None]) -> Callable[..., Callable[[], None]]:
    """Make the verb wait until its words have been understood."""

    @wraps(verb)
    def chosen(*given: Any, **named: Any) -> Callable[[], None]:
        return partial(verb, *given, **named)

    return chosen


def parse(kind: Any, verb: str, words: Sequence[str], default: Any = None) -> Any:
    """Take words for the arguments of a function or of a dataclass.

    Raises:
        ValueError: in one line, for words that are no options.
    """
    given = {} if default is None else {"default": default}
    with redirect_stderr(StringIO()) as told:
        try:
            return tyro.cli(kind, prog=f"symgen {verb}", args=list(words), **given)
        except SystemExit as end:
            if not end.code:  # after --help
                raise
    raise ValueError(f"{_in_a_line(told.getvalue())}; symgen {verb} --help tells more")


def _in_a_line(box: str) -> str:
    """Return what tyro says in a box between its title and the next rule."""
    _, *lines = (line.strip("│|╭╮╰╯+ ") for line in box.splitlines() if line.strip())
    within = dropwhile(lambda line: not line.strip("─-"), lines)
    told = " ".join(takewhile(lambda line: line.strip("─-"), within))
    text, *_ = told.split(". Got errors:")
    text = text.rstrip(".")
    for pattern, words in _REWORDED:
        text = re.sub(pattern, words, text)
    return text
