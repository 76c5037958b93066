"""What can be reproduced of the Topographic VAE's paper: tables, figures and their lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from symgen.experiments.presets.paper import EDITIONS, MNIST, SPRITES, Edition, Row

__all__ = ["ITEMS", "Item", "Line", "Measure", "TestMode"]

Printed = dict[Edition, dict[str, tuple[float, float]]]
TestMode = Literal["single", "rotation+hue"]
Measure = Literal["likelihood", "equivariance", "capcorr", "roll prediction", "selectivity"]
_ROWS = {row.name: row for row in (*MNIST, *SPRITES)}
_EDITION = {"paper": "camera-ready", "submission": "submission"}


@dataclass(frozen=True)
class Line:
    """A line of a table: what is trained, how it is tested, and what the paper prints."""

    name: str
    """Name to choose it by."""
    label: str
    """Name in the table."""
    preset: str
    """What is trained."""
    printed: Printed = field(default_factory=dict)
    """Mean and deviation of each number, by edition."""
    test_mode: TestMode | None = None
    """What happens to the test digits; None leaves the preset's."""


@dataclass(frozen=True)
class Item:
    """A table or a figure of the paper."""

    title: str
    """What it shows."""
    lines: Callable[[bool], tuple[Line, ...]]
    """Its lines: of the paper's own presets, or of our recipe."""
    factors: tuple[str, ...] = ()
    """Factors that CapCorr is measured of."""
    shown: tuple[Measure, ...] = ("likelihood", "equivariance", "capcorr", "roll prediction")
    """What of the evaluation its table shows; CapCorr only of factors."""


def _of_rows(rows: Sequence[Row], *tables: int) -> Callable[[bool], tuple[Line, ...]]:
    """Make the lines of the rows that tables print; numbers of an earlier table go first."""
    chosen = [row for row in rows if any(p.table in tables for p in row.printed)]

    def lines(faithful: bool) -> tuple[Line, ...]:
        made = []
        for row in chosen:
            printed: Printed = {}
            for table in tables:
                for entry in row.printed:
                    if entry.table == table:
                        printed.setdefault(entry.edition, entry.numbers)
            if not faithful:
                made.append(Line(row.name, row.label, row.name, printed))
                continue
            for edition in EDITIONS:
                if edition in printed:
                    numbers: Printed = {edition: printed[edition]}
                    made.append(_faithful(row.name, row.label, edition, numbers))
        return tuple(made)

    return lines


def _of_presets(
    *lines: tuple[str, str, TestMode | None],
) -> Callable[[bool], tuple[Line, ...]]:
    """Make lines that no table prints, each of label, preset and what the test digits do."""

    def made(faithful: bool) -> tuple[Line, ...]:
        if not faithful:
            return tuple(Line(name, label, name, {}, mode) for label, name, mode in lines)
        return tuple(
            _faithful(name, label, edition, {}, mode)
            for label, name, mode in lines
            for edition in EDITIONS
        )

    return made


def _faithful(
    name: str, label: str, edition: Edition, printed: Printed, mode: TestMode | None = None
) -> Line:
    preset = _ROWS[name].faithful(edition) if name in _ROWS else f"{name}-{edition}"
    return Line(name, f"{label} ({_EDITION[edition]})", preset, printed, mode)


_DIGITS = ("angle", "scale", "hue")
_SPRITES = ("posX", "posY", "orientation", "scale")
_TVAE = [row for row in SPRITES if row.label.startswith("TVAE")]

ITEMS: dict[str, Item] = {
    "table1": Item("Table 1: likelihood and equivariance on MNIST", _of_rows(MNIST, 1), _DIGITS),
    "table2": Item(
        "Table 2: CapCorr and equivariance on dSprites", _of_rows(SPRITES, 2), _SPRITES
    ),
    "table3": Item("Table 3: normalisation of the weights", _of_rows(MNIST, 3), _DIGITS),
    "table4": Item("Table 4: all settings on MNIST", _of_rows(MNIST, 4), _DIGITS),
    "table5": Item("Table 5: all settings on dSprites", _of_rows(SPRITES, 5), _SPRITES),
    "figure1": Item(
        "Figures 1, 18 and 19: combined transformations",
        _of_presets(
            ("rotation and hue", "tvae-mnist-rotation-hue", None),
            ("perspective and hue", "tvae-mnist-perspective-hue", None),
        ),
    ),
    "figure3": Item(
        "Figure 3: a map of still digits on a torus",
        _of_presets(("torus of 18 × 18 units", "torus-mnist", None)),
        shown=("likelihood", "selectivity"),
    ),
    "figure5": Item(
        "Figure 5: CapCorr over the window",
        _of_rows(_TVAE, 5, 2),
        _SPRITES,
        shown=("capcorr",),
    ),
    # Trained on single transformations, of which each line but the last is a run of Table 4: the
    # test turns and recolours digits at once. The last was trained on that.
    "generalisation": Item(
        "Generalisation from single transformations to rotation and hue together",
        _of_presets(
            ("TVAE, L = 13/36 S, tested as trained", "tvae-mnist-13-36", None),
            ("TVAE, L = 13/36 S", "tvae-mnist-13-36", "rotation+hue"),
            ("TVAE, L = 5/36 S", "tvae-mnist-5-36", "rotation+hue"),
            ("VAE", "vae-mnist", "rotation+hue"),
            ("TVAE, L = 13/36 S, trained on both together", "tvae-mnist-rotation-hue", None),
        ),
    ),
}
"""Tables and figures by name."""
