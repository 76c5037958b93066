"""Which of torch's two float32 products is the faster on this machine: measured, then kept."""

import json
import os
import platform
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from timeit import timeit
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from symgen._files import write_json

__all__ = ["fastest_product", "onednn_product", "use_product"]

Product = Literal["torch", "onednn"]
_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
_ROWS, _INPUTS, _OUTPUTS = 144, 972, 648  # those of a paper-sized training step
_ROUNDS = 7
_CLEARLY = 0.9  # of torch's own time; what is not clearly faster is not taken
_chosen: list[Product] = []


def onednn_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Compute x Wᵀ + b by oneDNN, where torch itself would take MKL."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def use_product(product: Product) -> None:
    """Take this product in this process, as a resumed run does to go on bit for bit."""
    _chosen[:] = [product]


def fastest_product() -> Product:
    """Return the product to take on this machine with this number of threads.

    Measured in a tenth of a second the first time and kept in the user's cache folder under the
    processor's name, its number of threads and torch's version.
    """
    return _chosen[0] if _chosen else _measured(torch.get_num_threads())


@lru_cache(maxsize=8)
def _measured(threads: int) -> Product:
    if not _ONEDNN:
        return "torch"
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "symgen"
    path = folder / "products.json"
    name = f"{_processor()}, {threads} threads, torch {torch.__version__}"
    known = _read(path)
    if known.get(name) in ("torch", "onednn"):
        return known[name]
    own, other = _race(functional.linear, onednn_product)
    product: Product = "onednn" if other < _CLEARLY * own else "torch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(path, {**_read(path), name: product})
    except OSError:
        pass  # nowhere to keep it: measured anew by the next process
    return product


@torch.no_grad()
def _race(*products: Callable[[Tensor, Tensor, Tensor | None], Tensor]) -> list[float]:
    """Return the least time of each, taking turns so that a busy machine slows both alike."""
    x, weight = torch.ones(_ROWS, _INPUTS), torch.ones(_OUTPUTS, _INPUTS)
    races = [partial(product, x, weight, None) for product in products]
    rounds = [[timeit(race, number=1) for race in races] for _ in range(_ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _processor() -> str:
    """Name the processor by what it can do, which its maker's name alone does not tell."""
    capabilities = torch.cpu.get_capabilities()
    listed = "".join(sorted(map(str, capabilities.items())))
    name = capabilities.get("cpu_name", platform.machine())
    return f"{name} {zlib.crc32(listed.encode()):08x}"


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
