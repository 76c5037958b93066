"""Roll objects that a model has not seen: leave pairs of the objects of a turntable out in turn.

    python tools/unseen_objects.py turntable RECORD [options of symgen train]

Each fold trains `symgen train turntable` on all objects but two, and rolls those. The
record holds the errors of every fold, and means and deviations over them. Run folders lie in
`runs/unseen`; what is trained is not trained again.
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
VIEWS = {"wrap": True, "every": 4, "length": 18}


def linked(objects: list[Path], folder: Path) -> Path:
    """Make a folder of some of the objects."""
    folder.mkdir()
    for each in objects:
        (folder / each.name).symlink_to(each.absolute())
    return folder


def folds(objects: list[Path]) -> Iterator[tuple[str, list[Path]]]:
    """Pair each object of the first half with one of the second; every object is in one pair."""
    half = len(objects) // 2
    for pair in zip(objects[:half], objects[half : 2 * half], strict=True):
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


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("turntable", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("options", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    objects = sorted(each for each in given.turntable.iterdir() if each.is_dir())
    found = [fold(name, pair, objects, given.options) for name, pair in folds(objects)]
    numbers = {name: [each[name] for each in found] for name in found[0] if name != "left out"}
    config = read_json(RUNS / found[0]["left out"] / "config.json")
    about = {name: config[name] for name in ("commit", "hardware")}
    words = [str(given.turntable), str(given.record), *given.options]
    command = shlex.join(["python", "tools/unseen_objects.py", *words])
    mean = {name: statistics.mean(values) for name, values in numbers.items()}
    std = {name: statistics.stdev(values) for name, values in numbers.items()}
    write_json(
        given.record, {"command": command, **about, "mean": mean, "std": std, "folds": found}
    )


if __name__ == "__main__":
    main()
