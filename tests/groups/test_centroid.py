"""The centroid moves with the image, and is where scipy finds it."""

import pytest
import scipy.ndimage
import torch

from symgen.groups import affine, centroid, warp


@pytest.mark.parametrize("shape", [(1, 6, 9), (3, 7, 4)])
def test_it_is_the_centre_of_mass_from_the_middle(shape, dtype, device):
    images = torch.rand(5, 2, *shape, dtype=dtype, device=device)
    found = centroid(images)
    assert found.shape == (5, 2, 2)
    for image, place in zip(images.flatten(0, 1), found.flatten(0, 1), strict=True):
        y, x = scipy.ndimage.center_of_mass(image.sum(0).cpu().numpy())
        expected = [x - (shape[2] - 1) / 2, y - (shape[1] - 1) / 2]
        assert place.tolist() == pytest.approx(expected, abs=1e-5)


def test_it_moves_with_what_is_seen_and_not_with_its_brightness(dtype, device):
    image = torch.zeros(2, 21, 25, dtype=dtype, device=device)
    image[:, 8:12, 9:15] = torch.rand(2, 4, 6, dtype=dtype, device=device)
    move = torch.tensor([0, 0, 0, 0, 3.25, -2.5], dtype=dtype, device=device)
    moved = warp(image, affine.inverse(affine.exp(move)))
    torch.testing.assert_close(centroid(moved) - centroid(image), move[4:], atol=1e-4, rtol=0)
    torch.testing.assert_close(centroid(0.1 * image), centroid(image))


def test_an_empty_image_has_its_centroid_in_the_middle_and_finite_gradients(device):
    empty = torch.zeros(1, 5, 5, device=device, requires_grad=True)
    place = centroid(empty)
    assert place.tolist() == [0.0, 0.0]
    place.sum().backward()
    assert empty.grad is not None and empty.grad.isfinite().all()
