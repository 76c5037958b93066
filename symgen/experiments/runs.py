"""Run folders: training into them, opening them, and the record that others can check."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from symgen._files import write_json
from symgen.data.batches import Batches
from symgen.experiments.builders import builder, complete
from symgen.experiments.datasets import (
    DataConfig,
    RecordingData,
    data_from_json,
    data_to_json,
)
from symgen.experiments.experiment import Experiment
from symgen.experiments.families import Family, Metric, ObserveBatches, family_of
from symgen.models import Pretrained
from symgen.training import Run, Training, commit, fit, hardware, last_record
from symgen.training.progress import Observe
from symgen.training.run_folder import CONFIG, METRICS

__all__ = ["OpenRun", "evaluate", "evaluate_run", "open_run", "resume_run", "start_run"]

_FROM_DATA = ("data_shape", "frames", "classes")
_SUMMARY = "summary.json"


@dataclass(frozen=True)
class OpenRun:
    """A run folder that has been read.

    Attributes:
        folder: the run folder.
        config: what `config.json` says.
        data: what was trained on; None where it cannot be named in a file.
        parts: modules and values of one's own that the model was made with.
    """

    folder: Path
    config: dict[str, Any]
    data: DataConfig | None
    parts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the preset that it started from, or of the folder."""
        return self.config["name"] or self.folder.name

    @property
    def kind(self) -> type[Pretrained]:
        """Class of the model."""
        return builder(self.config["model"]["model"])

    @property
    def family(self) -> Family:
        """Family of the model."""
        return family_of(self.kind)

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the model, as `config.json` has them."""
        return self.config["model"]["arguments"]

    @property
    def training(self) -> Training:
        """Settings of the training."""
        return Training().changed(self.config["training"])

    @cached_property
    def experiment(self) -> Experiment:
        """What it takes to train the run again, from nothing but names.

        Raises:
            ValueError: if data or parts of the model cannot be named in a file.
        """
        options = {n: v for n, v in self.arguments.items() if n not in _FROM_DATA}
        return Experiment(self.kind.__name__, options, self.require_data(), self.training)

    def require_data(self) -> DataConfig:
        """Return what was trained on.

        Raises:
            ValueError: if it cannot be named in a file.
        """
        if self.data is None:
            raise ValueError(
                f"{self.folder} was trained from Python on data that no file names: name "
                "recordings with --data PATH, or use it from Python with data as before"
            )
        return self.data

    def model(self) -> Any:
        """Load the trained model."""
        return Pretrained.from_pretrained(self.folder, **self.parts)

    def batches(self, train: bool, seed: int = 0, device: str = "cpu") -> Batches[Any]:
        """Open the training data, shuffled, or held-out data in order, in batches of a test."""
        source = self.require_data().source(train, device)
        size = min(self.family.batch_size, len(source))
        return Batches(source, size, seed, shuffle=train, device=device)


def start_run(
    name: str,
    experiment: Experiment,
    folder: Path,
    *,
    command: str,
    device: str = "cpu",
    observe: Observe | None = None,
    progress: bool | None = False,
) -> Run:
    """Train an experiment in a new run folder.

    Args:
        name: what the run is called, usually the preset.
        experiment: model, data and training.
        folder: the run folder.
        command: the words that start this run, for the record.
        device: where to train.
        observe: is given the progress.
        progress: whether `fit` shows a bar.

    Raises:
        FileExistsError: if the folder holds a run already.
    """
    model, batches = experiment.build(device)
    config = {"name": name, "data": data_to_json(experiment.data), "command": command}
    return fit(
        model,
        batches,
        **asdict(experiment.training),
        folder=folder,
        config=config,
        observe=observe,
        progress=progress,
    )


def resume_run(
    run: OpenRun,
    *,
    device: str = "cpu",
    observe: Observe | None = None,
    progress: bool | None = False,
) -> Run:
    """Continue a run that was stopped, bit for bit as if it had never been.

    Raises:
        ValueError: if the data are others than those that it was started with.
    """
    data = run.require_data()
    arguments = Pretrained.rebuilt(run.config["model"], run.parts)
    model: Any = run.kind(**arguments).to(device)
    source = data.source(train=True, device=device)
    batches = Batches(source, run.training.batch_size, run.training.seed, device=device)
    return fit(
        model,
        batches,
        **asdict(run.training),
        folder=run.folder,
        resume=True,
        config=run.config,
        observe=observe,
        progress=progress,
    )


def open_run(folder: Path | str, place: Path | None = None, **parts: Any) -> OpenRun:
    """Read a run folder.

    Args:
        folder: what `symgen train` or `symgen.fit(folder=…)` wrote.
        place: where to look for image files or recordings, if not where the run did; what a run of
            data that no file names is to be used with.
        **parts: modules and values of one's own that the model was made with, by name.

    Raises:
        FileNotFoundError: if the folder is not there or holds no run.
        ValueError: if its `config.json` is damaged.
    """
    folder = Path(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a run folder, it has no {CONFIG}: give a folder that `symgen train` "
            "or `symgen.fit` wrote"
        )
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        described = config["data"]
        data = None if described is None else data_from_json(described)
        run = OpenRun(folder, config, data, parts)
        if not isinstance(config["model"], dict):
            raise ValueError(f"its model, a {config['model']}, is none that symgen can make")
        _ = run.kind, run.training, run.arguments
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged or of another version: {error}") from error
    if place is None:
        return run
    return replace(run, data=RecordingData(place) if data is None else data.located(place))


def evaluate_run(
    run: OpenRun,
    *,
    items: int | None = None,
    samples: int = 10,
    seed: int = 0,
    device: str = "cpu",
    record: Path | None = None,
    metrics: Mapping[str, Metric] | None = None,
    observe: ObserveBatches | None = None,
) -> dict[str, Any]:
    """Measure a run on what it was not trained on and write `summary.json` into its folder.

    Args:
        run: what to measure.
        items: number of held-out sequences, or of test images; None stands for all.
        samples: samples of the posteriors.
        seed: seed of the transformations and of the samples.
        device: where to compute.
        record: a second file for the same summary.
        metrics: metrics of one's own by name, from model and batch to a value for each item.
        observe: is told how many batches of how many are done.

    Returns:
        The record: configuration, evaluation, commit, hardware, and the length of the training.
    """
    if record is not None:
        record.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after
    trained = last_record(run.folder / METRICS)
    model = run.model().to(device)
    measured = run.family.evaluate(
        model,
        run.batches(train=False, seed=seed),
        run.batches(train=True, seed=run.training.seed),
        items=items,
        samples=samples,
        seed=seed,
        canonical=getattr(run.data, "canonical", 0),
        metrics=metrics,
        observe=observe,
    )
    summary = summarised(run, trained, measured, device)
    for path in filter(None, (run.folder / _SUMMARY, record)):
        write_json(path, summary)
    return summary


def summarised(
    run: OpenRun, trained: Mapping[str, Any], measured: Mapping[str, Any], device: str = "cpu"
) -> dict[str, Any]:
    """Return the record of a run: what it is, how long it was trained, what was measured."""
    about = {name: run.config[name] for name in ("name", "command", "commit", "hardware")}
    model, arguments = run.kind.__name__, run.arguments
    options = {n: v for n, v in arguments.items() if n not in _FROM_DATA}
    return {
        **about,
        "experiment": {
            "builder": model,
            "model": options if _has_own(options) else complete(run.kind, options),
            "data": None if run.data is None else data_to_json(run.data),
            "training": asdict(run.training),
        },
        "precision": run.config["precision"],
        "training": dict(trained),
        "evaluation": dict(measured),
        "evaluated": {"commit": commit(), "hardware": hardware(device)},
    }


def evaluate(
    run: Run | OpenRun | Path | str,
    data: Any = None,
    *,
    items: int | None = None,
    samples: int = 10,
    seed: int = 0,
    metrics: Mapping[str, Metric] | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Measure a trained model, and write `summary.json` where it has a run folder.

    Args:
        run: what `symgen.fit` returned, or a run folder.
        data: what to measure on: held-out data of any kind that `symgen.fit` takes; None for what
            the run held out, where a file names its data.
        items: how many items; None stands for all.
        samples: samples of the posteriors.
        seed: seed of the samples.
        metrics: metrics of one's own by name, from model and batch to a value for each item.
        **parts: modules of one's own that the model of a run folder was made with, by name.

    Returns:
        Values by name, see `symgen.experiments.families`.

    Raises:
        ValueError: if there are no data to measure on, or they do not fit.

    Example:
        >>> import torch
        >>> from symgen import TVAE, fit
        >>> x = torch.randn(64, 16, 12)
        >>> model = TVAE((12,), capsules=2, frames=16, likelihood="gaussian", width=32)
        >>> run = fit(model, x[:48], examples=64)
        >>> measured = evaluate(run, x[48:], metrics={"norm": lambda m, b: b.x.flatten(1).norm()})
        >>> sorted(measured["own"]), measured["examples"]
        (['norm'], 16)
    """
    from symgen.training.trainable import as_batches

    opened = run if isinstance(run, OpenRun) else None
    if isinstance(run, Path | str):
        opened = open_run(run, **parts)
    elif isinstance(run, Run) and run.folder is not None:
        opened = open_run(run.folder, **(parts or _own_parts(run.model)))
    model = run.model if isinstance(run, Run) else opened.model()  # pyright: ignore
    family = family_of(type(model))
    options = {"items": items, "samples": samples, "seed": seed, "metrics": metrics}
    if data is None:
        if opened is None:
            raise ValueError("data=None and no run folder: name what to measure on")
        return evaluate_run(opened, **options)["evaluation"]
    feed = as_batches(data, model, None, seed)
    if not isinstance(feed, Batches):
        raise ValueError(
            f"{type(data).__name__} has no items by number: evaluate a tensor, a Dataset, a "
            "source or a path"
        )
    source = feed.source
    test = Batches(source, min(family.batch_size, len(source)), seed, shuffle=False)
    measured = family.evaluate(model, test, test, **options)
    if opened is not None:
        trained = last_record(opened.folder / METRICS)
        write_json(opened.folder / _SUMMARY, summarised(opened, trained, measured))
    return measured


def _own_parts(model: Pretrained) -> dict[str, Any]:
    """Return the modules and values of one's own that a model holds."""
    described = model.described()["arguments"]
    return {name: model.config[name] for name, value in described.items() if _is_own(value)}


def _is_own(value: Any) -> bool:
    return isinstance(value, dict) and "own" in value


def _has_own(options: Mapping[str, Any]) -> bool:
    return any(
        isinstance(value, dict) and value.keys() & {"own", "symgen"} for value in options.values()
    )
