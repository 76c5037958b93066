"""Roll objects that a model has not seen: leave pairs of the objects of a turntable out in turn.

    python tools/unseen_objects.py [--trial] turntable RECORD [options of symgen train]

Each fold trains `symgen train turntable` on all objects but two, and rolls those. The
record holds the errors of every fold, and means and deviations over them. Run folders lie in
`runs/unseen`; what is trained is not trained again. `--trial` leaves out one pair that is none
of the folds', for the choice of a recipe.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import symgen
from symgen._files import read_json, write_json

RUNS = Path("runs/unseen")
VIEWS = {"wrap": True, "every": 4, "length": 18, "stride": 9}


def linked(objects: list[Path], folder: Path) -> Path:
    """Make a folder of some of the objects."""
    folder.mkdir()
    for each in objects:
        (folder / each.name).symlink_to(each.absolute())
    return folder


def folds(objects: list[Path], trial: bool) -> Iterator[tuple[str, list[Path]]]:
    """Pair each object of the first half with one of the second; every object is in one pair.

    A trial has one pair, the first object with the second of the second half.
    """
    half = len(objects) // 2
    first, second = objects[:half], objects[half : 2 * half]
    for pair in [(first[0], second[1])] if trial else zip(first, second, strict=True):
        yield "-".join(each.name for each in pair), [*pair]


def errors(run: Path, unseen: Path) -> dict[str, float]:
    """Return squared errors of the roll prediction and of its baselines, on unseen frames."""
    config = read_json(run / "config.json")["data"]
    source = symgen.open(unseen, "all", size=tuple(config["size"]), scale=(0, 255), **VIEWS)
    found = symgen.evaluate(run, source)["roll_prediction"]
    kinds = {
        "rolled": "squared_error",
        "interpolation": "interpolation_squared_error",
        "nearest seen frame": "nearest_squared_error",
        "mean image": "mean_squared_error",
    }
    told = {name: found["outside"][key] for name, key in kinds.items()}
    return {**told, "rolled, seen frames": found["inside"]["squared_error"]}


def fold(name: str, pair: list[Path], objects: list[Path], options: list[str]) -> dict[str, Any]:
    """Train on the other objects, unless that is done, and predict the pair."""
    run = RUNS / name
    with tempfile.TemporaryDirectory() as folder:
        seen = linked([each for each in objects if each not in pair], Path(folder) / "seen")
        unseen = linked(pair, Path(folder) / "unseen")
        if not (run / "model.safetensors").exists():
            words = ["train", "turntable", "--data", str(seen), "--out", str(run), *options]
            subprocess.run([sys.executable, "-m", "symgen", *words], check=True)
        return {"left out": name, **errors(run, unseen)}


def over(found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return means and deviations over the folds, if there are several."""
    if len(found) < 2:
        return {}
    names = [name for name in found[0] if name != "left out"]
    numbers = {name: [each[name] for each in found] for name in names}
    spread = {"mean": statistics.mean, "std": statistics.stdev}
    return {told: {n: f(values) for n, values in numbers.items()} for told, f in spread.items()}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trial", action="store_true")
    parser.add_argument("turntable", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("options", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    objects = sorted(each for each in given.turntable.iterdir() if each.is_dir())
    pairs = folds(objects, given.trial)
    found = [fold(name, pair, objects, given.options) for name, pair in pairs]
    config = read_json(RUNS / found[0]["left out"] / "config.json")
    about = {name: config[name] for name in ("commit", "hardware")}
    command = shlex.join(["python", "tools/unseen_objects.py", *sys.argv[1:]])
    write_json(given.record, {"command": command, **about, **over(found), "folds": found})


if __name__ == "__main__":
    main()
