"""Compare the poses that ACE finds in a set of particles with those that models of others find.

`python tools/compare_poses.py FOLDER RECORD --others PYTHON` makes the particles, trains every
model on the same number of images, those of others with `tools/other_poses.py` and the Python of
an environment that has pyroVED, and scores all of them with the same numbers. What is in FOLDER
already is not trained again.
"""

import argparse
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from symgen._files import write_json
from symgen.cli import main as symgen
from symgen.data.own_images import open_images
from symgen.data.particles import main as write_particles
from symgen.data.particles import make_particles
from symgen.experiments.runs import open_run
from symgen.groups import affine
from symgen.metrics import angle_errors, cluster_scores
from symgen.training import commit, hardware

COUNT, SIDE, NOISE = 1000, 24, 0.1
OTHERS = {
    "rVAE": "rvae",
    "rVAE, Gaussian": "rvae-gaussian",
    "jrVAE, Gaussian": "jrvae",
    "spatial-VAE, our own": "spatial-vae",
}
OPTIONS = (
    "--classes 2 --latents 2 --pose rigid --pose-starts 4 --pose-iterations 2 --likelihood "
    "gaussian --balanced 20000 --kl-warmup 15000 --hidden 100 --decoder-hidden 50 "
    "--classifier-channels 8 16 32 --classifier-hidden 50 --pose-hidden 64 --log-every 20 "
    "--validation 0 --test 0"
)


def train_ours(particles: Path, out: Path, images: int, seed: int) -> None:
    """Train an ACE by the command line, and write what it finds."""
    torch.set_num_threads(1)
    folder = out.with_suffix("")
    words = ["train", "ace", "--data", str(particles), *OPTIONS.split(), "--device", "cpu"]
    words += ["--examples", str(images), "--seed", str(seed), "--out", str(folder)]
    start = time.process_time()
    if symgen(words):
        raise SystemExit(f"{shlex.join(words)} failed")
    seconds = time.process_time() - start
    model = open_run(folder).model()
    source = open_images(particles, "all", scale=model.data_scale or "none")
    x = source.batch(torch.arange(len(source)), torch.Generator()).images
    with torch.no_grad():
        found = [model.encode(some) for some in x.split(250)]
        mean = torch.cat([model.decode(model.latents(each)).mean for each in found])
    low, high = model.data_scale or (0.0, 1.0)
    maps = torch.cat([each.pose.affine for each in found])
    columns = {
        "y": torch.cat([each.y for each in found]),
        "z": torch.cat([each.z.mean for each in found]),
        "angle_degrees": affine.to_parameters(maps).angle.rad2deg(),
        "mean": mean.flatten(1) * (high - low) + low,
    }
    arrays: dict[str, Any] = {name: values.numpy() for name, values in columns.items()}
    np.savez(out, seconds=seconds, versions=f"torch {torch.__version__}", **arrays)


def scores(found: dict[str, Tensor], kinds: Tensor, true: Tensor, clean: Tensor) -> dict[str, Any]:
    """Return what a model found of kinds, of true angles and of images without their noise.

    Every kind may have a canonical angle of its own, and every class that a model has. Half turns
    count as no error of the first kind alone, which looks the same after them.
    """
    groups = kinds + 2 * found["y"] if "y" in found else kinds
    symmetry = torch.where(kinds == 0, 2, 1)
    errors = angle_errors(found["angle_degrees"].float(), true, groups, symmetry)
    style, half = found["z"].numpy(), len(kinds) // 2
    told = LogisticRegression().fit(style[:half], kinds[:half]).score(style[half:], kinds[half:])
    clusters = cluster_scores(found["y"], kinds).matched if "y" in found else None
    return {
        "angle error, median, degrees": float(errors.median()),
        "angle error, 90 %, degrees": float(errors.quantile(0.9)),
        "clustering accuracy, %": clusters,
        "kind told by the style, %": 100 * float(told),
        "error of reconstructions against images without noise": float(
            (found["mean"] - clean).square().mean().sqrt()
        ),
    }


def main() -> None:
    """Train what is missing, score all, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("record", type=Path)
    parser.add_argument("--others", default=sys.executable, help="Python that has pyroVED")
    parser.add_argument("--images", type=int, default=30_000, help="images seen in all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    particles = given.folder / "particles.npz"
    made = ["--count", str(COUNT), "--side", str(SIDE), "--noise", str(NOISE)]
    write_particles([str(particles), *made])
    x, kinds, pose = make_particles(COUNT, SIDE, NOISE)
    clean = make_particles(COUNT, SIDE, 0.0).images.flatten(1)
    true = affine.to_parameters(pose).angle.rad2deg()
    lines = []
    for seed in given.seeds:
        for name, other in {"ACE": None, **OTHERS}.items():
            out = given.folder / f"{other or 'ace'}-{seed}.npz"
            if not out.is_file() and other is None:
                train_ours(particles, out, given.images, seed)
            elif not out.is_file():
                tool = str(Path(__file__).with_name("other_poses.py"))
                words = [given.others, tool, str(other), str(particles), str(out)]
                words += ["--images", str(given.images), "--seed", str(seed)]
                subprocess.run(words, check=True)
            with np.load(out) as file:
                found = {n: torch.from_numpy(file[n]) for n in file.files if file[n].ndim}
                about = {"versions": str(file["versions"]), "seconds": float(file["seconds"])}
            scored = scores(found, kinds, true, clean)
            lines.append({"model": name, "seed": seed, **about, **scored})
    noise = float((x.flatten(1) - clean).square().mean().sqrt())
    write_json(
        given.record,
        {
            "command": f"python tools/compare_poses.py FOLDER {given.record} --others PYTHON "
            f"--images {given.images} --seeds {' '.join(map(str, given.seeds))}",
            "ace": f"symgen train ace {OPTIONS}",
            "commit": commit(),
            "hardware": f"{hardware('cpu')}; seconds of processor time, on a machine in use",
            "particles": {"count": COUNT, "side": SIDE, "noise": NOISE, "measured noise": noise},
            "images seen": given.images,
            "lines": lines,
        },
    )


if __name__ == "__main__":
    main()
