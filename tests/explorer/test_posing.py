"""Posing: the sliders' motion gives the inferred pose exactly, and acts as the model does."""

import pytest
import torch
from explorer_helpers import posing_model

from symgen.explorer import posing_views as views
from symgen.explorer.posing import Inferred, inferred_motion, posed, way
from symgen.groups import affine
from symgen.models import ACE, Motion, Pose


@pytest.fixture(scope="module")
def model() -> ACE:
    return posing_model()


@pytest.fixture(scope="module")
def inferred(model: ACE) -> Inferred:
    torch.manual_seed(1)
    return Inferred(model, torch.rand(1, 1, 16, 16))


@pytest.mark.parametrize(
    "motion",
    [
        Motion(),
        Motion(rotate=170.0, scale=0.4, shear=-0.8, shift=(-4.0, 3.0)),
        Motion(rotate=-90.0, scale=2.5, shear=0.3, shift=(0.0, 7.0)),
    ],
)
def test_a_motion_is_found_in_the_pose_that_it_leads_to(motion: Motion) -> None:
    found = inferred_motion(Pose(motion.element().affine[None], None))
    torch.testing.assert_close(
        found.element().affine, motion.element().affine, atol=1e-4, rtol=1e-4
    )
    assert found.rotate == pytest.approx(motion.rotate, abs=1e-3)
    assert found.shear == pytest.approx(motion.shear, abs=1e-4)


def test_the_inferred_motion_gives_the_reconstruction(model: ACE, inferred: Inferred) -> None:
    assert abs(inferred.motion.rotate) > 5  # the pose is another than the identity
    again = posed(model, inferred, [inferred.motion], inferred.latents.z)
    torch.testing.assert_close(again, inferred.reconstruction, atol=1e-4, rtol=1e-3)


def test_a_shift_moves_the_picture_as_the_model_does(model: ACE, inferred: Inferred) -> None:
    start = inferred.motion
    shift = (start.shift[0] + 3.0, start.shift[1] - 1.0)
    there = Motion(start.rotate, start.scale, start.shear, shift)
    element = affine.exp(torch.tensor([0.0, 0.0, 0.0, 0.0, 3.0, -1.0]))
    wanted = model.decode(model.act(inferred.latents, element)).mean
    moved = posed(model, inferred, [there], inferred.latents.z)
    torch.testing.assert_close(moved, wanted, atol=1e-4, rtol=1e-3)
    assert (moved - inferred.reconstruction).abs().max() > 0.05


def test_many_poses_and_styles_are_those_of_each(model: ACE, inferred: Inferred) -> None:
    motions = [Motion(rotate=20.0), Motion(scale=0.5, shift=(2.0, 0.0))]
    styles = torch.randn(2, 2)
    both = posed(model, inferred, motions, styles)
    for n, motion in enumerate(motions):
        one = posed(model, inferred, [motion], styles[[n]])[0]
        torch.testing.assert_close(both[n], one, atol=1e-5, rtol=1e-4)


def test_the_way_leads_from_what_was_inferred_to_the_end(model: ACE, inferred: Inferred) -> None:
    motion, style = Motion(rotate=60.0, scale=1.5), torch.tensor([1.0, -1.0])
    path = way(model, inferred, motion, style, pictures=5)
    torch.testing.assert_close(path[0], inferred.reconstruction[0], atol=1e-4, rtol=1e-3)
    end = posed(model, inferred, [motion], style[None])[0]
    torch.testing.assert_close(path[-1], end, atol=1e-4, rtol=1e-3)


def test_another_class_encodes_and_decodes(model: ACE, inferred: Inferred) -> None:
    for label in range(3):
        as_label = Inferred(model, inferred.x, label)
        wanted = model.decode(model.latents(inferred.x, torch.tensor([label]))).mean
        assert as_label.reconstruction.equal(wanted) and int(as_label.latents.y) == label
        assert as_label.probabilities.equal(inferred.probabilities)


def test_canonical_image_has_its_pose_factored_out(model: ACE, inferred: Inferred) -> None:
    pose = inferred.latents.pose
    wanted = model.canonical(inferred.x, pose).clamp(0, 1)
    assert inferred.canonical.equal(wanted) and not wanted.equal(inferred.x)


def test_hue_is_a_slider_where_the_model_has_one() -> None:
    torch.manual_seed(0)
    model = ACE((3, 12, 12), classes=2, pose="affine", colour_pose=True).eval()
    names = [part.name for part in views.parts_of(model)]
    assert names == ["rotate", "scale", "shear", "shift x", "shift y", "hue"]
    inferred = Inferred(model, torch.rand(1, 3, 12, 12))
    start = inferred.motion
    turned = Motion(start.rotate, start.scale, start.shear, start.shift, start.hue + 120.0)
    moved = posed(model, inferred, [start, turned], inferred.latents.z.expand(2, -1))
    torch.testing.assert_close(moved[:1], inferred.reconstruction, atol=1e-4, rtol=1e-3)
    before, after = (image.logit() for image in moved)  # red becomes green, green blue, blue red
    torch.testing.assert_close(after[[1, 2, 0]], before, atol=1e-3, rtol=1e-3)


def test_a_model_without_a_pose_has_styles_and_classes_only() -> None:
    model = ACE((1, 12, 12), classes=2, pose=None).eval()
    inferred = Inferred(model, torch.rand(1, 1, 12, 12))
    assert views.parts_of(model) == ()
    again = posed(model, inferred, None, inferred.latents.z)
    torch.testing.assert_close(again, inferred.reconstruction)


def test_sliders_that_were_not_moved_are_exact(model: ACE, inferred: Inferred) -> None:
    parts = views.parts_of(model)
    values = [part.clipped(part.value(inferred.motion)) for part in parts]
    assert views.motion_of(parts, values, inferred.motion) == inferred.motion
    values[0] += 10.0
    moved = views.motion_of(parts, values, inferred.motion)
    assert moved.rotate == pytest.approx(values[0]) and moved.shift == inferred.motion.shift
