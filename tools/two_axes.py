"""Move sprites along both axes of their capsules at once, to every place, from one frame.

    python tools/two_axes.py EXTENSIONS RUNS RECORD

EXTENSIONS is the record of `symgen reproduce extensions`, RUNS the folder of its runs. The sprites
were seen to move along x or along y, never along both. From frame 0 of held-out sequences the
capsules are rolled by any number of steps along one axis and the other, and what is decoded is
compared with the true image. A plain capsule has one roll, along the motion of the sequence: it
cannot go the other way.
"""

import argparse
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import symgen
from symgen._files import read_json, write_json
from symgen.data import MovingSprites
from symgen.experiments.studies.values import mean_and_std

PLAIN, AXES = "tvae-sprites-positions-plain", "tvae-sprites-positions-axes"
SEQUENCES, PLACES = 100, range(0, 15, 2)  # places along x and along y
X, Y = 3, 4  # numbers of the factors


@cache
def _every() -> MovingSprites:
    return MovingSprites("all", mode="position", frames=1)


def true_images(factors: Tensor, dx: int, dy: int) -> Tensor:
    """Draw sprites that have moved along x and y."""
    every = _every()
    moved = factors.clone()
    moved[:, X] += dx
    moved[:, Y] += dy
    item = torch.zeros(len(moved), dtype=torch.int64)
    for values, size in zip(moved.T, every.factor_sizes, strict=True):
        item = item * size + values % size
    return every.batch(item, torch.Generator()).frames[:, 0]


@torch.no_grad()
def errors(run: Path, axes: dict[str, Any] | None) -> dict[str, float]:
    """Return squared errors: along the sequence's own motion, along the other, along both."""
    model = symgen.TVAE.from_pretrained(run).eval()
    test = MovingSprites("test", mode="position")
    x, factors, moving = test.batch(torch.arange(SEQUENCES), torch.Generator())
    t, factors, along_x = model.latents(x)[:, 0], factors[:, 0], moving == X
    found: dict[str, list[Tensor]] = {"its own motion": [], "the other": [], "both": []}
    for dx in PLACES:
        for dy in PLACES:
            own, other = torch.where(along_x, dx, dy), torch.where(along_x, dy, dx)
            if axes is None:
                moved = model.topography.roll(t, own[:, None])
            else:
                moved = model.act(t, dx, axes["posX"]["assigned"])
                moved = model.act(moved, dy, axes["posY"]["assigned"])
            difference = model.decode(moved).mean - true_images(factors, dx, dy)
            error = difference.square().flatten(1).sum(1)
            found["its own motion"].append(error[(own > 0) & (other == 0)])
            found["the other"].append(error[(own == 0) & (other > 0)])
            found["both"].append(error[(own > 0) & (other > 0)])
    return {name: float(torch.cat(each).mean()) for name, each in found.items()}


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("extensions", "runs", "record"):
        parser.add_argument(name, type=Path)
    given = parser.parse_args()
    read = read_json(given.extensions)
    about = {name: read[name] for name in ("commit", "hardware")}
    command = f"python tools/two_axes.py {given.extensions} {given.runs} {given.record}"
    told: dict[str, Any] = {"command": command, **about, "sequences": SEQUENCES}
    for line in (PLAIN, AXES):
        entries = [entry for entry in read["entries"] if entry["line"] == line]
        found = [
            errors(given.runs / f"{line}-{e['seed']}", e["measured"]["evaluation"].get("axes"))
            for e in entries
        ]
        told[line] = {name: mean_and_std([each[name] for each in found]) for name in found[0]}
    write_json(given.record, told)


if __name__ == "__main__":
    main()
