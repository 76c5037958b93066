"""Options of the command line with odd values, misspelt ones, and odd words in other places."""

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from fixtures import films, stopped_run, write_films
from harness import Case, Ended, Verdict, command, judge
from safetensors.numpy import load_file

_WHOLE = ("-1", "0", "1", "2", "99999999999999999999", "1000000000", "100000", "-99999", "1e23")
_WHOLE += ("7", "²", "1_0", "", "nan", "64")
_FLOATS = ("nan", "inf", "-inf", "-1", "0", "-0.5", "1e30", "1e23", "1e-320", "1e10", "-1e30", "")
_FLOATS += ("1e39", "1e308", "0.999999", "1", "x")
_WORDS = ("", " ", "x", "None", "[red]", "a\nb", "é", "folder", "-", "null", "nan", "cuda:99")
_WORDS += ("meta", "x" * 300, "a/" * 200, "tvae\u0000"[:4], "Adm", "%s", "{}")
_PATHS = (".", "none/such", "folder", "file", "pipe", "loop", "null", "[bold]x", "a\nb", "x" * 300)
_NEGATIVE = {"mu", "shift", "rotate", "shear", "hue", "style", "seed", "split-seed"}
_NEGATIVE |= {"distortion-seed", "optimizer-options", "learning-rates", "kl-start"}
_LENGTHS = {"examples", "minutes", "draws", "steps", "seeds", "points", "samples"}
_PRESETS = ("tvae", "bubble", "vae", "demo", "ace-digits", "tvae-digits")
_OPTION = re.compile(r"^│ --([a-z][a-z-]*)(, --no-[a-z-]+)?(?: (\S+(?: \S+)*))? ", re.MULTILINE)
_TINY = "--examples 8 --batch-size 4 --warmup 0 --width 8 --device cpu --log-every 1"


class Verb(NamedTuple):
    """A command that works, its options with what their help says that they take."""

    words: list[str]
    options: dict[str, str]


def prepare(base: Path) -> None:
    """Write recordings, runs, and the options that every verb's help tells of."""
    write_films(base)
    np.save(base / "image.npy", films(4, 8))
    for family in ("tvae", "ace"):
        stopped_run(family, base, base / family)
        command("evaluate", base / family, "--examples", "20", "--samples", "1")
    verbs = {}
    for name, words in _verbs(base).items():
        shown = command(*words, "--help")
        found = _OPTION.finditer(shown.output)
        verbs[name] = [words, {m[1]: "" if m[2] else m[3] or "" for m in found}]
    (base / "verbs.json").write_text(json.dumps(verbs))


def cases(base: Path, seed: int) -> list[Case]:
    """Return the cases: every option of every verb with odd values in turn."""
    verbs = {n: Verb(*v) for n, v in json.loads((base / "verbs.json").read_text()).items()}
    made = []
    for name, verb in verbs.items():
        for option, takes in verb.options.items():
            values = [v for v in _values(takes) if not _long(option, v)]
            random = Random(f"{seed} {name} {option}")
            for value in random.sample(values, min(_each(name), len(values))):
                words = [*verb.words, f"--{option}", *value]
                run = partial(_tried, base, name, option, value, words)
                made.append(Case(f"{name}--{option}={' '.join(value)[:40]!r}", run))
        for option in verb.options:
            wrong = _misspelt(option, verb.options, Random(f"{seed} {name} {option}"))
            run = partial(_refused, [*verb.words, wrong, "1"], wrong.lstrip("-"))
            made.append(Case(f"{name}{wrong}", run))
    for number, words in enumerate(_odd_words(base)):
        made.append(Case(f"words-{number}", partial(_refused, words, "")))
    return made


def _verbs(base: Path) -> dict[str, list[str]]:
    """Return commands that work and take little time."""
    tvae, ace = str(base / "tvae"), str(base / "ace")
    found = {f"train-{preset}": ["train", preset] for preset in _PRESETS}
    found |= {"train-resume": ["train", "--resume", tvae], "inspect": ["data", "inspect"]}
    found["inspect"] += [str(base / "films.npy")]
    found |= {"evaluate": ["evaluate", tvae], "evaluate-ace": ["evaluate", ace]}
    found |= {"encode": ["encode", tvae, "--out", "o.npz"], "traverse": ["traverse", tvae]}
    found |= {"forecast": ["forecast", tvae, "--out", "o.npy"]}
    found |= {"manifold": ["manifold", ace], "control": ["control", ace, "test:5"]}
    found |= {"export": ["export", tvae], "data": ["data", "tvae-digits"]}
    found |= {"data-ace": ["data", "ace-digits"], "data-demo": ["data", "demo"]}
    found |= {"presets": ["presets"], "reproduce": ["reproduce", "table3", "--budget", "smoke"]}
    return found


def _each(verb: str) -> int:
    """Return how many odd values each option of a verb is given."""
    return 3 if verb.startswith("train-") and verb != "train-resume" else 6


def _values(takes: str) -> list[list[str]]:
    """Return odd values for an option by what it takes."""
    takes = takes.replace("{None}|", "").replace("|{one,channel,value}", "")
    if not takes:
        return [["x"]]
    if "STR" in takes and takes != "STR":
        return [["x"], ["x", "nan"], ["lr_", "1"], ["lr", "-1"], ["lr", "1e30"], ["kl_z", "-1"]]
    if "PATH" in takes:
        return [[path] for path in _PATHS]
    if "STR" in takes or re.search(r"[a-z]{3}", takes):
        return [[word] for word in (_WORDS if "STR" in takes else _WORDS[::5])]
    numbers = _FLOATS if "FLOAT" in takes else _WHOLE
    pair = [["0", "0"], ["-1", "4"], ["4"], ["nan", "nan"], ["100000", "100000"], ["1e30", "1"]]
    pair += [["1000000000", "1000000000"], ["4", "4", "4"], [""], ["1e23", "0"]]
    return pair if takes.count("INT") + takes.count("FLOAT") > 1 else [[v] for v in numbers]


def _long(option: str, value: list[str]) -> bool:
    """Tell whether a value asks, as one may, for work without end."""
    number = _number(value[0])
    return option in _LENGTHS and number is not None and 1e4 < number < math.inf


def _misspelt(option: str, options: dict[str, str], random: Random) -> str:
    """Return a name near an option's that is none."""
    at = random.randrange(len(option))
    wrong = option[:at] + option[at + 1 :]
    return f"--{wrong}" if wrong and wrong not in options else f"--{option}x"


def _odd_words(base: Path) -> Iterator[list[str]]:
    """Return words in places where there should be others."""
    verbs = ("train", "evaluate", "encode", "export", "traverse", "forecast", "manifold")
    for verb in (*verbs, "control"):
        for word in (*_WORDS, *_PATHS, str(base), str(base / "films.npy")):
            if word and not word.startswith("-"):
                yield [verb, word, *([] if verb != "control" else ["test:0"])]
    for word in (*_WORDS, "test:-1", "test:", "test:x", "test:²", "test:99999999", "test:1e3"):
        yield ["control", str(base / "ace"), word or "test:nan"]
    yield from (["trian"], ["data", "inspct"], ["data", "insect", "x"], ["reproduce", "tabel1"])
    yield from (["reproduce", word] for word in _WORDS if word)
    yield from (["presets", word] for word in ("no-such-preset", "[red]", "zzz\n"))


def _tried(
    base: Path, name: str, option: str, value: list[str], words: list[str], folder: Path
) -> Verdict:
    """Give an option an odd value: refused by name, or taken for what it is."""
    words = list(words)
    _odd_files(folder)
    given = {word for word in words if word.startswith("--")}
    if name.startswith("train-") and name != "train-resume":
        own = ["tvae", "bubble", "vae"]
        tiny = _TINY + (f" --data {base / 'films.npy'}" if words[1] in own else "")
        defaults = dict(zip(tiny.split()[::2], tiny.split()[1::2], strict=True))
        words[2:2] = [w for n, v in defaults.items() if n not in given for w in (n, v)]
    elif name != "presets" and not name.startswith(("data", "inspect", "reproduce")):
        words = _in_a_copy(words, base, folder)
    if name.startswith("evaluate") and "--examples" not in given:
        words += ["--examples", "20"]
    if name == "export" and "--out" not in given:
        words += ["--out", "exported"]
    if name == "reproduce":
        words += [w for n, v in _LITTLE.items() if n not in given for w in (n, v)]
    ended = command(*words)
    if changed := _odd_files_changed(folder):
        return Verdict("silent", f"{changed} replaced by a file")
    named = (option, option.replace("-", "_"), *filter(None, value), folder, "diverged")
    named += tuple(map(repr, value))
    return judge(ended, named, lambda: _kept(folder, ended, option, value, words))


def _odd_files(folder: Path) -> None:
    """Put there what an odd path may name."""
    (folder / "folder").mkdir()
    (folder / "file").write_bytes(b"x")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "pipe")
    if os.geteuid() == 0:
        os.mknod(folder / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))


def _odd_files_changed(folder: Path) -> str:
    """Name a pipe or device that a command has put a file in the place of."""
    paths = (folder / "pipe", folder / "null", folder / "folder")
    return next((path.name for path in paths if path.is_file()), "")


_LITTLE = {"--seeds": "1", "--out": "out", "--only": "vae-mnist"}


def _in_a_copy(words: list[str], base: Path, folder: Path) -> list[str]:
    """Copy the run that a command works on, so that cases do not meet."""
    import shutil

    copied = []
    for word in words:
        if word in (str(base / "tvae"), str(base / "ace")):
            shutil.copytree(word, folder / "run", dirs_exist_ok=True)
            word = str(folder / "run")
        copied.append(word)
    return copied


def _refused(words: list[str], named: str, folder: Path) -> Verdict:
    """Give words that cannot be understood."""
    _odd_files(folder)
    ended = command(*words)
    return judge(ended, (named,), lambda: Verdict("silent", f"taken: {' '.join(words)[:200]}"))


def _kept(folder: Path, ended: Ended, option: str, value: list[str], words: list[str]) -> Verdict:
    """Judge a value that was taken: it stands where it should, and what was made is finite."""
    numbers = [number for number in map(_number, value) if number is not None]
    if any(not math.isfinite(number) for number in numbers) and option not in ("out", "root"):
        return Verdict("silent", f"{value} taken")
    if any(number < 0 for number in numbers) and option not in _NEGATIVE:
        return Verdict("silent", f"{value} taken")
    for path in folder.rglob("config.json"):
        known = json.loads(path.read_text())
        settings = {**known["training"], **known["data"], **known["model"]["arguments"]}
        stands = settings.get(option.replace("-", "_"), numbers[0] if numbers else None)
        if numbers and words[0] == "train" and not _same(stands, numbers):
            return Verdict("silent", f"{value} became {stands!r}")
    for path in folder.rglob("model.safetensors"):
        if not all(np.isfinite(array).all() for array in load_file(path).values()):
            return Verdict("silent", f"{value}: weights that are not finite, in {path.name}")
    for path in (*folder.rglob("metrics.jsonl"), *folder.rglob("summary.json")):
        if re.search(r"\b(NaN|Infinity)\b", path.read_text()):
            return Verdict("silent", f"{value}: values that are not finite, in {path.name}")
    if re.search(r"(?<![\w-])-?(nan|inf)(?![\w-])", ended.output.replace(" ".join(value), "")):
        return Verdict("silent", f"{value}: the output says nan or inf")
    return Verdict("fine")


def _same(stands: Any, numbers: list[float]) -> bool:
    """Tell whether a setting is the numbers that were given."""
    if isinstance(stands, dict | str | bool):
        return True
    given = stands if isinstance(stands, list) else [stands]
    return [None if number is None else float(number) for number in given] == numbers


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None
