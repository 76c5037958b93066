"""A process of several that train together: trains the models below, and writes what came of it.

python tests/peers_worker.py OUT CASE...
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from training_helpers import Disturbed, Noise

from symgen import ACE, TVAE, VAE, fit
from symgen.data import Batches, DistortedImages, load
from symgen.experiments.evaluation import evaluate
from symgen.training import PeerLost, Run, TrainingStopped, launched

SIZES: dict[str, Any] = {"capsules": 2, "units": 6, "frames": 6, "width": 24, "depth": 2}


def tvae() -> Any:
    return TVAE((1, 4, 4), window=3, **SIZES)


def vae() -> Any:
    return VAE((1, 4, 4), centre=True, **SIZES)


def ace() -> Any:
    small = {"hidden": (12,), "decoder_hidden": (12,), "classifier_hidden": 12}
    few = {"pose_channels": (2, 2), "classifier_channels": (2, 2), "pose_hidden": 8}
    pose: Any = {"pose": "affine", "variational_pose": True, "dropout": 0.3}
    return ACE((1, 42, 42), latents=2, **pose, **small, **few)  # pyright: ignore


MODELS: dict[str, Callable[[], Any]] = {"tvae": tvae, "vae": vae, "ace": ace}
# The warp of images is piecewise linear: what rounding moves over an edge moves on from there.
DOUBLE = ("ace",)
OPTIONS: dict[str, Any] = {
    "tvae": {"rolled": 0.5, "clip_norm": 100.0, "validate_every": 50},
    "vae": {"optimizer": "AdamW", "decay": 0.01},
    "ace": {"learning_rates": {"pose": 1e-3}},
}


def data_of(name: str, kind: type[Any] = Batches, *happens: Any) -> Any:
    source: Any = DistortedImages(load("digits"), "rts") if name == "ace" else Noise()
    return kind(*happens, source) if happens else kind(source, 8, seed=5)


def trained(name: str, data: Any = None, **options: Any) -> Run:
    """Train a model for 200 steps whose losses are all on record."""
    torch.manual_seed(3)
    model = MODELS[name]().to(torch.float64 if name in DOUBLE else torch.float32)
    validation = data_of(name) if name == "tvae" else None
    given = {"examples": 1600, "log_every": 1, "validation": validation, "progress": False}
    data = data_of(name) if data is None else data
    return fit(model, data, **given | OPTIONS[name] | options)


def numbers(run: Run) -> dict[str, Any]:
    losses = [line["loss"] for line in run.records if "loss" in line]
    found = [line["validation"]["loss"] for line in run.records if "validation" in line]
    every = {"losses": torch.tensor(losses), "validation": torch.tensor(found)}
    return every | {"weights": run.model.state_dict()}


def stopped(folder: Path) -> Run:
    """Stop a training by a signal to the last process alone, and go on with it."""

    def happens(_: Any) -> None:
        if os.environ.get("RANK") == "1":
            signal.raise_signal(signal.SIGTERM)

    try:
        trained("tvae", data_of("tvae", Disturbed, 20, happens), folder=folder)
    except TrainingStopped as stop:
        assert stop.run.step == 21, stop
    return trained(
        "tvae", data_of("tvae", Disturbed, range(0), happens), folder=folder, resume=True
    )


def slow(folder: Path, resume: bool) -> Run:
    """Train slowly enough to be killed meanwhile."""
    data = data_of("tvae", Disturbed, range(200), lambda _: time.sleep(0.01))
    return trained("tvae", data, folder=folder, resume=resume, checkpoint_every=0.1)


def evaluated(_: Path) -> dict[str, Any]:
    """Measure a model on 3 batches and a part, which two processes share."""
    torch.manual_seed(3)
    metrics = {"mean": lambda model, batch: batch.x.mean((1, 2, 3, 4))}
    x = torch.rand(210, 6, 1, 4, 4)
    run = fit(tvae(), x, examples=64, progress=False)
    return {"measured": evaluate(run, x, samples=3, metrics=metrics)}


def apart(_: Path) -> Run:
    """Train a centred model on what every process has drawn for itself."""
    torch.manual_seed(int(os.environ.get("RANK", "0")))
    return trained("vae", data=torch.rand(64, 6, 1, 4, 4), batch_size=8)


CASES: dict[str, Callable[[Path], Run | dict[str, Any]]] = {
    **{name: lambda out, name=name: trained(name) for name in MODELS},
    "stopped": lambda out: stopped(out / "stopped"),
    "evaluated": evaluated,
    "apart": apart,
    "begin": lambda out: slow(out / "killed", False),
    "go on": lambda out: slow(out / "killed", True),
}


def main() -> None:
    torch.set_num_threads(1)
    out, rank = Path(sys.argv[1]), os.environ.get("RANK", "0")
    with launched():
        for name in sys.argv[2:]:
            found = CASES[name](out)
            found = numbers(found) if isinstance(found, Run) else found
            torch.save(found, out / f"{name}-{rank}.pt")


if __name__ == "__main__":
    try:
        main()
    except PeerLost as error:
        sys.exit(str(error))
