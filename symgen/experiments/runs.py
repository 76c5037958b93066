"""Run folders: training into them, reading them, and the record that others can check."""

import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from symgen.experiments.recordings import RecordingExperiment
from symgen.experiments.serialisation import AnyExperiment, from_json, to_json
from symgen.models import Pretrained
from symgen.training import Progress, Run, fit, read_records, resolved_precision
from symgen.training.checkpoint import write_atomically

__all__ = ["OpenRun", "commit", "evaluate_run", "hardware", "open_run", "start_run"]

_CONFIG = "config.json"


@dataclass(frozen=True)
class OpenRun:
    """A run folder that has been read.

    Attributes:
        folder: the run folder.
        name: name of the preset that it started from.
        experiment: what was trained.
    """

    folder: Path
    name: str
    experiment: AnyExperiment

    def model(self) -> Any:
        """Load the trained model."""
        return Pretrained.from_pretrained(self.folder)


def hardware(device: str = "cpu") -> str:
    """Describe the processor, the threads and the torch that numbers were made with.

    Example:
        >>> "torch" in hardware()
        True
    """
    if device != "cpu":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def start_run(
    name: str,
    experiment: AnyExperiment,
    folder: Path,
    *,
    command: str,
    resume: bool = False,
    device: str = "cpu",
    observe: Callable[[Progress], None] | None = None,
) -> Run:
    """Train an experiment in a run folder, or continue there.

    Args:
        name: what the run is called, usually the preset.
        experiment: model, data and training.
        folder: the run folder.
        command: the words that start this run, for the record.
        resume: continue the run in the folder; the experiment must be the same.
        device: where to train.
        observe: is told the progress.

    Raises:
        FileExistsError: if the folder holds a run already and `resume` is off.
    """
    model, data = experiment.build(device)
    config = {
        "name": name,
        "experiment": to_json(experiment),
        "command": command,
        "commit": commit(),
        "hardware": hardware(device),
        "precision": resolved_precision(experiment.training, torch.device(device).type),
    }
    return fit(
        model, data, experiment.training, folder, resume=resume, config=config, observe=observe
    )


def open_run(folder: Path, root: Path | None = None) -> OpenRun:
    """Read a run folder.

    Args:
        folder: what `start_run` wrote.
        root: where to look for image files or recordings, if not where the run did.

    Raises:
        FileNotFoundError: if the folder is not there or holds no run.
        ValueError: if its `config.json` is damaged.
    """
    path = folder / _CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a run folder, it has no {_CONFIG}: "
            "give a folder that `symgen train` wrote"
        )
    try:
        described = json.loads(path.read_text())
        experiment = from_json(described["experiment"])
        if root is not None:
            place = "data" if isinstance(experiment, RecordingExperiment) else "root"
            experiment = replace(experiment, data=replace(experiment.data, **{place: root}))
        return OpenRun(folder, described["name"], experiment)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged or of another version: {error}") from error


def evaluate_run(
    run: OpenRun,
    *,
    items: int | None = None,
    samples: int = 10,
    seed: int = 0,
    device: str = "cpu",
    record: Path | None = None,
    observe: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Measure a run on what it was not trained on and write `summary.json` into its folder.

    Args:
        run: what to measure.
        items: number of held-out sequences, or of test images; None stands for all.
        samples: samples of the posteriors.
        seed: seed of the transformations and of the samples.
        device: where to compute.
        record: a second file for the same summary.
        observe: is told how many batches of how many are done.

    Returns:
        The record: configuration, evaluation, commit, hardware, and the length of the training.
    """
    if record is not None:
        record.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after
    model = run.model().to(device)
    measured = run.experiment.evaluate(
        model, items=items, samples=samples, seed=seed, observe=observe
    )
    started = json.loads((run.folder / _CONFIG).read_text())
    summary = started | {
        "training": _last_training_record(run.folder),
        "evaluation": measured,
        "evaluated": {"commit": commit(), "hardware": hardware(device)},
    }
    for path in filter(None, (run.folder / "summary.json", record)):
        _write_json(path, summary)
    return summary


def _last_training_record(folder: Path) -> dict[str, Any]:
    return [line for line in read_records(folder / "metrics.jsonl") if "loss" in line][-1]


def _write_json(path: Path, values: Any) -> None:
    text = json.dumps(values, indent=2) + "\n"
    write_atomically(path, lambda partial: partial.write_text(text))


def commit() -> str | None:
    """Name the commit of the source tree this package runs from, if it is one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
