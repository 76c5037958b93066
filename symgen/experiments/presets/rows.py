"""The rows of the paper's tables, and the presets that train them."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

from symgen._files import read_toml

Edition = Literal["paper", "submission"]
EDITIONS: tuple[Edition, ...] = get_args(Edition)
_EPOCHS = {18: 48_000, 15: 50_624}  # sequences of MNIST and of dSprites in an epoch, by frames


@dataclass(frozen=True)
class Printed:
    """What a table of an edition prints in a row, each as mean and deviation over three seeds."""

    table: int
    """Number of the table."""
    edition: Edition
    """`paper` is the camera-ready one."""
    numbers: dict[str, tuple[float, float]]
    """By name: `log_p` in nats per frame, `e_eq`, or CapCorr of `posX`, `posY`, `orientation`,
    `scale`."""


@dataclass(frozen=True)
class Row:
    """A setting that a table has a row for."""

    name: str
    """Our recipe's preset; the faithful ones add the edition."""
    extent: str
    """L as the paper prints it."""
    builder: str
    """Model; L = 0 is a BubbleVAE of one frame."""
    printed: tuple[Printed, ...]
    """What the paper says of it."""
    window: int = 1
    """Frames that share energy."""
    neighbourhood: int = 1
    """Units that share energy, K."""
    eps: float = 1e-6
    """Keeps the energy's root away from zero."""
    normalisation: Literal["weight", "projected"] | None = None
    """That of Table 3; None for the edition's."""
    trained_as: str | None = None
    """Name of the same setting in another row, whose faithful runs serve this one too."""
    frames: int = 18
    """S, and the number of capsules and of their units: 18 on MNIST, 15 on dSprites."""

    @property
    def label(self) -> str:
        """The row's name in a table."""
        bubble = self.builder == "BubbleVAE" and self.window > 1
        norms = {"weight": ", weight normalisation", "projected": ", projected weights", None: ""}
        plain = self.builder == "VAE"
        setting = "" if plain else f", L = {self.extent}, K = {self.neighbourhood}"
        model = "VAE" if plain else "BubbleVAE" if bubble else "TVAE"
        return model + setting + norms[self.normalisation]

    def faithful(self, edition: Edition) -> str:
        """Name the preset with an edition's own settings."""
        same = self.builder == "VAE" and self.normalisation is None  # normalised in neither
        return f"{self.trained_as or self.name}-{'paper' if same else edition}"

    def model(self) -> dict[str, Any]:
        """Return the options that make the row."""
        made: dict[str, Any] = {"capsules": self.frames, "units": self.frames}
        if self.normalisation is not None:
            made["normalisation"] = self.normalisation
        if self.builder != "VAE":
            made |= {"window": self.window, "neighbourhood": self.neighbourhood, "eps": self.eps}
        return made

    def data(self) -> dict[str, Any]:
        """Return the data; the authors' seed is 2 for windows 13 and 5, 1 for all others."""
        if self.frames == 15:
            return {"kind": "sprites"}
        second = self.builder == "TVAE" and self.window in (5, 13)
        return {"kind": "digits", "split_seed": 2 if second else 1}

    def authors(self, edition: Edition) -> dict[str, Any]:
        """Return the options that make the row as the authors' code of an edition does.

        The submission normalises the weights of topographic models, but where Table 3 compares
        other ways.
        """
        topographic = self.builder != "VAE"
        normalised = edition == "submission" and topographic and self.normalisation is None
        return self.model() | ({"normalisation": "weight"} if normalised else {})


@cache
def rows(frames: int | None = None) -> tuple[Row, ...]:
    """Return the rows of all tables, or those of sequences of so many frames: 18 are MNIST."""
    found = []
    for entry in read_toml("rows.toml", __name__)["rows"]:
        printed = tuple(
            Printed(
                each.pop("table"),
                each.pop("edition"),
                {name: (float(mean), float(std)) for name, (mean, std) in each.items()},
            )
            for each in map(dict, entry["printed"])
        )
        found.append(Row(**{**entry, "printed": printed}))
    return tuple(row for row in found if frames in (None, row.frames))


def row_presets() -> dict[str, dict[str, Any]]:
    """Return the presets of all rows as the files would say them.

    Of every row our recipe, and the settings of both editions: 100 epochs of SGD. What Table 3
    compares, which is not in the camera-ready paper, has the submission's only.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows():
        ours = "mnist" if row.frames == 18 else "sprites"
        plain = {"drop": ["standardise"]} if row.builder == "VAE" else {}
        found[row.name] = {
            "about": f"{row.label}: {'ten epochs with Adam' if ours == 'mnist' else 'our recipe'}",
            "builder": row.builder,
            "recipes": [ours],
            "model": row.model(),
            "data": row.data(),
            **plain,
        }
        for edition in EDITIONS:
            name = row.faithful(edition)
            if name in found or row.trained_as or (row.normalisation and edition == "paper"):
                continue
            found[name] = {
                "about": f"{row.label}: the {edition}'s recipe (100 epochs)",
                "builder": row.builder,
                "recipes": ["authors"] + ["authors-window"] * (row.builder != "VAE"),
                "model": row.authors(edition),
                "data": row.data(),
                "training": {"examples": 100 * _EPOCHS[row.frames]},
            }
    return found
