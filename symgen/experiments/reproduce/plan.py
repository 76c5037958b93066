"""What a reproduction spends, and the runs that it makes, resumes or finds."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.presets import preset
from symgen.experiments.runs import OpenRun, open_run, start_run
from symgen.training import Progress, TrainingDiverged, read_records

__all__ = [
    "FULL",
    "SMOKE",
    "Budget",
    "Missing",
    "finished_run",
    "has_checkpoint",
    "planned",
    "steps_done",
]


@dataclass(frozen=True)
class Budget:
    """How much work goes into a reproduction."""

    samples: int = 2
    """Samples of the posteriors for each test image; the bounds are means of both."""
    checked: int = 1000
    """Test images of the checks that look inside a model."""
    drawn: int = 100
    """Samples of the prior for each class."""
    judge: dict[str, Any] = field(default_factory=dict)
    """Numbers of the judges' training to replace."""
    images: Literal["digits"] | None = None
    """Images to take in place of every preset's; None leaves them."""
    model: dict[str, Any] = field(default_factory=dict)
    """Settings of every preset's model to replace."""
    training: dict[str, Any] = field(default_factory=dict)
    """Numbers of every preset's training to replace."""


FULL = Budget()
SMOKE = Budget(
    samples=2,
    checked=100,
    drawn=5,
    judge={"sequences": 4_000, "batch_size": 50, "warmup": 400},
    images="digits",
    model={
        "hidden": (32,),
        "decoder_hidden": (32,),
        "classifier_channels": (8, 16),
        "classifier_hidden": 32,
        "pose_channels": (8, 8),
    },
    training={"sequences": 4_000, "batch_size": 50, "warmup": 200, "kl_warmup": 1_000},
)
"""Every path of the code in two minutes and without files, to no claim."""


class Missing(RuntimeError):
    """Something that a criterion needs was not made; the message tells why."""


def planned(name: str, seed: int, budget: Budget, root: Path | None = None) -> ACEExperiment:
    """Return the experiment of a preset with a seed, within a budget.

    Example:
        >>> planned("ace-rts", 2, FULL).training.seed
        2
        >>> planned("ace-tc", 0, SMOKE).data.images
        'digits'
    """
    experiment = preset(name)
    if not isinstance(experiment, ACEExperiment):
        raise ValueError(f"preset {name!r} is no ACE")
    data = replace(
        experiment.data,
        images=budget.images or experiment.data.images,
        root=root or experiment.data.root,
    )
    return ACEExperiment(
        replace(experiment.model, **budget.model),
        data,
        experiment.training.changed({**budget.training, "seed": seed}),
    )


def steps_done(folder: Path) -> int:
    """Return how many steps of a training its log tells of, 0 where there is none."""
    return max((line["step"] for line in read_records(folder / "metrics.jsonl")), default=0)


def has_checkpoint(folder: Path) -> bool:
    """Return whether there is something to resume."""
    return (folder / "state" / "checkpoint.safetensors").is_file()


def finished_run(
    name: str,
    wanted: ACEExperiment,
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
        Missing: if there is no such run and none can be made.
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
        return open_run(folder, wanted.data.root)
    except (FileNotFoundError, FileExistsError, ValueError, TrainingDiverged) as error:
        raise Missing(f"{folder.name}: {error}") from error


def _require_same(run: OpenRun, wanted: ACEExperiment) -> None:
    """Refuse a run of other settings; where its files lay and what it logs does not matter."""
    found = run.experiment
    if not isinstance(found, ACEExperiment):
        raise ValueError(f"{run.folder} holds a run of another family: choose another folder")
    indifferent = {"root": None, "download": False}
    for part, there, here in (
        ("model", found.model, wanted.model),
        ("data", replace(found.data, **indifferent), replace(wanted.data, **indifferent)),
        ("training", _trajectory(found), _trajectory(wanted)),
    ):
        if there != here:
            raise ValueError(
                f"{run.folder} was trained with other settings: its {part} is {there}, wanted "
                f"is {here}; move it away or choose another folder"
            )


def _trajectory(experiment: ACEExperiment) -> dict[str, Any]:
    training = experiment.training
    values = training.trajectory() | {"sequences": training.sequences}
    del values["log_every"]
    return values
