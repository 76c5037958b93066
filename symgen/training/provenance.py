"""Where a run comes from: machine, commit, data and settings; and how to go on with it."""

import json
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from symgen.training.settings import Training
from symgen.training.step import resolved_precision
from symgen.training.trainable import Feed, items_of

__all__ = ["commit", "hardware"]


def hardware(device: str | torch.device = "cpu") -> str:
    """Describe the processor, the threads and the torch that numbers were made with."""
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:(.*)", cpuinfo.read_text() if cpuinfo.is_file() else "")
    name = found[1].strip() if found else platform.processor() or platform.machine()
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' * (threads != 1)}, torch {torch.__version__}"


def commit() -> str | None:
    """Name the commit of the git checkout that this package runs from, `-dirty` if it has changed.

    None for an installed package, even if it lies in the repository of something else.
    """
    root = Path(__file__).parents[2]
    project = root / "pyproject.toml"
    if not (project.is_file() and 'name = "symgen"' in project.read_text(encoding="utf-8")):
        return None
    # Git would look in the folders above, and in a repository that the environment names.
    here = ["git", "-C", str(root), "--git-dir=.git", "--work-tree=."]
    command = [*here, "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def describe_data(feed: Feed) -> dict[str, Any]:
    """Name what the batches depend on, as far as it can be named."""
    source = getattr(feed, "source", feed)
    plain = type(source).__repr__ is object.__repr__  # gives an address, not the content
    return {
        "data": type(source).__name__,
        "data_source": None if plain else repr(source),
        "data_items": items_of(feed),
        "data_seed": feed.seed,
        "data_shuffled": getattr(feed, "shuffle", None),
    }


def describe_run(
    model: Any,
    feed: Feed,
    settings: Training,
    config: Mapping[str, Any] | None,
    processes: int = 1,
) -> dict[str, Any]:
    """Describe what it takes to run again, as far as a file can; `config` replaces parts of it."""
    device = next(model.parameters()).device
    source: Any = getattr(feed, "source", feed)
    described = getattr(source, "described", None)
    split = {"split": source.split_record()} if hasattr(source, "split_record") else {}
    return {
        **split,
        "name": "",
        "model": model.described() if hasattr(model, "described") else type(model).__name__,
        "data": described() if callable(described) else None,
        "training": asdict(settings),
        "command": None,
        "commit": commit(),
        "hardware": hardware(device),
        "precision": resolved_precision(settings, device.type),
        **({"processes": processes} if processes > 1 else {}),
        **(config or {}),
    }


def how_to_resume(
    config: Mapping[str, Any],
    feed: Feed,
    settings: Training,
    folder: Path | None,
    device: str,
    processes: int = 1,
) -> str:
    """Say how to go on with a run that was stopped: by a command where its config is enough."""
    if folder is None:
        return "without a folder it cannot be resumed, but the model keeps what it has learned"
    if _is_named(config, feed, settings):
        several = ["torchrun", f"--nproc-per-node={processes}", "-m"] if processes > 1 else []
        command = [*several, "symgen", "train", "--resume", str(folder)]
        if device == "mps" or (device == "cpu" and torch.cuda.is_available()):  # no default here
            command += ["--device", device]
        return f"resume with: {shlex.join(command)}"
    default = asdict(Training())
    values = asdict(settings).items()
    changed = [f"{name}={value!r}" for name, value in values if value != default[name]]
    call = ", ".join(["model", "data", *changed, f"folder={str(folder)!r}", "resume=True"])
    return f"resume from Python, with a model and data made as before: symgen.fit({call})"


def _is_named(config: Mapping[str, Any], feed: Feed, settings: Training) -> bool:
    """Tell whether model and data, and the order of these, can be made again from the config."""
    model, data = config["model"], config["data"]
    if not isinstance(model, dict) or data is None:
        return False
    own = '"own"' in json.dumps(model) or data.get("data", data) is None
    return not own and feed.seed == settings.seed and getattr(feed, "shuffle", True)
