"""The code of the room: functions that can be read in one look."""

import ast
from pathlib import Path

import pytest

import symgen.training

MODULES = sorted(Path(symgen.training.__path__[0]).glob("*.py"))
LONGEST = 60


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_no_function_is_long(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    lengths = {node.name: body_length(node) for node in found}
    assert not {name: length for name, length in lengths.items() if length > LONGEST}


def body_length(function: ast.FunctionDef) -> int:
    """Count the lines of a body without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
