"""Run folders: training into them, opening them, and the record that others can check."""

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from symgen._files import read_json
from symgen._tensors import differences
from symgen._typed import typed
from symgen.data.batches import Batches, fitting
from symgen.data.recordings.folders import find_files
from symgen.experiments.builders import FROM_DATA, builder, complete
from symgen.experiments.datasets import DataConfig, RecordingData, data_from_json, data_to_json
from symgen.experiments.experiment import Experiment
from symgen.experiments.families import (
    Family,
    family_of,
)
from symgen.experiments.image_data import OwnImageData
from symgen.models import Pretrained
from symgen.models.pretrained import WEIGHTS, weights_step
from symgen.pretrained import embedded, embedded_folder
from symgen.training import (
    Training,
    commit,
    hardware,
    read_records,
    require_current_weights,
)
from symgen.training.checkpoint import CHECKPOINT, saved_validation
from symgen.training.run_folder import CONFIG, METRICS
from symgen.training.validation import BEST

_PARTS = {  # of what `config.json` says
    "name": str,
    "model": Any,
    "data": dict[str, Any] | None,
    "training": dict[str, Any],
    "command": str | None,
    "commit": str | None,
    "hardware": str,
    "precision": str,
}


@dataclass(frozen=True)
class OpenRun:
    """A run folder that has been read.

    Attributes:
        folder: the run folder.
        config: what `config.json` says.
        data: what was trained on; None where it cannot be named in a file.
        parts: modules and values of one's own that the model was made with.
        best: whether its weights are those of the least validation loss, rather than the last.
    """

    folder: Path
    config: dict[str, Any]
    data: DataConfig | None
    parts: Mapping[str, Any]
    best: bool = False

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
    def weights(self) -> Path:
        """Folder of the weights, and of what is measured with them."""
        return self.folder / BEST if self.best else self.folder

    @property
    def outputs(self) -> Path:
        """Folder for what is made from it: its own, or runs/NAME for embedded weights."""
        return Path("runs") / self.folder.name if self.is_embedded else self.folder

    @property
    def summaries(self) -> Path:
        """Folder for what is measured with its weights."""
        return self.outputs if self.is_embedded else self.weights

    @property
    def is_embedded(self) -> bool:
        """Whether its weights come with the package, where nothing is to be written."""
        return self.folder in embedded().values()

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
        """What it takes to train the run again, from nothing but names."""
        options = {n: v for n, v in self.arguments.items() if n not in FROM_DATA}
        return Experiment(self.kind.__name__, options, self.require_data(), self.training)

    def require_verb(self, verb: str) -> None:
        """Refuse a command that draws runs of another family."""
        if verb not in self.family.verbs:
            others = " or ".join(f"symgen {other} {self.folder}" for other in self.family.verbs)
            raise ValueError(
                f"{self.folder} is a run of {self.kind.__name__}, which symgen {verb} does not "
                f"draw: take {others}"
            )

    def require_data(self) -> DataConfig:
        """Return what was trained on."""
        if self.data is None:
            raise ValueError(
                f"{self.folder} was trained from Python on data that no file names: name "
                "recordings with --data PATH, or use it from Python with data as before"
            )
        return self.data

    def model(self) -> Any:
        """Load the trained model, whose weights must be those of the checkpoint, or the best."""
        if not self.best:
            require_current_weights(self.folder)
        model = Pretrained.from_pretrained(self.weights, **self.parts)
        self.require_same(model.described())
        return model

    def require_same(self, described: Mapping[str, Any]) -> None:
        """Refuse a model that was saved with other arguments than `config.json` has."""
        saved, here = (
            {"model": each["model"], **each["arguments"]}
            for each in (described, self.config["model"])
        )
        if changed := differences(saved, here):
            raise ValueError(
                f"{self.folder / CONFIG} is not that of the saved model: {'; '.join(changed)}; "
                "put back what was written with it"
            )

    @property
    def progress(self) -> str:
        """How far the training of the weights has come, if not to its end."""
        step, steps = weights_step(self.weights), self.training.steps
        if self.best:
            return f"step {step} of {steps}, the best in validation"
        if step is None or step >= steps:
            return ""
        found = saved_validation(self.folder / CHECKPOINT) or {"ended": False}
        ended = f"ended early, best at step {found['step']}" if found["ended"] else "not finished"
        return f"step {step} of {steps}, {ended}"

    def batches(self, train: bool, seed: int | None = None) -> Batches[Any]:
        """Return the training data, shuffled as they were, or held-out data in order."""
        source = self.require_data().source(train)
        if not train:
            return held_out(source, self.family, seed or 0)
        size = fitting(source, self.family.batch_size)
        return Batches(source, size, self.training.seed if seed is None else seed)

    def summary(self, measured: Mapping[str, Any], device: str = "cpu") -> dict[str, Any]:
        """Return the record of the run: what it is, how long it was trained, what was measured."""
        about = {name: self.config[name] for name in ("name", "command", "commit", "hardware")}
        options = {n: v for n, v in self.arguments.items() if n not in FROM_DATA}
        plain = not any(isinstance(value, dict) for value in options.values())
        about |= {name: self.config[name] for name in ("start", "extended") if name in self.config}
        return {
            **about,
            "experiment": {
                "builder": self.kind.__name__,
                "model": complete(self.kind, options) if plain else options,
                "data": None if self.data is None else data_to_json(self.data),
                "training": asdict(self.training),
            },
            "precision": self.config["precision"],
            "step": weights_step(self.weights),
            "training": self._trained(),
            "evaluation": dict(measured),
            "evaluated": {"commit": commit(), "hardware": hardware(device)},
        }

    def _trained(self) -> dict[str, Any] | None:
        """Return the last line of the log that the training of the weights wrote, if any."""
        step = weights_step(self.weights)
        lines = [line for line in read_records(self.folder / METRICS) if "loss" in line]
        return next((line for line in lines[::-1] if step is None or line["step"] <= step), None)


def open_run(
    folder: Path | str, place: Path | None = None, *, best: bool = False, **parts: Any
) -> OpenRun:
    """Read a run folder, as `symgen train` or `symgen.fit(folder=…)` wrote it.

    Args:
        folder: a run folder, or the name of weights that come with the package.
        place: where image files or recordings are, if not where they were, or the data of a run
            that no file names.
        best: take the weights of the least validation loss rather than the last.
        **parts: modules and values of one's own that the model was made with, by name.

    Raises:
        FileNotFoundError: if the folder is not there or holds no run, or no best weights.
        ValueError: if its `config.json` is damaged, or its data need no files.
    """
    folder = embedded_folder(folder) or Path(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} is not a run folder, it has no {CONFIG}: give a folder that `symgen train` "
            "or `symgen.fit` wrote"
        )
    try:
        config = read_json(path)
        for name, kind in _PARTS.items():
            typed(name, config[name], kind)
        if "split" in config:
            typed("split", config["split"], dict[str, dict[str, str]])
        described = config["data"]
        data = None if described is None else data_from_json(described)
        run = OpenRun(folder, config, data, parts, best)
        if not isinstance(config["model"], dict):
            raise ValueError(f"its model, a {config['model']}, is none that symgen can make")
        typed("arguments", run.arguments, dict[str, Any])
        unknown = run.arguments.keys() - inspect.signature(run.kind).parameters.keys()
        complete(run.kind, dict.fromkeys(unknown))
        _ = run.training
    except KeyError as error:
        raise ValueError(f"{path} is damaged or of another version: it lacks {error}") from error
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged or of another version: {error}") from error
    if best and not (run.weights / WEIGHTS).is_file():
        raise FileNotFoundError(
            f"{folder} has no best weights, since no validation data were measured: take the last "
            "ones, or train with some"
        )
    if place is not None:
        if data is not None and data.place is None:
            raise ValueError(
                f"{folder} was trained on {data.kind}, which need no files: leave {place} out"
            )
        data = RecordingData(place) if data is None else data.located(place)
    if isinstance(data, RecordingData | OwnImageData) and "split" in config:
        data = data.split_as(config["split"])
    return replace(run, data=data)


def reading_by(run: OpenRun, **options: Any) -> OpenRun:
    """Return a run whose recordings are read by other options; None leaves one as it is.

    Options of the run that mean nothing for recordings of another kind are left out.
    """
    given = {name: value for name, value in options.items() if value is not None}
    if isinstance(run.data, RecordingData):
        given = dict.fromkeys(_meaningless(run.data)) | given
    if not given:
        return run
    if not isinstance(run.data, RecordingData):
        name, value = next(iter(given.items()))
        raise ValueError(
            f"{name}={value!r}: {run.folder} was not trained on recordings, leave it out"
        )
    return replace(run, data=run.data.read_as(**given))


def _meaningless(data: RecordingData) -> tuple[str, ...]:
    """Name the options of arrays that recordings are not read by where they lie now."""
    if data.data is None or (data.axes is None and data.key is None) or not data.data.exists():
        return ()
    found = find_files([data.data.absolute()], data.files)
    if found.kind != "arrays":
        return "axes", "key"
    unnamed = all(file.suffix.lower() == ".npy" for each in found.files.values() for file in each)
    return ("key",) if unnamed else ()


def held_out(source: Any, family: Family, seed: int = 0, device: str = "cpu") -> Batches[Any]:
    """Return data in order, in batches of a test."""
    size = fitting(source, family.batch_size)
    return Batches(source, size, seed, shuffle=False, device=device)
