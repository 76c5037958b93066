"""Saving and loading of models: weights in safetensors, the configuration in JSON."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

__all__ = ["Pretrained"]

_WEIGHTS = "model.safetensors"
_CONFIG = "model.json"
Model = TypeVar("Model", bound="Pretrained")


class Pretrained(nn.Module):
    """A module that remembers the keyword arguments that made it, and can be saved and loaded.

    Attributes:
        config: keyword arguments of the constructor.
    """

    config: dict[str, Any]

    def __new__(cls, **arguments: Any):
        """Note the arguments before any constructor sees them."""
        module = super().__new__(cls)
        object.__setattr__(module, "config", arguments)
        return module

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `model.safetensors` and `model.json`, each replaced as a whole.

        Args:
            folder: where to write; made if it is not there.

        Returns:
            The folder.

        Example:
            >>> import tempfile
            >>> from symgen import TVAE
            >>> model = TVAE(image_shape=(1, 8, 8), capsules=2, units=4, frames=4, window=3)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     TVAE.from_pretrained(model.save_pretrained(folder)).topography.window
            3
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        described = {"model": type(self).__name__, "arguments": self.config}
        temporary = folder / f".{_CONFIG}.{os.getpid()}"
        temporary.write_text(json.dumps(described, indent=2, default=asdict) + "\n")
        os.replace(temporary, folder / _CONFIG)
        temporary = folder / f".{_WEIGHTS}.{os.getpid()}"
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, temporary)
        os.replace(temporary, folder / _WEIGHTS)
        return folder

    @classmethod
    def from_pretrained(cls: type[Model], name: str | Path) -> Model:
        """Load a model from a folder or from the Hugging Face hub.

        Args:
            name: a folder that `save_pretrained` wrote, or a hub id "owner/name".

        Returns:
            The model, on the CPU, ready to evaluate.

        Raises:
            FileNotFoundError: if neither a folder nor a hub id is given.
            ValueError: if the folder holds another model or damaged files.
        """
        folder = Path(name)
        if not folder.is_dir():
            if str(name).count("/") != 1 or str(name).startswith((".", "/")):
                raise FileNotFoundError(
                    f"no folder {str(name)!r}: give a folder with {_WEIGHTS} and {_CONFIG}, "
                    "or a hub id of the form owner/name"
                )
            folder = Path(snapshot_download(str(name), allow_patterns=[_WEIGHTS, _CONFIG]))
        try:
            described = json.loads((folder / _CONFIG).read_text())
            given, arguments = described["model"], described["arguments"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{folder / _CONFIG} does not describe a model ({error!r}): "
                "save it again with save_pretrained"
            ) from error
        known = {kind.__name__: kind for kind in (cls, *_descendants(cls))}
        if given not in known:
            raise ValueError(
                f"{folder} holds a {given}, not a {cls.__name__}: load it with {given}"
            )
        model = known[given](**arguments)
        try:
            model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            raise ValueError(
                f"{folder / _WEIGHTS} cannot be loaded into {given}: {error}; "
                "the file is damaged or belongs to other settings, save it again"
            ) from error
        return model.eval()


def _descendants(kind: type) -> list[type]:
    children = kind.__subclasses__()
    return children + [grandchild for child in children for grandchild in _descendants(child)]
