"""Files that the record of an evaluation is written to besides a run folder."""

from pathlib import Path

from symgen._files import file_to_write, read_json

__all__ = ["record_to_write"]

_KEYS = ("experiment", "evaluation", "evaluated")


def record_to_write(path: Path) -> Path:
    """Make the folder of a record; what is there must be the record of an evaluation as well.

    Raises:
        ValueError: if the path holds anything else.
    """
    file_to_write(path)
    if path.exists() and not _is_record(path):
        raise ValueError(
            f"record={path}: this file is there already and is no record of an evaluation, so it "
            "is not replaced: give another name"
        )
    return path


def _is_record(path: Path) -> bool:
    try:
        found = read_json(path)
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(found.get(name), dict) for name in _KEYS)
