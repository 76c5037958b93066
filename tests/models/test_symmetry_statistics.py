"""Poses: at the identity first, factored out and in again, and acted on by the group."""

import itertools

import jaxtyping
import pytest
import torch
from torch import nn

from symgen.groups import affine, colour, warp
from symgen.latents import Gaussian, Laplace
from symgen.likelihoods.base import full_precision
from symgen.models import Pose, SymmetryStatistics
from symgen.models.symmetry_statistics import density

SPREAD = torch.tensor([0.3, 0.1, 0.1, 0.1, 1.5, 1.5])
KINDS = {
    "affine": {"statistics": "affine"},
    "matrix": {"statistics": "matrix"},
    "colour": {"statistics": "affine", "colour_pose": True},
    "colour alone": {"statistics": None, "colour_pose": True},
    "laplace": {"statistics": "matrix", "latent": "laplace"},
    "three times": {"statistics": "affine", "iterations": 3},
    "colour, three times": {"statistics": "affine", "colour_pose": True, "iterations": 3},
    "matrix, three times": {"statistics": "matrix", "iterations": 3},
}


def blob(size, places, radius, device, dtype):
    """Return smooth round bumps (B, 1, size, size) at these (x, y), pixels from the middle."""
    axis = torch.arange(size, device=device, dtype=dtype) - (size - 1) / 2
    points = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
    places = torch.as_tensor(places, device=device, dtype=dtype)
    distance = (points - places[:, None, None]).square().sum(-1)
    return torch.exp(-distance / (2 * radius**2))[:, None]


def shapes(count, device, dtype, channels=1):
    """Return smooth images of 40 × 40 that nothing leaves unchanged."""
    first = blob(40, [[-4.0, -2.0]] * count, 2.5, device, dtype)
    second = blob(40, [[3.0, 2.0]] * count, 3.5, device, dtype)
    image = 0.5 * first + 0.4 * second
    return torch.cat([image * (1 - 0.3 * channel) for channel in range(channels)], 1)


def poses(count, device, dtype, with_colour=False):
    generators = torch.randn(count, 6, device=device, dtype=dtype) * SPREAD.to(device)
    hues = 0.3 * torch.randn(count, 8, device=device, dtype=dtype) if with_colour else None
    return Pose(affine.exp(generators), None if hues is None else colour.exp(hues))


@pytest.mark.parametrize("arguments", KINDS.values(), ids=KINDS.keys())
def test_every_image_starts_at_the_identity(arguments, device):
    inference = SymmetryStatistics((3, 16, 12), **arguments, channels=(4, 4)).to(device)
    x = torch.rand(5, 3, 16, 12, device=device)
    statistics = inference(x)
    assert statistics.mean.shape == (5, len(inference.log_scale))
    assert torch.allclose(statistics.std, torch.full_like(statistics.std, 0.05), rtol=0.01)
    pose = inference.element(statistics.mean)
    assert pose.affine.shape == (5, 3, 3)
    assert torch.equal(pose.affine, torch.eye(3, device=device).expand_as(pose.affine))
    assert (pose.colour is None) != inference.colour_pose
    if pose.colour is not None:
        assert torch.equal(pose.colour, torch.eye(3, device=device).expand_as(pose.colour))
    else:  # bilinear weights are computed from pixel positions, so not quite bit for bit
        torch.testing.assert_close(pose.factor_out(x, "background"), x, atol=1e-5, rtol=0)


def test_coordinates_are_in_units_of_the_priors_deviation(device, dtype):
    h = torch.randn(4, 6, device=device, dtype=dtype)
    for statistics, build in (("affine", affine.exp), ("matrix", affine.from_raw)):
        inference = SymmetryStatistics((1, 16, 12), statistics, channels=(4, 4))
        scale = inference.to(device, dtype).log_scale.exp()
        assert scale[4:].tolist() == pytest.approx([1.2, 1.6])
        torch.testing.assert_close(inference.element(h).affine, build(h * scale))


def test_maps_and_colours_share_the_coordinates(device, dtype):
    inference = SymmetryStatistics((3, 16, 16), "affine", colour_pose=True, channels=(2, 2))
    h = torch.randn(4, 14, device=device, dtype=dtype)
    generators = h * inference.to(device, dtype).log_scale.exp()
    pose = inference.element(h)
    torch.testing.assert_close(pose.affine, affine.exp(generators[:, :6]))
    torch.testing.assert_close(pose.colour, colour.exp(generators[:, 6:]))


def test_a_pose_is_factored_out_and_in_again(device, dtype):
    images = shapes(20, device, dtype)
    pose = poses(20, device, dtype)
    canonical = pose.factor_out(images, "background")
    assert (canonical - images).abs().mean() > 0.01
    zero = torch.zeros(1, 1, device=device, dtype=dtype)
    back = pose.factor_in(canonical[:, None, None], zero, "background")[:, 0, 0]
    assert (back - images).abs().mean() < 2e-3
    assert (back - images).abs().max() < 0.05


def test_a_colour_is_factored_out_and_in_again(device, dtype):
    images = torch.rand(5, 3, 8, 8, device=device, dtype=dtype)
    identity = torch.eye(3, device=device, dtype=dtype).expand(5, 3, 3)
    pose = Pose(identity, poses(5, device, dtype, with_colour=True).colour)
    canonical = pose.factor_out(images, "border")
    torch.testing.assert_close(canonical, colour.act(images, colour.inverse(pose.colour)))
    back = pose.factor_in(canonical[:, None, None], None, "border")[:, 0, 0]
    torch.testing.assert_close(back, images)


def test_an_integer_shift_moves_whole_pixels(device, dtype):
    x = torch.rand(1, 1, 6, 9, device=device, dtype=dtype)
    shift = torch.tensor([[0, 0, 0, 0, 2, -1]], device=device, dtype=dtype)
    seen = Pose(affine.exp(shift), None).factor_out(x, "background")
    torch.testing.assert_close(seen[..., 1:, :-2], x[..., :-1, 2:])
    assert (seen[..., 0, :].abs() < 1e-9).all() and (seen[..., -2:].abs() < 1e-9).all()


@pytest.mark.parametrize("padding_mode", ["background", "border"])
def test_every_stack_and_parameter_is_warped(padding_mode, device, dtype):
    """Every number that the likelihood asks for has a background of its own."""
    pose = poses(4, device, dtype)
    x = torch.rand(4, 3, 10, 10, device=device, dtype=dtype)
    seen = pose.factor_out(x, padding_mode)
    torch.testing.assert_close(seen, warp(x, pose.affine, padding_mode=padding_mode))
    outputs = torch.randn(4, 3, 2, 2, 10, 10, device=device, dtype=dtype)
    background = torch.randn(2, 2, device=device, dtype=dtype)  # (parameters, channels)
    background = background if padding_mode == "background" else None
    shown = pose.factor_in(outputs, background, padding_mode)
    assert shown.shape == outputs.shape
    back = affine.inverse(pose.affine)
    for stack, parameter in itertools.product(range(3), range(2)):
        value = 0.0 if background is None else background[parameter]
        part = warp(outputs[:, stack, parameter], back, value, padding_mode=padding_mode)
        torch.testing.assert_close(shown[:, stack, parameter], part)


def test_a_colour_acts_on_the_first_parameter_alone(device, dtype):
    """How bright a channel is has a hue; a scale of its noise has none."""
    outputs = torch.randn(4, 1, 2, 3, 6, 6, device=device, dtype=dtype)
    identity = torch.eye(3, device=device, dtype=dtype).expand(4, 3, 3)
    pose = Pose(identity, poses(4, device, dtype, with_colour=True).colour)
    shown = pose.factor_in(outputs, None, "border")
    torch.testing.assert_close(shown[:, 0, 0], colour.act(outputs[:, 0, 0], pose.colour))
    torch.testing.assert_close(shown[:, 0, 1], outputs[:, 0, 1])


def test_outside_of_the_canonical_image_is_the_background(device, dtype):
    far = torch.tensor([[0, 0, 0, 0, 100.0, 0]], device=device, dtype=dtype)
    outputs = torch.randn(1, 1, 2, 3, 8, 8, device=device, dtype=dtype)
    background = torch.randn(2, 3, device=device, dtype=dtype)
    shown = Pose(affine.exp(far), None).factor_in(outputs, background, "background")
    torch.testing.assert_close(shown, background[..., None, None].expand_as(shown))


def test_elements_act_as_a_group(device, dtype):
    pose = poses(7, device, dtype, with_colour=True)
    a, b = (poses(7, device, dtype, with_colour=True) for _ in range(2))
    product = Pose(affine.compose(b.affine, a.affine), b.colour @ a.colour)
    for one, other in zip(pose.after(a).after(b), pose.after(product), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
    undone = pose.after(a).after(Pose(affine.inverse(a.affine), colour.inverse(a.colour)))
    for one, other in zip(undone, pose, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_a_plain_map_moves_no_colour(device, dtype):
    pose = poses(7, device, dtype, with_colour=True)
    identity = torch.eye(3, device=device, dtype=dtype)
    assert all(torch.equal(*both) for both in zip(pose.after(identity), pose, strict=True))
    one = affine.exp(torch.randn(6, device=device, dtype=dtype))
    moved = pose.after(one)
    torch.testing.assert_close(moved.affine, one @ pose.affine)
    assert torch.equal(moved.colour, pose.colour)
    each = pose.after(one.expand(7, 3, 3).float())
    torch.testing.assert_close(each.affine, moved.affine, atol=1e-4, rtol=1e-5)


def test_inverses_of_poses_are_exact(device, dtype):
    matrix = poses(1000, device, dtype).affine
    identity = torch.eye(3, device=device, dtype=dtype).expand_as(matrix)
    torch.testing.assert_close(affine.inverse(matrix) @ matrix, identity, atol=1e-5, rtol=0)


def test_autocast_does_not_make_poses_coarse(device):
    pose = poses(5, device, torch.float32, with_colour=True)
    x = shapes(5, device, torch.float32, channels=3)
    element = affine.exp(torch.randn(6, device=device))
    background = torch.zeros(1, 3, device=device)
    with torch.autocast(device.type, torch.bfloat16):
        moved = pose.after(Pose(element, pose.colour))
        seen = pose.factor_out(x, "background")
        shown = pose.factor_in(x[:, None, None], background, "background")
    expected = pose.after(Pose(element, pose.colour))
    assert torch.equal(moved.affine, expected.affine)
    assert torch.equal(moved.colour, expected.colour)
    assert torch.equal(seen, pose.factor_out(x, "background"))
    assert torch.equal(shown, pose.factor_in(x[:, None, None], background, "background"))


# --- the centroid ---------------------------------------------------------------------------


def test_the_centroid_centres_a_blob(device, dtype):
    places = [[6.0, -4.0], [-3.5, 5.25], [0.0, 0.0]]
    x = 0.8 * blob(40, places, 2.0, device, dtype)
    inference = SymmetryStatistics((1, 40, 40), "centroid").to(device, dtype)
    statistics = inference(x)
    pose = inference.element(statistics.mean)
    found = pose.affine[:, :2, 2]
    torch.testing.assert_close(found, found.new_tensor(places), atol=1e-5, rtol=0)
    canonical = pose.factor_out(x, "background")
    still = inference.element(inference(canonical).mean).affine
    torch.testing.assert_close(still, torch.eye(3, device=device, dtype=dtype).expand_as(still))
    middle = 0.8 * blob(40, [[0.0, 0.0]], 2.0, device, dtype)
    torch.testing.assert_close(canonical[[0, 2]], middle.expand(2, -1, -1, -1))
    assert torch.allclose(statistics.std, torch.full_like(statistics.std, 0.05), rtol=0.01)


def test_an_empty_image_is_in_the_middle(device):
    inference = SymmetryStatistics((1, 8, 12), "centroid").to(device)
    pose = inference.element(inference(torch.zeros(2, 1, 8, 12, device=device)).mean)
    assert torch.equal(pose.affine, torch.eye(3, device=device).expand_as(pose.affine))


# --- names and errors -----------------------------------------------------------------------


class Half(nn.Module):
    """Finds half of the shift of a blob's centre, and nothing else."""

    def forward(self, x):
        axis = torch.arange(x.shape[-1]).to(x) - (x.shape[-1] - 1) / 2
        total = x.sum((1, 2, 3))
        shift = torch.stack([(x.sum((1, d)) * axis).sum(-1) / total for d in (2, 3)], -1)
        h = torch.zeros(len(x), 12).to(x)
        h[:, 4:6] = 0.5 * shift / 4.0  # the prior's deviation is a tenth of the side
        return h


@pytest.mark.parametrize("statistics", ["affine", "matrix"])
@pytest.mark.parametrize("iterations", [1, 2, 3])
def test_what_one_iteration_leaves_the_next_one_finds(iterations, statistics, device, dtype):
    inference = SymmetryStatistics((1, 40, 40), statistics, iterations=iterations)
    inference = inference.to(device, dtype)
    inference.net = Half()
    places = torch.tensor([[4.0, 2.0], [-6.0, 3.0]], device=device, dtype=dtype)
    pose = inference.element(inference(blob(40, places, 2.5, device, dtype)).mean)
    expected = (1 - 0.5**iterations) * places
    torch.testing.assert_close(pose.affine[:, :2, 2], expected, rtol=0, atol=0.02)


class HalfHue(nn.Module):
    """Finds half of how far the mean colour is turned from red, and nothing else."""

    def __init__(self, dimensions):
        super().__init__()
        self.dimensions = dimensions

    def forward(self, x):
        red, green, blue = x.mean((2, 3)).unbind(1)
        hue = torch.atan2((green - blue) / 2**0.5, (2 * red - green - blue) / 6**0.5)
        h = torch.zeros(len(x), 2 * self.dimensions).to(x)
        h[:, self.dimensions - 8] = 0.5 * hue / 0.3  # the prior's deviation
        return h


@pytest.mark.parametrize(("statistics", "dimensions"), [("affine", 14), (None, 8)])
@pytest.mark.parametrize("iterations", [1, 2, 4])
def test_colour_that_is_left_the_next_iteration_finds(
    iterations, statistics, dimensions, device, dtype
):
    inference = SymmetryStatistics(
        (3, 40, 40), statistics, colour_pose=True, iterations=iterations
    ).to(device, dtype)
    inference.net = HalfHue(dimensions)
    hues = torch.tensor([40.0, -70.0], device=device, dtype=dtype)
    red = blob(40, [[0.0, 0.0]], 5.0, device, dtype) * torch.tensor([1.0, 0.0, 0.0]).to(
        device, dtype
    ).view(3, 1, 1)
    pose = inference.element(inference(colour.act(red, colour.hue_rotation(hues))).mean)
    found = colour.hue_degrees(pose.colour)
    torch.testing.assert_close(found, (1 - 0.5**iterations) * hues, rtol=0, atol=1e-3)


def test_on_a_bright_ground_the_centroid_is_found_little_by_little(device, dtype):
    places = torch.tensor([[4.0, 2.0], [-5.0, 3.0]], device=device, dtype=dtype)
    x = 0.05 + blob(40, places, 2.5, device, dtype)
    left = []
    for iterations in (1, 2, 8):
        inference = SymmetryStatistics((1, 40, 40), "centroid", iterations=iterations)
        inference = inference.to(device, dtype)
        found = inference.element(inference(x, fill=0.05).mean).affine[:, :2, 2]
        left.append(float((found - places).abs().max()))
    assert left[0] > 2 and left[1] < 0.8 * left[0] and left[2] < 0.4 * left[0]


def test_densities_have_names():
    assert density("gaussian") is Gaussian and density("laplace") is Laplace
    with pytest.raises(ValueError, match="latent='cauchy': choose gaussian or laplace"):
        density("cauchy")


def test_coarse_numbers_become_single_and_others_stay_as_they_are():
    for given, expected in (("bfloat16", "float32"), ("float32", "float32"), ("float64",) * 2):
        assert full_precision(torch.ones(2).to(getattr(torch, given))).dtype == getattr(
            torch, expected
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"statistics": "projective"},
            "pose='projective': choose rotation, .*affine, matrix, centroid or none",
        ),
        ({"statistics": "centroid", "starts": 2}, "pose_starts=2 with pose='centroid', which is"),
        ({"statistics": "centroid", "colour_pose": True}, "colour_pose=True, .* is one shift"),
        ({"statistics": "affine", "colour_pose": True}, "three channels, not 1"),
        ({"statistics": "affine", "latent": "cauchy"}, "latent='cauchy'"),
        ({"statistics": "affine", "iterations": 0}, "pose_iterations=0 with pose='affine'"),
        ({"statistics": None, "iterations": 2}, "pose_iterations=2 with pose=None"),
        (
            {"statistics": None, "starts": 2},
            "pose_starts=2 with pose=None: give 1, or more with a pose such as",
        ),
    ],
)
def test_statistics_that_do_not_fit_together_are_refused(arguments, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        SymmetryStatistics((1, 16, 16), **arguments)


def test_elements_that_are_no_elements_are_refused():
    pose = poses(2, "cpu", torch.float32)
    with pytest.raises(ValueError, match="is singular"):
        pose.after(torch.diag(torch.tensor([1.0, 0.0, 1.0])))
    with pytest.raises(ValueError, match="not finite"):
        pose.after(torch.full((3, 3), torch.nan))
    with pytest.raises(ValueError, match="train with colour_pose=True"):
        pose.after(poses(2, "cpu", torch.float32, with_colour=True))
