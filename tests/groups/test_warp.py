"""Warps against exact cases: ramps, whole pixels, quarter turns, a loop over pixels."""

import math

import jaxtyping
import numpy as np
import pytest
import torch

from symgen.groups import affine, projective, warp


def bilinear(image: np.ndarray, x: float, y: float) -> float:
    """Interpolate one value of a (height, width) image, 0 outside."""
    height, width = image.shape
    left, top = math.floor(x), math.floor(y)
    value = 0.0
    for row in (top, top + 1):
        for column in (left, left + 1):
            if 0 <= row < height and 0 <= column < width:
                value += image[row, column] * (1 - abs(x - column)) * (1 - abs(y - row))
    return value


def slow_warp(image: np.ndarray, pose: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    out = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape):
        x, y, w = pose @ (column - centre[0], row - centre[1], 1.0)
        out[row, column] = bilinear(image, x / w + centre[0], y / w + centre[1])
    return out


def ramps(height: int, width: int, **options) -> torch.Tensor:
    """Images whose values are their own coordinates (x, y) from the middle."""
    y = torch.arange(height, **options) - (height - 1) / 2
    x = torch.arange(width, **options) - (width - 1) / 2
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width)])


@pytest.fixture
def images(dtype, device) -> torch.Tensor:
    return torch.rand(3, 2, 7, 10, dtype=dtype, device=device)


@pytest.fixture
def poses(dtype, device) -> torch.Tensor:
    spread = torch.tensor([1.0, 0.3, 0.3, 0.3, 2.0, 2.0], dtype=dtype, device=device)
    return affine.exp(torch.randn(3, 6, dtype=dtype, device=device) * spread)


@pytest.mark.parametrize("centre", [None, (5.0, 3.5), (-2.0, 0.25)])
def test_affine_warp_is_the_loop_over_pixels(images, poses, centre):
    warped = warp(images, poses, centre=centre)
    for n in range(3):
        for channel in range(2):
            expected = slow_warp(
                images[n, channel].cpu().double().numpy(),
                poses[n].cpu().double().numpy(),
                centre or (4.5, 3.0),
            )
            expected = torch.from_numpy(expected).to(images)
            torch.testing.assert_close(warped[n, channel], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("angle", [0.3, 1.0, 2.5, 4.0])
def test_projective_warp_divides_by_the_third_coordinate(images, angle):
    pose = torch.linalg.inv(projective.tilt(images.new_tensor(angle), 12.0))
    warped = warp(images, pose)
    expected = slow_warp(
        images[1, 0].cpu().double().numpy(), pose.cpu().double().numpy(), (4.5, 3.0)
    )
    torch.testing.assert_close(
        warped[1, 0], torch.from_numpy(expected).to(images), atol=1e-4, rtol=0
    )


def test_projective_maps_are_equal_up_to_a_factor(images):
    pose = torch.linalg.inv(projective.tilt(images.new_tensor(0.7), 12.0))
    torch.testing.assert_close(warp(images, pose), warp(images, -3 * pose))


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 5e-5), (torch.float64, 1e-10)])
def test_the_inverse_pose_undoes_the_warp_of_coordinates(dtype, tolerance, device):
    """Bilinear interpolation is exact on ramps: coordinates survive where they stay inside."""
    options = {"dtype": dtype, "device": device}
    ramp = ramps(31, 41, **options)
    pose = affine.exp(torch.tensor([0.6, 0.1, -0.1, 0.05, 2.0, -1.0], **options))
    there = warp(ramp, pose)
    x, y = ramp[:, 10:21, 15:26]  # the middle, which both warps read from within
    linear, shift = pose[:2, :2], pose[:2, 2, None, None]
    expected = torch.einsum("ij,jhw->ihw", linear, torch.stack([x, y])) + shift
    torch.testing.assert_close(there[:, 10:21, 15:26], expected, atol=tolerance, rtol=0)
    back = warp(there, affine.inverse(pose))
    torch.testing.assert_close(
        back[:, 10:21, 15:26], ramp[:, 10:21, 15:26], atol=tolerance, rtol=0
    )


def test_whole_pixels_move_exactly(images):
    tolerance = {"atol": 5e-6, "rtol": 0}
    identity = torch.eye(3).to(images)
    torch.testing.assert_close(warp(images, identity), images, **tolerance)
    shift = affine.exp(images.new_tensor([0, 0, 0, 0, 2, -1]))
    expected = torch.zeros_like(images)
    expected[..., 1:, :-2] = images[..., :-1, 2:]
    torch.testing.assert_close(warp(images, shift), expected, **tolerance)


def test_the_pose_that_turns_the_content_counter_clockwise_is_rot90(dtype, device):
    square = torch.rand(1, 9, 9, dtype=dtype, device=device)
    quarter = affine.from_parameters(square.new_tensor(math.pi / 2), square.new_tensor(1.0))
    torch.testing.assert_close(
        warp(square, affine.inverse(quarter)), square.rot90(1, (1, 2)), atol=1e-5, rtol=0
    )


def test_composed_poses_are_read_one_through_the_other(dtype, device):
    ramp = ramps(41, 41, dtype=dtype, device=device)
    g, h = affine.exp(0.1 * torch.randn(2, 6, dtype=dtype, device=device))
    middle = (slice(None), slice(15, 26), slice(15, 26))
    torch.testing.assert_close(
        warp(warp(ramp, g), h)[middle], warp(ramp, affine.compose(g, h))[middle]
    )


def test_background_lies_outside(images):
    far = affine.exp(images.new_tensor([0, 0, 0, 0, 100, 0]))
    assert torch.equal(warp(images, far, background=0.25), torch.full_like(images, 0.25))
    half = affine.exp(images.new_tensor([0, 0, 0, 0, 0.5, 0]))
    edge = warp(images, half, background=1.0)[..., -1]
    torch.testing.assert_close(edge, (images[..., -1] + 1) / 2)


@pytest.mark.parametrize("values", [(0.25,), (0.25, -1.0)])
def test_a_background_may_be_a_tensor_with_a_value_for_each_channel(images, poses, values):
    background = images.new_tensor(values).squeeze()
    expected = torch.stack(
        [warp(images[:, k : k + 1], poses, background=values[k % len(values)]) for k in range(2)],
        -4,
    ).squeeze(-3)
    torch.testing.assert_close(warp(images, poses, background=background), expected)


@pytest.mark.parametrize("shape", [(), (2,)])
def test_gradients_reach_a_learned_background(shape, device):
    options = {"dtype": torch.float64, "device": device}
    images = torch.rand(3, 2, 4, 5, **options)
    pose = affine.exp(torch.tensor([0.3, 0.1, 0.02, 0.01, 2.0, 0.2], **options))
    background = torch.rand(shape, **options).requires_grad_()
    assert torch.autograd.gradcheck(lambda b: warp(images, pose, background=b), background)
    # The share of a pixel that lies outside is what the background brings to it.
    shares = 1 - warp(torch.ones_like(images), pose)
    warp(images, pose, background=background).sum().backward()
    assert background.grad is not None and background.grad.sum() > 1
    torch.testing.assert_close(background.grad.sum(), shares.sum())


def test_a_background_of_zero_changes_no_bit(images, poses):
    plain = warp(images, poses)
    assert torch.equal(warp(images, poses, background=0.0), plain)
    assert torch.equal(warp(images, poses, background=images.new_zeros(2)), plain)


def test_a_border_is_a_clamped_coordinate(images, poses):
    """Far enough inside a frame of repeated edges nothing is outside."""
    framed = torch.nn.functional.pad(images, (40, 40, 40, 40), mode="replicate")
    larger = warp(framed, poses)[..., 40:-40, 40:-40]
    torch.testing.assert_close(warp(images, poses, padding_mode="border"), larger)
    ignored = warp(images, poses, background=0.7, padding_mode="border")
    torch.testing.assert_close(ignored, larger)


def test_batches_broadcast_and_two_rows_are_enough(images, poses):
    one_by_one = torch.stack([torch.stack([warp(image, g) for g in poses]) for image in images])
    close = torch.testing.assert_close
    close(warp(images[:, None], poses), one_by_one)  # many poses of one image
    close(warp(images[:, None], poses[:, :2]), one_by_one)
    close(warp(images[:, None].expand(3, 3, 2, 7, 10), poses), one_by_one)
    close(warp(images, poses), one_by_one.diagonal().movedim(-1, 0))
    close(warp(images[0], poses), one_by_one[0])
    close(warp(images, poses[0]), one_by_one[:, 0])
    assert warp(images[:0, None], poses).shape == (0, 3, 2, 7, 10)
    assert warp(images[:1], poses[:0]).shape == (0, 2, 7, 10)


@pytest.mark.parametrize("rows", [2, 3])
def test_gradients_reach_images_and_poses(rows, device):
    images = torch.rand(2, 1, 4, 5, dtype=torch.float64, device=device, requires_grad=True)
    g = affine.exp(torch.tensor([0.3, 0.1, 0.02, 0.01, 0.3, 0.2], dtype=torch.float64))
    pose = g[:rows].to(device).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, p: warp(x, p, background=0.5), (images, pose))


@pytest.mark.parametrize(
    ("images", "pose", "message"),
    [
        (torch.zeros(4, 5), torch.eye(3), r"images \(4, 5\)"),
        (torch.zeros(1, 4, 5), torch.zeros(3), r"poses \(3,\)"),
        (torch.zeros(1, 4, 5), torch.zeros(2, 2), r"poses \(2, 2\)"),
        (torch.zeros(1, 4, 5, dtype=torch.uint8), torch.eye(3), "uint8.*convert"),
        (torch.zeros(3, 1, 4, 5), torch.zeros(2, 3, 3), "do not broadcast"),
    ],
)
def test_bad_input_is_named(images, pose, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        warp(images, pose)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"background": torch.zeros(2)}, r"background of shape \(2,\) for images \(3, 4, 5\)"),
        ({"background": torch.zeros(3, 1, 1)}, r"shape \(3, 1, 1\).*one for each channel"),
        ({"padding_mode": "mirror"}, "padding_mode='mirror': choose background or border"),
    ],
)
def test_bad_surroundings_are_named(options, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        warp(torch.zeros(3, 4, 5), torch.eye(3), **options)
