"""Still MNIST on a 2-D torus: Figure 3 of the paper."""

from symgen.experiments.experiment import DataConfig, Experiment, ModelConfig
from symgen.training import Training

__all__ = ["PRESETS"]

PRESETS: dict[str, tuple[str, Experiment]] = {
    "torus-mnist-paper": (
        "2-D torus of 18 × 18 units with 5 × 5 patches on still digits: the paper's recipe",
        Experiment(
            ModelConfig(
                kind="torus",
                neighbourhood=5,
                mu=-10.0,
                initialisation="reference",
                output_bias="channel",
                clamp_logits=True,
            ),
            DataConfig(mode="still", split_seed=1),
            Training(
                sequences=250 * 48_000,
                batch_size=128,
                optimizer="SGD",
                learning_rate=1e-4,
                optimizer_options={"momentum": 0.9},
            ),
        ),
    ),
    "torus-mnist": (
        "2-D torus of 18 × 18 units with 5 × 5 patches on still digits: twenty epochs with Adam",
        Experiment(
            ModelConfig(kind="torus", neighbourhood=5, mu=-10.0, standardise=True),
            DataConfig(mode="still", split_seed=1),
            Training(
                sequences=20 * 48_000,
                batch_size=128,
                learning_rate=1e-3,
                schedule="cosine",
                precision="auto",
                log_every=100,
            ),
        ),
    ),
}
