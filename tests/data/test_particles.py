"""Particles are where their poses say, and of the kind that they should be."""

import numpy as np
import pytest
import torch

from symgen.data.particles import main, make_particles
from symgen.groups import affine, centroid, warp


def test_poses_are_true():
    """Read through its pose every particle of a kind is the same picture."""
    particles = make_particles(20, side=32, noise=0.0)
    ground = float(particles.images[0, 0, 0, 0])
    canonical = warp(particles.images, particles.pose, background=ground)
    for kind in (0, 1):
        own = canonical[particles.kinds == kind]
        assert float((own - own.mean(0)).abs().mean()) < 0.01
        assert float((particles.images[particles.kinds == kind] - own.mean(0)).abs().mean()) > 0.03


def test_one_kind_is_symmetric_and_the_other_is_not():
    still = make_particles(2, side=33, noise=0.0, degrees=0.0)
    upright = warp(still.images, still.pose, background=0.35)
    turned = upright.rot90(2, (2, 3))
    off = (upright - turned).abs().mean((1, 2, 3))
    assert off[0] < 0.01 and off[1] > 0.02


def test_noise_and_seeds():
    one, same, other = (make_particles(9, side=16, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one.images, same.images) and not torch.equal(one.pose, other.pose)
    quiet = make_particles(9, side=16, noise=0.0)
    assert float((one.images - quiet.images).std()) == pytest.approx(0.15, rel=0.05)
    angle = affine.to_parameters(make_particles(500, side=8).pose).angle
    assert float(angle.abs().mean()) == pytest.approx(torch.pi / 2, rel=0.1)
    assert centroid(quiet.images - 0.35).abs().max() < 5


def test_the_command_writes_images_and_what_is_true_of_them(tmp_path):
    main([str(tmp_path / "p.npz"), "--count", "7", "--side", "12"])
    with np.load(tmp_path / "p.npz") as found:
        assert found["images"].shape == (7, 12, 12) and found["poses"].shape == (7, 3, 3)
        assert found["kinds"].tolist() == [0, 1, 0, 1, 0, 1, 0]
    with pytest.raises(SystemExit):
        main([str(tmp_path / "p.npy")])


@pytest.mark.parametrize(
    ("options", "message"),
    [({"count": 0}, "count=0"), ({"count": 1, "side": 4}, "side=4"),
     ({"count": 1, "degrees": 200.0}, "degrees=200"), ({"count": 1, "noise": -1.0}, "noise=-1")],
)  # fmt: skip
def test_numbers_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_particles(**options)
