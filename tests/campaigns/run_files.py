"""Run folders with a damaged file: measured, resumed, encoded, exported, loaded from Python."""

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fixtures import (
    FAMILIES,
    FILES,
    IRRELEVANT,
    cut,
    differences,
    digest,
    flipped,
    left_of,
    stopped_run,
    tensors,
    write_films,
    zeroed,
)
from harness import Case, Ended, Verdict, command, judge

_ODD = (None, "x", "", -1, 0, 0.5, 1e30, float("nan"), float("inf"), [], {}, True, 10**30)
_BYTES: dict[str, Callable[[bytes, Random], bytes | None]] = {
    "cut": cut,
    "shortened": lambda c, r: c[: -r.randrange(1, 9)],
    "emptied": lambda c, r: b"",
    "removed": lambda c, r: None,
    "bit": lambda c, r: flipped(c, r, 1),
    "bits": lambda c, r: flipped(c, r, 20),
    "zeroed": zeroed,
    "grown": lambda c, r: c + r.randbytes(r.randrange(1, 99)),
    "junk": lambda c, r: r.randbytes(r.randrange(1, 9999)),
}
_JSON = ("lost", "misspelt", "odd", "odder", "oddest", "another", "extra", "huge", "whole")
_LINES = ("lost", "doubled", "shuffled", "changed", "foreign", "torn")
_TENSORS = ("nan", "other", "swapped", "renamed", "reshaped", "retyped", "beyond", "unlabelled")
_TENSORS += ("relabelled", "header-size", "header-bit")


def prepare(base: Path) -> None:
    """Leave stopped and measured runs of both families, and what each verb makes of them."""
    write_films(base)
    for family in FAMILIES:
        stopped_run(family, base, base / family)
        _evaluate(base / family, base)
        known = {}
        for verb, do in _VERBS.items():
            place = base / f"{family}-{verb}"
            shutil.copytree(base / family, place / "run")
            ended, found = do(place / "run", place)
            if ended.status:
                raise RuntimeError(f"{verb}: {ended.error}")
            known[verb] = [ended.said.replace(str(place), "").splitlines(), found()]
        (base / f"{family}.json").write_text(json.dumps(known))


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: each damage of each file of each family, before verbs in turn."""
    made, verbs = [], list(_VERBS)
    for family in FAMILIES:
        for file in FILES:
            edit, kinds = _edits(file)
            for damage in (*_BYTES, *kinds):
                for number in range(5):
                    verb = verbs[len(made) % len(verbs)]
                    name = f"{family}-{Path(file).name}-{damage}-{number}-{verb}"
                    do = _BYTES[damage] if damage in _BYTES else partial(edit, damage)
                    run = partial(_damaged, base, family, file, do, verb, f"{seed} {name}")
                    made.append(Case(name, run))
    return made


def _damaged(
    base: Path, family: str, file: str, damage: Any, verb: str, seed: str, folder: Path
) -> Verdict:
    run = folder / "run"
    shutil.copytree(base / family, run)
    path, content = run / file, damage((run / file).read_bytes(), Random(seed))
    path.unlink() if content is None else path.write_bytes(content)
    ended, found = _VERBS[verb](run, folder)
    said, whole = json.loads((base / f"{family}.json").read_text())[verb]

    def right() -> Verdict:
        differ = differences(found(), whole)
        unmeasured = file == "summary.json" and content is None  # which the card says
        if not differ or unmeasured:
            return Verdict("fine")
        if "config.json-entry-another" in seed and list(differ) == ["config.json"]:
            return Verdict("altered", "a valid entry that changes nothing that was computed")
        more = set(ended.said.replace(str(folder), "").splitlines()) - set(said)
        told = any(path.name in line for line in more)
        return Verdict("detected" if told else "silent", f"differ: {', '.join(differ)}")

    return judge(
        ended, (path, run / "model.json") if "model" in file else (path, run, path.name), right
    )


# --- what is done with a run ---------------------------------------------------------------------

Done = tuple[Ended, Callable[[], dict[str, str]]]


def _evaluate(run: Path, folder: Path) -> Done:
    ended = command("evaluate", run, "--examples", "20", "--samples", "1")
    summary = run / "summary.json"
    return ended, lambda: {n: digest(v) for n, v in _flat(json.loads(summary.read_text()))}


def _resume(run: Path, folder: Path) -> Done:
    return command("train", "--resume", run, "--device", "cpu"), lambda: left_of(run)


def _encode(run: Path, folder: Path) -> Done:
    out = folder / "out.npz"
    ended = command("encode", run, "--out", out, "--examples", "8")
    return ended, lambda: {name: digest(array) for name, array in np.load(out).items()}


def _export(run: Path, folder: Path) -> Done:
    out = folder / "out"

    def found() -> dict[str, str]:
        card = (out / "README.md").read_text().splitlines()
        table = [line for line in card if line.startswith("|") and "`" not in line]
        model = digest(json.loads((out / "model.json").read_text()))
        return {**tensors(out / "model.safetensors"), "model": model, "card": digest(table)}

    return command("export", run, "--out", out), found


@torch.no_grad()
def _load(run: Path, folder: Path) -> Done:
    from symgen.experiments.runs import open_run
    from symgen.models import Pretrained

    try:
        models = [open_run(run).model(), Pretrained.from_pretrained(run)]
    except (ValueError, OSError) as error:
        return Ended(2, "", str(error), 0), dict
    return Ended(0, "", "", 0), lambda: {str(n): _seen(m) for n, m in enumerate(models)}


def _seen(model: Any) -> str:
    """Name what a model infers from an input that is always the same."""
    torch.manual_seed(0)
    frames = [model.frames] if hasattr(model, "frames") else []
    latents = model.latents(torch.rand(2, *frames, *model.data_shape))
    return digest(latents if isinstance(latents, torch.Tensor) else latents.z)


_VERBS: dict[str, Callable[[Path, Path], Done]] = {
    "evaluate": _evaluate,
    "resume": _resume,
    "load": _load,
    "encode": _encode,
    "export": _export,
}


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else key)
    elif name.split(".")[-1] not in IRRELEVANT and "per_second" not in name:
        yield name, value


# --- damages that leave a file of the same kind --------------------------------------------------


def _edits(file: str) -> tuple[Callable[[str, bytes, Random], bytes], tuple[str, ...]]:
    """Return what edits a file of this kind, and the names of its edits."""
    known = {".json": (_json, _JSON), ".jsonl": (_lines, _LINES)}
    edit, kinds = known.get(Path(file).suffix, (_tensors, _TENSORS))
    return edit, tuple(f"{'tensor' if edit is _tensors else 'entry'}-{kind}" for kind in kinds)


def _entries(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """List all entries of dictionaries, however deep."""
    for key, entry in value.items() if isinstance(value, dict) else ():
        yield value, key
        yield from _entries(entry)


def _json(kind: str, content: bytes, random: Random) -> bytes:
    value = json.loads(content)
    inside, key = random.choice(list(_entries(value)))
    old, odd = inside[key], random.choice(_ODD)
    match kind.removeprefix("entry-"):
        case "lost":
            del inside[key]
        case "misspelt":
            inside[f"{key[:-1]}_"] = inside.pop(key)
        case "another":
            others = {int: 2, float: 0.25, str: "dense", bool: not old, type(None): 3}
            inside[key] = others.get(type(old), old)
        case "extra":
            inside[f"more_{key}"] = odd
        case "huge":
            inside[key] = (
                [300_000, 1000] if isinstance(old, list) else 10 ** random.randrange(5, 12)
            )
        case "whole":
            value = random.choice(([], [value], None, 3, "x"))
        case _:
            inside[key] = odd
    return json.dumps(value, indent=2).encode()


def _lines(kind: str, content: bytes, random: Random) -> bytes:
    lines = content.decode().splitlines()
    number = random.randrange(len(lines))
    line, record = lines[number], json.loads(lines[number])
    match kind.removeprefix("entry-"):
        case "lost":
            del lines[number]
        case "doubled":
            lines.insert(number, line)
        case "shuffled":
            lines = random.sample(lines[::-1], len(lines))
        case "changed":
            record[random.choice(sorted(record))] = random.choice(_ODD)
            lines[number] = json.dumps(record)
        case "foreign":
            lines[number] = random.choice(("[]", "3", "{}", "null", '"x"'))
        case "torn":
            lines[number] = line[:9]
    return "".join(f"{line}\n" for line in lines).encode()


def _tensors(kind: str, content: bytes, random: Random) -> bytes:
    size = int.from_bytes(content[:8], "little")
    text, data = content[8 : 8 + size], bytearray(content[8 + size :])
    header = json.loads(text)
    names = [name for name, about in header.items() if about.get("dtype") == "F32"]
    name, other = random.sample(names, 2)
    about, (start, end) = header[name], header[name]["data_offsets"]
    match kind.removeprefix("tensor-"):
        case "nan":
            data[start : start + 4] = np.float32(random.choice((np.nan, np.inf))).tobytes()
        case "other":
            data[start:end] = np.full((end - start) // 4, 0.01, np.float32).tobytes()
        case "swapped":
            same = [n for n in names if header[n]["shape"] == about["shape"] and n != name]
            other = random.choice(same or [other])
            header[name], header[other] = header[other], about
        case "renamed":
            header[f"{name}_"] = header.pop(name)
        case "reshaped":
            about["shape"] = random.choice((about["shape"][::-1], [1, 1], [10**12], [-1]))
        case "retyped":
            about["dtype"] = random.choice(("I32", "F64", "BF16", "X", 3))
        case "beyond":
            about["data_offsets"] = random.choice(([0, 2**60], [8, 4], [0, 4]))
        case "unlabelled":
            header.pop("__metadata__", None)
        case "relabelled":
            known = header.get("__metadata__", {})
            odd = {
                n: random.choice(("", "{}", text.replace("4", "3"))) for n, text in known.items()
            }
            header["__metadata__"] = odd
        case "header-size":
            sizes = (0, 1, len(content), 2**40, 2**62, 2**64 - 1)
            return random.choice(sizes).to_bytes(8, "little") + content[8:]
        case "header-bit":
            return content[:8] + flipped(text, random, 1) + bytes(data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(data)
