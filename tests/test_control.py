"""Control: motions in numbers, images from files, draws of poses."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from symgen.experiments import ACEExperiment, ImageConfig
from symgen.experiments.control import (
    Motion,
    draw_poses,
    held_out_image,
    hue_degrees,
    move,
    read_image,
)
from symgen.groups import affine, colour
from symgen.models import ACE

FULL = Motion(rotate=200.0, scale=1.4, shear=0.3, shift=(4.0, -2.0), hue=150.0)
SHAPE = (1, 42, 42)


def make_model(**settings):
    sizes = {"hidden": (8,), "decoder_hidden": (8,), "classifier_channels": (4, 4, 4)}
    return ACE(image_shape=(1, 20, 20), **(sizes | settings)).eval()


def read(model):
    x = torch.rand(1, 1, 20, 20)
    with torch.no_grad():
        reading = model.encode(x)
        return reading, model.latents(reading, sampled=False)


def point(pose, x, y):
    return (pose.affine[0] @ torch.tensor([float(x), float(y), 1.0]))[:2]


# --- motions ---------------------------------------------------------------------------------


def test_a_way_starts_at_the_identity_and_ends_at_the_element(device, dtype):
    way = FULL.element(torch.linspace(0, 1, 7, device=device, dtype=dtype))
    identity = torch.eye(3, device=device, dtype=dtype)
    torch.testing.assert_close(way.affine[0, 0], identity)
    torch.testing.assert_close(way.colour[0], identity)
    whole = FULL.element(torch.ones((), device=device, dtype=dtype))
    torch.testing.assert_close(way.affine[-1], whole.affine)
    torch.testing.assert_close(way.colour[-1], whole.colour)
    assert way.affine.shape == (7, 1, 3, 3)


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
        whole = part.element().affine[0] @ whole
    both = Motion(rotate=30.0, scale=2.0, shear=0.5, shift=(3.0, -1.0))
    torch.testing.assert_close(both.element().affine[0], whole)


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
    angles = torch.rad2deg(affine.to_parameters(way.affine[:, 0]).angle)
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


@pytest.mark.parametrize("degrees", [0.0, 40.0, 179.0, -120.0])
def test_hues_are_read_off_colour_matrices(degrees, dtype):
    turn = colour.hue_rotation(torch.tensor(degrees, dtype=dtype))
    assert float(hue_degrees(turn)) == pytest.approx(degrees, abs=1e-3)
    assert float(hue_degrees(3 * turn)) == pytest.approx(degrees, abs=1e-3)


# --- models ----------------------------------------------------------------------------------


@torch.no_grad()
def test_moving_is_acting_and_decoding():
    model = make_model(latents=2)
    _, code = read(model)
    motion = Motion(rotate=50.0, shift=(2.0, 1.0))
    shown = move(model, code, motion, torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(shown[0], model.decode(code).mean[0])
    moved = model.decode(model.act(code, motion.element().affine)).mean
    torch.testing.assert_close(shown[1], moved[0])
    assert (shown[1] - shown[0]).abs().max() > 1e-3


@torch.no_grad()
def test_styles_go_straight_to_their_goal():
    model = make_model(latents=2, pose=None)
    _, code = read(model)
    goal = torch.tensor([3.0, -2.0])
    shown = move(model, code, Motion(), torch.tensor([0.0, 0.5, 1.0]), goal)
    for image, fraction in zip(shown, (0, 0.5, 1), strict=True):
        z = (1 - fraction) * code.z + fraction * goal
        torch.testing.assert_close(image, model.decode(code._replace(z=z)).mean[0])


@pytest.mark.parametrize("style", [[1.0], [1.0, 2.0, 3.0], [1.0, math.nan]])
def test_styles_that_do_not_fit_are_refused(style):
    model = make_model(latents=2)
    with pytest.raises(ValueError, match="of this model has 2"):
        move(model, read(model)[1], Motion(), torch.ones(1), torch.tensor(style))


@torch.no_grad()
def test_poses_are_drawn_from_the_posterior_that_was_read():
    model = make_model(charged=True)
    torch.nn.init.normal_(model.pose.reader.head.bias[:6], std=0.3)
    reading, code = read(model)
    assert model.pose.reader.head.bias[:6].abs().min() > 0
    drawn = draw_poses(model, reading, 4000, seed=1).affine[:, 0]
    h = affine.log(drawn) / model.pose.log_scale.exp()
    torch.testing.assert_close(h.mean(0), reading.statistics.mean[0], atol=0.01, rtol=0)
    torch.testing.assert_close(h.std(0), reading.statistics.std[0], atol=0, rtol=0.1)
    moved = move(
        model,
        code._replace(pose=draw_poses(model, reading, 3)),
        Motion(rotate=20.0),
        torch.ones(3),
    )
    assert moved.shape == (3, 1, 20, 20)


def test_draws_repeat_under_their_seed_and_leave_the_generator_alone():
    model = make_model(charged=True)
    reading, _ = read(model)
    torch.manual_seed(9)
    expected = torch.rand(1)
    torch.manual_seed(9)
    first, second, other = (draw_poses(model, reading, 3, seed).affine for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert first.equal(second) and not first.equal(other)


def test_poses_that_nothing_fitted_are_not_drawn():
    for settings, message in (({}, "free of charge"), ({"pose": None}, "no symmetry statistics")):
        model = make_model(**settings)
        with pytest.raises(ValueError, match=message):
            draw_poses(model, read(model)[0], 3)
    charged = make_model(charged=True)
    with pytest.raises(ValueError, match="draws=0"):
        draw_poses(charged, read(charged)[0], 0)


# --- images ----------------------------------------------------------------------------------

PATTERN = np.random.default_rng(0).integers(0, 256, (42, 42), dtype=np.uint8)


def save(image, path):
    image.save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "CMYK", "I;16"])
def test_every_mode_gives_the_same_brightness(mode, tmp_path):
    image = Image.fromarray(PATTERN)
    if mode == "I;16":
        image = Image.fromarray(PATTERN.astype(np.uint16) * 257)
    else:
        image = image.convert("RGB" if mode == "CMYK" else "L").convert(mode)
    suffix = "tif" if mode == "CMYK" else "png"
    found, size = read_image(save(image, tmp_path / f"image.{suffix}"), SHAPE)
    assert found.shape == (1, 1, 42, 42) and size == (42, 42)
    torch.testing.assert_close(
        found[0, 0], torch.from_numpy(PATTERN) / 255, atol=1.01 / 255, rtol=0
    )


def test_grey_images_are_read_for_colour_models_and_colours_stay(tmp_path):
    grey, _ = read_image(save(Image.fromarray(PATTERN), tmp_path / "grey.png"), (3, 42, 42))
    assert grey[0, 0].equal(grey[0, 2])
    red = save(Image.new("RGB", (42, 42), (255, 0, 51)), tmp_path / "red.png")
    assert read_image(red, (3, 42, 42))[0][0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


def test_dark_on_light_is_turned_round_and_the_transparent_is_black(tmp_path):
    drawn = np.zeros((42, 42, 4), np.uint8)  # a black square on nothing
    drawn[10:20, 10:20, 3] = 255
    path = save(Image.fromarray(drawn), tmp_path / "drawn.png")
    (found, _), (plain, _) = (read_image(path, SHAPE, invert=invert) for invert in (True, False))
    expected = torch.zeros(42, 42)
    expected[10:20, 10:20] = 1
    assert found[0, 0].equal(expected) and not plain.any()


def test_a_smaller_image_lies_in_the_middle_of_black(tmp_path):
    path = save(Image.fromarray(PATTERN[:28, :20]), tmp_path / "small.png")
    found, size = read_image(path, SHAPE, invert=True)
    assert size == (28, 20)
    middle = found[0, 0, 7:35, 11:31]
    torch.testing.assert_close(middle, 1 - torch.from_numpy(PATTERN[:28, :20]) / 255)
    assert float(found.sum()) == pytest.approx(float(middle.sum()), rel=1e-5)
    with pytest.raises(ValueError, match=r"20 × 28 pixels, the model reads 42 × 42.*to that$"):
        read_image(path, SHAPE, canvas=False)


@pytest.mark.parametrize("size", [(43, 42), (42, 43), (20, 50)])
def test_a_larger_image_is_refused_with_the_size_that_is_needed(size, tmp_path):
    path = save(Image.new("L", size), tmp_path / "large.png")
    with pytest.raises(ValueError, match=rf"{size[0]} × {size[1]} pixels.*42 × 42"):
        read_image(path, SHAPE)


def test_files_that_are_no_images_are_refused(tmp_path):
    whole = save(Image.fromarray(PATTERN), tmp_path / "whole.png").read_bytes()
    for content in (b"", b"text", whole[:-100], whole[:60] + b"\0" * 40 + whole[100:]):
        (tmp_path / "bad.png").write_bytes(content)
        with pytest.raises(ValueError, match=r"bad\.png is damaged or no image"):
            read_image(tmp_path / "bad.png", SHAPE)
    with pytest.raises(FileNotFoundError, match="no image file"):
        read_image(tmp_path, SHAPE)


def test_held_out_images_are_those_of_the_test():
    experiment = ACEExperiment(data=ImageConfig(images="digits", distortion="rts"))
    image, label = held_out_image(experiment, 17)
    batch = experiment.test_images().batch(0)
    assert image[0].equal(batch.images[17]) and label == int(batch.labels[17])
    for index in (-1, 359):
        with pytest.raises(ValueError, match=f"test image {index}: there are 359"):
            held_out_image(experiment, index)
