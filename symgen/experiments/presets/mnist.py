"""Transforming MNIST: Table 1 (and 4) of the paper, as printed and with a faster recipe."""

from dataclasses import replace

from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.training import Training

__all__ = ["PRESETS"]

# What the authors' code does: their initial weights, one output bias per channel, clamped
# probabilities, their kernel; SGD with momentum, batch 8, 100 epochs of 6,000 steps.
_REFERENCE = {
    "initialisation": "reference",
    "output_bias": "channel",
    "clamp_logits": True,
    "reference_window": True,
}
_REFERENCE_TRAINING = Training(
    sequences=4_800_000,
    batch_size=8,
    optimizer="SGD",
    learning_rate=1e-4,
    optimizer_options={"momentum": 0.9},
)

# Ten epochs instead of a hundred. Adam at 1e-3 with larger batches leaves the plateau of the mean
# image at once. A standardised decoder input removes the other obstacle, the offset of t, whose
# spread of 0.6 around 4.9 the first decoder layer would otherwise have to learn to subtract: after
# 40,000 sequences log p (paper's convention) was -252 with it and -288 without. μ = -5 came to
# -254, but its capsules rolled worse (results/recipes/colour-mnist.json). bfloat16 products made
# steps 1.3 times as fast on the processor of results/bench/step.json.
_FAST_TRAINING = Training(
    sequences=480_000,
    batch_size=32,
    optimizer="Adam",
    learning_rate=1e-3,
    warmup=3_200,
    schedule="cosine",
    precision="auto",
    log_every=100,
    checkpoint_every=120.0,
)

_WINDOWS = {"half": 18, "13-36": 13, "quarter": 9, "5-36": 5}
_SINGLE = DataConfig(split_seed=1)


def _reference(kind: str, window: int, **changes) -> Experiment:
    # The authors' seed is 2 for windows 13 and 5, 1 for all others.
    seed = 2 if kind == "tvae" and window in (5, 13) else 1
    model = ModelConfig(kind=kind, window=window, **(_REFERENCE | changes))  # pyright: ignore
    return Experiment(model, replace(_SINGLE, split_seed=seed), _REFERENCE_TRAINING)


PRESETS: dict[str, tuple[str, Experiment]] = {}
for _name, _window in _WINDOWS.items():
    PRESETS[f"tvae-mnist-{_name}-paper"] = (
        f"TVAE, window {_window} of 18 frames, K = 3: the paper's recipe (100 epochs)",
        _reference("tvae", _window),
    )
    PRESETS[f"tvae-mnist-{_name}"] = (
        f"TVAE, window {_window} of 18 frames, K = 3: ten epochs with Adam",
        Experiment(
            ModelConfig(window=_window, standardise=True),
            DataConfig(split_seed=2 if _window in (5, 13) else 1),
            _FAST_TRAINING,
        ),
    )
PRESETS["tvae-mnist-0-paper"] = (
    "TVAE without temporal coherence, L = 0, K = 3: the paper's recipe",
    _reference("bubble", 1),
)
PRESETS["bubble-mnist-5-36-paper"] = (
    "BubbleVAE, window 5 of 18 frames, K = 3: the paper's recipe",
    _reference("bubble", 5),
)
PRESETS["vae-mnist-paper"] = (
    "VAE baseline: the paper's recipe",
    _reference("vae", 1, reference_window=False),
)
PRESETS["vae-mnist"] = (
    "VAE baseline: ten epochs with Adam",
    Experiment(ModelConfig(kind="vae"), _SINGLE, _FAST_TRAINING),
)
for _name, _description, _data in (
    ("rotation-hue", "rotation and hue together (Figure 1)", DataConfig(mode="rotation+hue")),
    ("perspective-hue", "perspective and hue together", DataConfig(mode="perspective+hue")),
    (
        "generalisation",
        "trained on single transformations, tested on rotation and hue together",
        DataConfig(test_mode="rotation+hue"),
    ),
):
    _seed = 2 if _name == "generalisation" else 1
    PRESETS[f"tvae-mnist-{_name}"] = (
        f"TVAE, window 13, {_description}",
        Experiment(
            ModelConfig(standardise=True), replace(_data, split_seed=_seed), _FAST_TRAINING
        ),
    )
PRESETS["tvae-digits"] = (
    "TVAE, window 13, on the handwriting that scikit-learn carries: needs no files",
    Experiment(
        ModelConfig(standardise=True, hidden=(324, 324)),
        DataConfig(images="digits"),
        replace(_FAST_TRAINING, sequences=60_000),
    ),
)
