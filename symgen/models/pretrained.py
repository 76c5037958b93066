"""Saving and loading of models: weights in safetensors, the arguments in JSON."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

import torch
from huggingface_hub import snapshot_download
from torch import Tensor, nn

from symgen._errors import nearest
from symgen._files import read_json, write_json
from symgen._tensors import Bounded, differences, read_about, read_tensors, write_tensors
from symgen._typed import typed
from symgen.latents import AxesTopography, Topography
from symgen.likelihoods import LikelihoodName, make_likelihood
from symgen.models.arguments import bound, checked
from symgen.pretrained import embedded_folder

__all__ = ["Pretrained", "weights_step"]

WEIGHTS = "model.safetensors"
CONFIG = "model.json"
_LIKELIHOODS = (type(make_likelihood(name)) for name in get_args(LikelihoodName))
_VALUES = {kind.__name__: kind for kind in (Topography, AxesTopography, *_LIKELIHOODS)}
_BESIDE = ("model", "data_scale")  # what is described beside the arguments
_SPARE = 2**24  # numbers, for what a model computes with and does not save
Model = TypeVar("Model", bound="Pretrained")


class Pretrained(nn.Module):
    """A module that remembers the arguments that made it, and can be saved and loaded.

    Attributes:
        config: arguments of the constructor, by name. A part that was assigned later takes the
            place of the argument of its name.
        data_scale: numbers of the recordings that it was trained on which became 0 and 1; None
            where numbers stayed as they are. Saved with the model.

    Example:
        >>> import tempfile
        >>> from symgen import TVAE
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = TVAE((12,), capsules=2, likelihood="gaussian", width=8).save_pretrained(folder)
        ...     Pretrained.from_pretrained(folder).data_shape
        (12,)
    """

    config: dict[str, Any]
    data_scale: tuple[float, float] | None = None
    _replaceable: ClassVar[tuple[str, ...]] = ()  # parts that can be assigned, and are saved
    _fixed: ClassVar[tuple[str, ...]] = ()  # parts that others were made to fit
    _built = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = checked(cls.__init__)

    def __new__(cls, *arguments: Any, **named: Any):
        """Note the arguments before any constructor sees them."""
        module = super().__new__(cls)
        config = bound(inspect.signature(cls.__init__), arguments, named)
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

    def save_pretrained(
        self, folder: str | Path, step: int | None = None, *, half: bool = False
    ) -> Path:
        """Write `model.safetensors` and `model.json`, each replaced as a whole.

        The folder is made if it is not there, and returned. The weights carry a checksum, what
        `model.json` says, and the training's `step`, which `weights_step` reads. With `half` they
        are rounded to float16, for files of half the size; they are loaded as float32 again.

        Raises:
            ValueError: if a weight is too large for float16; what was there stays.

        Example:
            >>> import tempfile
            >>> from symgen import TVAE
            >>> model = TVAE((1, 8, 8), capsules=2, units=4, frames=4, window=3)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     TVAE.from_pretrained(model.save_pretrained(folder)).topography.window
            3
        """
        folder, described, weights = Path(folder), self.described(), self.state_dict()
        weights = _halved(weights) if half else weights  # refused before anything is replaced
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(folder / WEIGHTS, weights, {"step": step, **described})
        write_json(folder / CONFIG, described)
        return folder

    def described(self) -> dict[str, Any]:
        """Return the name of the class, its arguments and the data's scale as plain JSON."""
        arguments = {name: _described(value) for name, value in self.config.items()}
        scale = {} if self.data_scale is None else {"data_scale": list(self.data_scale)}
        return {"model": type(self).__name__, "arguments": arguments, **scale}

    def own_parts(self) -> dict[str, Any]:
        """Return the modules and values of your own among the arguments, by name."""
        return {name: part for name, part in self.config.items() if _is_own(_described(part))}

    @classmethod
    def from_pretrained(cls: type[Model], name: str | Path, **parts: Any) -> Model:
        """Load a model from a folder or from the Hugging Face hub, on the CPU, ready to evaluate.

        It has the precision of its weights there, and float32 for those of `half` the size.

        Args:
            name: a folder that `save_pretrained` wrote, or weights that come with the package,
                such as "symgen/sprites". Where neither it nor its parent is here, "owner/name" is
                asked for on the hub.
            **parts: modules and values of your own that the model was made with, by the name of
                the argument, such as `encoder=MyEncoder()`; their weights come from the file.

        Raises:
            FileNotFoundError: if there is no such folder here nor on the hub.
            ValueError: for another model, files that are damaged or do not belong together,
                weights that are not finite, a part of your own that is not handed in, or
                anything else that is.
        """
        folder = _find(name)
        described = _read_description(folder / CONFIG)
        given, known = described["model"], {kind.__name__: kind for kind in _family(cls)}
        if given not in known:
            others = [kind.__name__ for kind in _family(Pretrained)]
            mend = f"load it with {given}" if given in others else nearest(given, others)
            raise ValueError(f"{folder / CONFIG} holds {given}, not {cls.__name__}: {mend}")
        weights = _read_weights(folder, described)
        arguments = cls.rebuilt(described, parts)
        held = sum(tensor.numel() for tensor in weights.values())
        if kind := _precision(weights):
            for part in parts.values():
                if isinstance(part, nn.Module):
                    part.to(torch.get_default_dtype())  # as the rest is made
        try:
            with Bounded(2 * held + _SPARE, f"its sizes are beyond the {held:,} numbers there"):
                model = known[given](**arguments)
        except (ValueError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
            raise ValueError(
                f"{folder / CONFIG} does not make a {given}: {_line(error)}"
            ) from error
        _require_fit(folder / WEIGHTS, weights, model)
        model.to(kind).load_state_dict(weights)
        if (scale := described.get("data_scale")) is not None:
            model.data_scale = typed("data_scale", scale, tuple[float, float])
        return model.eval()

    @staticmethod
    def rebuilt(described: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
        """Return a constructor's arguments from what `described` returned and your own `parts`.

        Raises:
            ValueError: if an entry cannot be made, a part of your own is not handed in, or one is
                that the model was not made with.
        """
        arguments = described["arguments"]
        own = {name: value["own"] for name, value in arguments.items() if _is_own(value)}
        if not own.keys() <= parts.keys():
            wanted = [f"{name}={str(path).rpartition('.')[2]}(…)" for name, path in own.items()]
            call = f"{described['model']}.from_pretrained(folder, {', '.join(wanted)})"
            named = ", ".join(map(str, own.values()))
            raise ValueError(
                f"the model was made with parts of one's own, {named}: hand them in again, as in "
                f"{call}"
            )
        for name in parts.keys() - own.keys():
            takes = f"only parts of one's own, {', '.join(own)}" if own else "no parts"
            raise ValueError(
                f"{name}={parts[name]!r}: this {described['model']} was saved with {takes}, and "
                "the rest is as saved: leave it out, or build a new model"
            )
        made = dict(parts)
        for name, value in arguments.items():
            try:
                made.setdefault(name, _made(value))
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{name}={value!r} cannot be made: {error}") from error
        return made

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


def weights_step(folder: Path | str) -> int | None:
    """Read how many updates of a training the weights in a folder have had.

    None if they are not there, are damaged, or were not saved by a training.

    Args:
        folder: a folder that `save_pretrained` or a training wrote.

    Example:
        >>> weights_step("none") is None
        True
    """
    try:
        step = read_about(Path(folder) / WEIGHTS).get("step")
    except (OSError, ValueError):
        return None
    return step if isinstance(step, int) else None


def _read_description(path: Path) -> dict[str, Any]:
    described = read_json(path)
    match described:
        case {"model": str(), "arguments": dict(), **others} if others.keys() <= {"data_scale"}:
            return described
    raise ValueError(
        f"{path} does not describe a model, which takes a name as its model, by name its "
        "arguments, at most a data_scale, and nothing else: save it again with save_pretrained"
    )


def _read_weights(folder: Path, described: Mapping[str, Any]) -> dict[str, Tensor]:
    """Read weights that belong to a description, which they carry as well."""
    path = folder / WEIGHTS
    try:
        weights, about = read_tensors(path)
    except (OSError, ValueError) as error:
        why = "put back a copy of it, save it again or, of a run, symgen train --resume"
        raise ValueError(f"{path} cannot be loaded ({error}): {why}") from error
    there, here = (
        {**each.get("arguments", {}), **{n: each[n] for n in _BESIDE if n in each}}
        for each in (about, described)
    )
    if changed := differences(there, here):
        raise ValueError(
            f"{folder / CONFIG} is not that of {WEIGHTS}: {'; '.join(changed)}; put back what "
            "was saved with it"
        )
    return weights


def _halved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Round real numbers to float16."""
    halved = {n: t.half() if t.is_floating_point() else t for n, t in weights.items()}
    for name, tensor in halved.items():
        if tensor.isinf().any() and not weights[name].isinf().any():
            raise ValueError(f"{name} is too large for float16: save it with half=False")
    return halved


def _precision(weights: Mapping[str, Tensor]) -> torch.dtype | None:
    """Return the type of all real weights; None of several, or of float16, which is for files."""
    found = {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()}
    return None if len(found) != 1 or torch.float16 in found else found.pop()


def _require_fit(path: Path, weights: Mapping[str, Tensor], model: nn.Module) -> None:
    """Refuse weights of other names or shapes than the model's, or that are not finite."""
    there, here = (
        {n: tuple(t.shape) for n, t in w.items()} for w in (weights, model.state_dict())
    )
    if differ := differences(there, here):
        more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
        raise ValueError(f"{path} does not fit its model: {'; '.join(differ[:3])}{more}")
    learned = dict(model.named_parameters())
    for name, tensor in weights.items():
        if tensor.isnan().any() or (name in learned and tensor.isinf().any()):
            raise ValueError(f"{path} holds {name} that is not finite: the training diverged")


def _find(name: str | Path) -> Path:
    if (within := embedded_folder(name)) is not None:
        return within
    folder, wanted = Path(name), f"give a folder with {WEIGHTS} and {CONFIG}"
    if (folder / CONFIG).is_file():
        return folder
    if folder.is_dir():
        raise FileNotFoundError(f"the folder {str(name)!r} has no {CONFIG}: {wanted}")
    owner = str(folder.parent)
    is_path = folder.exists() or folder.parent.is_dir() or owner == "runs"  # where train writes
    if is_path or not re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", str(name)):
        raise FileNotFoundError(f"no folder {str(name)!r}: {wanted}, or a hub id owner/name")
    try:
        return Path(snapshot_download(str(name), allow_patterns=[WEIGHTS, CONFIG]))
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"no folder {str(name)!r} here, and the Hugging Face hub, which was asked for it, "
            f"gives none ({_line(error)}): {wanted}"
        ) from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _family(kind: type) -> list[type]:
    return [kind, *(heir for child in kind.__subclasses__() for heir in _family(child))]
