"""Choosing a few items to show, so that what they are of takes turns."""

from collections.abc import Sequence
from itertools import islice, zip_longest

__all__ = ["in_turn"]


def in_turn(named: Sequence[str], count: int, moved: Sequence[float] | None = None) -> list[int]:
    """Choose items so that their names take turns, short names first.

    Args:
        named: the name of each item: what moves in it, its recording or its class.
        count: items to choose at most.
        moved: how much is seen to move in each item; names of which more moves then come first.

    Returns:
        Indices of the items.

    Example:
        >>> in_turn(["b", "b", "a", "a"], 3)
        [2, 0, 3]
        >>> in_turn(["b", "b", "a", "a"], 3, moved=[1.0, 0.5, 0.0, 0.2])
        [0, 2, 1]
    """
    names = sorted({*named}, key=lambda name: (len(name), name))
    by_name = [[item for item, each in enumerate(named) if each == name] for name in names]
    if moved is not None:
        by_name.sort(key=lambda items: -sum(moved[item] for item in items) / len(items))
    turns = (item for turn in zip_longest(*by_name) for item in turn if item is not None)
    return list(islice(turns, count))
