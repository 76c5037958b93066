"""Checkpoints: one file that holds all of a training run, replaced in one act."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, save_file
from torch import Tensor, nn

from symgen._files import write_atomically
from symgen.training.meter import Meter

__all__ = [
    "Checkpoint",
    "load_checkpoint",
    "save_checkpoint",
    "saved_step",
]

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
        cls,
        step: int,
        settings: dict[str, Any],
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        meter: Meter,
    ) -> "Checkpoint":
        """Gather the state of a run, the random generators of its devices included."""
        generators = {"cpu": torch.get_rng_state()}
        device = next(model.parameters()).device
        if device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(device)
        state = optimizer.state_dict()["state"]
        weights = model.state_dict()
        return cls(step, meter.seconds, settings, weights, state, generators, meter.recent)

    def require_same(self, settings: dict[str, Any], model: nn.Module) -> None:
        """Make sure that the run can go on under these settings with this model.

        Args:
            settings: what shapes the weights from here on.
            model: what is to be trained.

        Raises:
            ValueError: if they differ from those of the run; the message names each difference.
        """
        differences = _differences(self.settings, settings)
        differences += _differences(_kinds(self.weights), _kinds(model.state_dict()))
        if differences:
            raise ValueError(
                f"the run to resume had other settings: {'; '.join(differences)}. Resume with "
                "those that it was started with, or start a new run in another folder"
            )

    def restore(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        meter: Meter,
    ) -> None:
        """Put the state back where `capture` took it from."""
        model.load_state_dict(self.weights)
        groups = optimizer.state_dict()["param_groups"]  # follow from the settings
        optimizer.load_state_dict({"state": self.optimizer, "param_groups": groups})
        parameters = [
            parameter for group in optimizer.param_groups for parameter in group["params"]
        ]
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

    Args:
        path: file to replace; an older checkpoint there stays whole until the new one is.
        checkpoint: what to write.
    """
    tensors = {f"weights/{name}": tensor for name, tensor in checkpoint.weights.items()}
    tensors |= {f"generators/{kind}": state for kind, state in checkpoint.generators.items()}
    tensors["recent"] = checkpoint.recent
    plain: dict[str, dict[str, Any]] = {}
    for position, state in checkpoint.optimizer.items():
        plain[str(position)] = {}
        for name, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{position}/{name}"] = value
            else:
                plain[str(position)][name] = value
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = json.dumps(
        {
            "format": _FORMAT,
            "step": checkpoint.step,
            "seconds": checkpoint.seconds,
            "settings": checkpoint.settings,
            "optimizer": plain,
        }
    )
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
    try:
        # Read once and whole: a run that is still going may replace the file at any moment.
        content = path.read_bytes()
        tensors = load(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError, OSError) as error:
        raise ValueError(_damaged(path, str(error))) from error
    if "symgen" not in metadata:
        raise ValueError(_damaged(path, "its header does not describe a run"))
    if metadata.get("checksum") != _checksum(metadata["symgen"], tensors):
        raise ValueError(_damaged(path, "its checksum does not match"))
    header = json.loads(metadata["symgen"])
    if header["format"] != _FORMAT:
        raise ValueError(
            f"{path} has format {header['format']}, this version reads {_FORMAT}: resume with the "
            "version that wrote it"
        )
    parts: dict[str, dict[str, Tensor]] = {"weights": {}, "generators": {}, "optimizer": {}}
    recent = tensors.pop("recent")
    for name, tensor in tensors.items():
        part, key = name.split("/", 1)
        parts[part][key] = tensor
    optimizer = {int(position): state for position, state in header["optimizer"].items()}
    for key, tensor in parts["optimizer"].items():
        position, name = key.split("/", 1)
        optimizer[int(position)][name] = tensor
    return Checkpoint(
        step=header["step"],
        seconds=header["seconds"],
        settings=header["settings"],
        weights=parts["weights"],
        optimizer=optimizer,
        generators=parts["generators"],
        recent=recent,
    )


def saved_step(path: Path) -> int:
    """Read how many updates the weights of a checkpoint have had, without reading the weights.

    Returns:
        The number, 0 if there is no such file.

    Raises:
        ValueError: if the file is no checkpoint.

    Example:
        >>> saved_step(Path("none/state/checkpoint.safetensors"))
        0
    """
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as file:
            return json.loads(file.metadata()["symgen"])["step"]
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise ValueError(_damaged(path, str(error))) from error


def _kinds(weights: dict[str, Tensor]) -> dict[str, Any]:
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in weights.items()}


def _differences(there: dict[str, Any], here: dict[str, Any]) -> list[str]:
    """Phrase in what two sets of settings differ; they are compared as JSON gives them back."""
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


def _damaged(path: Path, reason: str) -> str:
    return (
        f"{path} is not a whole checkpoint ({reason}): put back a copy of it, or move the run "
        "folder away and start again"
    )
