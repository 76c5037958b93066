"""What the campaigns share: small recordings, small runs, and what a command has left."""

import hashlib
import json
import signal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from harness import at_replacement, command, signal_at
from safetensors.torch import load

FILES = ("config.json", "model.json", "model.safetensors", "state/checkpoint.safetensors")
FILES += ("metrics.jsonl", "summary.json")
FAMILIES = ("tvae", "ace")
IRRELEVANT = ("seconds", "examples_per_second", "commit", "hardware", "command", "name")
IRRELEVANT += ("evaluated", "checkpoint_every", "cache", "root", "download")
_COMMON = "--batch-size 4 --log-every 1 --warmup 0 --checkpoint-every 0 --device cpu"
_TVAE = "--length 6 --capsules 2 --width 8 --depth 1 --schedule constant"
_ACE = "--latents 2 --classifier dense --classifier-hidden 8 --hidden 8 --decoder-hidden 8"
_ACE += " --encoder dense --decoder dense --pose-channels 2 --pose-hidden 8 --pose-iterations 1"
_ACE += " --schedule constant --kl-warmup 0 --kl-start 0 --half-life None --width None"


def films(count: int = 100, frames: int = 16, side: int = 8, channels: int = 1) -> np.ndarray:
    """Return films (count, frames, channels, side, side) of bytes: a blob that wanders."""
    n, s, c, y, x = np.ogrid[:count, :frames, :channels, :side, :side]
    wave = np.sin(2 * np.pi * (x / side + s / frames + n / 7)) * np.cos(y + n + c)
    return np.round(127.5 * (1 + wave)).astype(np.uint8)


def small_run(family: str, base: Path, *more: str, examples: int = 32) -> list[str]:
    """Return the words that train a small model of a family."""
    if family == "tvae":
        words = ["tvae", "--data", str(base / "films.npy"), *_TVAE.split()]
    else:
        words = ["ace-digits", *_ACE.split()]
    return ["train", *words, *_COMMON.split(), "--examples", str(examples), *more]


def write_films(base: Path) -> None:
    """Write the recordings that the small runs are trained on."""
    np.save(base / "films.npy", films())


def stopped_run(family: str, base: Path, folder: Path, after: int = 4) -> None:
    """Leave a run that was stopped at a step, by a signal."""
    stop = at_replacement("checkpoint.safetensors", signal_at(after, signal.SIGTERM))
    ended = command(*small_run(family, base, "--out", str(folder)), before=stop)
    if ended.status != 128 + signal.SIGTERM:
        raise RuntimeError(f"{family} was not stopped: {ended}")


def cut(content: bytes, random: Random) -> bytes:
    """Cut off the end of a file."""
    return content[: random.randrange(len(content))]


def flipped(content: bytes, random: Random, bits: int) -> bytes:
    """Flip some bits."""
    changed = bytearray(content)
    for _ in range(bits):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def zeroed(content: bytes, random: Random) -> bytes:
    """Zero a tenth, as a disk that lost a block leaves it."""
    size = max(1, len(content) // 10)
    start = random.randrange(max(1, len(content) - size))
    return content[:start] + bytes(size) + content[start + size :]


def digest(value: Any) -> str:
    """Name the content of plain values, tensors and arrays."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().contiguous().numpy()
    if isinstance(value, np.ndarray):
        content = f"{value.dtype} {value.shape}".encode() + value.tobytes()
        return hashlib.sha256(content).hexdigest()[:12]
    return json.dumps(_timeless(value), sort_keys=True, default=str)


def tensors(path: Path) -> dict[str, str]:
    """Return the digests of the tensors in a file."""
    return {name: digest(tensor) for name, tensor in load(path.read_bytes()).items()}


def left_of(folder: Path) -> dict[str, str]:
    """Return digests of all that counts in a run folder: state, weights, log, description."""
    found = {f"weights {n}": d for n, d in tensors(folder / "model.safetensors").items()}
    state = tensors(folder / "state" / "checkpoint.safetensors")
    found |= {f"state {n}": d for n, d in state.items()}
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    found |= {f"log {n}": digest(json.loads(line)) for n, line in enumerate(lines)}
    for name in ("config.json", "model.json"):
        found[name] = digest(json.loads((folder / name).read_text()))
    return found


def stray_files(folder: Path) -> list[str]:
    """List what has no business in a run folder or a temporary one once a command has ended."""
    names = [p.name for p in folder.rglob("*") if p.is_file() or p.is_symlink()]
    return [name for name in names if "partial" in name or name[0] == "." or name == "lock"]


def differences(given: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Name what two sets of digests do not share."""
    return sorted(n for n in given.keys() | wanted.keys() if given.get(n) != wanted.get(n))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: _timeless(v) for n, v in value.items() if n not in IRRELEVANT}
    return [_timeless(v) for v in value] if isinstance(value, list | tuple) else value
