"""Compare what ACEs found in a set of particles with what is true of them, and keep a record.

`python tools/score_particles.py particles.npz RECORD RUN...` takes the file that
`python -m symgen.data.particles` wrote, and run folders of several seeds.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from symgen import encode
from symgen._files import read_json, write_json
from symgen.groups import affine
from symgen.metrics import angle_errors, cluster_scores


def scores(true: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, float]:
    """Return errors of angles, and how far the kinds are told apart."""
    kinds, y = true["kinds"].long(), found["y"].long()
    parts = affine.to_parameters(true["poses"].float())
    symmetry = torch.where(kinds == 0, 2, 1)  # the dumbbell of two equal spheres
    groups = 2 * y + kinds
    angle = found["angle_degrees"].float()
    errors = angle_errors(angle, parts.angle.rad2deg(), groups, symmetry)
    style = found["z"].numpy()
    half = len(style) // 2
    told = LogisticRegression().fit(style[:half], kinds[:half]).score(style[half:], kinds[half:])
    clusters = cluster_scores(y, kinds)
    return {
        "angle error, median, degrees": float(errors.median()),
        "angle error, 90 %, degrees": float(errors.quantile(0.9)),
        "clusters that are kinds, %": clusters.matched,
        "clusters used": clusters.used,
        "kind told by the style, %": 100 * float(told),
    }


def main() -> None:
    """Write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("particles", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    given = parser.parse_args()
    with np.load(given.particles) as file:
        every = {n: torch.from_numpy(file[n]) for n in ("kinds", "poses")}
    runs: list[dict[str, Any]] = []
    for run in given.runs:
        found = encode(run, given.particles)
        config = read_json(run / "config.json")
        about = {name: config[name] for name in ("command", "commit", "hardware")}
        true = {name: values[found["image"]] for name, values in every.items()}
        about["seed"] = config["training"]["seed"]
        runs.append({**about, "images": len(found["image"]), **scores(true, found)})
    joined = {}
    for name in [name for name in runs[0] if isinstance(runs[0][name], float)]:
        values = [run[name] for run in runs]
        std = statistics.stdev(values) if len(values) > 1 else None
        joined[name] = {"mean": statistics.fmean(values), "std": std}
    made = " ".join(["python tools/score_particles.py particles.npz", str(given.record), "RUN"])
    write_json(given.record, {"command": made, "runs": runs, "joined": joined})


if __name__ == "__main__":
    main()
