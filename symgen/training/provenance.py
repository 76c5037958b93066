"""Where numbers come from: the commit of the source, and the machine."""

import os
import platform
import subprocess
from pathlib import Path

import torch

__all__ = ["commit", "hardware"]


def hardware(device: str | torch.device = "cpu") -> str:
    """Describe the processor, the threads and the torch that numbers were made with.

    Example:
        >>> "torch" in hardware()
        True
    """
    if torch.device(device).type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, torch {torch.__version__}"
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def commit() -> str | None:
    """Name the commit of the source tree this package runs from, if it is one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(
            ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
