"""The record of a study: one entry for each line and seed, kept when others are added."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from symgen._files import write_json
from symgen.experiments.experiment import Experiment
from symgen.experiments.studies.study import Line, Study, study_names
from symgen.training import hold

Entry = dict[str, Any]
_KEY = {
    "preset": str,
    "variant": str | None,
    "test_mode": str | None,
    "trained": bool,
    "budget": str,
    "seed": int,
}
_PLACES = ("root", "download", "cache")  # of files, which do not shape a run
_PARTS = ("settings", "measured", "evaluated")  # of an entry, each values by name


def read_entries(path: Path) -> list[Entry]:
    """Read the entries of a record, none if there is no such file."""
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["entries"]
        if not isinstance(entries, list):
            raise TypeError(f"its entries are a {type(entries).__name__}")
        for entry in entries:
            for name, kind in _KEY.items():
                if not isinstance(entry[name], kind):
                    raise TypeError(f"a {name} is {entry[name]!r}")
            if any(not isinstance(entry[name], dict) for name in _PARTS):
                raise TypeError(f"an entry has no {' or '.join(_PARTS)}")
            for name, found in entry["measured"].items():
                if not isinstance(found, dict):
                    raise TypeError(f"what is measured as {name} is {found!r}")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no record of a study: {error!r}") from error
    return entries


def entry_of(entries: Iterable[Entry], line: Line, budget: str, seed: int) -> Entry | None:
    """Find the entry of a line and seed within a budget."""
    wanted = (line.preset, line.variant, line.test_mode, line.trained, budget, seed)
    return next((entry for entry in entries if _key(entry) == wanted), None)


def shaping(experiment: Experiment) -> dict[str, Any]:
    """Return the settings that shape a run, ready for JSON: neither places nor what is logged."""
    values = json.loads(json.dumps(experiment.to_json()))
    for name in _PLACES:
        values["data"].pop(name, None)
    for name in ("log_every", "checkpoint_every"):
        del values["training"][name]
    return values


class StudyRecord:
    """What is on record of a study, here and in the records of studies that share its runs.

    Args:
        about: the study.
        path: file of the record; records of other studies are looked for in the same folder.
    """

    def __init__(self, about: Study, path: Path) -> None:
        self.path = path
        self._about = about
        named = (other for other in study_names() if other != about.name)
        self._others = [path.with_name(f"{other}.json") for other in named]

    def find(
        self, line: Line, budget: str, seed: int, wanted: Experiment, evaluated: dict[str, Any]
    ) -> Entry | None:
        """Return the entry of a line and seed if it has these settings and all measures."""
        for path in (self.path, *self._others):
            found = entry_of(read_entries(path), line, budget, seed)
            if found is not None and self.fits(found, line, wanted, evaluated):
                return found
        return None

    def fits(
        self, entry: Entry, line: Line, wanted: Experiment, evaluated: dict[str, Any]
    ) -> bool:
        """Tell whether an entry of a line has these settings and all measures."""
        return (
            self._is_of(entry, wanted)
            and evaluated.items() <= entry["evaluated"].items()
            and set(line.measures) <= set(entry["measured"])
        )

    def put(self, entry: Entry, about: dict[str, Any]) -> None:
        """Write the record with an entry added or replaced, as others may have left it by now."""
        with hold(self.path.parent, wait=True):  # between reading and writing
            kept = [other for other in read_entries(self.path) if _key(other) != _key(entry)]
            write_json(self.path, {**about, "entries": sorted([*kept, entry], key=self._order)})

    def note(self, values: dict[str, Any]) -> None:
        """Add what follows from all entries, such as verdicts."""
        with hold(self.path.parent, wait=True):
            record = json.loads(self.path.read_text(encoding="utf-8"))
            write_json(self.path, {**record, **values})

    def _order(self, entry: Entry) -> tuple[Any, ...]:
        about = self._about
        keys = [(ln.preset, ln.variant) for b in about.budgets.values() for ln in about.lines(b)]
        key = _key(entry)[:2]
        place = keys.index(key) if key in keys else len(keys)
        return (entry["budget"], place, str(entry["test_mode"]), entry["seed"])

    def _is_of(self, entry: Entry, wanted: Experiment) -> bool:
        try:
            return shaping(Experiment.from_json(entry["settings"])) == shaping(wanted)
        except ValueError:  # a setting that this version does not have
            return False


def _key(entry: Entry) -> tuple[Any, ...]:
    return tuple(entry[name] for name in _KEY)
