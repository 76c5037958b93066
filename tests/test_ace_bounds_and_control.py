"""ACE: its bounds, control of what it shows, and what it refuses."""

import json
import math
import subprocess
import sys

import jaxtyping
import pytest
import torch
from ace_helpers import OPTIONS, SMALL, awake, images, smooth

from symgen import ACE, VAE
from symgen.groups import affine, colour, warp
from symgen.models import Code, PixelBernoulli, Pose

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
