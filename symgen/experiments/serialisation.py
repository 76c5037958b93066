"""Experiments as JSON and back."""

from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from symgen.experiments.ace import ACEExperiment
from symgen.experiments.experiment import Experiment
from symgen.experiments.recordings import RecordingExperiment

__all__ = ["AnyExperiment", "from_json", "to_json"]

AnyExperiment = Experiment | RecordingExperiment | ACEExperiment
_FAMILIES: dict[str, type] = {kind.family: kind for kind in get_args(AnyExperiment)}


def to_json(experiment: AnyExperiment) -> dict[str, Any]:
    """Return an experiment as plain JSON values.

    Example:
        >>> from_json(to_json(ACEExperiment())) == ACEExperiment()
        True
    """
    values = asdict(experiment)
    for name, value in values["data"].items():
        values["data"][name] = str(value) if isinstance(value, Path) else value
    return {"family": experiment.family, **values}


def from_json(values: dict[str, Any]) -> AnyExperiment:
    """Read what `to_json` returned; without a family it is an older Topographic VAE.

    A setting that is missing, because the record is older than the setting, has its default.

    Raises:
        ValueError: if a setting or the family is unknown.
    """
    values = dict(values) if isinstance(values, dict) else {}
    family = values.pop("family", Experiment.family)
    if family not in _FAMILIES:
        raise ValueError(f"family={family!r}: this version knows {', '.join(_FAMILIES)}")
    return _read(_FAMILIES[family], values, "experiment")


def _read(kind: type, values: Any, where: str) -> Any:
    if not isinstance(values, dict):
        raise ValueError(f"{where}: expected a group of settings, got {values!r}")
    hints = get_type_hints(kind)
    odd = sorted(set(values) - {entry.name for entry in fields(kind)})
    if odd or not values:
        raise ValueError(f"{where}: missing or unknown settings: {', '.join(odd) or 'all'}")
    read = {}
    for name, value in values.items():
        if is_dataclass(hints[name]):
            value = _read(hints[name], value, f"{where}.{name}")
        elif Path in get_args(hints[name]) and value is not None:
            value = Path(value)
        elif isinstance(value, list):
            value = tuple(value)
        read[name] = value
    return kind(**read)
