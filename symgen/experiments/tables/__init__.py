"""Tables of README and docs, generated from the records in `results/`, one writer per file.

    python -m symgen.experiments.tables README.md docs/*.md

rewrites every table between `<!-- table NAME -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from symgen.experiments.reproduce import ITEMS
from symgen.experiments.tables.ace import ace, ace_summary
from symgen.experiments.tables.benchmarks import (
    ace_options,
    ace_step,
    growth,
    memory,
    metrics,
    products,
    sparse,
    step,
    step_xeon,
)
from symgen.experiments.tables.colour_mnist import colour_mnist
from symgen.experiments.tables.demonstration import demo, untrained_models
from symgen.experiments.tables.extensions import extensions, forecast, online
from symgen.experiments.tables.probes import probes
from symgen.experiments.tables.topographic import Table, reproduction, tables_of

__all__ = ["TABLES", "Table", "fill_tables", "tables_of"]

_MARKED = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

TABLES: dict[str, Callable[[Path], str]] = {
    "ace": ace,
    "ace-options": ace_options,
    "ace-step": ace_step,
    "ace-summary": ace_summary,
    "colour-mnist": colour_mnist,
    "demo": demo,
    "extensions": extensions,
    "forecast": forecast,
    "growth": growth,
    "memory": memory,
    "metrics": metrics,
    "online": online,
    "probes": probes,
    "products": products,
    "sparse": sparse,
    "step": step,
    "step-xeon": step_xeon,
    "untrained": untrained_models,
    **{item: reproduction(item) for item in ITEMS},
}
"""Writers of tables, from the folder of the records, by name."""


def fill_tables(text: str, results: Path) -> str:
    """Replace every marked table of a text by the one that the records give now.

    Args:
        text: Markdown with `<!-- table NAME -->` … `<!-- end -->`.
        results: folder of the records.

    Returns:
        The text with its tables up to date.

    Raises:
        ValueError: if a table has no such name.
        FileNotFoundError: if its record is missing.

    Example:
        >>> fill_tables("no table here", Path("results"))
        'no table here'
    """

    def fill(match: re.Match[str]) -> str:
        name = match.group(2)
        if name not in TABLES:
            raise ValueError(f"no table {name!r}: choose one of {', '.join(TABLES)}")
        return match.group(1) + "\n" + TABLES[name](results) + "\n" + match.group(3)

    return _MARKED.sub(fill, text)
