"""Every public name says what it takes, in which shapes, what it refuses, and shows an example."""

import ast
import inspect
import re
import textwrap
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(ROOT / "tools")
    exported = import_module("exports").exports()

PUBLIC = {
    f"{room}.{name}": value for room, values in exported.items() for name, value in values.items()
}
OPEN = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def said(value: Any) -> str:
    """Return what is said of a name: its docstring, and those of the attributes of a class."""
    text = inspect.getdoc(value) or ""
    if not inspect.isclass(value):
        return text
    body = ast.parse(textwrap.dedent(inspect.getsource(value))).body[0].body  # type: ignore
    for entry, below in pairwise(body):
        match entry, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str())
            ):
                text += f"\n{name}: {below.value.value}"
    return text


def described(text: str) -> dict[str, str]:
    """Return the entries `name: what it is` and `one, other: what they are` of a docstring."""
    found = {}
    entry = r"(?m)^ *((?:\*{0,2}\w+, )*\*{0,2}\w+)(?: \([^)]*\))?: (.*(?:\n {5,}.*)*)"
    for names, what in re.findall(entry, text):
        found |= dict.fromkeys(re.split(r", ", names.replace("*", "")), what)
    return found


def parameters(value: Any) -> list[inspect.Parameter]:
    if inspect.isclass(value) and "__init__" not in vars(value) and not hasattr(value, "_fields"):
        return []  # those of another class, or none
    listed = inspect.signature(value).parameters.values()
    return [each for each in listed if each.kind not in OPEN]


def explained(value: Any) -> dict[str, str]:
    """Return the parameters that are described, also where another class has them by name."""
    text = said(value)
    others = [
        PUBLIC[f"symgen.models.{name}"] for name in re.findall(r"arguments of\s+`(\w+)`", text)
    ]
    code = " ".join(re.findall(r"`([^`]+)`", text.partition("Example:")[0]))
    found = dict.fromkeys(re.findall(r"\w+", code), "")  # named in the sentences themselves
    for other in others:
        found |= described(said(other))
    return found | described(text)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_described(name: str) -> None:
    value = PUBLIC[name]
    text = inspect.getdoc(value) or ""
    summary = text.partition("\n")[0]
    assert summary[:1].isupper() and summary[-1:] in ".:", "no sentence in the first line"
    told = explained(value)
    missing = [each.name for each in parameters(value) if each.name not in told]
    assert not missing, f"nothing is said of {', '.join(missing)}"


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_example(name: str) -> None:
    """Its own, or that of what it names as its origin."""
    text = inspect.getdoc(PUBLIC[name]) or ""
    origins = re.findall(
        r"(?:[Rr]eturned by|[Rr]aised by|[Tt]aken by|[Mm]ade by) `([\w.]+)`", text
    )
    ends = {each: value for key, value in PUBLIC.items() for each in (key, key.split(".")[-1])}
    for origin in origins:
        place, _, method = origin.partition(".") if origin not in ends else (origin, "", "")
        text += said(ends[place]) + (said(getattr(ends[place], method)) if method else "")
    assert ">>>" in text, "no example"


@pytest.mark.parametrize("name", PUBLIC)
def test_shapes_of_tensors_are_told(name: str) -> None:
    """By an annotation with a shape, or in words."""
    told = explained(PUBLIC[name])
    for each in parameters(PUBLIC[name]):
        kind = (
            each.annotation
            if isinstance(each.annotation, str)
            else getattr(each.annotation, "__name__", "")
        )
        if kind == "Tensor":
            assert re.search(r"\(|shape|as in `", told[each.name]), f"{each.name} has no shape"


def raises(function: Any) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [
        n.exc for n in ast.walk(tree) if isinstance(n, ast.Raise) and isinstance(n.exc, ast.Call)
    ]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)}


@pytest.mark.parametrize("name", [k for k, v in PUBLIC.items() if inspect.isfunction(v)])
def test_errors_are_told(name: str) -> None:
    """Where a function raises them itself: by it, or by its room for all."""
    room = import_module(name.rpartition(".")[0])
    text = (inspect.getdoc(PUBLIC[name]) or "") + (room.__doc__ or "")
    assert all(error in text for error in raises(PUBLIC[name]) - {"NotImplementedError"})


def test_what_falls_short_is_found() -> None:
    def short(x, y):
        """Do it.

        Args:
            x: the first.
        """

    assert described(short.__doc__ or "").keys() == {"x"}
    assert [each.name for each in parameters(short)] == ["x", "y"]
