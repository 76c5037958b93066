"""Weights that come with the package: run folders by name, for looking before training.

`TVAE.from_pretrained("symgen/sprites")` and every command that takes a run folder find them,
without network. Their model cards say how each was trained and measured.
"""

from pathlib import Path

from symgen._errors import nearest

__all__ = ["OWNER", "embedded", "embedded_folder"]

OWNER = "symgen"
_HERE = Path(__file__).parent


def embedded() -> dict[str, Path]:
    """Return the run folders that come with the package, by name.

    Example:
        >>> "symgen/sprites" in embedded()
        True
    """
    folders = sorted(path.parent for path in _HERE.glob("*/model.json"))
    return {f"{OWNER}/{folder.name}": folder for folder in folders}


def embedded_folder(name: Path | str) -> Path | None:
    """Return the folder of weights that come with the package; None for any other name.

    Raises:
        FileNotFoundError: if a name begins with `symgen/` and there is neither such a folder nor
            such weights.

    Example:
        >>> embedded_folder("symgen/sprites").name, embedded_folder("runs/sprites")
        ('sprites', None)
    """
    path, known = Path(name), embedded()
    if path.as_posix() in known:
        return known[path.as_posix()]
    if path.parent.as_posix() == OWNER and not path.exists():
        mend = nearest(path.as_posix(), list(known))
        raise FileNotFoundError(f"no weights {path.as_posix()!r} come with the package: {mend}")
    return None
