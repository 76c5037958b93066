"""The runs of a reproduction: as found, resumed, or started."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.experiment import Experiment
from symgen.experiments.presets import preset
from symgen.experiments.runs import OpenRun, open_run, start_run
from symgen.experiments.serialisation import AnyExperiment
from symgen.training import Progress, RunBusy, TrainingDiverged, hold, read_records, saved_step

__all__ = [
    "Missing",
    "differences",
    "finished_run",
    "has_checkpoint",
    "origin",
    "planned",
    "steps_done",
    "train_command",
]

PaperExperiment = Experiment | ACEExperiment
ExperimentT = TypeVar("ExperimentT", bound=PaperExperiment)


class Missing(RuntimeError):
    """Something that a reproduction needs was not made; the message tells why."""


def planned(
    name: str,
    family: type[ExperimentT],
    *,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    training: Mapping[str, Any],
    root: Path | None = None,
) -> ExperimentT:
    """Return the experiment of a preset with some settings replaced.

    Args:
        name: the preset.
        family: the kind of experiment that it has to be.
        model: settings of the model to replace, by name.
        data: the same of the data.
        training: the same of the training.
        root: folder of the image files; None leaves the preset's.

    Raises:
        ValueError: if there is no such preset, or it is of another family.

    Example:
        >>> from symgen.experiments import Experiment
        >>> planned("demo", Experiment, model={}, data={}, training={"seed": 2}).training.seed
        2
    """
    experiment = preset(name)
    if not isinstance(experiment, family):
        raise ValueError(f"preset {name!r} is not of the family {family.family!r}")
    return replace(
        experiment,
        model=replace(experiment.model, **model),
        data=replace(experiment.data, **data, root=root or experiment.data.root),
        training=experiment.training.changed(training),
    )


def train_command(name: str, settings: Mapping[str, Any], folder: Path) -> str:
    """Return the words that train a preset with some settings replaced.

    Example:
        >>> train_command("demo", {"hidden": (16, 16), "batch_size": 8}, Path("runs/demo-0"))
        'symgen train demo --hidden 16 16 --batch-size 8 --out runs/demo-0'
    """
    words = ["symgen", "train", name]
    for setting, value in settings.items():
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{setting.replace('_', '-')}", *map(str, values)]
    return " ".join([*words, "--out", str(folder)])


def steps_done(folder: Path) -> int:
    """Return how many steps of a training are saved, 0 where there is none."""
    return saved_step(_checkpoint(folder))


def has_checkpoint(folder: Path) -> bool:
    """Return whether there is something to resume."""
    return _checkpoint(folder).is_file()


def _checkpoint(folder: Path) -> Path:
    return folder / "state" / "checkpoint.safetensors"


def origin(folder: Path) -> dict[str, Any]:
    """Return how a run came about, from its folder."""
    config = json.loads((folder / "config.json").read_text())
    last = [line for line in read_records(folder / "metrics.jsonl") if "loss" in line][-1]
    return {
        **{name: config.get(name) for name in ("command", "commit", "hardware", "precision")},
        **{name: last[name] for name in ("sequences", "frames", "seconds")},
    }


def finished_run(
    name: str,
    wanted: PaperExperiment,
    folder: Path,
    *,
    command: str,
    train: bool = True,
    device: str = "cpu",
    observe: Callable[[Progress], None] | None = None,
) -> OpenRun:
    """Return a run that is trained to its end: as found, resumed, or started.

    Args:
        name: the preset.
        wanted: what it has to be; a folder with a run of other settings is refused.
        folder: its run folder.
        command: the words that start the run, for the record.
        train: whether to train what is not finished.
        device: where to train.
        observe: is told the progress.

    Raises:
        Missing: if there is no such run and none can be made, or another process makes it.
    """
    try:
        done = steps_done(folder)
        if (folder / "config.json").is_file():
            _require_same(open_run(folder), wanted)
        if done < wanted.training.steps:
            if not train:
                raise Missing(
                    f"{folder} is at step {done} of {wanted.training.steps}: train it with "
                    f"`{command}`" + (" and --resume" if done else "")
                )
            start_run(
                name,
                wanted,
                folder,
                command=command,
                resume=has_checkpoint(folder),
                device=device,
                observe=observe,
            )
        else:
            with hold(folder):  # its last save may still be going on
                pass
        return open_run(folder, wanted.data.root)
    except (
        FileNotFoundError,
        FileExistsError,
        RunBusy,
        ValueError,
        TrainingDiverged,
    ) as error:
        raise Missing(f"{folder.name}: {error}") from error


def differences(found: AnyExperiment, wanted: PaperExperiment) -> dict[str, tuple[Any, Any]]:
    """Compare two experiments; where files lay and what is logged does not matter.

    Returns:
        The parts that differ, by name, each as found and as wanted.

    Example:
        >>> differences(preset("demo"), preset("demo"))
        {}
    """
    if not isinstance(found, type(wanted)):
        return {"family": (found.family, wanted.family)}
    pairs = {
        "model": (found.model, wanted.model),
        "data": (_without_files(found), _without_files(wanted)),
        "training": (_trajectory(found), _trajectory(wanted)),
    }
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _require_same(run: OpenRun, wanted: PaperExperiment) -> None:
    for part, (there, here) in differences(run.experiment, wanted).items():
        raise ValueError(
            f"{run.folder} was trained with other settings: its {part} is {there}, wanted "
            f"is {here}; move it away or choose another folder"
        )


def _without_files(experiment: PaperExperiment) -> Any:
    return replace(experiment.data, root=None, download=False)


def _trajectory(experiment: PaperExperiment) -> dict[str, Any]:
    training = experiment.training
    values = training.trajectory() | {"sequences": training.sequences}
    del values["log_every"]
    return values
