"""What images show: moments that follow a map, sharpness, a crop, the share that is recognised."""

import math

import pytest
import torch

from symgen.data import load
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
    digit = load("digits", split="test").pixels[:5].float() / 255
    canvas = torch.nn.functional.pad(digit, (16, 16, 16, 16))
    shift = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 7.0, -12.0]))
    moved = warp(canvas, affine.inverse(shift))
    assert torch.allclose(centred_crop(moved), centred_crop(canvas), atol=1e-4)
    assert centred_crop(canvas).shape == digit.shape


@pytest.mark.parametrize("right", [0, 3, 7])
def test_what_is_recognised_is_the_share_of_images_with_the_class_of_their_row(right):
    images = torch.zeros(4, 7, 1, 2, 2)  # the top left pixel tells the class
    images[..., 0, 0] = torch.arange(4)[:, None, None]
    images[:, right:, :, 0, 0] = (images[:, right:, :, 0, 0] + 1) % 4

    def scores(x):
        return torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 4).float()

    assert recognised(scores, images) == pytest.approx(100 * right / 7)


def test_black_images_of_half_precision_have_neither_height_nor_slant():
    height, slant = height_and_slant(torch.zeros(1, 8, 8, dtype=torch.float16))
    assert (float(height), float(slant)) == (0, 0) and height.dtype == torch.float16
