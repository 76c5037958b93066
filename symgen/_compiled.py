"""Marks on functions for torch.compile, made without loading the compiler."""

from collections.abc import Callable
from typing import TypeVar

__all__ = ["constant_when_compiled"]

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])


def constant_when_compiled(function: FunctionT) -> FunctionT:
    """Have torch.compile call a function once and keep what it returns.

    `torch.compiler.assume_constant_result` does this, too, but loads the compiler, which takes a
    second of every program's start.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
