"""The user's own recordings: `symgen train tvae --data PATH`."""

from symgen.experiments.recordings import RecordingExperiment, RecordingModel
from symgen.training import Training

__all__ = ["PRESETS"]

# The recipe that was found for the demonstration, half as long.
_TRAINING = Training(
    sequences=64_000, batch_size=16, learning_rate=1.5e-3, warmup=1_600, schedule="cosine"
)

PRESETS: dict[str, tuple[str, RecordingExperiment]] = {
    kind: (
        f"{name} on your own recordings: --data PATH names them",
        RecordingExperiment(
            RecordingModel(kind=kind, hidden=(450, 450), standardise=True),  # pyright: ignore
            training=_TRAINING,
        ),
    )
    for kind, name in (("tvae", "TVAE"), ("bubble", "BubbleVAE"), ("vae", "VAE"))
}
