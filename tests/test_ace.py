"""One contract over all options of ACE, then its wiring, its bounds and its control."""

import json
import math
import subprocess
import sys

import jaxtyping
import pytest
import torch

import symgen
from symgen import ACE, VAE
from symgen.groups import affine, colour, warp
from symgen.models import Code, PixelBernoulli, Pose

SMALL = {
    "image_shape": (1, 12, 12),
    "classes": 3,
    "hidden": (8,),
    "decoder_hidden": (7,),
    "classifier_channels": (4, 4),
    "classifier_hidden": 9,
    "pose_channels": (3, 3),
    "pose_hidden": 8,
}
COLOUR = {**SMALL, "image_shape": (3, 12, 12), "colour_pose": True}
OPTIONS = {
    "no pose": {**SMALL, "pose": None},
    "affine": SMALL,
    "charged": {**SMALL, "charged": True, "latents": 2},
    "raw laplace": {**SMALL, "pose": "raw", "latent": "laplace", "charged": True},
    "centre": {**SMALL, "pose": "centre"},
    "centre charged": {**SMALL, "pose": "centre", "charged": True, "latent": "laplace"},
    "conv": {**SMALL, "encoder": "conv", "decoder": "conv", "latents": 2},
    "shared": {**SMALL, "encoder": "shared", "latents": 3, "shallow_latents": 2},
    "groups": {**SMALL, "pose_groups": 2, "stem_channels": 3, "classifier_window": 8},
    "colour": {**COLOUR, "outside": "border"},
    "colour alone": {**COLOUR, "pose": None, "charged": True},
    "everything": {
        **COLOUR,
        "pose_groups": 2,
        "charged": True,
        "latent": "laplace",
        "encoder": "shared",
        "latents": 3,
        "shallow_latents": 1,
        "pose_pool": 2,
        "classifier_pool": 2,
        "initialisation": "paper",
    },
}
# The centre of mass is seen, not learned: it does not start at the identity.
LEARNED = [name for name in OPTIONS if "centre" not in name and name != "no pose"]


def awake(model: ACE) -> ACE:
    """Move the pose off the identity, where too much is equal."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".head." in name and name.startswith("pose."):
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def images(model: ACE, count: int = 5) -> torch.Tensor:
    device = next(model.parameters()).device
    return torch.rand(count, *model.image_shape, device=device)


def smooth(model: ACE) -> ACE:
    """Let every class paint one smooth shape whatever the style, on the background."""
    _, height, width = model.image_shape
    x, y = torch.arange(width) - (width - 1) / 2, torch.arange(height) - (height - 1) / 2
    bump = torch.exp(-((x / 4).square() + ((y[:, None] - 2) / 2.5).square()) / 2)
    with torch.no_grad():
        model.decoder.layers[-1].weight.zero_()
        for scale, bias in enumerate(model.decoder.layers[-1].bias, start=4):
            bias.copy_((model.background.view(1, 1) + scale * bump).flatten())
    return model


@pytest.fixture(params=OPTIONS.values(), ids=OPTIONS.keys())
def model(request, device):
    return awake(ACE(**request.param)).to(device)


@pytest.fixture
def x(model):
    return images(model)


@pytest.fixture
def y(device):
    return torch.tensor([2, 0, 2, 2, 0], device=device)


# --- the contract -----------------------------------------------------------------------------


def test_shapes(model, x, y):
    reading = model.encode(x)
    assert reading.z.mean.shape == (5, model.latent_count)
    assert reading.log_omega.shape == (5, 3)
    assert (reading.statistics is None) == (model.pose is None)
    code = model.latents(reading)
    assert code.z.shape == reading.z.mean.shape
    decoded = model.decode(code)
    assert decoded.mean.shape == x.shape and decoded.log_prob(x).shape == (5,)
    elbo = model.elbo(x, y)
    assert {name: term.shape for name, term in elbo._asdict().items()} == dict.fromkeys(
        model.terms, (5,)
    )
    terms = model.class_terms(x)
    assert terms.nll.shape == terms.kl_z.shape == terms.log_omega.shape == (5, 3)
    assert terms.kl_pose.shape == model.log_prob(x, 2).shape == (5,)
    for pose in ("identity", "prior"):
        assert model.sample(4, pose=pose).shape == (4, *x.shape[1:])
    assert model.sample(5, y).shape == x.shape
    z = torch.zeros(6, model.latent_count, device=x.device)
    assert model.manifold(z).shape == (3, 6, *x.shape[1:])


def test_gradients_reach_every_parameter(model, x, y):
    model.elbo(x, y).loss.backward()
    for name, parameter in model.named_parameters():
        unpriced = name == "pose.reader.log_variance" and not model.charged
        if parameter.requires_grad and not unpriced:
            assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_small_step_down_the_gradient_lowers_the_loss(model, x, y):
    def loss():
        torch.manual_seed(3)
        return model.elbo(x, y).loss

    before = loss()
    before.backward()
    learned = [p for p in model.parameters() if p.grad is not None]
    length = torch.stack([p.grad.square().sum() for p in learned]).sum().sqrt()
    with torch.no_grad():
        for parameter in learned:
            parameter -= 1e-3 * parameter.grad / length
    assert loss() < before - 0.3e-3 * length


def test_the_same_seed_gives_the_same_numbers(model, x, y):
    def once():
        torch.manual_seed(3)
        return model.elbo(x, y).loss

    assert torch.equal(once(), once())


def test_save_and_load_is_exact(model, x, y, tmp_path):
    model.eval().save_pretrained(tmp_path)
    again = symgen.ACE.from_pretrained(tmp_path).to(x.device)
    assert not again.training
    torch.manual_seed(1)
    expected = model.elbo(x, y)
    torch.manual_seed(1)
    for term, one in zip(expected, again.elbo(x, y), strict=True):
        assert torch.equal(term, one)


def test_doubles_agree_with_singles(model, x, y):
    expected = model.eval().class_terms(x, sampled=False)
    model.double()
    for term, one in zip(model.class_terms(x.double(), sampled=False), expected, strict=True):
        torch.testing.assert_close(term.float(), one, atol=1e-3, rtol=1e-4)
    reading = model.encode(x.double(), y, sampled=True)
    assert {reading.z.mean.dtype, reading.h.dtype, reading.log_omega.dtype} == {torch.float64}
    loss = model.elbo(x.double(), y).loss
    assert loss.dtype == torch.float64
    loss.backward()
    assert model.sample(2, pose="prior").shape == (2, *x.shape[1:])
    assert model.manifold(torch.zeros(2, model.latent_count, device=x.device)).shape[:2] == (3, 2)


def test_autocast_agrees_with_singles(model, x, y):
    expected = model.eval().class_terms(x, sampled=False)
    with torch.autocast(x.device.type, torch.bfloat16):
        coarse = model.class_terms(x, sampled=False)
        loss = model.elbo(x, y).loss
    for term, one in zip(coarse, expected, strict=True):
        assert term.dtype == torch.float32
        torch.testing.assert_close(term, one, atol=0.1, rtol=0.02)
    loss.backward()


def test_elbo_is_made_of_its_parts(model, x, y):
    model.eval()
    torch.manual_seed(5)
    elbo = model.elbo(x, y)
    torch.manual_seed(5)
    reading = model.encode(x, y, sampled=model.charged)
    nll = -model.decode(model.latents(reading)).log_prob(x)
    torch.testing.assert_close(elbo.nll, nll)
    torch.testing.assert_close(elbo.kl_z, reading.z.kl().sum(-1))
    labelled = -reading.log_omega[torch.arange(5, device=x.device), y]
    torch.testing.assert_close(elbo.cross_entropy, labelled)
    charge = reading.statistics.kl().sum(-1) if model.charged else torch.zeros_like(nll)
    torch.testing.assert_close(elbo.kl_pose, charge)
    assert (elbo.kl_pose > 0).all() if model.charged else (elbo.kl_pose == 0).all()
    total = elbo.nll + elbo.kl_z + elbo.kl_pose + elbo.cross_entropy
    torch.testing.assert_close(elbo.loss, total.mean())


def test_class_terms_hold_the_terms_of_each_class(model, x):
    model.eval()
    terms = model.class_terms(x, sampled=False)
    for label in range(3):
        y = torch.full((5,), label, device=x.device)
        reading = model.encode(x, y)
        nll = -model.decode(model.latents(reading, sampled=False)).log_prob(x)
        torch.testing.assert_close(terms.nll[:, label], nll, atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(terms.kl_z[:, label], reading.z.kl().sum(-1))
        torch.testing.assert_close(terms.kl_pose, model.elbo(x, y).kl_pose)
        torch.testing.assert_close(terms.log_omega, reading.log_omega)


def test_class_probabilities_add_up_to_one(model, x):
    model.eval()
    total = model.encode(x).log_omega.exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total))
    assert torch.equal(model.encode(x).y, model.encode(x).log_omega.argmax(1))


def test_only_the_labelled_classes_learn(model, x, y):
    model.elbo(x, y).loss.backward()
    checked = [(n, p) for n, p in model.named_parameters() if getattr(p, "per_class", False)]
    assert checked
    for name, parameter in checked:
        if parameter.requires_grad:
            reached = parameter.grad.flatten(1).abs().sum(1) > 0
            assert reached.tolist() == [True, False, True], name


# --- wiring -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEARNED)
def test_a_fresh_pose_changes_nothing(name, device):
    given = {**OPTIONS[name], "pose_groups": 1}
    model = ACE(**given).to(device).eval()
    x = images(model)
    reading = model.encode(x)
    assert torch.equal(reading.h, torch.zeros_like(reading.h))
    torch.testing.assert_close(model.canonical(x, reading.pose), x, atol=1e-5, rtol=0)
    bare = ACE(**given | {"pose": None, "colour_pose": False}).to(device).eval()
    bare.load_state_dict(model.state_dict(), strict=False)
    ours, theirs = model.class_terms(x, sampled=False), bare.class_terms(x, sampled=False)
    torch.testing.assert_close(ours.nll, theirs.nll, atol=1e-2, rtol=1e-5)
    torch.testing.assert_close(ours.kl_z, theirs.kl_z, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.log_omega, theirs.log_omega, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("term", ["nll", "cross_entropy"])
@pytest.mark.parametrize("name", ["affine", "raw laplace", "groups", "colour", "colour alone"])
def test_each_error_alone_teaches_the_pose(name, term, device, y):
    model = ACE(**OPTIONS[name]).to(device)
    x = images(model)

    def gradients():
        model.zero_grad()
        getattr(model.elbo(x, y), term).mean().backward()
        return {n: p.grad.abs().sum() for n, p in model.pose.reader.named_parameters()}

    fresh = gradients()
    assert fresh["head.weight"] > 0 and fresh["head.bias"] > 0
    awake(model)
    assert all(size > 0 for size in gradients().values())


def test_labels_choose_the_auto_encoder_and_nothing_else(device, y):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)
    one, other = model.encode(x, y), model.encode(x, 2 - y)
    assert torch.equal(one.log_omega, other.log_omega)
    assert torch.equal(one.pose.affine, other.pose.affine)
    assert (one.z.mean != other.z.mean).all()
    assert torch.equal(one.y, y)


def test_dropout_touches_the_classifier_alone(device, y):
    model = awake(ACE(**OPTIONS["shared"])).to(device)
    x = images(model)
    one, other = model.encode(x, y), model.encode(x, y)
    assert torch.equal(one.z.mean, other.z.mean)
    assert not torch.equal(one.log_omega, other.log_omega)


@pytest.mark.parametrize("window", [None, 6])
def test_the_classifier_sees_its_window_and_the_encoder_everything(window, device):
    model = ACE(**{**SMALL, "pose": None}, classifier_window=window).to(device).eval()
    x = images(model, 3).requires_grad_()
    reading = model.encode(x)
    for result, side in ((reading.log_omega[:, 0], window or 12), (reading.z.mean, 12)):
        (gradient,) = torch.autograd.grad(result.square().sum(), x, retain_graph=True)
        seen = gradient.abs().sum((0, 1)) > 0
        edge = (12 - side) // 2
        assert not seen.index_fill(0, torch.arange(edge, 12 - edge, device=device), False).any()
        assert seen.any(0).sum() == seen.any(1).sum() == side


def test_a_free_pose_is_its_mean_and_a_charged_one_is_drawn(device, y):
    for charged in (False, True):
        model = awake(ACE(**SMALL, charged=charged)).to(device).eval()
        x = images(model)
        assert model.pose.log_scale.requires_grad == charged
        mean, drawn = model.encode(x), model.encode(x, sampled=True)
        assert torch.equal(mean.h, mean.statistics.mean)
        assert (drawn.h != mean.h).all()
        cross_entropy = [model.elbo(x, y).cross_entropy for _ in range(2)]
        assert torch.equal(*cross_entropy) != charged


def test_the_centre_of_mass_makes_everything_else_blind_to_shifts(device):
    """A shifted image has the same class and style, and its pose is shifted."""
    model = ACE(**{**SMALL, "image_shape": (1, 20, 20), "pose": "centre"}).to(device).eval()
    x = torch.zeros(3, 1, 20, 20, device=device)
    x[..., 8:12, 7:12] = torch.rand(3, 1, 4, 5, device=device)
    moved = x.roll((-3, 4), (2, 3))
    one, other = model.encode(x), model.encode(moved)
    shift = affine.exp(torch.tensor([0, 0, 0, 0, 4.0, -3.0], device=device))
    expected = one.pose.after(shift).affine
    torch.testing.assert_close(other.pose.affine, expected, atol=1e-4, rtol=0)
    torch.testing.assert_close(other.log_omega, one.log_omega, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(other.z.mean, one.z.mean, atol=1e-4, rtol=1e-4)


def test_how_sure_a_free_pose_is_has_no_effect(device, y):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)

    def numbers():
        torch.manual_seed(4)
        return model.elbo(x, y).loss, model.class_terms(x).nll, model.log_prob(x, 2)

    before = numbers()
    with torch.no_grad():
        model.pose.reader.head.bias[6:] += 5
    assert all(torch.equal(*both) for both in zip(before, numbers(), strict=True))


@pytest.mark.parametrize("charged", [False, True])
def test_with_one_class_all_bounds_share_their_noise(charged, device):
    model = awake(ACE(**{**SMALL, "classes": 1}, charged=charged)).to(device).eval()
    x = images(model)
    torch.manual_seed(2)
    elbo = model.elbo(x, torch.zeros(5, dtype=torch.int64, device=device))
    torch.manual_seed(2)
    terms = model.class_terms(x)
    torch.testing.assert_close(terms.nll[:, 0], elbo.nll)
    torch.testing.assert_close(terms.kl_pose, elbo.kl_pose)
    assert (elbo.cross_entropy.abs() < 1e-6).all()


# --- bounds -----------------------------------------------------------------------------------


def loud(**given) -> ACE:
    """Let styles and poses matter, so that bounds are apart."""
    model = ACE(**{**given, "initialisation": "paper"})
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(3)
    return awake(model)


def many_times(x: torch.Tensor, count: int) -> torch.Tensor:
    """Repeat a batch, so that one call draws many samples."""
    return x.repeat(count, 1, 1, 1)


@pytest.mark.parametrize("latent", ["gaussian", "laplace"])
def test_log_prob_converges_to_the_mixture_summed_over_a_grid(latent, device):
    model = loud(**{**SMALL, "pose": None, "latent": latent}).to(device).eval()
    x = images(model)
    step = 0.02
    z = torch.arange(-15, 15, step, device=device)
    prior = model.density.standard((1,), device=device).log_prob(z) + math.log(step)
    logits = model.decoder.every(z[None, :, None].expand(3, -1, -1))
    each = PixelBernoulli(logits).log_prob(x[:, None, None])  # (B, classes, grid)
    given_class = (each + prior).logsumexp(-1)
    exact = given_class.logsumexp(1) - math.log(3)
    estimate = model.log_prob(many_times(x, 1000), 3).unflatten(0, (1000, 5))
    together = estimate.logsumexp(0) - math.log(1000)
    torch.testing.assert_close(together, exact, atol=0.05, rtol=0)
    for label in range(3):
        y = torch.full((1000,), label, device=device)
        elbo = model.elbo(many_times(x, 200), y)
        bounds = -(elbo.nll + elbo.kl).unflatten(0, (200, 5))
        error = bounds.std(0) / 200**0.5
        assert (bounds.mean(0) < given_class[:, label] + 4 * error).all()


@pytest.mark.parametrize("name", ["charged", "raw laplace", "colour alone"])
def test_log_prob_is_above_the_mixture_bound_and_grows_with_samples(name, device):
    model = loud(**OPTIONS[name]).to(device).eval()
    x = images(model)
    few = model.log_prob(many_times(x, 200), 1).unflatten(0, (200, 5))
    many = model.log_prob(many_times(x, 50), 12).unflatten(0, (50, 5))
    error = (few.var(0) / 200 + many.var(0) / 50).sqrt()
    assert (many.mean(0) - few.mean(0) > 4 * error).all()
    terms = model.class_terms(many_times(x, 200))
    nll, kl_z = (term.unflatten(0, (200, 5)).mean(0) for term in (terms.nll, terms.kl_z))
    bound = (nll + kl_z).neg().logsumexp(1) - math.log(3) - terms.kl_pose[:5]
    assert (many.mean(0) > bound).all()
    assert (few.mean(0) > bound - 4 * few.std(0) / 200**0.5).all()


# --- control ----------------------------------------------------------------------------------


def elements(count, device):
    scale = torch.tensor([0.4, 0.2, 0.1, 0.1, 1.5, 1.5], device=device)
    return affine.exp(torch.randn(count, 6, device=device) * scale)


def test_acting_twice_is_acting_with_the_product(device):
    model = awake(ACE(**OPTIONS["everything"])).to(device).eval()
    code = model.latents(model.encode(images(model)))
    a, b = elements(5, device), elements(5, device)
    twice = model.act(model.act(code, a), b)
    once = model.act(code, affine.compose(b, a))
    torch.testing.assert_close(twice.pose.affine, once.pose.affine, atol=1e-5, rtol=1e-5)
    shown, expected = model.decode(twice).mean, model.decode(once).mean
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=0)
    assert not torch.allclose(shown, model.decode(code).mean, atol=1e-2)
    assert torch.equal(twice.z, code.z) and torch.equal(twice.y, code.y)


def test_the_identity_moves_nothing(device):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)
    code = model.latents(model.encode(x), sampled=False)
    identity = torch.eye(3, device=device)
    assert torch.equal(model.act(code, identity).pose.affine, code.pose.affine)
    assert torch.equal(model.act(x, identity), model.decode(code).mean)


def test_moving_is_warping_the_reconstruction(device):
    """The same up to the interpolation of a smooth image (criterion E9: 0.02 on average)."""
    model = smooth(awake(ACE(**{**SMALL, "image_shape": (1, 28, 28)}))).to(device).eval()
    x = images(model)
    turned = affine.from_parameters(
        torch.tensor(0.5), torch.tensor(1.3), torch.tensor([5.0, 0.0])
    ).to(device)
    moved, still = model.act(x, turned), model.act(x, torch.eye(3, device=device))
    nothing = model.background.sigmoid().item()
    expected = warp(still, affine.inverse(turned), background=nothing)
    assert (moved - still).abs().mean() > 0.02
    assert (moved - expected).abs().mean() < 0.005
    assert (moved - expected).abs().max() < 0.1


def test_a_colour_recolours_the_logits(device):
    model = awake(ACE(**OPTIONS["colour"])).to(device).eval()
    code = model.latents(model.encode(images(model)))
    hue = colour.hue_rotation(torch.tensor(50.0, device=device))
    moved = model.act(code, Pose(torch.eye(3, device=device)[None], hue))
    shown = model.decode(moved).logits
    expected = colour.act(model.decode(code).logits, hue)
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["no pose", "affine", "centre", "groups", "everything"])
def test_manifolds_are_codes_at_the_identity(name, device):
    model = ACE(**OPTIONS[name]).to(device).eval()
    z = torch.randn(4, model.latent_count, device=device)
    identity = torch.eye(3, device=device).expand(4, OPTIONS[name].get("pose_groups", 1), 3, 3)
    hue = torch.eye(3, device=device).expand(4, 3, 3) if name == "everything" else None
    for label, shown in enumerate(model.manifold(z)):
        code = Code(z, torch.full((4,), label, device=device), Pose(identity, hue))
        torch.testing.assert_close(shown, model.decode(code).mean, atol=1e-5, rtol=0)


def test_samples_are_of_their_class_and_where_the_pose_says(device):
    model = smooth(ACE(**{**SMALL, "image_shape": (1, 28, 28)})).to(device).eval()
    y = torch.tensor([0, 1, 2, 1], device=device)
    canonical = model.manifold(torch.zeros(1, 1, device=device))[:, 0]
    torch.testing.assert_close(model.sample(4, y), canonical[y], atol=1e-5, rtol=0)
    posed = model.sample(4, y, pose="prior")
    assert ((posed - canonical[y]).abs().mean((1, 2, 3)) > 1e-3).all()


def test_a_fresh_background_is_that_of_a_digit_for_any_number_of_groups(device):
    for groups in (1, 3):
        model = ACE(**SMALL, pose_groups=groups).to(device)
        away = affine.exp(torch.tensor([0, 0, 0, 0, 100.0, 0])).to(device).expand(1, groups, 3, 3)
        y = torch.zeros(1, dtype=torch.int64, device=device)
        shown = model.decode(Code(torch.zeros(1, 1, device=device), y, Pose(away, None))).mean
        torch.testing.assert_close(shown, torch.full_like(shown, 0.0115), atol=1e-4, rtol=0)


# --- errors -----------------------------------------------------------------------------------


@pytest.fixture
def plain_checks(monkeypatch):
    """Leave the annotations unchecked, as they are outside of tests."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.usefixtures("plain_checks")
@pytest.mark.parametrize(
    "wrong",
    [
        torch.rand(3, 1, 12, 13),
        torch.rand(3, 3, 12, 12),
        torch.rand(1, 12, 12),
        torch.randint(0, 255, (3, 1, 12, 12), dtype=torch.uint8),
    ],
    ids=["width", "channels", "no batch", "integers"],
)
def test_images_of_another_form_are_refused(wrong):
    model, y = ACE(**SMALL), torch.zeros(3, dtype=torch.int64)
    calls = (model.encode, model.class_terms, model.log_prob, lambda x: model.elbo(x, y))
    for call in calls:
        with pytest.raises(ValueError, match="does not fit the model") as error:
            call(wrong)
        assert str(tuple(wrong.shape)) in str(error.value)


def test_values_that_are_no_gray_levels_are_refused():
    x = torch.rand(3, 1, 12, 12)
    x[1, 0, 2, 3] = 255
    with pytest.raises(ValueError, match="to 255: scale"):
        ACE(**SMALL).encode(x)


@pytest.mark.usefixtures("plain_checks")
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([0, 3]), "from 0 to 3 but the model has 3 classes"),
        (torch.tensor([-1, 1]), "from -1 to 1"),
        (torch.tensor([0, 1, 2]), r"y of shape \(3,\).* for 2 images"),
        (torch.tensor([0.0, 1.0]), "give one int64 label"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    model = ACE(**SMALL)
    for call in (model.encode, model.elbo):
        with pytest.raises(ValueError, match=message):
            call(torch.rand(2, 1, 12, 12), y)


def test_elements_that_are_no_elements_are_refused():
    model = ACE(**SMALL)
    x = torch.rand(2, 1, 12, 12)
    code = model.latents(model.encode(x))
    flat = torch.diag(torch.tensor([1.0, 0.0, 1.0]))
    hue = Pose(torch.eye(3)[None], colour.hue_rotation(torch.tensor(50.0)))
    for what in (x, code):
        with pytest.raises(ValueError, match="is singular"):
            model.act(what, flat)
        with pytest.raises(ValueError, match="train with colour_pose=True"):
            model.act(what, hue)
        with pytest.raises(ValueError, match="no pose to act on"):
            ACE(**OPTIONS["no pose"]).act(what, torch.eye(3))


@pytest.mark.usefixtures("plain_checks")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (28, 28)}, r"image_shape=\(28, 28\): give three positive"),
        ({"image_shape": (0, 28, 28)}, "three positive numbers"),
        ({"image_shape": (1, 10, 12), "decoder": "conv"}, "cannot end at 10 × 12"),
        ({"image_shape": (1, 1, 12)}, "too small"),
        ({"classes": 0}, "classes=0"),
        ({"latents": 2, "shallow_latents": 2, "encoder": "shared"}, "shallow_latents=2"),
        ({"latents": 2, "shallow_latents": 1}, "take encoder='shared'"),
        (
            {"latents": 2, "shallow_latents": 1, "encoder": "shared", "decoder_hidden": ()},
            "decoder_hidden",
        ),
        ({"classifier_window": 13}, "classifier_window=13 of images of 12 × 12"),
        ({"classifier_window": 0}, "classifier_window=0"),
        ({"pose": None, "pose_groups": 2}, "pose_groups=2 with pose=None"),
        ({"pose": "centre", "pose_groups": 2}, "pose='centre' is one shift"),
        ({"colour_pose": True}, "three channels, not 1"),
        ({"pose": "projective"}, "pose='projective': choose"),
        ({"latent": "cauchy"}, "latent='cauchy': choose"),
        ({"encoder": "convolutional"}, "encoder='convolutional': choose dense or conv or shared"),
        ({"decoder": "shared"}, "decoder='shared': choose"),
        ({"outside": "zeros"}, "outside='zeros': choose"),
        ({"initialisation": "he"}, "initialisation='he': choose"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ACE(**SMALL | arguments)


def test_loading_another_kind_is_refused(tmp_path):
    VAE(image_shape=(1, 6, 6), capsules=2, units=3, frames=3).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a VAE"):
        ACE.from_pretrained(tmp_path)


# --- the compiler -----------------------------------------------------------------------------


_COMPILE = """
import json, sys, torch
from symgen import ACE
for backend, given in json.loads(sys.argv[1]).items():
    model = ACE(**given)
    x, y = torch.rand(4, *model.image_shape), torch.tensor([2, 0, 2, 1])
    compiled = torch.compile(lambda x, y: model.elbo(x, y).loss, fullgraph=True, backend=backend)
    torch.manual_seed(0)
    expected = model.elbo(x, y).loss
    torch.manual_seed(0)
    loss = compiled(x, y)
    torch.testing.assert_close(loss, expected)
    loss.backward()
    torch._dynamo.reset()
"""


def test_elbo_compiles_as_one_graph():
    """In a process of its own: run-time checks of annotations do not pass the compiler."""
    models = {"eager": OPTIONS["everything"], "aot_eager": OPTIONS["conv"]}
    command = [sys.executable, "-c", _COMPILE, json.dumps(models)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_layers_are_named_in_the_printed_model():
    assert "3 × (8 -> 2)" in repr(ACE(**SMALL))
