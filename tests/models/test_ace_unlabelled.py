"""ACE with some labels or none, poses of subgroups, and poses read from several starts."""

import math

import jaxtyping
import pytest
import torch
from ace_helpers import SMALL

from symgen import ACE, fit
from symgen.groups import affine, warp
from symgen.metrics import cluster_scores, mixture_bounds
from symgen.models import ClassTerms, PoseReadings, SymmetryStatistics
from symgen.models.ace_latents import even_shares, mixed_elbo

PLAIN = {**SMALL, "dropout": 0.0}
NETS = {name: value for name, value in PLAIN.items() if name not in ("data_shape", "classes")}


def terms_of(bounds, log_omega):
    """Terms whose classes have these bounds."""
    return ClassTerms(bounds, torch.zeros_like(bounds), torch.zeros(len(bounds)), log_omega)


def test_without_labels_the_loss_is_the_valid_bound_of_the_mixture():
    bounds, log_omega = 90 + 9 * torch.rand(7, 3), torch.randn(7, 3).log_softmax(1)
    elbo = mixed_elbo(terms_of(bounds, log_omega), torch.full((7,), -1))
    expected = mixture_bounds(bounds, log_omega).valid
    torch.testing.assert_close(elbo.nll + elbo.kl, expected)
    assert not elbo.cross_entropy.any()


@pytest.mark.parametrize("shares", [None, torch.tensor([[1.0, 0.0, 0.0]])])
def test_a_class_whose_probability_underflows_has_a_finite_gradient(shares):
    scores = torch.tensor([[200.0, 0.0, -200.0]], requires_grad=True)
    terms = terms_of(torch.tensor([[90.0, 95.0, 99.0]]), scores.log_softmax(1))
    elbo = mixed_elbo(terms, torch.tensor([-1]), shares)
    assert elbo.kl_class.item() == pytest.approx(math.log(3))
    sum(term.sum() for term in elbo).backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_a_label_takes_the_bound_of_its_class_and_the_cross_entropy():
    bounds, log_omega = 90 + 9 * torch.rand(4, 3), torch.randn(4, 3).log_softmax(1)
    y = torch.tensor([2, -1, 0, -1])
    elbo = mixed_elbo(terms_of(bounds, log_omega), y, label_weight=20.0)
    for row in (0, 2):
        expected = -20.0 * float(log_omega[row, y[row]])
        assert float(elbo.nll[row]) == pytest.approx(float(bounds[row, y[row]]))
        assert float(elbo.cross_entropy[row]) == pytest.approx(expected)
        assert float(elbo.kl_class[row]) == 0
    assert elbo.kl_class[1] > 0 and elbo.cross_entropy[1] == 0


def test_shares_are_even_and_of_the_least_bounds():
    bounds = 50 * torch.rand(60, 4, generator=torch.Generator().manual_seed(1))
    shares = even_shares(bounds)
    torch.testing.assert_close(shares.sum(1), torch.ones(60))
    torch.testing.assert_close(shares.sum(0), torch.full((4,), 15.0), atol=0.3, rtol=0)
    assert float((shares * bounds).sum()) < 0.7 * float(bounds.mean() * 60)
    favoured = bounds - torch.tensor([500.0, 0, 0, 0])  # one class is best everywhere
    dealt = even_shares(favoured).sum(0)
    torch.testing.assert_close(dealt, torch.full((4,), 15.0), atol=0.3, rtol=0)


def test_a_label_weighs_one_where_all_have_one_and_more_where_some_have():
    x, y = torch.rand(4, 1, 12, 12), torch.tensor([0, 1, 2, 0])
    terms = {}
    for labelled, weight in (("all", None), ("all", 3.0), ("some", None), ("some", 1.0)):
        model = ACE(**PLAIN, labelled=labelled, label_weight=weight)
        torch.manual_seed(0)
        model.load_state_dict(ACE(**PLAIN).state_dict())
        terms[labelled, weight] = model.eval()(x, y).cross_entropy
    plain = terms["all", None]
    torch.testing.assert_close(terms["all", 3.0], 3 * plain)
    torch.testing.assert_close(terms["some", 1.0], plain)
    torch.testing.assert_close(terms["some", None], 20 * plain)


@pytest.mark.parametrize("labelled", ["some", "none"])
def test_models_without_all_labels_learn(labelled):
    """Two patterns, of which few have a label."""
    torch.manual_seed(0)
    nets = {"pose": None, "classifier": "dense", "classes": 2}
    model = ACE(**{**PLAIN, **nets}, labelled=labelled, balanced=1200)
    truth = torch.arange(40) % 2
    x = 0.4 * torch.rand(40, 1, 12, 12)
    x[truth == 0, :, :, :6] += 0.6
    x[truth == 1, :, :, 6:] += 0.6
    y = truth.where(torch.arange(40) < 10, -1)
    data = torch.utils.data.TensorDataset(x, y) if labelled == "some" else x
    fit(model, data, examples=2000, batch_size=20, learning_rate=1e-2)
    found = model.eval().encode(x).y
    if labelled == "some":
        assert torch.equal(found, truth), found
    assert cluster_scores(found, truth).matched == 100


def test_a_start_that_is_even_ends_where_it_should():
    torch.manual_seed(0)
    model, x = ACE(**PLAIN, labelled="none", balanced=30), torch.rand(20, 1, 12, 12)
    given = model.train()
    assert given(x).cross_entropy.min() > 0 and int(model.dealt) == 20
    given(x)
    assert int(model.dealt) == 40
    assert not given(x).cross_entropy.any()
    assert not model.eval()(x).cross_entropy.any() and int(model.dealt) == 60


def test_labels_that_are_missing_are_asked_for():
    x = torch.rand(2, 1, 12, 12)
    with pytest.raises(ValueError, match="labelled='none'"):
        ACE(**SMALL)(x)
    with pytest.raises(ValueError, match=r"from -2 to 0 .* or -1 for none"):
        ACE(**SMALL, labelled="some")(x, torch.tensor([-2, 0]))
    with pytest.raises(ValueError, match="labelled='few': choose"):
        ACE(**SMALL, labelled="few")
    with pytest.raises(ValueError, match="balanced=-1"):
        ACE(**SMALL, labelled="none", balanced=-1)
    with pytest.raises(ValueError, match=r"label_weight=-1\.0: give a number from 0 to"):
        ACE(**SMALL, labelled="some", label_weight=-1.0)
    for weight in (math.nan, 1e30):
        with pytest.raises(ValueError, match=r"label_weight=(nan|1e.30): give a"):
            ACE(**SMALL, labelled="some", label_weight=weight)
    with pytest.raises(ValueError, match=r"label_weight=5\.0: no image has a label, leave it out"):
        ACE(**SMALL, labelled="none", label_weight=5.0)
    with pytest.raises(ValueError, match="pose_starts=4 with pose=None"):
        ACE(**SMALL | {"pose": None}, pose_starts=4)


def test_labels_that_choose_readings_are_checked():
    model, x = ACE(**SMALL, pose_starts=3).eval(), torch.rand(4, 1, 12, 12)
    with pytest.raises((ValueError, jaxtyping.TypeCheckError)):
        model.readings(x, torch.tensor([1]))
    with pytest.raises(ValueError, match="7"):
        model.readings(x, torch.tensor([-1, 0, 7, -1]))


def test_one_class_needs_no_classifier_unless_one_is_asked_for():
    x = torch.rand(3, 1, 12, 12)
    model = ACE(**{**SMALL, "classes": 1}, labelled="none")
    assert not list(model.classifier.parameters())
    assert model.encode(x).class_log_probs.equal(torch.zeros(3, 1))
    assert list(ACE(**{**SMALL, "classes": 1, "classifier": "dense"}).classifier.parameters())


def test_a_gray_ground_is_where_decoders_start():
    for likelihood in ("gaussian", "bernoulli"):
        model = ACE(**{**SMALL, "likelihood": likelihood}, ground=0.3).eval()
        shown = model.manifold(torch.zeros(1, 1))
        assert float(shown.mean()) == pytest.approx(0.3, abs=0.1)
        assert float(torch.as_tensor(model.outside)) == pytest.approx(0.3, abs=1e-3)


# --- subgroups ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pose", "free"),
    [
        ("rotation", {"angle"}),
        ("rigid", {"angle", "shift"}),
        ("similarity", {"angle", "scale", "shift"}),
        ("affine", {"angle", "scale", "shift", "stretch", "shear"}),
    ],
)
@pytest.mark.parametrize("iterations", [1, 3])
def test_poses_stay_in_their_group(pose, free, iterations):
    torch.manual_seed(0)
    statistics = SymmetryStatistics((1, 16, 16), pose, iterations=iterations, channels=(4, 4))
    torch.nn.init.normal_(statistics.net.head.weight, std=0.5)
    with torch.no_grad():
        h = statistics(torch.rand(9, 1, 16, 16))
        parts = affine.to_parts(statistics.element(h.mean).affine)
    assert h.mean.shape[1] == {"rotation": 1, "rigid": 3, "similarity": 4, "affine": 6}[pose]
    still = {"angle": 0.0, "scale": 1.0, "stretch": 0.0, "shear": 0.0, "shift": 0.0}
    for name, value in parts._asdict().items():
        moved = float((value - still[name]).abs().max())
        assert (moved > 0.02) == (name in free), (name, moved)


# --- starts -------------------------------------------------------------------------------------


def turned_model(**options):
    """A model that has learned one picture: an arrow to the right, at any angle."""
    torch.manual_seed(0)
    arrow = torch.zeros(1, 16, 16)
    arrow[:, 7:9, 2:14] = 1
    arrow[:, 5:11, 10:12] = 1
    options = {"pose": "rotation", "pose_starts": 4, "variational_pose": True} | options
    model = ACE((1, 16, 16), 1, **{**NETS, "decoder_hidden": ()}, **options)
    decoder = model.decoder.layers[-1]
    with torch.no_grad():
        decoder.weight.zero_()
        decoder.bias.copy_(12 * arrow.flatten()[None] - 6)
    return model.eval(), arrow


def test_starts_of_labelled_images_are_weighed_by_the_bound_of_their_class_alone():
    torch.manual_seed(0)
    model = ACE(**PLAIN, pose_starts=4).eval()
    x, y = torch.rand(5, 1, 12, 12), torch.tensor([0, 2, 1, 1, 0])
    with torch.no_grad():
        for weights in model.parameters():
            weights += 0.2 * torch.randn(weights.shape)
    found = model.encode(x, y).start_log_probs
    assert found is not None and found.exp().std() > 0.1
    torch.testing.assert_close(found, model.readings(x, y).log_probs, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_the_start_is_chosen_that_explains_the_image(quarters):
    model, arrow = turned_model()
    x = arrow.rot90(quarters, (1, 2))[None]
    found = model.encode(x)
    angle = affine.to_parameters(found.pose.affine[0]).angle.detach()
    apart = math.remainder(float(angle) - quarters * math.pi / 2, 2 * math.pi)
    assert abs(apart) < 0.05
    assert float(found.start_log_probs.exp().max()) > 0.999
    seen = model.canonical(x, found.pose).detach()
    torch.testing.assert_close(seen[0], arrow, atol=0.05, rtol=0)
    assert float(model.readings(x).rotations()) == pytest.approx(1.0, abs=1e-3)


def test_what_looks_the_same_after_half_a_turn_has_two_rotations():
    model, _ = turned_model()
    with torch.no_grad():
        bar = torch.zeros(1, 16, 16)
        bar[:, 7:9, 2:14] = 1
        model.decoder.layers[-1].bias.copy_(12 * bar.flatten()[None] - 6)
    readings = model.readings(bar[None])
    assert float(readings.rotations()) == pytest.approx(2.0, abs=0.01)
    assert readings.log_probs.exp()[0].tolist() == pytest.approx([0.5, 0, 0.5, 0], abs=0.01)


def test_starts_pay_for_their_choice_and_the_bound_holds():
    """A sure choice among four costs log 4; importance sampling only makes the bound tighter."""
    model, arrow = turned_model()
    x = arrow[None].expand(6, -1, -1, -1)
    with torch.no_grad():
        terms = model.class_terms(x)
    one, _ = turned_model(pose_starts=1)
    one.load_state_dict(model.state_dict())
    with torch.no_grad():
        cheaper = one.class_terms(x)
        dear = (terms.kl_pose - cheaper.kl_pose).mean()
        bound = torch.stack([-sum(t.mean() for t in model.class_terms(x)[:3]) for _ in range(9)])
    assert float(dear) == pytest.approx(math.log(4), abs=0.01)
    assert float(model.log_prob(x, 20).mean()) > float(bound.mean()) - 0.1


def test_samples_of_the_prior_lie_at_all_angles():
    model, _ = turned_model()
    drawn = model.sample_latents(400, pose="prior")
    angle = affine.to_parameters(drawn.pose.affine).angle
    counts = torch.histc(angle, 4, -math.pi, math.pi)
    assert counts.min() > 60
    assert not model.sample_latents(5).pose.affine.sub(torch.eye(3)).any()


def test_a_turned_image_has_the_same_canonical_form_with_the_first_start():
    torch.manual_seed(0)
    statistics = SymmetryStatistics((1, 16, 16), "rigid", starts=4, channels=(4, 4))
    torch.nn.init.normal_(statistics.net.head.weight, std=0.3)
    x = torch.rand(1, 1, 16, 16)
    start = torch.tensor([1])
    h = statistics(x, start)
    same = statistics(warp(x, statistics.turn(start)))
    torch.testing.assert_close(h.mean, same.mean)
    pose = statistics.element(h.mean, start).affine
    expected = statistics.turn(start) @ statistics.element(h.mean).affine
    torch.testing.assert_close(pose, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pose": "centroid", "pose_starts": 2}, "pose_starts=2 with pose='centroid', which"),
        ({"pose": "affine", "pose_starts": 0}, "pose_starts=0"),
    ],
)
def test_starts_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ACE((1, 12, 12), 3, **NETS, **options)


def test_readings_of_one_start_are_sure():
    model = ACE((1, 12, 12), 3, **NETS, pose="affine").eval()
    readings = model.readings(torch.rand(3, 1, 12, 12))
    assert isinstance(readings, PoseReadings) and not readings.log_probs.any()
    assert readings.rotations().tolist() == [1.0] * 3
    assert model.encode(torch.rand(3, 1, 12, 12)).start_log_probs is None
