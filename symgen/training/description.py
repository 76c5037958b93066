"""What a run says of itself: its data, how it was made, how to go on with it."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from symgen.training.precision import resolved_precision
from symgen.training.provenance import commit, hardware
from symgen.training.settings import Training
from symgen.training.trainable import Feed, items_of

__all__ = ["describe_data", "describe_run", "how_to_resume"]


def describe_data(feed: Feed) -> dict[str, Any]:
    """Name what the batches depend on, as far as it can be told apart."""
    source = getattr(feed, "source", feed)
    plain = type(source).__repr__ is object.__repr__  # tells an address, not the content
    return {
        "data": type(source).__name__,
        "data_source": None if plain else repr(source),
        "data_items": items_of(feed),
        "data_seed": feed.seed,
        "data_shuffled": getattr(feed, "shuffle", None),
    }


def describe_run(
    model: Any, feed: Feed, settings: Training, config: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Describe a run: what it takes to run again, as far as that can be named in a file.

    Args:
        model: what is trained.
        feed: on what.
        settings: how.
        config: what takes the place of this description, by name.
    """
    device = next(model.parameters()).device
    described = getattr(getattr(feed, "source", feed), "described", None)
    return {
        "name": "",
        "model": model.described() if hasattr(model, "described") else type(model).__name__,
        "data": described() if callable(described) else None,
        "training": asdict(settings),
        "command": None,
        "commit": commit(),
        "hardware": hardware(device),
        "precision": resolved_precision(settings, device.type),
        **(config or {}),
    }


def how_to_resume(
    config: Mapping[str, Any], feed: Feed, settings: Training, folder: Path | None, device: str
) -> str:
    """Say how to go on with a run that was stopped: by a command where its config is enough."""
    if folder is None:
        return "without a folder it cannot be resumed, but the model keeps what it has learned"
    if _is_named(config, feed, settings):
        command = ["symgen", "train", "--resume", str(folder)]
        if device == "cpu" and torch.cuda.is_available():  # which the command would take
            command += ["--device", device]
        return f"resume with: {shlex.join(command)}"
    default = Training()
    changed = [
        f"{entry.name}={value!r}"
        for entry in fields(Training)
        if (value := getattr(settings, entry.name)) != getattr(default, entry.name)
    ]
    call = ", ".join(["model", "data", *changed, f"folder={str(folder)!r}", "resume=True"])
    return f"resume from Python, with a model and data made as before: symgen.fit({call})"


def _is_named(config: Mapping[str, Any], feed: Feed, settings: Training) -> bool:
    """Tell whether model and data, and the order of these, can be made again from the config."""
    model, data = config["model"], config["data"]
    if not isinstance(model, dict) or '"own"' in json.dumps(model):
        return False
    if data is None or data.get("data", data) is None:
        return False
    return feed.seed == settings.seed and getattr(feed, "shuffle", True)
