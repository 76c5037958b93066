"""Checkpoints: one file that holds all of a training run, replaced in one act."""

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor
from torch.nn import Module
from torch.optim import Optimizer

from symgen._files import write_atomically
from symgen.training.meter import Meter

__all__ = ["Checkpoint", "load_checkpoint", "save_checkpoint", "saved_step"]

_FORMAT = 2


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
    """

    step: int
    seconds: float
    settings: dict[str, Any]
    weights: dict[str, Tensor]
    optimizer: dict[int, dict[str, Any]]
    generators: dict[str, UInt8[Tensor, " bytes"]]
    recent: Float[Tensor, "steps terms"]

    @classmethod
    def capture(
        cls, step: int, settings: dict[str, Any], model: Module, optimizer: Optimizer, meter: Meter
    ) -> "Checkpoint":
        """Gather the state of a run, the random generators of its devices included."""
        generators = {"cpu": torch.get_rng_state()}
        device = next(model.parameters()).device
        if device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(device)
        state, weights = optimizer.state_dict()["state"], model.state_dict()
        return cls(step, meter.seconds, settings, weights, state, generators, meter.recent)

    def require_same(self, settings: dict[str, Any], model: Module) -> None:
        """Refuse settings or a model unlike those of the run, naming each difference."""
        differences = _differences(self.settings, settings)
        differences += _differences(_kinds(self.weights), _kinds(model.state_dict()))
        if differences:
            raise ValueError(
                f"the run to resume had other settings: {'; '.join(differences)}. Resume with "
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
        meter.recent = self.recent.to(device)
        torch.set_rng_state(self.generators["cpu"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(self.generators["cuda"], device)


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
    # Copied, since safetensors refuses those that share memory, as tied weights do.
    tensors = {n: t.detach().to("cpu", copy=True).contiguous() for n, t in tensors.items()}
    described = {name: getattr(checkpoint, name) for name in ("step", "seconds", "settings")}
    header = json.dumps({"format": _FORMAT, **described, "optimizer": plain})
    metadata = {"symgen": header, "checksum": _checksum(header, tensors)}
    write_atomically(path, lambda partial: save_file(tensors, partial, metadata=metadata))


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
        # Read once and whole: a run that is still going may replace the file at any moment.
        content = path.read_bytes()
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
        if "symgen" not in metadata:
            raise ValueError("its header does not describe a run")
        if metadata.get("checksum") != _checksum(metadata["symgen"], tensors):
            raise ValueError("its checksum does not match")
    header = json.loads(metadata["symgen"])
    if header["format"] != _FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, this version reads {_FORMAT}: resume with the "
            "version that wrote it"
        )
    optimizer = {int(position): state for position, state in header["optimizer"].items()}
    for key, tensor in _part(tensors, "optimizer/").items():
        position, name = key.split("/", 1)
        optimizer[int(position)][name] = tensor
    return Checkpoint(
        **{name: header[name] for name in ("step", "seconds", "settings")},
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
    if not path.is_file():
        return 0
    with _whole(path), safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["symgen"])["step"]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    chosen = (name for name in tensors if name.startswith(prefix))
    return {name.removeprefix(prefix): tensors[name] for name in chosen}


def _kinds(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in weights.items()}


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Phrase how two sets of settings differ, compared as JSON gives them back."""
    here = json.loads(json.dumps(here))
    return [
        f"{name} was {there.get(name, 'absent')!r} and is {here.get(name, 'absent')!r}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, "absent") != here.get(name, "absent")
    ]


def _checksum(header: str, tensors: dict[str, Tensor]) -> str:
    """Compute the CRC-32 of the header and of names, kinds and bytes of all tensors."""
    value = zlib.crc32(header.encode())
    for name, kind in sorted(_kinds(tensors).items()):
        value = zlib.crc32(f"{name} {kind}".encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return f"{value:08x}"


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong while a checkpoint is read into one error that says the mend."""
    try:
        yield
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(
            f"{path} is not a whole checkpoint ({error}): put back a copy of it, or move the run "
            "folder away and start again"
        ) from error
