"""Axes by the names that files give them."""

from collections.abc import Sequence

__all__ = ["letters"]

_NAMES = {
    "N": ("recording", "recordings", "sequence", "sequences", "trial", "trials", "batch"),
    "T": ("time", "times", "frame", "frames"),
    "C": ("channel", "channels", "ch", "band", "bands", "rgb", "color", "colour"),
    "Z": ("depth", "plane", "planes"),
    "Y": ("height", "row", "rows", "h"),
    "X": ("width", "column", "columns", "col", "cols", "w"),
    "F": ("feature", "features", "neuron", "neurons", "unit", "units"),
}
_LETTERS = {name: letter for letter, names in _NAMES.items() for name in (letter.lower(), *names)}


def letters(names: Sequence[str | None]) -> str | None:
    """Return the letters of named axes; None unless all are known and no two are the same.

    Example:
        >>> letters(["time", "y", "x"]), letters(["time", "row", "y"]), letters(["t", None])
        ('TYX', None, None)
    """
    found = [_LETTERS.get(str(name).strip().lower()) for name in names]
    known = [letter for letter in found if letter is not None]
    return "".join(known) if found and len(set(known)) == len(found) else None
