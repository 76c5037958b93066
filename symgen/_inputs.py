"""Arguments that are not what the annotations of a function ask for are refused, with the mend."""

import inspect
from collections.abc import Callable
from functools import wraps
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin

import torch
from jaxtyping import AbstractArray
from torch import Tensor

from symgen._typed import Range, typed

__all__ = ["Asked", "Index", "Speed", "checked", "require_finite", "require_shapes"]

Index = Annotated[int, Range(-(2**31), 2**31)]  # of a value, a frame or a unit
Speed = Annotated[int | float, Range(-10_000, 10_000)]  # units per frame
_KINDS = {  # what tensors of another kind than that of an annotation are to become
    "bool": "truth values, such as by .bool()",
    "float32": "floating-point numbers, such as by .float()",
    "int64": "integers, such as by .long()",
}
Function = TypeVar("Function", bound=Callable[..., Any])


def checked(function: Function) -> Function:
    """Check what a function is given by its annotations, see `Asked`; not inside a compiler."""
    asked = Asked(function)

    @wraps(function)
    def called(*arguments: Any, **named: Any) -> Any:
        if torch.compiler.is_compiling():
            return function(*arguments, **named)
        return function(**asked.required(asked.named(*arguments, **named)))

    return cast(Function, called)


class Asked:
    """What the annotations of a function ask for; no value of a tensor is looked at.

    Tensors must hold numbers of the kind of their annotation, and have its axes, all together; for
    all other arguments see `typed`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._signature = inspect.signature(function)
        self.arrays: dict[str, Any] = {}
        self._plain: dict[str, Any] = {}
        for name, parameter in self._signature.parameters.items():
            hint = parameter.annotation
            members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
            plain = tuple(member for member in members if not _is_array(member))
            self.arrays |= {name: member for member in members if _is_array(member)}  # noqa: B035
            if plain and hint not in (inspect.Parameter.empty, Any):
                self._plain[name] = Union[plain]  # noqa: UP007, for it is made here

    def named(self, *arguments: Any, **named: Any) -> dict[str, Any]:
        """Return the arguments of a call by name."""
        return self._signature.bind(*arguments, **named).arguments

    def required(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return arguments in the types that are asked for.

        Raises:
            ValueError: for others, with the name, what was given and what to give.
        """
        taken = {name: self._required(name, value) for name, value in given.items()}
        require_shapes(
            *(
                (name, taken[name], array.dim_str)
                for name, array in self.arrays.items()
                if isinstance(taken.get(name), Tensor) and array.dim_str != "..."
            )
        )
        return taken

    def _required(self, name: str, value: Any) -> Any:
        if isinstance(value, Tensor) and name in self.arrays:
            _require_kind(name, value, self.arrays[name].dtypes)
        elif name in self._plain:
            return typed(name, value, self._plain[name])
        elif name in self.arrays:
            raise ValueError(f"{name}={value!r}: give a tensor")
        return value


def require_finite(name: str, values: Tensor, but: float = 0.0) -> None:
    """Refuse tensors with values that are not finite, other than one that is allowed."""
    wrong = values.numel() - int((values.isfinite() | (values == but)).sum())
    if wrong:
        raise ValueError(
            f"{name} holds {wrong:,} values of {values.numel():,} that are not finite: leave "
            "these items out, or find where they come from"
        )


def require_shapes(*named: tuple[str, Tensor, str]) -> None:
    """Require that tensors have the given axes, of equal size where axes have equal names.

    Each is given by its name, itself and the names of its axes in one string. A name with a star
    stands for several axes, equal wherever it stands: any number if it comes first, else one or
    more. With a # as well these need only broadcast. A number is a size.

    Example:
        >>> require_shapes(("t", torch.zeros(2, 3), "B S"), ("moved", torch.zeros(2), "B"))
    """
    for name, tensor, _ in named:
        if not isinstance(tensor, Tensor):
            raise ValueError(f"{name}={tensor!r}: give a tensor")
    sizes: dict[str, Any] = {}
    if all([_bind(axes.split(), tuple(tensor.shape), sizes) for _, tensor, axes in named]):
        return
    given = ", ".join(f"{name} {tuple(tensor.shape)}" for name, tensor, _ in named)
    expected = ", ".join(f"{name} ({', '.join(axes.split())})" for name, _, axes in named)
    broadcast = ", where *# axes broadcast" if "#" in expected else ""
    raise ValueError(f"shapes do not fit: got {given}; expected {expected}{broadcast}")


def _bind(names: list[str], shape: tuple[Any, ...], sizes: dict[str, Any]) -> bool:
    """Tell whether a shape has the named axes, of the sizes that are known; note the others."""
    star = next((i for i, name in enumerate(names) if name.startswith("*")), None)
    if star is not None:
        end = len(shape) - (len(names) - 1 - star)
        if end < star + (star > 0):
            return False
        shape = (*shape[:star], shape[star:end], *shape[end:])
    pairs = zip(names, shape, strict=False)
    return len(shape) == len(names) and all(_agrees(*pair, sizes) for pair in pairs)


def _agrees(name: str, size: Any, sizes: dict[str, Any]) -> bool:
    if name.isdigit():
        return size == int(name)
    if sizes.setdefault(name, size) == size:
        return True
    if "#" not in name:
        return False
    try:
        sizes[name] = torch.broadcast_shapes(sizes[name], size)
    except RuntimeError:
        return False
    return True


def _require_kind(name: str, tensor: Tensor, dtypes: Any) -> None:
    """Refuse tensors of a type that is not among some, if these are not all."""
    if isinstance(dtypes, tuple) and str(tensor.dtype).removeprefix("torch.") not in dtypes:
        kinds = [kind for dtype, kind in _KINDS.items() if dtype in dtypes]
        kind = kinds[0] if len(kinds) == 1 else "real numbers"
        raise ValueError(f"{name} of shape {tuple(tensor.shape)} is {tensor.dtype}: give {kind}")


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)
