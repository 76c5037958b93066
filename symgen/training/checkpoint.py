"""Checkpoints: one file that holds all of a training run, replaced in one act."""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from symgen._tensors import differences, kinds, read_about, read_tensors, write_tensors
from symgen.training.meter import Meter, on_device
from symgen.training.process import generators, set_generators

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint", "saved_step"]

CHECKPOINT = "state/checkpoint.safetensors"
_FORMAT = 3
_DESCRIBED = ("step", "seconds", "settings", "log")  # in the header


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Everything that the rest of a training run depends on.

    Attributes:
        step: updates done.
        seconds: time spent on them.
        settings: what shapes the weights; a run resumes only under equal ones.
        weights: parameters and buffers of the model by name.
        optimizer: state of the optimiser by position of the parameter and name, as in its
            `state_dict()["state"]`.
        generators: states of the random generators, by type of device.
        recent: terms of the loss in the latest steps, kept for the next line of the log.
        log: number of lines of the log by then, and a checksum of them; None without a log.
        validation: what the validation found by then, see `Validation.state`; None without one.
    """

    step: int
    seconds: float
    settings: dict[str, Any]
    weights: dict[str, Tensor]
    optimizer: dict[int, dict[str, Any]]
    generators: dict[str, UInt8[Tensor, " bytes"]]
    recent: Float[Tensor, "steps terms"]
    log: dict[str, Any] | None = None
    validation: dict[str, Any] | None = None

    @classmethod
    def capture(
        cls, step: int, settings: dict[str, Any], model: Module, optimizer: Optimizer, meter: Meter
    ) -> "Checkpoint":
        """Gather the state of a run, the random generators of its devices included."""
        drawn = generators(next(model.parameters()).device)
        state, weights = optimizer.state_dict()["state"], model.state_dict()
        return cls(step, meter.seconds, settings, weights, state, drawn, meter.recent)

    def require_same(self, settings: dict[str, Any], model: Module, run: object = "") -> None:
        """Refuse settings or a model unlike those of the run, naming it and each difference.

        It may have become longer, which stretches its schedule.
        """
        given, before = json.loads(json.dumps(settings)), dict(self.settings)
        if given.get("examples", 0) > before.get("examples", math.inf):
            del given["examples"], before["examples"]
        found = differences(before, given)
        found += differences(kinds(self.weights), kinds(model.state_dict()))
        if found:
            raise ValueError(
                f"the run to resume, {run}, had other settings: {'; '.join(found)}. Resume with "
                "those that it was started with, or start a new run in another folder"
            )

    def restore(self, model: Module, optimizer: Optimizer, meter: Meter) -> None:
        """Put the state back where `capture` took it from."""
        model.load_state_dict(self.weights)
        groups = optimizer.state_dict()["param_groups"]  # follow from the settings
        optimizer.load_state_dict({"state": self.optimizer, "param_groups": groups})
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        for position, state in self.optimizer.items():
            loaded = optimizer.state[parameters[position]]
            for name, value in state.items():
                if isinstance(value, Tensor):  # torch has rounded some to the parameter's type
                    loaded[name] = value.to(loaded[name].device)
        device = parameters[0].device
        meter.recent = on_device(self.recent, device)
        set_generators(self.generators, device)


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as safetensors, with all that is not a tensor as JSON in its header.

    An older checkpoint at this path stays whole until the new one is.
    """
    tensors = {f"weights/{name}": tensor for name, tensor in checkpoint.weights.items()}
    tensors |= {f"generators/{kind}": state for kind, state in checkpoint.generators.items()}
    tensors["recent"] = checkpoint.recent
    plain: dict[int, dict[str, Any]] = {position: {} for position in checkpoint.optimizer}
    for position, state in checkpoint.optimizer.items():
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{position}/{name}"] = value
            else:
                plain[position][name] = value
    described = {name: getattr(checkpoint, name) for name in (*_DESCRIBED, "validation")}
    write_tensors(path, tensors, {"format": _FORMAT, **described, "optimizer": plain})


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint back, bit for bit, on the CPU.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is damaged or not a checkpoint of this format.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}: name the folder of a run that has been started, or start "
            "a new run without resuming"
        )
    with _whole(path):
        tensors, header = read_tensors(path)
    if header.get("format") != _FORMAT:
        raise ValueError(
            f"{path} has format {header.get('format')}, this version reads {_FORMAT}: resume with "
            "the version that wrote it"
        )
    optimizer = {int(position): state for position, state in header["optimizer"].items()}
    for key, tensor in _part(tensors, "optimizer/").items():
        position, name = key.split("/", 1)
        optimizer[int(position)][name] = tensor
    return Checkpoint(
        **{name: header[name] for name in _DESCRIBED},
        validation=header.get("validation"),
        weights=_part(tensors, "weights/"),
        optimizer=optimizer,
        generators=_part(tensors, "generators/"),
        recent=tensors["recent"],
    )


def saved_step(path: Path) -> int:
    """Read how many updates the weights of a checkpoint have had; 0 if there is no such file.

    Raises:
        ValueError: if the file is no checkpoint.

    Example:
        >>> saved_step(Path("none/state/checkpoint.safetensors"))
        0
    """
    return _header(path)["step"] if path.is_file() else 0


def saved_log(path: Path) -> dict[str, Any] | None:
    """Read what a checkpoint says of the log, as `Checkpoint.log`; None if there is no file."""
    return _header(path).get("log") if path.is_file() else None


def saved_validation(path: Path) -> dict[str, Any] | None:
    """Read what the validation found, as `Checkpoint.validation`; None if there was none."""
    return _header(path).get("validation") if path.is_file() else None


def _header(path: Path) -> dict[str, Any]:
    with _whole(path):
        header = read_about(path)
        if not isinstance(header.get("step"), int):
            raise ValueError("its header does not describe a run")
        return header


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    chosen = (name for name in tensors if name.startswith(prefix))
    return {name.removeprefix(prefix): tensors[name] for name in chosen}


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a checkpoint is read into one error that says the mend."""
    try:
        yield
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path} is not a whole checkpoint ({error}): put back a copy of it, or move the run "
            "folder away and start again"
        ) from error
