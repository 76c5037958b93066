"""The evaluation of ACE: its numbers are the model's, and labels enter errors alone."""

import math

import pytest
import torch

from symgen.data import Batches, DistortedImages, load
from symgen.experiments.families import ACEFamily
from symgen.metrics import mixture_bounds
from symgen.models import ACE

FAMILY = ACEFamily()
SMALL = {
    "hidden": (20,),
    "decoder_hidden": (10,),
    "classifier_channels": (4, 4, 4),
    "classifier_hidden": 20,
    "classifier_pool": 2,
    "pose_channels": (4, 4),
    "pose_hidden": 10,
    "pose_pool": 2,
}


def make_model(size=42, **settings):
    """A model whose weights are large enough to make every image another one."""
    torch.manual_seed(1)
    model = ACE((1, size, size), **(SMALL | settings)).eval()
    if model.pose is not None and settings.get("pose") != "centroid":
        torch.nn.init.normal_(model.pose.net.head.weight, std=0.3)
    return model


def digits(distortion="rts", relabel=None, batch_size=20):
    images = load("digits", split="test")
    if relabel is not None:
        images = images._replace(labels=relabel(images.labels))
    return Batches(DistortedImages(images, distortion), batch_size, shuffle=False)


def evaluate(model, data, **options):
    return FAMILY.evaluate(model, data, data, **options)


@torch.no_grad()
def test_numbers_are_those_of_the_model():
    model, data = make_model(variational_pose=True), digits(batch_size=40)
    measured = evaluate(model, data, items=40, samples=1, seed=5)
    x, y = data.batch(0).inputs
    torch.manual_seed(5)
    terms = model.class_terms(x)
    every = terms.nll + terms.kl_z + terms.kl_pose[:, None]
    for name, value in mixture_bounds(every, terms.class_log_probs)._asdict().items():
        assert measured["bounds"][name] == pytest.approx(float(value.mean()), rel=1e-5)
    own = every.gather(1, y[:, None]).mean()
    assert measured["bounds"]["labelled"] == pytest.approx(float(own), rel=1e-5)
    wrong = (model.encode(x).y != y).double().mean()
    assert measured["error"] == pytest.approx(100 * float(wrong))
    wrong = (every.argmin(1) != y).double().mean()
    assert measured["error_generative"] == pytest.approx(100 * float(wrong))


@pytest.mark.parametrize("variational", [True, False])
def test_the_bounds_count_the_pose_exactly_where_it_is_a_latent_variable(variational):
    measured = evaluate(make_model(variational_pose=variational), digits(), items=40, samples=2)
    bounds = measured["bounds"]
    assert measured["variational_pose"] == variational and (bounds["kl_pose"] > 0) == variational
    parts = bounds["reconstruction"] + bounds["kl_z"] + bounds["kl_pose"]
    assert bounds["paper"] == pytest.approx(parts)
    assert bounds["tight"] <= bounds["valid"] <= bounds["paper"] + math.log(10) + 1e-6


def test_labels_enter_errors_and_what_is_called_labelled_and_nothing_else():
    model = make_model()
    true = evaluate(model, digits(), items=60, samples=2)
    other = evaluate(model, digits(relabel=lambda y: (y + 1) % 10), items=60, samples=2)
    assert {**true["bounds"], "labelled": 0} == {**other["bounds"], "labelled": 0}
    assert true["bounds"]["labelled"] != other["bounds"]["labelled"]
    assert true["error"] != other["error"]


def test_every_image_weighs_the_same_whatever_the_batches():
    model = make_model()
    small, large = (
        evaluate(model, digits(batch_size=size), items=50, samples=8) for size in (13, 50)
    )
    assert small["error"] == large["error"] and small["examples"] == 50
    for name, value in large["bounds"].items():
        assert small["bounds"][name] == pytest.approx(value, rel=0.02)


def test_evaluation_repeats_itself_and_leaves_generator_and_mode_alone():
    model, told = make_model().train(), []
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first = evaluate(
        model, digits(), items=50, samples=2, seed=3, observe=lambda *now: told.append(now)
    )
    assert torch.equal(torch.rand(1), expected) and model.training
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert evaluate(model, digits(), items=50, samples=2, seed=3) == first
    assert evaluate(model, digits(), items=50, samples=2, seed=4) != first


def test_the_centre_of_mass_recovers_shifts_and_no_other_parameter_is_reported():
    model = make_model(60, pose="centroid")
    recovered = evaluate(model, digits("translated"), samples=1)["pose_r2"]
    assert recovered.keys() == {"shift_x", "shift_y"}
    assert min(recovered.values()) > 0.97


@pytest.mark.parametrize(("pose", "distortion"), [(None, "rts"), ("affine", "none")])
def test_without_poses_to_recover_there_is_no_number(pose, distortion):
    model = make_model(42 if distortion == "rts" else 28, pose=pose)
    assert "pose_r2" not in evaluate(model, digits(distortion), items=40, samples=1)


@pytest.mark.parametrize("items", [2, 79])
def test_no_pose_is_compared_on_images_that_any_would_fit(items):
    measured = evaluate(make_model(), digits(), items=items, samples=1)
    assert "pose_r2" not in measured and measured["too_few"] == {"pose_r2": 80}
    assert "pose_r2" in evaluate(make_model(), digits(), items=80, samples=1)
    assert "pose_r2" not in evaluate(make_model(), digits(), items=1, samples=1)


@pytest.mark.parametrize("items", [0, 360, -1])
def test_more_images_than_there_are_are_refused(items):
    with pytest.raises(ValueError, match=f"examples={items}: give 1 to 359,"):
        evaluate(make_model(), digits(), items=items)


def test_rows_claim_no_more_than_was_measured():
    free, variational = (
        {name: (value, of) for name, value, of in FAMILY.rows(model, measured)}
        for model, measured in (
            ({"pose": "affine"}, evaluate(make_model(), digits(), items=60, samples=1)),
            (
                {"pose": "affine"},
                evaluate(make_model(variational_pose=True), digits(), items=60, samples=1),
            ),
        )
    )
    assert free["U, tight"][1] == "bounds −log p(x | pose), without the classifier"
    assert variational["U, tight"][1] == "bounds −log p(x), without the classifier"
    assert "error, sampled pose" in variational and "error, sampled pose" not in free
    measured = evaluate(make_model(28, pose=None), digits("none"), items=60, samples=1)
    plain = {name: of for name, _, of in FAMILY.rows({"pose": None}, measured)}
    assert (
        plain["U, valid"] == "bounds −log p(x): compare models by it"
        and "error, mean pose" not in plain
    )
    assert plain["KL of the pose"] == "no pose"
