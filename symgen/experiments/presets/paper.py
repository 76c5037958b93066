"""Every row of Tables 1 to 5 of the Topographic VAE's paper: its setting, and what was printed.

Two editions print different numbers: the submission to NeurIPS 2021, whose topographic models were
trained with weight normalisation, and the camera-ready paper, without any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.training import Training

__all__ = [
    "EDITIONS",
    "MNIST",
    "SPRITES",
    "Edition",
    "Printed",
    "Row",
    "faithful",
    "faithful_model",
]

Edition = Literal["paper", "submission"]
EDITIONS: tuple[Edition, ...] = get_args(Edition)


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
    """A setting that a table has a row for.

    Example:
        >>> row = MNIST[0]
        >>> row.name, row.faithful("paper"), row.printed[0].numbers["e_eq"]
        ('tvae-mnist-half', 'tvae-mnist-half-paper', (574.0, 2.0))
    """

    name: str
    """Our recipe's preset; the faithful ones add the edition."""
    extent: str
    """L as the paper prints it."""
    kind: Literal["tvae", "bubble", "vae"]
    """Model; L = 0 is a BubbleVAE of one frame."""
    window: int
    """Frames that share energy."""
    neighbourhood: int
    """Units that share energy, K."""
    printed: tuple[Printed, ...]
    """What the paper says of it."""
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
        model = {"vae": "VAE", "bubble": "BubbleVAE" if self.window > 1 else "TVAE"}
        norms = {"weight": ", weight normalisation", "projected": ", projected weights", None: ""}
        setting = "" if self.kind == "vae" else f", L = {self.extent}, K = {self.neighbourhood}"
        return model.get(self.kind, "TVAE") + setting + norms[self.normalisation]

    def faithful(self, edition: Edition) -> str:
        """Name the preset with an edition's own settings."""
        same = self.kind == "vae" and self.normalisation is None  # normalised in neither edition
        return f"{self.trained_as or self.name}-{'paper' if same else edition}"

    def model(self) -> dict[str, Any]:
        """Return the settings of `ModelConfig` that make the row."""
        made: dict[str, Any] = {
            "kind": self.kind,
            "capsules": self.frames,
            "units": self.frames,
            "normalisation": self.normalisation or "none",
        }
        if self.kind != "vae":
            made |= {
                "window": self.window,
                "neighbourhood": self.neighbourhood,
                "eps": self.eps,
            }
        return made

    def data(self) -> DataConfig:
        """Return the sequences; the authors' seed is 2 for windows 13 and 5, 1 for all others."""
        if self.frames == 15:
            return DataConfig(scene="sprites")
        return DataConfig(split_seed=2 if self.kind == "tvae" and self.window in (5, 13) else 1)


def faithful_model(edition: Edition, settings: dict[str, Any]) -> ModelConfig:
    """Return a model as the authors' code makes it: weights, output bias, clamp and kernel.

    The submission normalises the weights of topographic models, but where Table 3 compares other
    ways.
    """
    topographic = settings["kind"] != "vae"
    normalisation = settings.get("normalisation", "none")
    if edition == "submission" and topographic and normalisation == "none":
        normalisation = "weight"
    authors: dict[str, Any] = {
        "initialisation": "reference",
        "output_bias": "channel",
        "clamp_logits": True,
        "reference_window": topographic and settings["kind"] != "torus",
        "normalisation": normalisation,
    }
    return ModelConfig(**(settings | authors))


def faithful(rows: Sequence[Row]) -> dict[str, tuple[str, Experiment]]:
    """Make the presets of all rows in both editions: 100 epochs of SGD.

    What Table 3 compares, which is not in the camera-ready paper, has the submission's only.
    """
    presets = {}
    for row in rows:
        epoch = 48_000 if row.frames == 18 else 50_624
        training = Training(
            sequences=100 * epoch,
            batch_size=8,
            optimizer="SGD",
            learning_rate=1e-4,
            optimizer_options={"momentum": 0.9},
        )
        for edition in EDITIONS:
            name = row.faithful(edition)
            if name in presets or row.trained_as or (row.normalisation and edition == "paper"):
                continue
            experiment = Experiment(faithful_model(edition, row.model()), row.data(), training)
            presets[name] = (f"{row.label}: the {edition}'s recipe (100 epochs)", experiment)
    return presets


def _likelihood(table: int, edition: Edition, *printed: int | float) -> Printed:
    log_p, log_p_std, e_eq, e_eq_std = map(float, printed)
    return Printed(table, edition, {"log_p": (log_p, log_p_std), "e_eq": (e_eq, e_eq_std)})


def _capcorr(table: int, edition: Edition, *printed: int | float) -> Printed:
    names = ("posX", "posY", "orientation", "scale", "e_eq")
    pairs = zip(map(float, printed[::2]), map(float, printed[1::2]), strict=True)
    return Printed(table, edition, dict(zip(names, pairs, strict=True)))


_Sprites = partial(Row, frames=15)

# BubbleVAE of 5/36 S: the submission's main table has K = 2L, the camera-ready K = 3, as the
# authors' programs of the two editions tell; its log p lacks the sign in the submission's Table 1.
MNIST: tuple[Row, ...] = (
    Row(
        "tvae-mnist-half", "½ S", "tvae", 18, 3,
        (
            _likelihood(1, "paper", -186.8, 0.1, 574, 2),
            _likelihood(1, "submission", -188.5, 1.0, 386.7, 1.0),
            _likelihood(4, "submission", -188.5, 1.1, 386.7, 1.1),
        ),
    ),
    Row(
        "tvae-mnist-13-36", "13/36 S", "tvae", 13, 3,
        (_likelihood(4, "submission", -187.1, 1.2, 990.6, 10.7),),
    ),
    Row(
        "tvae-mnist-quarter", "¼ S", "tvae", 9, 3,
        (_likelihood(4, "submission", -186.9, 0.6, 2045.7, 3.3),),
    ),
    Row(
        "tvae-mnist-5-36", "5/36 S", "tvae", 5, 3,
        (
            _likelihood(1, "paper", -186.0, 0.7, 3247, 3),
            _likelihood(1, "submission", -184.7, 0.7, 3149.6, 20.7),
            _likelihood(4, "submission", -184.7, 0.7, 3149.6, 20.8),
        ),
    ),
    Row(
        "tvae-mnist-0", "0", "bubble", 1, 3,
        (_likelihood(1, "paper", -218.5, 0.9, 3217, 105),),
    ),
    Row(
        "tvae-mnist-0-k9", "0", "bubble", 1, 9,
        (
            _likelihood(1, "submission", -217.3, 1.3, 3047.8, 59.2),
            _likelihood(4, "submission", -217.3, 1.3, 3047.8, 59.2),
        ),
    ),
    Row(
        "bubble-mnist-half", "½ S", "bubble", 18, 18,
        (_likelihood(4, "submission", -196.3, 1.1, 2066.5, 596.7),),
    ),
    Row(
        "bubble-mnist-quarter", "¼ S", "bubble", 9, 9,
        (_likelihood(4, "submission", -203.2, 2.1, 1005.3, 12.7),),
    ),
    Row(
        "bubble-mnist-5-36-k5", "5/36 S", "bubble", 5, 5,
        (
            _likelihood(1, "submission", -190.0, 0.3, 2522.5, 21.3),
            _likelihood(4, "submission", -190.0, 0.3, 2522.5, 21.3),
        ),
    ),
    Row(
        "bubble-mnist-5-36", "5/36 S", "bubble", 5, 3,
        (
            _likelihood(1, "paper", -191.4, 0.5, 3370, 12),
            _likelihood(4, "submission", -190.4, 0.9, 3277.0, 15.6),
        ),
    ),
    Row(
        "vae-mnist", "0", "vae", 1, 1,
        (
            _likelihood(1, "paper", -189.0, 0.8, 13274, 1),
            _likelihood(1, "submission", -189.0, 0.8, 13273.9, 0.5),
            _likelihood(3, "submission", -189.0, 0.8, 13273.9, 0.5),
            _likelihood(4, "submission", -189.0, 0.8, 13273.9, 0.5),
        ),
    ),
    Row(
        "tvae-mnist-5-36-projected", "5/36 S", "tvae", 5, 3,
        (_likelihood(3, "submission", -189.0, 0.1, 3196.7, 5.0),),
        normalisation="projected",
    ),
    Row(
        "tvae-mnist-5-36-weight", "5/36 S", "tvae", 5, 3,
        (_likelihood(3, "submission", -184.9, 0.8, 3137.9, 6.4),),
        normalisation="weight", trained_as="tvae-mnist-5-36",
    ),
    Row(
        "vae-mnist-projected", "0", "vae", 1, 1,
        (_likelihood(3, "submission", -209.1, 1.1, 13262.0, 0.5),),
        normalisation="projected",
    ),
    Row(
        "vae-mnist-weight", "0", "vae", 1, 1,
        (_likelihood(3, "submission", -192.5, 0.5, 13273.2, 1.4),),
        normalisation="weight",
    ),
)  # fmt: skip
"""Rows of Tables 1, 3 and 4: colour-transforming MNIST."""

# K of the BubbleVAEs is 2L; that of the camera-ready's, at 1/3 S, is not recorded anywhere.
SPRITES: tuple[Row, ...] = (
    _Sprites(
        "tvae-sprites-half", "½ S", "tvae", 15, 1,
        (
            _capcorr(2, "paper", 1, 0, 1, 0, 1, 0, 1, 0, 344, 5),
            _capcorr(2, "submission", 1, 0, 1, 0, 1, 0, 1, 0, 131, 0),
            _capcorr(5, "submission", 1, 0, 1, 0, 1, 0, 1, 0, 131, 0),
        ),
    ),
    _Sprites(
        "tvae-sprites-two-fifths", "2/5 S", "tvae", 12, 1,
        (_capcorr(5, "submission", 1, 0, 1, 0, 1, 0, 1, 0, 679, 4),),
    ),
    _Sprites(
        "tvae-sprites-third", "⅓ S", "tvae", 10, 1,
        (
            _capcorr(2, "paper", 1, 0, 1, 0, 1, 0, 1, 0, 1034, 6),
            _capcorr(2, "submission", 1, 0, 1, 0, 1, 0, 1, 0, 964, 9),
            _capcorr(5, "submission", 1, 0, 1, 0, 1, 0, 1, 0, 964, 9),
        ),
    ),
    _Sprites(
        "tvae-sprites-four-fifteenths", "4/15 S", "tvae", 8, 1,
        (_capcorr(5, "submission", 0.96, 0.01, 0.97, 0.01, 0.90, 0.01, 0.97, 0, 1298, 5),),
    ),
    _Sprites(
        "tvae-sprites-sixth", "1/6 S", "tvae", 5, 1,
        (
            _capcorr(2, "paper", 0.67, 0.02, 0.66, 0.02, 0.52, 0.01, 0.42, 0.01, 2549, 38),
            _capcorr(2, "submission", 0.68, 0.02, 0.69, 0.02, 0.57, 0.01, 0.42, 0.01, 2313, 33),
            _capcorr(5, "submission", 0.68, 0.02, 0.69, 0.02, 0.57, 0.01, 0.42, 0.01, 2313, 33),
        ),
    ),
    _Sprites(
        "tvae-sprites-0", "0", "bubble", 1, 3,
        (_capcorr(2, "paper", 0.17, 0.03, 0.21, 0.02, 0.09, 0.01, 0.51, 0.01, 2971, 9),),
        eps=1e-3,
    ),
    _Sprites(
        "tvae-sprites-0-k10", "0", "bubble", 1, 10,
        (
            _capcorr(2, "submission", 0.17, 0.03, 0.17, 0.04, 0.11, 0.02, 0.52, 0.01, 1075, 20),
            _capcorr(5, "submission", 0.17, 0.03, 0.17, 0.04, 0.11, 0.02, 0.52, 0.01, 1075, 20),
        ),
    ),
    _Sprites(
        "bubble-sprites-half", "½ S", "bubble", 15, 15,
        (_capcorr(5, "submission", 0.17, 0.01, 0.16, 0.01, 0.12, 0.03, 0.52, 0, 3543, 441),),
    ),
    _Sprites(
        "bubble-sprites-two-fifths", "2/5 S", "bubble", 12, 12,
        (_capcorr(5, "submission", 0.14, 0.01, 0.14, 0, 0.13, 0.01, 0.53, 0, 6922, 6),),
    ),
    _Sprites(
        "bubble-sprites-third", "⅓ S", "bubble", 10, 10,
        (
            _capcorr(2, "paper", 0.13, 0.01, 0.12, 0.01, 0.10, 0.01, 0.50, 0, 1951, 34),
            _capcorr(5, "submission", 0.13, 0.02, 0.12, 0.01, 0.10, 0.01, 0.52, 0.02, 2037, 924),
        ),
    ),
    _Sprites(
        "bubble-sprites-four-fifteenths", "4/15 S", "bubble", 8, 8,
        (_capcorr(5, "submission", 0.12, 0.03, 0.12, 0.02, 0.09, 0.01, 0.49, 0.03, 2420, 1192),),
    ),
    _Sprites(
        "bubble-sprites-sixth", "1/6 S", "bubble", 5, 5,
        (
            _capcorr(2, "submission", 0.07, 0.02, 0.08, 0.01, 0.05, 0.01, 0.26, 0, 1397, 29),
            _capcorr(5, "submission", 0.07, 0.02, 0.08, 0.01, 0.05, 0.01, 0.26, 0, 1397, 29),
        ),
    ),
    _Sprites(
        "vae-sprites", "0", "vae", 1, 1,
        (
            _capcorr(2, "paper", 0.18, 0.01, 0.16, 0.01, 0.11, 0, 0.52, 0, 6934, 0),
            _capcorr(2, "submission", 0.24, 0.01, 0.25, 0.01, 0.09, 0.01, 0.47, 0, 6929, 1),
            _capcorr(5, "submission", 0.24, 0.01, 0.25, 0, 0.09, 0.01, 0.47, 0, 6929, 1),
        ),
    ),
)  # fmt: skip
"""Rows of Tables 2 and 5: moving dSprites."""
