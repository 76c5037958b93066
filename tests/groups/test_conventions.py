"""Signs and pixels, pinned by a letter on a rectangular canvas against numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform

from symgen.groups import affine, warp
from symgen.models import Motion

LETTER = np.array([list("####"), list("#..."), list("###."), list("#..."), list("#...")]) == "#"


def canvas(height: int, width: int) -> np.ndarray:
    """An F, which no turn and no reflection leaves as it is, off the middle."""
    image = np.zeros((height, width), np.float32)
    image[2:7, 3:7] = LETTER
    return image


def shown(image: np.ndarray, pose: torch.Tensor) -> np.ndarray:
    """What the image looks like once its object is in this pose."""
    return warp(torch.from_numpy(image)[None], affine.inverse(pose))[0].numpy()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_positive_angles_turn_counter_clockwise_as_numpy_does(quarters):
    image = canvas(14, 14)
    pose = affine.from_parameters(torch.tensor(quarters * math.pi / 2), torch.tensor(1.0))
    np.testing.assert_allclose(shown(image, pose), np.rot90(image, quarters), atol=1e-4)
    moved = Motion(rotate=90.0 * quarters).element().affine
    np.testing.assert_allclose(shown(image, moved), np.rot90(image, quarters), atol=1e-4)
    back = np.rot90(image, -quarters)  # another picture, unless it is half a turn
    assert (np.abs(shown(image, pose) - back).max() > 0.9) == (quarters != 2)


def test_shifts_go_right_and_down_by_whole_pixels():
    image = canvas(12, 17)
    pose = affine.from_parameters(torch.tensor(0.0), torch.tensor(1.0), torch.tensor([4.0, 3.0]))
    expected = np.zeros_like(image)
    expected[5:10, 7:11] = LETTER
    np.testing.assert_allclose(shown(image, pose), expected, atol=1e-5)


def test_poses_read_images_as_affine_transform_does():
    """Points are (x, y) from the middle, scipy's are (row, column) from the corner."""
    image = canvas(15, 22)
    pose = affine.exp(torch.tensor([0.7, 0.2, 0.15, -0.1, 1.5, -2.25]))
    a, b = pose[:2, :2].double().numpy(), pose[:2, 2].double().numpy()
    swapped, shift = a[::-1, ::-1], b[::-1]
    middle = (np.array(image.shape) - 1) / 2
    offset = middle + shift - swapped @ middle
    expected = affine_transform(image, swapped, offset, order=1, mode="grid-constant")
    found = warp(torch.from_numpy(image)[None], pose)[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_scales_enlarge():
    image = np.pad(canvas(9, 10), 6)
    pose = affine.from_parameters(torch.tensor(0.0), torch.tensor(1.5))
    assert shown(image, pose).sum() == pytest.approx(1.5**2 * image.sum(), rel=0.1)
    assert float(affine.to_parts(pose).scale) == pytest.approx(1.5)


def test_parts_are_found_again_and_so_are_those_of_half_turns():
    generator = torch.Generator().manual_seed(0)
    angle = math.pi * (2 * torch.rand(200, generator=generator) - 1)
    log_scale, stretch, shear = 0.6 * torch.randn(3, 200, generator=generator)
    shift = torch.randn(200, 2, generator=generator)
    zeros = torch.zeros(200)
    symmetric = affine.exp(torch.stack([zeros, zeros, stretch, shear, zeros, zeros], -1))
    matrix = affine.from_parameters(angle, log_scale.exp(), shift) @ symmetric
    found = affine.to_parts(matrix)
    for value, true in zip(found, (angle, log_scale.exp(), stretch, shear, shift), strict=True):
        torch.testing.assert_close(value, true, atol=2e-4, rtol=2e-4)
    half = torch.diag(torch.tensor([-1.0, -1.0, 1.0]))
    assert abs(float(affine.to_parts(half).angle)) == pytest.approx(math.pi)
