"""Control: motions in numbers, what they do to an image, draws of poses."""

import math

import pytest
import torch

from symgen.groups import affine
from symgen.models import ACE, Motion, draw_poses, move

FULL = Motion(rotate=200.0, scale=1.4, shear=0.3, shift=(4.0, -2.0), hue=150.0)


def make_model(**settings):
    sizes = {"hidden": (8,), "decoder_hidden": (8,), "classifier_channels": (4, 4, 4)}
    return ACE((1, 20, 20), **(sizes | settings)).eval()


@torch.no_grad()
def inferred(model):
    posterior = model.encode(torch.rand(1, 1, 20, 20))
    return posterior, model.latents(posterior)


def point(pose, x, y):
    return (pose.affine @ torch.tensor([float(x), float(y), 1.0]))[:2]


# --- motions ---------------------------------------------------------------------------------


def test_a_way_starts_at_the_identity_and_ends_at_the_element(device, dtype):
    way = FULL.element(torch.linspace(0, 1, 7, device=device, dtype=dtype))
    identity = torch.eye(3, device=device, dtype=dtype)
    torch.testing.assert_close(way.affine[0], identity)
    torch.testing.assert_close(way.colour[0], identity)
    whole = FULL.element(torch.ones((), device=device, dtype=dtype))
    torch.testing.assert_close(way.affine[-1], whole.affine)
    torch.testing.assert_close(way.colour[-1], whole.colour)
    assert way.affine.shape == (7, 3, 3)


def test_each_part_runs_along_its_own_one_parameter_group(dtype):
    turn, grow, slant = Motion(rotate=270.0), Motion(scale=0.3), Motion(shear=1.5)
    for part in (turn, grow, slant, Motion(shift=(3.0, 1.0))):
        third = part.element(torch.tensor(1 / 3, dtype=dtype)).affine
        whole = part.element(torch.tensor(1.0, dtype=dtype)).affine
        torch.testing.assert_close(third @ third @ third, whole)


def test_the_way_is_the_logarithm_times_the_fraction_where_there_is_one(dtype):
    part = Motion(rotate=100.0, scale=1.3)  # parts that commute
    generators = affine.log(part.element(torch.ones((), dtype=dtype)).affine)
    half = part.element(torch.tensor(0.5, dtype=dtype)).affine
    torch.testing.assert_close(half, affine.exp(generators / 2))


def test_the_order_is_rotate_scale_shear_shift():
    parts = [Motion(rotate=30.0), Motion(scale=2.0), Motion(shear=0.5), Motion(shift=(3.0, -1.0))]
    whole = torch.eye(3)
    for part in parts:
        whole = part.element().affine @ whole
    both = Motion(rotate=30.0, scale=2.0, shear=0.5, shift=(3.0, -1.0))
    torch.testing.assert_close(both.element().affine, whole)


@pytest.mark.parametrize(
    ("motion", "goal"),
    [
        (Motion(rotate=90.0), (0, -4)),  # counter-clockwise: from the right to the top
        (Motion(scale=3.0), (12, 0)),
        (Motion(shift=(1.0, 2.0)), (5, 2)),
        (Motion(rotate=90.0, shift=(1.0, 2.0)), (1, -2)),  # turned, then shifted
        (Motion(rotate=90.0, shear=0.5), (2, -4)),  # what is above the middle goes to the right
        (Motion(rotate=450.0), (0, -4)),
    ],
)
def test_a_point_on_the_right_goes_where_a_person_expects_it(motion, goal):
    reached = point(motion.element(), 4, 0)
    torch.testing.assert_close(reached, torch.tensor(goal).float(), atol=1e-5, rtol=0)


def test_a_full_turn_turns_all_the_way():
    way = Motion(rotate=360.0).element(torch.linspace(0, 1, 5))
    angles = torch.rad2deg(affine.to_parameters(way.affine).angle)
    torch.testing.assert_close(angles[1].abs(), torch.tensor(90.0))
    torch.testing.assert_close(angles[2].abs(), torch.tensor(180.0))


def test_a_motion_says_what_moves():
    assert str(Motion()) == ""
    assert str(FULL) == "rotate 200°, scale 1.4, shear 0.3, shift 4 -2, hue 150°"


@pytest.mark.parametrize(
    "numbers",
    [
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": math.inf},
        {"scale": math.nan},
        {"rotate": math.nan},
        {"shear": math.inf},
        {"shift": (0.0, math.nan)},
        {"hue": -math.inf},
        {"shift": (1e9, 0.0)},
    ],
)
def test_motions_that_are_none_are_refused(numbers):
    (name,) = numbers
    with pytest.raises(ValueError, match=f"{name}="):
        Motion(**numbers)


# --- models ----------------------------------------------------------------------------------


@torch.no_grad()
def test_moving_is_acting_and_decoding():
    model = make_model(latents=2)
    _, latents = inferred(model)
    motion = Motion(rotate=50.0, shift=(2.0, 1.0))
    shown = move(model, latents, motion, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(shown[0], model.decode(latents).mean[0])
    moved = model.decode(model.act(latents, motion.element().affine)).mean
    torch.testing.assert_close(shown[1], moved[0])
    assert (shown[1] - shown[0]).abs().max() > 1e-3


@torch.no_grad()
def test_styles_go_straight_to_their_goal():
    model = make_model(latents=2, pose=None)
    _, latents = inferred(model)
    goal = torch.tensor([3.0, -2.0])
    shown = move(model, latents, Motion(), torch.tensor([0.0, 0.5, 1.0]), goal)
    for image, fraction in zip(shown, (0, 0.5, 1), strict=True):
        z = (1 - fraction) * latents.z + fraction * goal
        torch.testing.assert_close(image, model.decode(latents._replace(z=z)).mean[0])


@pytest.mark.parametrize("style", [[1.0], [1.0, 2.0, 3.0], [1.0, math.nan]])
def test_styles_that_do_not_fit_are_refused(style):
    model = make_model(latents=2)
    with pytest.raises(ValueError, match="of this model has 2"):
        move(model, inferred(model)[1], Motion(), torch.ones(1), torch.tensor(style))


@torch.no_grad()
def test_poses_are_drawn_from_the_posterior_that_was_inferred():
    model = make_model(variational_pose=True)
    torch.nn.init.normal_(model.pose.net.head.bias[:6], std=0.3)
    posterior, latents = inferred(model)
    assert model.pose.net.head.bias[:6].abs().min() > 0
    drawn = draw_poses(model, posterior, 4000, seed=1).affine
    h = affine.log(drawn) / model.pose.log_scale.exp()
    torch.testing.assert_close(h.mean(0), posterior.statistics.mean[0], atol=0.01, rtol=0)
    torch.testing.assert_close(h.std(0), posterior.statistics.std[0], atol=0, rtol=0.1)
    moved = move(
        model,
        latents._replace(pose=draw_poses(model, posterior, 3)),
        Motion(rotate=20.0),
        torch.ones(3),
    )
    assert moved.shape == (3, 1, 20, 20)


def test_draws_repeat_under_their_seed_and_leave_the_generator_alone():
    model = make_model(variational_pose=True)
    posterior, _ = inferred(model)
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    first, second, other = (draw_poses(model, posterior, 3, seed).affine for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert first.equal(second) and not first.equal(other)


def test_poses_that_nothing_fitted_are_not_drawn():
    for settings, message in (
        ({}, "is no latent variable"),
        ({"pose": None}, "no symmetry statistics"),
    ):
        model = make_model(**settings)
        with pytest.raises(ValueError, match=message):
            draw_poses(model, inferred(model)[0], 3)
    variational = make_model(variational_pose=True)
    with pytest.raises(ValueError, match="draws=0"):
        draw_poses(variational, inferred(variational)[0], 0)
