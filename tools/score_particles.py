"""Compare what an ACE found in a set of particles with what is true of them, and keep a record.

`python tools/score_particles.py particles.npz latents.npz RUN RECORD` takes the file that
`python -m symgen.data.particles` wrote, the latents of `symgen encode` and the run folder.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from symgen._files import read_json, write_json
from symgen.groups import affine
from symgen.metrics import angle_errors, cluster_scores


def scores(true: dict[str, Tensor], found: dict[str, Tensor]) -> dict[str, Any]:
    """Return errors of angles and shifts, and how far the kinds are told apart."""
    kinds, y = true["kinds"].long(), found["y"].long()
    parts = affine.to_parameters(true["poses"].float())
    symmetry = torch.where(kinds == 0, 2, 1)  # the dumbbell of two equal spheres
    groups = 2 * y + kinds
    angle = found["angle_degrees"].float()
    errors = angle_errors(angle, parts.angle.rad2deg(), groups, symmetry)
    style = found["z"].numpy()
    half = len(style) // 2
    told = LogisticRegression().fit(style[:half], kinds[:half]).score(style[half:], kinds[half:])
    return {
        "images": len(kinds),
        "angle error, median, degrees": float(errors.median()),
        "angle error, 90 %, degrees": float(errors.quantile(0.9)),
        "clusters": cluster_scores(y, kinds)._asdict(),
        "kind told by the style, %": 100 * float(told),
    }


def main(particles: str, latents: str, run: str, record: str) -> None:
    """Write the record."""
    with np.load(latents) as file:
        found = {
            name: torch.from_numpy(file[name]) for name in ("image", "y", "angle_degrees", "z")
        }
    with np.load(particles) as file:
        true = {n: torch.from_numpy(file[n])[found["image"]] for n in ("kinds", "poses")}
    config = read_json(Path(run) / "config.json")
    about = {name: config[name] for name in ("command", "commit", "hardware")}
    write_json(Path(record), {**about, **scores(true, found)})


if __name__ == "__main__":
    main(*sys.argv[1:])
