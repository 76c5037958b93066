"""Saving and loading of models: weights in safetensors, the arguments in JSON."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from symgen._files import write_atomically, write_json
from symgen.latents import AxesTopography, Topography
from symgen.likelihoods import LikelihoodName, make_likelihood

__all__ = ["Pretrained"]

_WEIGHTS = "model.safetensors"
_CONFIG = "model.json"
_LIKELIHOODS = (type(make_likelihood(name)) for name in get_args(LikelihoodName))
_VALUES = {kind.__name__: kind for kind in (Topography, AxesTopography, *_LIKELIHOODS)}
Model = TypeVar("Model", bound="Pretrained")


class Pretrained(nn.Module):
    """A module that remembers the arguments that made it, and can be saved and loaded.

    Attributes:
        config: arguments of the constructor, by name. A part that was assigned later takes the
            place of the argument of its name.
    """

    config: dict[str, Any]
    _replaceable: ClassVar[tuple[str, ...]] = ()  # parts that can be assigned, and are saved
    _fixed: ClassVar[tuple[str, ...]] = ()  # parts that others were made to fit
    _built = False

    def __new__(cls, *arguments: Any, **named: Any):
        """Note the arguments before any constructor sees them."""
        module = super().__new__(cls)
        signature = inspect.signature(cls.__init__)
        try:
            config = signature.bind_partial(None, *arguments, **named).arguments
        except TypeError:  # the constructor will say so
            config = {}
        for name, parameter in signature.parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                config |= config.pop(name, {})
        config.pop("self", None)
        object.__setattr__(module, "config", config)
        return module

    def __setattr__(self, name: str, value: Any) -> None:
        if self._built and name in self._fixed:
            why = "cannot be replaced, since the rest was made to fit it: build a new model with"
            raise AttributeError(f"{type(self).__name__}.{name} {why} {name}=…")
        if self._built and name in self._replaceable:
            if not isinstance(value, nn.Module):
                raise TypeError(f"{name} is a {type(value).__name__}: assign a torch module")
            self._check_part(name, value)
            self.config[name] = value
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if self._built and name in self._fixed + self._replaceable:
            why = "cannot be deleted, since the model computes with it: build a new model"
            raise AttributeError(f"{type(self).__name__}.{name} {why}")
        super().__delattr__(name)

    def _seal(self) -> None:
        """Check the parts, from now on also those that take their place."""
        for name in self._replaceable:
            if (part := getattr(self, name)) is not None:
                self._check_part(name, part)
        self._built = True

    def _check_part(self, name: str, module: nn.Module) -> None:
        """Refuse a module that does not fit; nothing to check by default."""

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `model.safetensors` and `model.json`, each replaced as a whole.

        The folder is made if it is not there, and returned.

        Example:
            >>> import tempfile
            >>> from symgen import TVAE
            >>> model = TVAE((1, 8, 8), capsules=2, units=4, frames=4, window=3)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     TVAE.from_pretrained(model.save_pretrained(folder)).topography.window
            3
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _CONFIG, self.described())
        weights = {name: tensor.contiguous() for name, tensor in self.state_dict().items()}
        write_atomically(folder / _WEIGHTS, lambda partial: save_file(weights, partial))
        return folder

    def described(self) -> dict[str, Any]:
        """Return the name of the class and its arguments as plain JSON values."""
        arguments = {name: _described(value) for name, value in self.config.items()}
        return {"model": type(self).__name__, "arguments": arguments}

    def own_parts(self) -> dict[str, Any]:
        """Return the modules and values of your own among the arguments, by name."""
        return {name: part for name, part in self.config.items() if _is_own(_described(part))}

    @classmethod
    def from_pretrained(cls: type[Model], name: str | Path, **parts: Any) -> Model:
        """Load a model from a folder or from the Hugging Face hub, on the CPU, ready to evaluate.

        Args:
            name: a folder that `save_pretrained` wrote, or a hub id "owner/name", or
                FileNotFoundError.
            **parts: modules and values of your own that the model was made with, by the name of
                the argument, such as `encoder=MyEncoder()`; their weights come from the file.

        Raises:
            ValueError: for another model, damaged files, or a part of your own not handed in.
        """
        folder = _find(name)
        try:
            described = json.loads((folder / _CONFIG).read_text())
            given, _ = described["model"], described["arguments"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"does not describe a model ({error!r}): save it again with save_pretrained"
            raise ValueError(f"{folder / _CONFIG} {why}") from error
        known = {kind.__name__: kind for kind in _family(cls)}
        if given not in known:
            message = f"{folder} holds a {given}, not a {cls.__name__}: load it with {given}"
            raise ValueError(message)
        model = known[given](**cls.rebuilt(described, parts))
        try:
            model.load_state_dict(load_file(folder / _WEIGHTS))
        except (OSError, SafetensorError, RuntimeError) as error:
            why = f"{error}; the file is damaged or belongs to other settings, save it again"
            raise ValueError(
                f"{folder / _WEIGHTS} cannot be loaded into {given}: {why}"
            ) from error
        return model.eval()

    @staticmethod
    def rebuilt(described: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a constructor's arguments from what `described` returned and your own `parts`."""
        arguments = described["arguments"]
        own = {name: value["own"] for name, value in arguments.items() if _is_own(value)}
        if not own.keys() <= parts.keys():
            wanted = [f"{name}={path.rpartition('.')[2]}(…)" for name, path in own.items()]
            call = f"{described['model']}.from_pretrained(folder, {', '.join(wanted)})"
            raise ValueError(
                f"the model was made with parts of one's own, {', '.join(own.values())}: hand "
                f"them in again, as in {call}"
            )
        return {name: _made(value) for name, value in arguments.items()} | dict(parts)

    def __repr__(self) -> str:
        shown = [
            f"{name}={type(value).__name__ if isinstance(value, nn.Module) else repr(value)}"
            for name, value in self.config.items()
        ]
        count = sum(parameter.numel() for parameter in self.parameters())
        return f"{type(self).__name__}({', '.join(shown)})  # {count:,} parameters"


def _described(value: Any) -> Any:
    """Return an argument as plain JSON; what symgen cannot make again is named as your own."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_described(entry) for entry in value]
    kind = type(value)
    if kind in _VALUES.values():
        named = {entry.name: _described(getattr(value, entry.name)) for entry in fields(value)}
        return {"symgen": kind.__name__, **named}
    return {"own": f"{kind.__module__}.{kind.__qualname__}"}


def _made(value: Any) -> Any:
    """Make an argument from its description; parts of your own stay described."""
    if isinstance(value, list):
        return tuple(map(_made, value))
    if isinstance(value, dict) and "symgen" in value:
        named = {name: _made(entry) for name, entry in value.items()}
        return _VALUES[named.pop("symgen")](**named)
    return value


def _is_own(described: Any) -> bool:
    return isinstance(described, dict) and "own" in described


def _find(name: str | Path) -> Path:
    folder = Path(name)
    if folder.is_dir():
        return folder
    if str(name).count("/") != 1 or str(name).startswith((".", "/")):
        wanted = f"give a folder with {_WEIGHTS} and {_CONFIG}, or a hub id of the form owner/name"
        raise FileNotFoundError(f"no folder {str(name)!r}: {wanted}")
    return Path(snapshot_download(str(name), allow_patterns=[_WEIGHTS, _CONFIG]))


def _family(kind: type) -> list[type]:
    return [kind, *(heir for child in kind.__subclasses__() for heir in _family(child))]
