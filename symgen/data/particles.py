"""A micrograph's particles: dumbbells of two kinds at random poses, blurred and noisy.

`python -m symgen.data.particles FILE.npz` writes a set to try ACE on, with what is true of it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from symgen._files import write_atomically
from symgen.data.options import require_real, require_seed, require_whole
from symgen.groups import affine

__all__ = ["Particles", "make_particles"]

_GROUND = 0.35  # gray level between the particles
_SOFT = 0.045  # of the side: how gradually a particle ends
_KINDS = ((0.22, 0.085, 0.085), (0.26, 0.12, 0.06))  # half distance and radii, of the side
_SHIFT = 0.08  # longest shift, of the side


class Particles(NamedTuple):
    """Images of particles, and what is true of them."""

    images: Float32[Tensor, "n 1 side side"]  # around a gray ground, not clamped
    kinds: Int64[Tensor, " n"]  # 0: two equal spheres, 1: a large and a small one
    pose: Float32[Tensor, "n 3 3"]  # canonical coordinate u is at pose(u), see symgen.groups


def make_particles(
    count: int, side: int = 32, noise: float = 0.15, degrees: float = 180.0, seed: int = 0
) -> Particles:
    """Draw particles, one in each image: rotated, shifted, blurred, and noisy.

    A dumbbell of two equal spheres looks the same after half a turn, one of a large and a small
    sphere does not.

    Args:
        count: number of images.
        side: height and width.
        noise: standard deviation of the noise; the particles are 0.5 above their ground.
        degrees: greatest rotation, either way, uniform.
        seed: seed of everything.

    Example:
        >>> particles = make_particles(6, side=24)
        >>> tuple(particles.images.shape), particles.kinds.tolist()
        ((6, 1, 24, 24), [0, 1, 0, 1, 0, 1])
    """
    require_whole("count", count, 1)
    require_whole("side", side, 8, 1024)
    require_real("noise", noise, 0, 10)
    require_real("degrees", degrees, 0, 180)
    require_seed("seed", seed)
    generator = torch.Generator().manual_seed(seed)
    uniform = 2 * torch.rand(count, 3, generator=generator) - 1
    angle = torch.deg2rad(degrees * uniform[:, 0])
    pose = affine.from_parameters(angle, torch.ones(count), _SHIFT * side * uniform[:, 1:])
    kinds = torch.arange(count) % len(_KINDS)
    half, left, right = (side * torch.tensor(_KINDS)[kinds]).unbind(1)
    place = torch.arange(side) - (side - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1)
    u = (points @ affine.inverse(pose).mT)[..., :2]  # canonical coordinates of every pixel
    shape = torch.zeros(count, side * side)
    for sign, radius in ((-1, left), (1, right)):
        centre = torch.stack([sign * half, torch.zeros(count)], 1)[:, None]
        inside = (radius[:, None] - (u - centre).norm(dim=-1)) / (_SOFT * side)
        shape = torch.maximum(shape, inside.sigmoid())
    images = _GROUND + 0.5 * shape + noise * torch.randn(shape.shape, generator=generator)
    return Particles(images.unflatten(1, (1, side, side)), kinds, pose)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write particles, their kinds and their poses into a file."""
    parser = argparse.ArgumentParser(prog="python -m symgen.data.particles", description=__doc__)
    parser.add_argument("file", type=Path, help="file to write, .npz")
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--noise", type=float, default=0.15)
    parser.add_argument("--degrees", type=float, default=180.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    file: Path = given.file
    if file.suffix != ".npz":
        parser.error(f"{file}: let the name end in .npz")
    found = make_particles(given.count, given.side, given.noise, given.degrees, given.seed)
    names = {"images": found.images[:, 0], "kinds": found.kinds, "poses": found.pose}
    arrays = {name: values.numpy() for name, values in names.items()}

    def write(partial: Path) -> None:
        with open(partial, "wb") as stream:  # by name numpy would add a suffix
            np.savez(stream, **arrays)  # pyright: ignore[reportArgumentType]

    write_atomically(file, write)


if __name__ == "__main__":
    main()
