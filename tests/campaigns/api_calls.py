"""Functions, models and settings called from Python with odd arguments, one at a time.

A call works as it should; then one of its arguments is changed. The axes that a function names in
its annotations tell whether the changed tensors still fit together. What does not fit must be a
clear ValueError or TypeError, and so must be values that are not finite where something is
measured, and wrong types of settings. What is taken must give finite values, and those of the
whole call where the argument means the same as before. Parts of models may raise torch's own
errors of shapes and types, and may hand on NaN as NaN.
"""

import copy
import inspect
import math
import re
import traceback
import types
import typing
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from harness import Case, Verdict
from jaxtyping import AbstractArray, jaxtyped
from torch import Tensor
from working_calls import Call, working_calls

_SCALES = {"1e20": 1e20, "1e-20": 1e-20, "1e30": 1e30}
_KINDS = {"f64": torch.float64, "f16": torch.float16, "i64": torch.int64, "c64": torch.complex64}
_NUMBERS = (float("nan"), float("inf"), -1, 0, 2.5, 1e30, -(10**6))
_FOR_MAKERS = ("x", None, True, [], (2,), (-1, 3), (), 10**12)  # models and settings, as of JSON
_MAY_BE_NEGATIVE = {"mu", "shift", "seed", "split_seed", "element", "speed", "background", "first"}
_MAY_BE_NEGATIVE |= {"threshold", "rotate", "shear", "hue", "canonical"}
_OF_NO_PROBABILITY = {("weights", "-inf"), ("class_log_probs", "-inf"), ("bounds", "inf")}
_OF_PYTHON = re.compile(r"unpack|not iterable|unsupported operand|not supported between")
_TOLERANCE = {"f16": 0.1}


def prepare(base: Path) -> None:
    """Nothing is shared."""


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every argument of every call, changed in every way or in some."""
    made = []
    for name, call in working_calls().items():
        for argument, value in call.arguments.items():
            changes = list(dict(_changes(value, call)))
            few = min(5 if call.made else 9, len(changes))
            for change in Random(f"{seed} {name} {argument}").sample(changes, few):
                run = partial(_tried, name, argument, change)
                made.append(Case(f"{name}-{argument}-{change}", run))
    return made


def _tried(name: str, argument: str, change: str, folder: Path) -> Verdict:
    call = working_calls()[name]
    torch.manual_seed(0)
    whole = call.use(copy.deepcopy(call.function)(**call.arguments))  # which may train a model
    given = dict(_changes(call.arguments[argument], call))[change]
    arguments = {**call.arguments, argument: given}
    torch.manual_seed(0)
    try:
        found = call.use(call.function(**arguments))
    except (ValueError, TypeError, FileNotFoundError) as error:
        return _refused(call, argument, given, error)
    except (MemoryError, RuntimeError) as error:
        if re.search("allocate|memory", repr(error), re.IGNORECASE):  # refused by the system
            return Verdict("memory" if call.made else "detected", repr(error))
        return _unexpected(call, error)
    except Exception as error:
        return _unexpected(call, error)
    return _taken(call, argument, change, arguments, whole, found)


def _unexpected(call: Call, error: Exception) -> Verdict:
    """Judge an error that is none of a wrong argument."""
    text = f"{type(error).__name__}: {error}".strip().splitlines()
    of_torch = isinstance(error, RuntimeError | IndexError) and len(text) == 1
    return Verdict("detected" if call.part and of_torch else "traceback", text[0])


def _refused(call: Call, argument: str, given: Any, error: Exception) -> Verdict:
    """Judge an error: one line that names an argument, or gives its shape or value."""
    names = {argument, *inspect.signature(call.function).parameters} - {"kwargs", "arguments"}
    shown = str(tuple(given.shape)) if isinstance(given, Tensor) else repr(given)
    text = str(error).replace(shown, argument)
    if "\n" in text.strip():
        return Verdict("traceback", f"{len(text.splitlines())} lines: {text.splitlines()[0]}")
    *_, last = traceback.extract_tb(error.__traceback__)
    own = "symgen" in Path(last.filename).parts and type(error) is ValueError
    if (own or call.part) and not _OF_PYTHON.search(text):
        return Verdict("detected", text)
    if not any(re.search(rf"(?<![a-z]){re.escape(n)}(?![a-z])", text) for n in names):
        return Verdict("traceback", f"names nothing: {type(error).__name__}: {text}")
    return Verdict("detected", text)


def _taken(
    call: Call, argument: str, change: str, arguments: dict[str, Any], whole: Any, found: Any
) -> Verdict:
    """Judge a result: finite, and that of the whole call where it should be."""
    before, after = _values(whole), _values(found)
    was_finite, given = all(map(math.isfinite, before)), arguments[argument]
    if (argument, change) in _OF_NO_PROBABILITY:
        return Verdict("silent" if any(map(math.isnan, after)) else "fine")
    if change.startswith(("nan", "inf", "-inf", "half")):
        handed_on = isinstance(given, Tensor) and not all(map(math.isfinite, after))
        handed_on |= isinstance(given, float) and not math.isnan(given)  # a limit
        fine = handed_on and (call.part or not was_finite)
        return Verdict("fine" if fine else "silent", f"{change} taken")
    if isinstance(given, Tensor) and change.startswith("1e"):
        if call.invariant:
            return _same(before, after, 1e-2)
        bad = was_finite and any(map(math.isnan, after))  # infinite may be the right answer
        bad &= not call.overflows
        return Verdict("silent", "not a number") if bad else Verdict("fine")
    if was_finite and not all(map(math.isfinite, after)):
        return Verdict("silent", "not finite")
    if isinstance(call.arguments[argument], Tensor):
        return _tensor_taken(call, argument, change, arguments, before, after)
    hint = inspect.signature(call.function).parameters[argument].annotation
    if (call.made or not isinstance(given, bool)) and not _is_of(given, hint):
        return Verdict("silent", f"{given!r} taken for {hint}")
    if _negative(given) and argument not in _MAY_BE_NEGATIVE:
        return Verdict("silent", f"{given!r} taken")
    return Verdict("fine")


def _tensor_taken(
    call: Call, argument: str, change: str, arguments: dict, before: list, after: list
) -> Verdict:
    if change == "c64":
        return Verdict("fine" if call.part else "silent", f"{change} taken")
    if change == "i64":
        floats = {**arguments, argument: arguments[argument].to(torch.float32)}
        torch.manual_seed(0)
        return _same(_values(call.use(call.function(**floats))), after, 1e-3)
    if change in ("numpy", "strided", *_KINDS):
        return _same(before, after, _TOLERANCE.get(change, 1e-3))
    broadcast = call.part and change in ("fewer-axes", "more-axes")
    if not (broadcast or _fit(call, arguments)) or (
        call.fixed and not change.endswith(("-0", "empty"))
    ):
        return Verdict("silent", f"{tuple(arguments[argument].shape)} taken")
    return Verdict("fine")


def _same(before: list[float], after: list[float], tolerance: float) -> Verdict:
    same = len(before) == len(after) and np.allclose(before, after, tolerance, tolerance, True)
    return Verdict("fine") if same else Verdict("silent", f"{before[:2]} became {after[:2]}")


def _fit(call: Call, arguments: dict[str, Any]) -> bool:
    """Tell whether tensors are what the annotations of a function ask for, all together."""
    with jaxtyped("context"):
        for name, parameter in inspect.signature(call.function).parameters.items():
            hint, value = parameter.annotation, arguments.get(name)
            kinds = [h for h in (hint, *typing.get_args(hint)) if _is_array(h)]
            if kinds and isinstance(value, Tensor) and not isinstance(value, kinds[0]):
                return False
    return True


def _is_array(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, AbstractArray)


def _is_of(value: Any, hint: Any) -> bool:
    """Tell whether a plain value is of a type; True where that cannot be told."""
    origin, members = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _is_of(value, members[0])
    if origin in (typing.Union, types.UnionType):
        return any(_is_of(value, member) for member in members)
    if origin is typing.Literal:
        return value in members
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and value is not True
    if hint in (bool, str, types.NoneType, None):
        return value is None if hint in (types.NoneType, None) else isinstance(value, hint)
    if origin is tuple or origin in (list, typing.get_origin(typing.Sequence[int])):
        return isinstance(value, tuple | list)
    return origin is not None or not isinstance(hint, type) or isinstance(value, hint)


def _negative(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0


def _values(result: Any) -> list[float]:
    """Return the numbers in a result, in order."""
    if isinstance(result, Tensor | np.ndarray):
        return [float(v) for v in torch.as_tensor(result).detach().double().flatten().tolist()]
    if isinstance(result, bool | int | float):
        return [float(result)]
    if isinstance(result, Mapping):
        result = list(result.values())
    if hasattr(result, "__dataclass_fields__"):
        result = list(vars(result).values())
    if isinstance(result, torch.distributions.Distribution):
        result = [result.mean]
    return (
        [v for part in result for v in _values(part)] if isinstance(result, list | tuple) else []
    )


def _changes(value: Any, call: Call) -> Iterator[tuple[str, Any]]:
    """List what an argument may be changed into."""
    if not isinstance(value, Tensor):
        if isinstance(value, str):
            yield from ((repr(v), v) for v in ("x", "", value.upper(), value[:-1], f"{value} "))
            yield from ((repr(v), v) for v in (None, 3, []) if call.made)
        elif isinstance(value, tuple):
            yield from ((repr(odd), odd) for odd in ((0, 0), (-1, 3), (2,), (1, 2, 3), ()))
            yield from ((repr(odd), odd) for odd in ("x", 3, None) if call.made)
        elif isinstance(value, bool) and not call.made:
            return
        elif isinstance(value, bool | int | float) or value is None:
            yield from ((repr(odd), odd) for odd in _NUMBERS)
            yield from ((repr(odd), odd) for odd in _FOR_MAKERS if call.made)
        return
    if value.is_floating_point():
        for odd in ("nan", "inf", "-inf"):
            changed = value.clone()
            changed.view(-1)[value.numel() // 2] = float(odd)
            yield odd, changed
        half = value.clone()
        half[: (len(half) + 1) // 2] = torch.nan
        yield "half-nan", half
        yield from ((scale, value * factor) for scale, factor in _SCALES.items())
        yield from ((kind, value.to(dtype)) for kind, dtype in _KINDS.items())
    else:
        yield from (("huge", value + 10**12), ("negative", value - 10**6), ("f32", value.float()))
    yield from (("fewer-axes", value[0]), ("more-axes", value[None]), ("empty", value[:0]))
    for axis in (axis for axis in range(value.dim()) if value.shape[axis] > 1):
        yield f"fewer-{axis}", value.narrow(axis, 0, value.shape[axis] - 1)
        yield f"twice-{axis}", torch.cat([value, value], axis)
    if "metrics" in getattr(call.function, "__module__", ""):  # which take arrays, too
        yield "numpy", value.numpy()
    yield "strided", value.repeat_interleave(2, -1)[..., ::2]
