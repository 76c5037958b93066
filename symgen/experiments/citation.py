"""What to cite for what was used, as BibTeX."""

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import symgen
from symgen._files import read_toml
from symgen.experiments.families import family_of
from symgen.experiments.runs import OpenRun, open_run
from symgen.models import Pretrained
from symgen.training import Run

__all__ = ["citation"]


def citation(used: Any = None) -> str:
    """Return BibTeX for what was used: this package, the paper of a model, its data set.

    Args:
        used: a model or its class, or a run or its folder, whose data set is cited too if it is
            one that this package knows; None for all that there is to cite.

    Returns:
        Entries with an empty line between them, those of the package first.

    Raises:
        ValueError: if it is none of these.
        FileNotFoundError: if there is no such folder.

    Example:
        >>> from symgen import TVAE
        >>> print(*(line for line in citation(TVAE).splitlines() if line.startswith("@")))
        @software{symgen, @inproceedings{keller2021topographic,
    """
    told = read_toml("citations.toml", __name__)
    papers, data = [*told["papers"]], [*told["data"]]
    if used is not None:
        kind, config = _kind_and_data(used)
        papers = [family_of(kind).name]
        names = {config.get("kind"), config.get("images")}
        data = [name for name in data if name in names]
    entries = [told["symgen"]["symgen"].replace("$version", symgen.__version__)]
    entries += [told["papers"][name] for name in papers] + [told["data"][name] for name in data]
    return "\n\n".join(entry.strip() for entry in entries) + "\n"


def _kind_and_data(used: Any) -> tuple[type[Pretrained], Mapping[str, Any]]:
    """Return a model's class, and what settings say of its data."""
    if isinstance(used, Run) and used.folder is None:
        used = used.model
    if isinstance(used, Pretrained):
        return type(used), {}
    if inspect.isclass(used) and issubclass(used, Pretrained):
        return used, {}
    if isinstance(used, Run | Path | str):
        used = open_run(used.folder if isinstance(used, Run) else used)  # pyright: ignore
    if not isinstance(used, OpenRun):
        raise ValueError(
            f"used={used!r} is neither a model nor a run: give one, or nothing for all"
        )
    return used.kind, used.config["data"] or {}
