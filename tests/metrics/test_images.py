"""What images show, against images whose height, slant, sharpness or class is known."""

import math

import pytest
import torch

from symgen.groups import affine, warp
from symgen.metrics import centred_crop, height_and_slant, recognised, sharpness


def test_height_and_slant_follow_enlargement_and_shear():
    image = torch.zeros(1, 41, 41)
    image[0, 11:30, 18:23] = 1
    height, slant = height_and_slant(image)
    larger = warp(image, affine.inverse(affine.exp(torch.tensor([0, math.log(1.5), 0, 0, 0, 0]))))
    shear = torch.tensor([[1.0, 0.3, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    sheared = height_and_slant(warp(image, affine.inverse(shear)))
    assert height_and_slant(larger)[0] / height == pytest.approx(1.5, rel=0.01)
    assert slant == pytest.approx(0, abs=1e-6)
    assert sheared[1] == pytest.approx(0.3, rel=0.01)
    assert sheared[0] == pytest.approx(float(height), rel=0.01)


def test_sharpness_falls_when_images_are_blurred():
    image = (torch.rand(3, 1, 20, 20) > 0.5).float()
    assert sharpness(torch.nn.functional.avg_pool2d(image, 3, 1)) < 0.6 * sharpness(image)


def test_a_crop_around_the_centroid_undoes_shifts():
    images = torch.zeros(4, 3, 40, 40)
    images[..., 12:24, 14:22] = torch.rand(4, 3, 12, 8)
    moved = images.roll((5, -4), (-2, -1))
    crops = centred_crop(images, side=20)
    assert crops.shape == (4, 3, 20, 20)
    torch.testing.assert_close(centred_crop(moved, side=20), crops, atol=1e-4, rtol=0)
    torch.testing.assert_close(crops.sum((-2, -1)), images.sum((-2, -1)), atol=1e-3, rtol=1e-4)


def test_a_share_of_rows_is_recognised():
    shown = torch.tensor([[0, 0, 0, 1], [1, 1, 0, 0], [2, 2, 2, 2]])  # what each image shows
    images = torch.nn.functional.one_hot(shown, 3).float()[:, :, None, None]
    assert recognised(lambda x: x.flatten(1), images) == pytest.approx(100 * 9 / 12)
