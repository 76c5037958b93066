"""Tensors on disk: safetensors files with a checksum, written whole, noticed when damaged."""

import json
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor
from torch.overrides import TorchFunctionMode

from symgen._files import write_atomically

__all__ = [
    "Bounded",
    "differences",
    "kinds",
    "read_about",
    "read_tensors",
    "write_tensors",
]

_DTYPES = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16"}
_DTYPES |= {torch.bfloat16: "BF16", torch.int64: "I64", torch.int32: "I32", torch.int16: "I16"}
_DTYPES |= {torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL", torch.complex64: "C64"}
_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.rand, torch.randn)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Replace a safetensors file in one act; `about`, as JSON, and a checksum are its metadata.

    Tensors that share memory, as tied weights do, are each written in full.

    Raises:
        ValueError: for a type of number that the format has no name for.
    """
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES:
            known = ", ".join(str(kind).removeprefix("torch.") for kind in _DTYPES)
            raise ValueError(f"{name} of {tensor.dtype} cannot be saved: take one of {known}")
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # all aligned
    held = {name: tensors[name].detach().cpu().contiguous() for name in names}
    checksum = _checksum(json.dumps(about), held)
    header: dict[str, Any] = {"symgen": json.dumps({**about, "checksum": checksum})}
    header, end = {"__metadata__": header}, 0
    for name, tensor in held.items():
        place = [end, end := end + tensor.nbytes]
        kind = _DTYPES[tensor.dtype]
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": place}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)

    def write(partial: Path) -> None:
        # By hand, since safetensors refuses weights that are tied and copies all in memory.
        with partial.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for tensor in held.values():
                file.write(_bytes(tensor))

    write_atomically(path, write)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote, bit for bit, on the CPU: the tensors, and what is said.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is damaged or was written by another program.
    """
    # Read once and whole: a run that is still going may replace the file at any moment.
    content = path.read_bytes()
    try:
        tensors = load(content)
    except (SafetensorError, KeyError) as error:
        raise ValueError(str(error)) from error
    size = int.from_bytes(content[:8], "little")
    about = _about(json.loads(content[8 : 8 + size]).get("__metadata__"))
    if about.pop("checksum", None) != _checksum(json.dumps(about), tensors):
        raise ValueError("its checksum does not match")
    return tensors, about


def read_about(path: Path) -> dict[str, Any]:
    """Read what a file of `write_tensors` says, without its tensors and without checking them.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it has no such header.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return _about(file.metadata())
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def kinds(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return types and shapes of tensors as text, by name."""
    return {name: f"{tensor.dtype} {tuple(tensor.shape)}" for name, tensor in tensors.items()}


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[str]:
    """Phrase how two sets of values differ."""
    return [
        f"{name} was {there.get(name, 'absent')!r} and is {here.get(name, 'absent')!r}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, "absent") != here.get(name, "absent")
    ]


class Bounded(TorchFunctionMode):
    """Where a module is made: tensors of more numbers than `most` are refused before they are.

    Raises:
        ValueError: with what is `told`, as soon as what is made is more.
    """

    def __init__(self, most: int, told: str) -> None:
        super().__init__()
        self.most, self.told, self._made = most, told, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _FACTORIES:
            sizes = args or ((kwargs or {}).get("size", ()),)
            self._made += math.prod(sizes[0] if isinstance(sizes[0], tuple | list) else sizes)
            if self._made > self.most:
                raise ValueError(self.told)
        return func(*args, **(kwargs or {}))


def _about(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    about = json.loads((metadata or {}).get("symgen", "null"))
    if not isinstance(about, dict):
        raise ValueError("its header does not describe what symgen wrote")
    return about


def _checksum(about: str, tensors: Mapping[str, Tensor]) -> str:
    """Compute the CRC-32 of a text and of names, kinds and bytes of all tensors."""
    value = zlib.crc32(about.encode())
    for name, kind in sorted(kinds(tensors).items()):
        value = zlib.crc32(f"{name} {kind}".encode(), value)
        value = zlib.crc32(_bytes(tensors[name]), value)
    return f"{value:08x}"


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data
