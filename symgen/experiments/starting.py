"""Training an experiment into a run folder, from the start, from weights, or further."""

import math
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from symgen._tensors import differences, kinds, read_about
from symgen.data.batches import Batches
from symgen.experiments.builders import FROM_DATA
from symgen.experiments.datasets import data_to_json
from symgen.experiments.experiment import Experiment, validation_batches
from symgen.experiments.runs import OpenRun
from symgen.models import Pretrained
from symgen.models.pretrained import WEIGHTS, weights_step
from symgen.training import Run, Training, TrainingStopped, fit, require_current_weights
from symgen.training.checkpoint import CHECKPOINT, saved_validation
from symgen.training.progress import Observe

__all__ = [
    "examples_per_second",
    "load_weights",
    "longer",
    "resume_run",
    "start_run",
    "with_options_of",
    "within",
]

_TOLD = 3  # differences that an error lists


def within(experiment: Experiment, minutes: float, device: str = "cpu") -> Experiment:
    """Shorten a training to what this machine does in a time, by its speed over a few steps.

    The schedules of the learning rate and of the KL weights are shortened with it, and the time
    for which images are dealt out evenly to clusters; no training becomes longer.
    """
    if not 0 < minutes < math.inf:
        raise ValueError(f"minutes={minutes}: give a positive number")
    size, rate = experiment.training.batch_size, examples_per_second(experiment, device)
    steps = max(1, int(60 * minutes * rate / size))
    whole = experiment.training
    examples = min(whole.examples, steps * size)
    ramps = {n: getattr(whole, n) * examples // whole.examples for n in ("warmup", "kl_warmup")}
    if whole.kl_warmup:
        ramps["kl_warmup"] = max(1, ramps["kl_warmup"])
    shorter: dict[str, Any] = {"training": {"examples": examples, **ramps}}
    if balanced := experiment.model.get("balanced"):
        shorter["model"] = {"balanced": balanced * examples // whole.examples}
    return experiment.changed(**shorter)


def examples_per_second(
    experiment: Experiment, device: str = "cpu", steps: tuple[int, int] = (5, 30)
) -> float:
    """Measure the speed of a training over a few steps; what is done once is done in others."""
    model, batches = experiment.build(device)
    run = None
    for number in steps:
        examples = number * experiment.training.batch_size
        short = experiment.training.changed({"examples": examples, "patience": None})
        try:
            run = fit(model, batches, **asdict(short), progress=False)
        except TrainingStopped as stopped:
            said = "symgen: stopped while the speed was measured: no run has begun"
            raise TrainingStopped(said, stopped.run, stopped.signal) from None
    assert run is not None
    return run.examples / run.seconds


def start_run(
    name: str,
    experiment: Experiment,
    folder: Path,
    *,
    command: str,
    device: str = "cpu",
    observe: Observe | None = None,
    weights: str | None = None,
) -> Run:
    """Train an experiment in a new run folder; `command` is put on record.

    It starts from the `weights` of a run folder, of a folder of a model, or of one on the hub.
    """
    model, batches = experiment.build(device)
    data = experiment.data.resolved(batches.source)
    config = {"name": name, "data": data_to_json(data), "command": command}
    if weights is not None:
        config["start"] = load_weights(model, weights)
    how = asdict(experiment.training) | {"validation": experiment.validation(device)}
    return fit(model, batches, **how, **_silent(folder, config, observe))


def longer(training: Training, examples: int | None, patience: int | None = None) -> Training:
    """Return the training of a run that is to go on for more examples in all, or more patiently.

    Raises:
        ValueError: if that is no more than it has been trained for.
    """
    if examples is not None and examples <= training.examples:
        raise ValueError(
            f"examples={examples:,}: the run is one of {training.examples:,} already, give more, "
            "or leave it out"
        )
    changed = {"examples": examples, "patience": patience}
    return training.changed({n: value for n, value in changed.items() if value is not None})


def resume_run(
    run: OpenRun,
    training: Training | None = None,
    *,
    device: str = "cpu",
    observe: Observe | None = None,
) -> Run:
    """Continue a run that was stopped, bit for bit as if it had never been.

    With a `training` that `longer` returned it goes on after its end.

    Raises:
        ValueError: if the run ended early and would at once end again, and see `symgen.fit`.
    """
    described: dict[str, Any] = {}
    with suppress(OSError, ValueError):  # else the checkpoint makes the file anew
        described = read_about(run.folder / WEIGHTS)
    with suppress(KeyError):
        run.require_same(described)
    model: Any = run.kind(**Pretrained.rebuilt(run.config["model"], run.parts)).to(device)
    data, training = run.require_data(), training or run.training
    batches = Batches(data.source(True, device), training.batch_size, training.seed, device=device)
    how = asdict(training) | {"validation": validation_batches(data, training, device)}
    found = saved_validation(run.folder / CHECKPOINT)
    if found and found["worse"] >= (training.patience or math.inf) and training != run.training:
        raise ValueError(
            f"{run.folder} ended after {found['worse']} measurements without a better one than at "
            f"step {found['step']}: give --patience, more than that"
        )
    config = run.config | {"training": asdict(training)}
    return fit(model, batches, **how, **_silent(run.folder, config, observe), resume=True)


def _silent(folder: Path, config: Any, observe: Observe | None) -> dict[str, Any]:
    return {"folder": folder, "config": config, "observe": observe, "progress": False}


def with_options_of(experiment: Experiment, name: str) -> Experiment:
    """Return an experiment whose model has the options of a saved one.

    Args:
        name: a run folder, a folder of a model, or "owner/name" on the Hugging Face hub.

    Raises:
        ValueError: if that is a model of another builder, or was made with parts of one's own.
    """
    described = _saved(name).described()
    if described["model"] != experiment.builder:
        raise ValueError(
            f"{name} holds a {described['model']}, which the preset does not train: take one of "
            f"{described['model']}, see symgen presets --all"
        )
    options = {n: v for n, v in described["arguments"].items() if n not in FROM_DATA}
    if own := [name for name, value in options.items() if isinstance(value, dict)]:
        raise ValueError(
            f"{name} was made with {', '.join(own)} of one's own: load it in Python, and train it "
            "with symgen.fit"
        )
    return experiment.changed(model=options)


def load_weights(model: Any, name: str) -> dict[str, Any]:
    """Put the weights of a saved model into one that takes them; return what to put on record.

    Raises:
        ValueError: if the two differ in the shape of their data or in a weight.
    """
    saved = _saved(name)
    if saved.data_shape != model.data_shape:
        raise ValueError(
            f"{name} was trained on frames of shape {saved.data_shape}, the data have "
            f"{model.data_shape}: give data of that shape, such as with --size and --gray"
        )
    weights = saved.state_dict()
    if found := differences(kinds(weights), kinds(model.state_dict())):
        more = f"; and {len(found) - _TOLD} more" if len(found) > _TOLD else ""
        raise ValueError(
            f"the weights of {name} do not fit the model: {'; '.join(found[:_TOLD])}{more}. Leave "
            "out options that change its size"
        )
    model.load_state_dict(weights)
    return {"from": name, "step": weights_step(Path(name))}


def _saved(name: str) -> Any:
    if Path(name).is_dir():
        require_current_weights(Path(name))
    return Pretrained.from_pretrained(name)
