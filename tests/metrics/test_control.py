"""Motions that stay within the data, objects that stay on the canvas, pixels that come back."""

import math

import torch

from symgen.groups import affine, warp
from symgen.metrics import motions, round_trip, stays

SCALES = (0.7, 1.2)


def test_motions_never_leave_the_poses_of_the_data():
    angle = math.radians(45) * (2 * torch.rand(500) - 1)
    scale = 0.7 + 0.5 * torch.rand(500)
    shift = 7 * (2 * torch.rand(500, 2) - 1)
    pose = affine.from_parameters(angle, scale, shift)
    turn, growth, step = motions(pose, SCALES)
    turned = affine.to_parameters(affine.compose(turn, pose))
    grown = affine.to_parameters(affine.compose(growth, pose))
    stepped = affine.to_parameters(affine.compose(step, pose))
    assert turned.angle.abs().max() <= math.radians(45) + 1e-5
    assert torch.allclose((turned.angle - angle).abs(), torch.tensor(math.radians(30)), atol=1e-5)
    assert grown.scale.min() >= 0.7 and grown.scale.max() <= 1.2
    assert stepped.shift[:, 0].abs().max() <= 7
    assert torch.allclose((stepped.shift - shift).norm(dim=1), torch.tensor(5.0), atol=1e-4)


def test_what_stays_on_the_canvas_loses_no_brightness():
    images = torch.zeros(9, 1, 15, 15)
    for number in range(9):
        images[number, 0, 7, 6 + number] = 1
    step = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 4.0, 0.0])).expand(9, 3, 3)
    kept = warp(images, affine.inverse(step)).sum((1, 2, 3)) > 0.5
    assert kept.any() and not kept.all()
    assert torch.equal(stays(images, step), kept)


def test_pixels_come_back_as_far_as_a_map_can_be_inverted():
    pose = affine.exp(0.3 * torch.randn(20, 6))
    assert round_trip(pose, (28, 28)) < 1e-5
    double = round_trip(pose.double(), (28, 28))
    assert double < 1e-3 * round_trip(pose, (28, 28))
