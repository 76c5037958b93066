"""Still MNIST on a 2-D torus: Figure 3 of the paper."""

from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.experiments.presets.paper import Edition, faithful_model
from symgen.training import Training

__all__ = ["PRESETS"]

_EPOCH = 48_000
# As printed: offset, learning rate and epochs; the camera-ready's are those of the authors'
# released program.
_EDITIONS: dict[Edition, tuple[float, float, int]] = {
    "paper": (-10.0, 1e-4, 250),
    "submission": (-5.0, 1e-3, 100),
}

PRESETS: dict[str, tuple[str, Experiment]] = {
    f"torus-mnist-{edition}": (
        "2-D torus of 18 × 18 units with 5 × 5 patches on still digits: "
        f"the {edition}'s recipe ({epochs} epochs)",
        Experiment(
            faithful_model(edition, {"kind": "torus", "neighbourhood": 5, "mu": mu}),
            DataConfig(mode="still", split_seed=1),
            Training(
                sequences=epochs * _EPOCH,
                batch_size=128,
                optimizer="SGD",
                learning_rate=learning_rate,
                optimizer_options={"momentum": 0.9},
            ),
        ),
    )
    for edition, (mu, learning_rate, epochs) in _EDITIONS.items()
} | {
    "torus-mnist": (
        "2-D torus of 18 × 18 units with 5 × 5 patches on still digits: twenty epochs with Adam",
        Experiment(
            ModelConfig(kind="torus", neighbourhood=5, mu=-10.0, standardise=True),
            DataConfig(mode="still", split_seed=1),
            Training(
                sequences=20 * _EPOCH,
                batch_size=128,
                learning_rate=1e-3,
                schedule="cosine",
                precision="auto",
                log_every=100,
            ),
        ),
    ),
}
