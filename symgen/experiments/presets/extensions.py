"""Extensions of the model (the paper's appendix C, and beyond), each beside a plain TVAE.

Every pair has the same sequences, nets and steps; only the neighbourhoods differ. The budgets are
small, a minute or two on one core: they compare, they do not finish training. What `standardise`
and Adam are for is said in `mnist.py` and `sprites.py`.
"""

from dataclasses import replace
from typing import Any

from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.training import Training

__all__ = ["COMPARISONS", "PRESETS"]

_TRAINING = Training(
    sequences=20_000, batch_size=8, learning_rate=1e-3, warmup=800, schedule="cosine"
)
_DIGITS = DataConfig(split_seed=2)
_GROWTH = DataConfig(mode="growth", split_seed=2)
_SPRITES = DataConfig(scene="sprites")
_POSITIONS = DataConfig(scene="sprites", mode="position")
_DIGITS_MODEL = ModelConfig(window=9, hidden=(324, 324), standardise=True)
_SPRITES_MODEL = ModelConfig(
    capsules=15, units=15, window=10, neighbourhood=1, hidden=(324, 324), standardise=True
)

PRESETS: dict[str, tuple[str, Experiment]] = {}
COMPARISONS: dict[str, str] = {}
"""The plain counterpart of every preset that extends the model."""


def _compare(
    plain: str,
    text: str,
    model: ModelConfig,
    data: DataConfig,
    **extended: tuple[str, dict[str, Any]],
) -> None:
    """Add a plain TVAE and what extends it, by the end of the name."""
    described = f"TVAE on {text}: what its extensions compare with"
    PRESETS[plain] = (described, Experiment(model, data, _TRAINING))
    for name, (what, changes) in extended.items():
        other = f"{plain.removesuffix('-plain')}-{name.replace('_', '-')}"
        experiment = Experiment(replace(model, **changes), data, _TRAINING)
        PRESETS[other] = (f"{what}, on {text}", experiment)
        COMPARISONS[other] = plain


# C.1. Capsules of nine units in sequences of eighteen frames. At a speed of one unit the plain
# model's capsules come round twice while the digit comes round once; half a unit is what fits.
_compare(
    "tvae-mnist-nine-units-plain",
    "colour digits, capsules of 9 units",
    replace(_DIGITS_MODEL, units=9, capsules=36),
    _DIGITS,
    half_speed=("Partial roll of half a unit a frame (C.1)", {"shift": 0.5}),
)
# C.2 and C.4. Digits that grow for twelve frames and do not come round.
_ENDS = {"boundary": "zero", "capsule_boundary": "zero"}
_compare(
    "tvae-mnist-growth-plain",
    "digits that grow",
    _DIGITS_MODEL,
    _GROWTH,
    ends=("Time and capsules with two ends (C.2)", _ENDS),
    causal=("Causal window, time and capsules with two ends (C.4)", _ENDS | {"causal": True}),
    ahead=("Trained to predict the next frame (C.4)", _ENDS | {"causal": True, "ahead": 1}),
)
# C.3. Sprites that move along x or along y: a plain capsule has one circle of units for both. The
# same number of latents, 450: two capsules of 15 x 15 units, or thirty of 15.
_compare(
    "tvae-sprites-positions-plain",
    "sprites that move along x or y",
    replace(_SPRITES_MODEL, capsules=30),
    _POSITIONS,
    axes=(
        "Capsules of two axes (C.3)",
        {"capsules": 2, "units": 225, "axes": (15, 15)},
    ),
)
# Learned neighbourhoods, from a wrong start: half a unit a frame, which in cyclic time does not
# close. (Backwards would not be wrong, only another order of the units.) The plain counterpart
# keeps the wrong start; `tvae-sprites-learn-true` says what the right one gives.
_compare(
    "tvae-sprites-learn-plain",
    "sprites, from neighbourhoods of half the speed",
    replace(_SPRITES_MODEL, shift=0.5),
    _SPRITES,
    kernel=("Neighbourhoods with learned weights", {"learn": "kernel"}),
    speed=("Neighbourhoods with learned roll speeds", {"learn": "speed"}),
    true=("Neighbourhoods of the paper's speed", {"shift": 1.0}),
)
