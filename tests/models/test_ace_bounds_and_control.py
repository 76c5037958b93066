"""ACE: its bounds, control of what it shows, and what it refuses."""

import math

import jaxtyping
import pytest
import torch
from ace_helpers import OPTIONS, SMALL, awake, images, smooth

from symgen import ACE, VAE
from symgen.groups import affine, colour, warp
from symgen.models import ACELatents, Pose

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
    outputs = model.decoder.every(z[None, :, None].expand(3, -1, -1))
    each = model.likelihood(outputs, 3).log_prob(x[:, None, None])  # (B, classes, grid)
    given_class = (each + prior).logsumexp(-1)
    exact = given_class.logsumexp(1) - math.log(3)
    estimate = model.log_prob(many_times(x, 1000), 3).unflatten(0, (1000, 5))
    together = estimate.logsumexp(0) - math.log(1000)
    torch.testing.assert_close(together, exact, atol=0.05, rtol=0)
    for label in range(3):
        y = torch.full((1000,), label, device=device)
        elbo = model(many_times(x, 200), y)
        bounds = -(elbo.nll + elbo.kl).unflatten(0, (200, 5))
        error = bounds.std(0) / 200**0.5
        assert (bounds.mean(0) < given_class[:, label] + 4 * error).all()


@pytest.mark.parametrize("name", ["variational", "matrix", "colour alone"])
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
    latents = model.latents(images(model), sampled=True)
    a, b = elements(5, device), elements(5, device)
    twice = model.act(model.act(latents, a), b)
    once = model.act(latents, affine.compose(b, a))
    torch.testing.assert_close(twice.pose.affine, once.pose.affine, atol=1e-5, rtol=1e-5)
    shown, expected = model.decode(twice).mean, model.decode(once).mean
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=0)
    assert not torch.allclose(shown, model.decode(latents).mean, atol=1e-2)
    assert torch.equal(twice.z, latents.z) and torch.equal(twice.y, latents.y)


def test_the_identity_moves_nothing(device):
    model = awake(ACE(**SMALL)).to(device).eval()
    x = images(model)
    latents = model.latents(x)
    identity = torch.eye(3, device=device)
    assert torch.equal(model.act(latents, identity).pose.affine, latents.pose.affine)
    assert torch.equal(model.act(x, identity), model.decode(latents).mean)


def test_moving_is_warping_the_reconstruction(device):
    """The same up to the interpolation of a smooth image (criterion E9: 0.02 on average)."""
    model = smooth(awake(ACE(**{**SMALL, "data_shape": (1, 28, 28)}))).to(device).eval()
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
    latents = model.latents(images(model))
    hue = colour.hue_rotation(torch.tensor(50.0, device=device))
    moved = model.act(latents, Pose(torch.eye(3, device=device), hue))
    shown = model.decode(moved).logits
    expected = colour.act(model.decode(latents).logits, hue)
    torch.testing.assert_close(shown, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["no pose", "affine", "centroid", "everything"])
def test_manifolds_are_styles_at_the_identity(name, device):
    model = ACE(**OPTIONS[name]).to(device).eval()
    z = torch.randn(4, model.latent_count, device=device)
    identity = torch.eye(3, device=device).expand(4, 3, 3)
    hue = identity if name == "everything" else None
    for label, shown in enumerate(model.manifold(z)):
        y = torch.full((4,), label, device=device)
        expected = model.decode(ACELatents(z, y, Pose(identity, hue))).mean
        torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)


def test_samples_are_of_their_class_and_where_the_pose_says(device):
    model = smooth(ACE(**{**SMALL, "data_shape": (1, 28, 28)})).to(device).eval()
    y = torch.tensor([0, 1, 2, 1], device=device)
    canonical = model.manifold(torch.zeros(1, 1, device=device))[:, 0]
    shown = model.decode(model.sample_latents(4, y)).mean
    torch.testing.assert_close(shown, canonical[y], atol=1e-5, rtol=0)
    drawn = model.sample(8000, torch.tensor([1], device=device).expand(8000)).mean(0)
    torch.testing.assert_close(drawn, canonical[1], atol=0.03, rtol=0)
    posed = model.decode(model.sample_latents(4, y, pose="prior")).mean
    assert ((posed - canonical[y]).abs().mean((1, 2, 3)) > 1e-3).all()


def test_a_fresh_background_is_that_of_a_digit(device):
    model = ACE(**SMALL).to(device)
    away = affine.exp(torch.tensor([[0, 0, 0, 0, 100.0, 0]])).to(device)
    y = torch.zeros(1, dtype=torch.int64, device=device)
    shown = model.decode(ACELatents(torch.zeros(1, 1, device=device), y, Pose(away, None))).mean
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
    calls = (model.encode, model.class_terms, model.log_prob, lambda x: model(x, y))
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
        (torch.tensor([0, 1, 2]), r"y of shape \(3,\).* for 2 items"),
        (torch.tensor([0.0, 1.0]), "give one int64 label"),
    ],
)
def test_labels_that_do_not_fit_are_refused(y, message):
    model = ACE(**SMALL)
    for call in (model.encode, model):
        with pytest.raises(ValueError, match=message):
            call(torch.rand(2, 1, 12, 12), y)


@pytest.mark.usefixtures("plain_checks")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"z": torch.zeros(2, 3)}, r"z of shape \(2, 3\) .*\(batch, latents\) = \(B, 1\)"),
        ({"z": torch.zeros(2)}, r"z of shape \(2,\)"),
        ({"z": torch.zeros(2, 1).long()}, "torch.int64 does not fit .* floats"),
        ({"y": torch.tensor([0, 3])}, "from 0 to 3 but the model has 3 classes"),
        ({"y": torch.tensor([0])}, r"y of shape \(1,\).* for 2 items"),
        ({"y": torch.zeros(2)}, "give one int64 label"),
    ],
)
def test_latents_of_another_form_are_refused(wrong, message):
    model = ACE(**SMALL)
    latents = model.sample_latents(2)
    model.decode(latents)
    with pytest.raises(ValueError, match=message):
        model.decode(latents._replace(**wrong))
    with pytest.raises(ValueError, match=r"z of shape \(5, 2\)"):
        model.manifold(torch.zeros(5, 2))


def test_elements_that_are_no_elements_are_refused():
    model = ACE(**SMALL)
    x = torch.rand(2, 1, 12, 12)
    latents = model.latents(x)
    flat = torch.diag(torch.tensor([1.0, 0.0, 1.0]))
    hue = Pose(torch.eye(3), colour.hue_rotation(torch.tensor(50.0)))
    for what in (x, latents):
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
        ({"data_shape": (28, 28)}, r"data_shape=\(28, 28\): give positive numbers"),
        ({"data_shape": (0, 28, 28)}, "give positive numbers, .* or .channels, height, width"),
        ({"data_shape": (7,)}, r"pose with data_shape=\(7,\): .* take pose=None"),
        (
            {"data_shape": (7,), "pose": None, "classifier_window": 3},
            "classifier_window with data",
        ),
        ({"data_shape": (7,), "pose": None, "classifier": "conv-pooling"}, "take 'dense' or"),
        ({"data_shape": (7,), "pose": None, "decoder": "conv-transposed"}, "take 'dense' or"),
        ({"data_shape": (1, 10, 12), "decoder": "conv-transposed"}, "cannot end at 10 × 12"),
        ({"data_shape": (1, 1, 12)}, "too small"),
        ({"classes": 0}, "classes=0"),
        ({"latents": 0}, "latents=0"),
        ({"classifier_window": 13}, "classifier_window=13 of images of 12 × 12"),
        ({"classifier_window": 0}, "classifier_window=0"),
        ({"pose": "centroid", "pose_starts": 2}, "pose='centroid', which is one shift"),
        ({"colour_pose": True}, "three channels, not 1"),
        ({"pose": "projective"}, "pose='projective': choose"),
        ({"latent": "cauchy"}, "latent='cauchy': choose"),
        (
            {"encoder": "convolutional"},
            "encoder='convolutional': choose dense",
        ),
        (
            {"classifier": "linear"},
            "classifier='linear': choose conv-pooling, dense, residual or None",
        ),
        ({"encoder": "shared"}, "encoder='shared': choose"),
        ({"decoder": "shared"}, "decoder='shared': choose"),
        ({"padding_mode": "zeros"}, "padding_mode='zeros': choose"),
        ({"initialisation": "he"}, "initialisation='he': choose"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ACE(**SMALL | arguments)


def test_loading_another_kind_is_refused(tmp_path):
    VAE((1, 6, 6), capsules=2, units=3, frames=3).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds VAE"):
        ACE.from_pretrained(tmp_path)
