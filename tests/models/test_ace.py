"""All options of ACE: its numbers in every precision, its terms, its wiring."""

import math

import pytest
import torch
from ace_helpers import LEARNED, OPTIONS, SMALL, awake, images

from symgen import ACE
from symgen.groups import affine
from symgen.nets import GroupedConvTranspose, GroupedLinear


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def model(request, device):
    return awake(ACE(**request.param)).to(device)


@pytest.fixture
def x(model):
    return images(model)


@pytest.fixture
def y(device):
    return torch.tensor([2, 0, 2, 2, 0], device=device)


# --- numbers ----------------------------------------------------------------------------------


def test_doubles_agree_with_singles(model, x, y):
    expected = model.eval().class_terms(x, sampled=False)
    model.double()
    for term, one in zip(model.class_terms(x.double(), sampled=False), expected, strict=True):
        torch.testing.assert_close(term.float(), one, atol=1e-3, rtol=1e-4)
    posterior = model.encode(x.double(), y, sampled=True)
    assert {posterior.z.mean.dtype, posterior.h.dtype, posterior.class_log_probs.dtype} == {
        torch.float64
    }
    loss = model(x.double(), y).loss
    assert loss.dtype == torch.float64
    loss.backward()
    assert model.sample(2, pose="prior").shape == (2, *x.shape[1:])
    assert model.manifold(torch.zeros(2, model.latent_count, device=x.device)).shape[:2] == (3, 2)


def test_autocast_agrees_with_singles(model, x, y):
    expected = model.eval().class_terms(x, sampled=False)
    with torch.autocast(x.device.type, torch.bfloat16):
        coarse = model.class_terms(x, sampled=False)
        loss = model(x, y).loss
    for term, one in zip(coarse, expected, strict=True):
        assert term.dtype == torch.float32
        torch.testing.assert_close(term, one, atol=0.1, rtol=0.02)
    loss.backward()


def test_elbo_is_made_of_its_parts(model, x, y):
    model.eval()
    torch.manual_seed(5)
    elbo = model(x, y)
    torch.manual_seed(5)
    posterior = model.encode(x, y, sampled=model.variational_pose)
    nll = -model.decode(model.latents(posterior, sampled=True)).log_prob(x)
    torch.testing.assert_close(elbo.nll, nll)
    torch.testing.assert_close(elbo.kl_z, posterior.z.kl().sum(-1))
    labelled = -posterior.class_log_probs[torch.arange(5, device=x.device), y]
    torch.testing.assert_close(elbo.cross_entropy, labelled)
    counted = model.variational_pose
    kl_pose = posterior.statistics.kl().sum(-1) if counted else torch.zeros_like(nll)
    torch.testing.assert_close(elbo.kl_pose, kl_pose)
    assert (elbo.kl_pose > 0).all() if counted else (elbo.kl_pose == 0).all()
    total = elbo.nll + elbo.kl_z + elbo.kl_pose + elbo.cross_entropy
    torch.testing.assert_close(elbo.loss, total.mean())


def test_class_terms_hold_the_terms_of_each_class(model, x):
    model.eval()
    terms = model.class_terms(x, sampled=False)
    for label in range(3):
        y = torch.full((5,), label, device=x.device)
        posterior = model.encode(x, y)
        nll = -model.decode(model.latents(posterior)).log_prob(x)
        torch.testing.assert_close(terms.nll[:, label], nll, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(terms.kl_z[:, label], posterior.z.kl().sum(-1))
        torch.testing.assert_close(terms.kl_pose, model(x, y).kl_pose)
        torch.testing.assert_close(terms.class_log_probs, posterior.class_log_probs)


def test_class_probabilities_add_up_to_one(model, x):
    model.eval()
    total = model.encode(x).class_log_probs.exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))
    assert torch.equal(model.encode(x).y, model.encode(x).class_log_probs.argmax(1))


def test_only_the_labelled_classes_learn(model, x, y):
    model(x, y).loss.backward()
    of_classes = (GroupedLinear, GroupedConvTranspose)
    checked = {p for m in model.modules() if isinstance(m, of_classes) for p in m.parameters()}
    assert checked
    for parameter in checked:
        if parameter.requires_grad:
            reached = parameter.grad.flatten(1).abs().sum(1) > 0
            assert reached.tolist() == [True, False, True]


# --- wiring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNED)
def test_a_fresh_pose_changes_nothing(name, device):
    given = OPTIONS[name]
    model = ACE(**given).to(device).eval()
    x = images(model)
    posterior = model.encode(x)
    assert torch.equal(posterior.h, torch.zeros_like(posterior.h))
    torch.testing.assert_close(model.canonical(x, posterior.pose), x, atol=1e-5, rtol=0)
    bare = ACE(**given | {"pose": None, "colour_pose": False}).to(device).eval()
    bare.load_state_dict(model.state_dict(), strict=False)
    ours, theirs = model.class_terms(x, sampled=False), bare.class_terms(x, sampled=False)
    torch.testing.assert_close(ours.nll, theirs.nll, atol=1e-2, rtol=1e-5)
    torch.testing.assert_close(ours.kl_z, theirs.kl_z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.class_log_probs, theirs.class_log_probs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("term", ["nll", "cross_entropy"])
@pytest.mark.parametrize("name", ["affine", "twice", "matrix", "colour", "colour alone"])
def test_each_error_alone_teaches_the_pose(name, term, device, y):
    model = ACE(**OPTIONS[name]).to(device)
    x = images(model)

    def gradients():
        model.zero_grad()
        getattr(model(x, y), term).mean().backward()
        return {n: p.grad.abs().sum() for n, p in model.pose.net.named_parameters()}

    fresh = gradients()
    assert fresh["head.weight"] > 0 and fresh["head.bias"] > 0
    awake(model)
    assert all(size > 0 for size in gradients().values())


def test_labels_choose_the_auto_encoder_and_nothing_else(device, y):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)
    one, other = model.encode(x, y), model.encode(x, 2 - y)
    assert torch.equal(one.class_log_probs, other.class_log_probs)
    assert torch.equal(one.pose.affine, other.pose.affine)
    assert (one.z.mean != other.z.mean).all()
    assert torch.equal(one.y, y)


def test_dropout_touches_the_classifier_alone(device, y):
    model = awake(ACE(**SMALL)).to(device)
    x = images(model)
    one, other = model.encode(x, y), model.encode(x, y)
    assert torch.equal(one.z.mean, other.z.mean)
    assert not torch.equal(one.class_log_probs, other.class_log_probs)


@pytest.mark.parametrize("window", [None, 6])
def test_the_classifier_sees_its_window_and_the_encoder_everything(window, device):
    model = ACE(**{**SMALL, "pose": None}, classifier_window=window).to(device).eval()
    x = images(model, 3).requires_grad_()
    posterior = model.encode(x)
    for result, side in ((posterior.class_log_probs[:, 0], window or 12), (posterior.z.mean, 12)):
        (gradient,) = torch.autograd.grad(result.square().sum(), x, retain_graph=True)
        seen = gradient.abs().sum((0, 1)) > 0
        edge = (12 - side) // 2
        assert not seen.index_fill(0, torch.arange(edge, 12 - edge, device=device), False).any()
        assert seen.any(0).sum() == seen.any(1).sum() == side


def test_a_pose_is_its_mean_and_a_variational_one_is_drawn(device, y):
    for variational in (False, True):
        model = awake(ACE(**SMALL, variational_pose=variational)).to(device).eval()
        x = images(model)
        assert model.pose.log_scale.requires_grad == variational
        mean, drawn = model.encode(x), model.encode(x, sampled=True)
        assert torch.equal(mean.h, mean.statistics.mean)
        assert (drawn.h != mean.h).all()
        cross_entropy = [model(x, y).cross_entropy for _ in range(2)]
        assert torch.equal(*cross_entropy) != variational


def test_the_centroid_makes_everything_else_blind_to_shifts(device):
    """A shifted image has the same class and style, and its pose is shifted."""
    model = ACE(**{**SMALL, "data_shape": (1, 20, 20), "pose": "centroid"}).to(device).eval()
    torch.nn.init.constant_(model.background, -100.0)  # what lies outside is as black as they are
    x = torch.zeros(3, 1, 20, 20, device=device)
    x[..., 8:12, 7:12] = torch.rand(3, 1, 4, 5, device=device)
    moved = x.roll((-3, 4), (2, 3))
    one, other = model.encode(x), model.encode(moved)
    shift = affine.exp(torch.tensor([0, 0, 0, 0, 4.0, -3.0], device=device))
    expected = one.pose.after(shift).affine
    torch.testing.assert_close(other.pose.affine, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(other.class_log_probs, one.class_log_probs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other.z.mean, one.z.mean, atol=1e-4, rtol=1e-4)


def test_how_sure_a_pose_is_has_no_effect_unless_it_is_variational(device, y):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)

    def numbers():
        torch.manual_seed(4)
        return model(x, y).loss, model.class_terms(x).nll, model.log_prob(x, 2)

    before = numbers()
    with torch.no_grad():
        model.pose.net.head.bias[6:] += 5
    assert all(torch.equal(*both) for both in zip(before, numbers(), strict=True))


@pytest.mark.parametrize("variational", [False, True])
def test_with_one_class_all_bounds_share_their_noise(variational, device):
    model = awake(ACE(**{**SMALL, "classes": 1}, variational_pose=variational)).to(device).eval()
    x = images(model)
    torch.manual_seed(2)
    elbo = model(x, torch.zeros(5, dtype=torch.int64, device=device))
    torch.manual_seed(2)
    terms = model.class_terms(x)
    torch.testing.assert_close(terms.nll[:, 0], elbo.nll)
    torch.testing.assert_close(terms.kl_pose, elbo.kl_pose)
    assert (elbo.cross_entropy.abs() < 1e-6).all()


@pytest.mark.parametrize(
    ("likelihood", "ground", "output"),
    [
        ("gaussian", 100.0, 100.0),
        ("gaussian", -30.0, -30.0),
        ("poisson", 400.0, math.log(400)),
        ("poisson", 0.0, -5.0),
        ("bernoulli", 1.0, 5.0),
        ("bernoulli", 0.0, -5.0),
        ("bernoulli", 0.5, 0.0),
    ],
)
def test_the_ground_is_the_level_that_is_asked_for_where_the_likelihood_has_it(
    likelihood, ground, output
):
    model = ACE((1, 12, 12), ground=ground, likelihood=likelihood)
    assert model.background[0].item() == pytest.approx(output, abs=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_latents_are_drawn_in_the_precision_of_the_weights(dtype):
    model = ACE((1, 12, 12)).to(dtype)
    assert model.sample_latents(2, pose="prior").z.dtype == dtype
    assert model.sample(2).isfinite().all()
