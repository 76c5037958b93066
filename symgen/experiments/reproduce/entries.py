"""The record of an item: one entry for each line and seed, kept when others are added."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from symgen.experiments.experiment import Experiment
from symgen.experiments.reproduce.items import ITEMS, Line
from symgen.experiments.reproduce.plan import differences
from symgen.experiments.serialisation import from_json
from symgen.training import hold
from symgen.training.checkpoint import write_atomically

__all__ = ["Entries", "entry_of", "read_entries"]

Key = tuple[str, str | None, str, int]


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Read the entries of a record, none if there is no such file.

    Raises:
        ValueError: if the file is not a record.
    """
    if not path.is_file():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))["entries"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of a reproduction: {error!r}") from error


def entry_of(
    entries: Iterable[dict[str, Any]], line: Line, budget: str, seed: int
) -> dict[str, Any] | None:
    """Find the entry of a line and seed within a budget."""
    wanted = (line.preset, line.test_mode, budget, seed)
    return next((entry for entry in entries if _key(entry) == wanted), None)


class Entries:
    """What is on record of an item, here and in the records of items that share its runs.

    Args:
        item: name of the item.
        path: file of the record; records of other items are looked for beside it.
    """

    def __init__(self, item: str, path: Path) -> None:
        self.path = path
        self._item = item
        self._beside = [path.with_name(f"{other}.json") for other in ITEMS if other != item]

    def find(
        self, line: Line, budget: str, seed: int, wanted: Experiment, evaluated: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Return the entry of a line and seed if it has these settings and this evaluation."""
        for path in (self.path, *self._beside):
            found = entry_of(read_entries(path), line, budget, seed)
            if (
                found is not None
                and _same(found["settings"], wanted)
                and evaluated.items() <= found["evaluated"].items()
            ):
                return found
        return None

    def put(self, entry: dict[str, Any], about: dict[str, Any]) -> None:
        """Write the record with an entry added or replaced, as others may have left it by now."""
        with hold(self.path.parent, wait=True):  # between reading and writing
            kept = [other for other in read_entries(self.path) if _key(other) != _key(entry)]
            entries = sorted([*kept, entry], key=self._order)
            text = json.dumps({**about, "entries": entries}, indent=2, ensure_ascii=False) + "\n"
            write_atomically(self.path, lambda partial: partial.write_text(text, encoding="utf-8"))

    def _order(self, entry: dict[str, Any]) -> tuple[Any, ...]:
        presets = [
            line.preset for faithful in (False, True) for line in ITEMS[self._item].lines(faithful)
        ]
        name = entry["preset"]
        place = presets.index(name) if name in presets else len(presets)
        return (entry["budget"], place, str(entry["test_mode"]), entry["seed"])


def _key(entry: dict[str, Any]) -> Key:
    return (entry["preset"], entry["test_mode"], entry["budget"], entry["seed"])


def _same(settings: dict[str, Any], wanted: Experiment) -> bool:
    try:
        return not differences(from_json(settings), wanted)
    except ValueError:  # a setting that this version does not have
        return False
