"""Studies as data: their lines, and what a budget lets each of them spend."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from symgen._errors import nearest
from symgen._files import read_toml
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import EDITIONS, Edition, preset, rows

Printed = dict[Edition, dict[str, tuple[float, float]]]
_EDITION = {"paper": "camera-ready", "submission": "submission"}
_PARTS = ("model", "data", "training")


@dataclass(frozen=True)
class Line:
    """A line of a study: what is trained, how it is tested, and what the paper prints."""

    name: str
    """Name to choose it by."""
    label: str
    """Name in tables."""
    preset: str
    """What is trained."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the line's own: of the model, the data, the training."""
    measures: tuple[str, ...] = ("evaluation",)
    """What is measured of a run."""
    seeds: int | None = None
    """Seeds at most; None for as many as asked for."""
    trained: bool = True
    """Whether the model is trained, or measured with its initial weights."""
    test_mode: str | None = None
    """What happens to the test data; None leaves the preset's."""
    printed: Printed = field(default_factory=dict)
    """Mean and deviation of each value that a paper prints, by edition."""

    @property
    def variant(self) -> str | None:
        """The line's name if it has settings of its own, which make its run another one."""
        return self.name if any(self.settings.values()) else None

    def run_name(self, seed: int) -> str:
        """Name the run folder, which lines of the same preset and settings share."""
        return f"{self.variant or self.preset}-{seed}"


@dataclass(frozen=True)
class Budget:
    """How much work goes into each run of a study."""

    name: str
    """Its name."""
    faithful: bool = False
    """Whether to train the paper's own presets, in both editions, instead of our recipe."""
    only_images: str | None = None
    """Images to take in place of MNIST and CIFAR-10; None leaves them."""
    items: int | None = None
    """Held-out items of an evaluation; None stands for all."""
    samples: int = 10
    """Samples of the posteriors."""
    spread: bool = False
    """Whether items are spread over the held-out data, as of `evaluate`, or the first ones."""
    checked: int = 1_000
    """Test images of the checks that look inside a model."""
    drawn: int = 100
    """Samples of the prior for each class, for a judge to name."""
    painted: int = 5_000
    """Samples of the prior whose distance to test images is taken."""
    by_kind: Mapping[str, Mapping[str, dict[str, Any]]] = field(default_factory=dict)
    """Settings of model and training to replace, by the kind of the data."""

    def settings(self, line: Line, seed: int) -> dict[str, dict[str, Any]]:
        """Return what a line's run replaces of its preset's settings."""
        experiment = preset(line.preset).experiment
        kind = experiment.data.kind
        if getattr(experiment.data, "mode", None) == "still":
            kind = "still"
        replaced = self.by_kind.get("judge" if experiment.builder == "Judge" else kind, {})
        merged = {
            part: {**line.settings.get(part, {}), **replaced.get(part, {})} for part in _PARTS
        }
        images = getattr(experiment.data, "images", None)
        if self.only_images is not None and images is not None:
            merged["data"]["images"] = self.only_images
            if images == "cifar10":  # which has three channels
                merged["data"]["distortion"] = "hue"
        merged["training"]["seed"] = seed
        return merged

    def experiment(self, line: Line, seed: int, place: Path | None = None) -> Experiment:
        """Return the experiment of a line with a seed, within the budget."""
        settings = self.settings(line, seed)
        return preset(line.preset).experiment.changed(**settings, place=place)

    def command(self, line: Line, seed: int, folder: Path) -> str:
        """Return the words that train a line's run, within the budget."""
        words = ["symgen", "train", line.preset]
        for part in self.settings(line, seed).values():
            for name, value in part.items():
                words += _words(f"--{name.replace('_', '-')}", value)
        return shlex.join([*words, "--out", str(folder)])


@dataclass(frozen=True)
class Study:
    """What is trained, measured and set side by side."""

    name: str
    """Its name."""
    title: str
    """What it shows."""
    budgets: dict[str, Budget]
    """What it may spend, by name."""
    shown: tuple[str, ...]
    """Tables that show it."""
    factors: tuple[str, ...] = ()
    """Factors that CapCorr is measured of."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the file says of its lines."""

    def lines(self, budget: Budget) -> tuple[Line, ...]:
        """Return the lines: of our recipe, or of the paper's own presets if that is the budget."""
        common = self.told.get("settings", {})
        made = []
        for entry in self._entries():
            plain = {key: value for key, value in entry.items() if key not in _PARTS}
            settings = {p: {**common.get(p, {}), **entry.get(p, {})} for p in _PARTS}
            name = entry.get("name", entry["preset"])
            measures = tuple(entry.get("measures", self.told.get("measures", ())))
            told = {"name": name, "label": f"`{name}`", **plain, "measures": measures}
            line = Line(**told, settings={p: v for p, v in settings.items() if v})
            made += _editions(line) if budget.faithful else [line]
        return tuple(made)

    def _entries(self) -> list[dict[str, Any]]:
        if "rows" not in self.told:
            return self.told["lines"]
        chosen, entries = self.told["rows"], []
        for row in rows(chosen["frames"]):
            printed: Printed = {}
            for table in chosen["tables"]:  # those of an earlier table go first
                for each in row.printed:
                    if each.table == table:
                        printed.setdefault(each.edition, each.numbers)
            if printed and row.label.startswith(chosen.get("only", "")):
                name = row.name + chosen.get("suffix", "")
                told = {"preset": row.name, "label": row.label, "printed": printed}
                entries.append({"name": name, **told})
        return entries


def _editions(line: Line) -> list[Line]:
    """Return a line for every edition of the paper that has its row."""
    found = []
    by_name = {row.name: row for row in rows()}
    for edition in EDITIONS:
        if line.printed and edition not in line.printed:
            continue
        row = by_name.get(line.preset)
        name = row.faithful(edition) if row else f"{line.preset}-{edition}"
        printed: Printed = {edition: line.printed[edition]} if line.printed else {}
        label = f"{line.label} ({_EDITION[edition]})"
        found.append(replace(line, label=label, preset=name, printed=printed))
    return found


def _words(option: str, value: Any) -> list[str]:
    """Write a setting as the command line takes it."""
    if isinstance(value, bool):
        return [option if value else option.replace("--", "--no-", 1)]
    if isinstance(value, Mapping):
        return [option, *(word for name, each in value.items() for word in _words(name, each))]
    if isinstance(value, tuple | list):
        return [option, *map(str, value)]
    return [option, str(value)]


@cache
def described() -> Mapping[str, Any]:
    """Return what the file says: budgets, tables and studies."""
    return read_toml("studies.toml", __name__)


def study_names() -> tuple[str, ...]:
    """Return the names of all studies."""
    return tuple(described()["studies"])


@cache
def study(name: str) -> Study:
    """Look up a study by its name."""
    if name not in study_names():
        raise ValueError(f"no study {name!r}: {nearest(name, study_names())}")
    entry = described()["studies"][name]
    own = {each.name for each in fields(Budget)}
    budgets = {}
    for budget, values in described()["budgets"][entry["budgets"]].items():
        plain = {key: value for key, value in values.items() if key in own}
        by_kind = {key: value for key, value in values.items() if key not in own}
        if budget != "smoke":  # a study may measure more or less than others
            plain |= {key: entry[key] for key in ("items", "samples") if key in entry}
        budgets[budget] = Budget(budget, **plain, by_kind=by_kind)
    factors = tuple(entry.get("factors", ()))
    return Study(name, entry["title"], budgets, tuple(entry["shown"]), factors, entry)
