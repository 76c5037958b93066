"""Topographic VAEs: what their numbers are made of, and what they refuse."""

import math

import jaxtyping
import pytest
import torch
from model_helpers import COVERING, FURTHER, SEQUENCES, inputs
from torch import nn
from torch.distributions import MultivariateNormal

from symgen import TVAE, VAE, BubbleVAE, TopographicVAE, TorusVAE
from symgen.latents import AxesTopography, Gaussian, Topography, roll
from symgen.models.prior_moments import prior_moments

SIZE = {**SEQUENCES, "data_shape": (2, 6, 5)}
MODELS = FURTHER | {
    name: case.make
    for name, case in COVERING.items()
    if case.net == "dense" and "ace" not in case.kind
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request, device):
    return request.param().to(device)


@pytest.fixture
def x(model):
    return inputs(model, 3)[0]


def small(device):
    return TVAE(**SIZE, window=3, neighbourhood=3).to(device)


# --- bounds -----------------------------------------------------------------------------------


def many_times(x, count):
    """Repeat a batch, so that one call draws many samples."""
    return x.repeat(count, *[1] * (x.dim() - 1))


def test_elbo_is_the_bound_of_its_parts(model, x):
    """Each frame from its own latents, or frame l + k from those of frame l rolled by k.

    After the last frame follows the first if time is cyclic and S rolls are no roll; elsewhere k
    may be below 0. Causal models in open time roll from the first frame on whose window is full,
    or from the last but one. Capsules of several axes roll along the one that is best.
    """
    open_past = model.topography.causal and model.topography.open_ended
    full = max(0, min(model.topography.window - 1, model.frames - 2)) if open_past else 0
    drawn = model.sample_latents(1)
    closes = not model.topography.open_ended and torch.allclose(
        model.act(drawn, model.frames), drawn, rtol=1e-4, atol=1e-4
    )
    assert model.rolls == range(0 if closes else 1 - model.frames, model.frames - full)
    for rolled in {0, -1, 1, model.rolls[0], model.rolls[-1]} & {*model.rolls}:
        steps = rolled or model.ahead
        torch.manual_seed(5)
        elbo = model(x, roll=rolled)
        torch.manual_seed(5)
        posterior = model.encode(x)
        t = model.latents(posterior, sampled=True)
        whole = closes or not steps
        first = max(full, -steps) if rolled else 0
        frames = range(model.frames) if whole else range(first, model.frames - max(0, steps))
        assert elbo.nll.shape == (3, len(frames))
        of_axes = []
        for axis in range(model.topography.axis_count if rolled else 1):
            columns = []
            for frame in frames:
                moved = model.act(t[:, frame], steps, axis) if steps else t[:, frame]
                target = x[:, (frame + steps) % model.frames]
                columns.append(-model.decode(moved).log_prob(target))
            of_axes.append(torch.stack(columns, 1))
        best = torch.stack(of_axes).sum(-1).argmin(0)  # of every sequence
        wanted = torch.stack([of_axes[axis][n] for n, axis in enumerate(best.tolist())])
        torch.testing.assert_close(elbo.nll, wanted)
        kl_z = posterior.z.kl().sum((-2, -1))[:, : model.frames - model.ahead]
        torch.testing.assert_close(elbo.kl_z, kl_z)
        assert (elbo.kl_u == 0).all() if posterior.u is None else (elbo.kl_u > 0).all()
        torch.testing.assert_close(elbo.loss, elbo.nll.mean() + (elbo.kl_z + elbo.kl_u).mean())


def test_importance_weights_average_to_the_negative_elbo(model, x):
    weights = model.log_weights(x, 100)
    elbo = model(many_times(x, 100))
    bounds = -(elbo.nll + elbo.kl).unflatten(0, (100, 3))
    error = (bounds.std(0) + weights.std(0)) / 100**0.5
    assert ((weights.mean(0) - bounds.mean(0)).abs() < 6 * error + 1e-3).all()


def test_log_prob_is_above_the_elbo_and_grows_with_samples(model, x):
    few = model.log_prob(many_times(x, 30), 1).mean()
    many = model.log_prob(many_times(x, 10), 30).mean()
    assert many > few


def test_log_prob_converges_to_the_density_of_a_linear_model(device):
    """Of Gaussian latents and noise: x is Gaussian with covariance A Aᵀ + σ²."""
    linear, posterior = nn.Linear(2, 3), nn.Linear(3, 4)
    nn.init.zeros_(posterior.weight)  # the same for all, and wider than the prior
    nn.init.ones_(posterior.bias)
    model = VAE(
        (3,),
        capsules=1,
        units=2,
        frames=2,
        likelihood="gaussian",
        likelihood_scale=0.5,
        encoder=posterior,
        decoder=nn.Sequential(linear, nn.Unflatten(1, (1, 3))),
    ).to(device)
    x = model.sample(4)
    covariance = linear.weight @ linear.weight.T + 0.25 * torch.eye(3, device=device)
    exact = MultivariateNormal(linear.bias, covariance).log_prob(x).sum(1)
    estimates = model.log_prob(many_times(x, 2000), 30).unflatten(0, (2000, 4))
    together = estimates.logsumexp(0) - math.log(2000)
    torch.testing.assert_close(together, exact, atol=0.15, rtol=0)


# --- latents and their rolls ------------------------------------------------------------------


def test_traversal_decodes_the_rolls_of_the_first_frame(model, x):
    first = model.latents(x)[:, 0]
    for step, image in enumerate(model.traverse(x).unbind(1)):
        expected = model.decode(model.act(first, step)).mean
        torch.testing.assert_close(image, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [TVAE, BubbleVAE, TorusVAE, VAE])
def test_a_whole_step_is_an_exact_roll(kind):
    t = torch.randn(2, 5, 6)
    assert torch.equal(kind((5,), capsules=5, units=6).act(t, 2), roll(t, 2))


def test_the_first_frame_depends_on_the_frames_it_sees_only(model, x):
    x = x.clone().requires_grad_()
    model.latents(x, sampled=True)[:, 0].square().sum().backward()
    assert x.grad is not None
    reached = x.grad.flatten(2).abs().sum((0, 2)) > 0
    assert torch.equal(reached.cpu(), model.topography.receptive_field())


def test_latents_are_the_student_t_construction(device):
    model = small(device)
    z, u = torch.randn(2, 3, 4, 2, 6, device=device)
    expected = (z - model.mu) * model.topography.inverse_scale(u.square(), model.eps)
    torch.testing.assert_close(model.latents_from(z, u), expected)


@pytest.mark.parametrize("log_variance", [0.0, -2.0])
@pytest.mark.parametrize("boundary", ["cyclic", "zero"])
def test_latents_are_the_mean_of_sampled_ones(boundary, log_variance, device):
    """The mean of u would be no good: it is zero here, and so would be the energy."""
    sizes = {"capsules": 2, "units": 6, "frames": 12, "window": 8, "neighbourhood": 3}
    model = TVAE((5,), **sizes, width=8, boundary=boundary).to(device)
    posterior = model.encode(torch.rand(2, 12, 5, device=device))
    mean = torch.zeros_like(posterior.u.mean)
    mean[:, :, 0] = 0.5  # of one capsule
    posterior = posterior._replace(u=Gaussian(mean, torch.full_like(mean, log_variance)))
    drawn = [model.latents(posterior, sampled=True) for _ in range(4000)]
    error = torch.stack(drawn).mean(0) / model.latents(posterior) - 1
    assert error.mean().abs() < 0.005 and error.abs().max() < 0.02
    first = (posterior.z.mean - model.mu) * model.topography.inverse_scale(
        posterior.u.second_moment(), model.eps
    )
    assert (torch.stack(drawn).mean(0) / first - 1).mean() > 0.01  # t of the expected energy


def test_latents_of_the_prior_are_the_student_t_of_normal_variables(device):
    model = small(device)
    torch.manual_seed(1)
    t = model.sample_latents(7)
    torch.manual_seed(1)
    z, u = (torch.randn(7, 4, 2, 6, device=device) for _ in range(2))
    torch.testing.assert_close(t, model.latents_from(z, u))


@pytest.mark.parametrize("mu", [-30.0, -3.0])
def test_standardised_latents_have_mean_zero_and_unit_variance_under_the_prior(mu):
    for topography in (
        Topography.tvae(4, 18, 18, 13, neighbourhood=3),
        Topography.torus((9, 9)),
        Topography.tvae(4, 9, 18, 9, shift=0.5),
        Topography.tvae(4, 18, 18, 9, boundary="zero", capsule_boundary="zero"),
        AxesTopography(1, (9, 9), 9, 9),
    ):
        location, scale = prior_moments(topography, mu, eps=1e-6)
        z, u = torch.randn(2, 400, *(topography.frames, topography.capsules, topography.units))
        t = ((z - mu) * topography.inverse_scale(u.square(), 1e-6) - location) / scale
        assert abs(t.mean()) < 0.05 and abs(t.std() - 1) < 0.05


@pytest.mark.parametrize("standardise", [True, False])
def test_the_decoder_is_fed_standardised_latents_if_at_all(standardise, device):
    model = TVAE(**SIZE, window=3, standardise=standardise).to(device)
    fed = []
    model.decoder.register_forward_pre_hook(lambda module, given: fed.append(given[0]))
    model.decode(model.sample_latents(500))
    (t,) = fed
    assert (abs(t.mean()) < 0.2) == standardise
    assert model.latents(torch.rand(2, 4, 2, 6, 5, device=device)).mean() > 5  # as the paper's


# --- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data_shape", [(3, 28, 28), (1, 64, 64)])
def test_paper_sizes_have_the_papers_number_of_parameters(data_shape):
    mnist = data_shape[0] == 3
    count = 18 if mnist else 15
    size = {"data_shape": data_shape, "capsules": count, "units": count, "frames": count}

    def parameters(model):
        return sum(p.numel() for p in model.parameters())

    reference = {"output_bias": "channel"}
    tvae = parameters(TVAE(**size, window=5, **reference))
    assert tvae == (9_803_920 if mnist else 9_716_177)
    if mnist:
        assert parameters(VAE(**size, **reference)) == 6_465_747


def test_what_is_not_said_follows_the_frames():
    topography = TVAE((5,), frames=12).topography
    assert (topography.capsules, topography.units, topography.window) == (16, 12, 8)
    assert VAE((5,), frames=12).units == 12
    assert TVAE((5,), capsule_axes=(3, 4), frames=12).units == 12


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m, x: x[..., :-1] if m.topography.open_ended else torch.cat([x, x[:, :1]], 1),
        lambda m, x: x[0],
        lambda m, x: x.to(torch.uint8),
    ],
    ids=["size", "no batch", "integers"],
)
def test_data_of_another_form_are_refused(model, x, wrong, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    given = wrong(model, x)
    with pytest.raises(ValueError, match="does not fit the model") as error:
        model.encode(given)
    assert f"{tuple(given.shape)} and {given.dtype}" in str(error.value)
    assert str(model.data_shape[-1]) in str(error.value)


@pytest.mark.parametrize(
    ("likelihood", "value", "message"),
    [
        ("bernoulli", float("nan"), "x reaches from nan"),
        ("discretised-logistic", -0.1, "x reaches from -0.1"),
        ("continuous-bernoulli", 255.0, "to 255: scale"),
        ("gaussian", float("nan"), "1 values that are not finite"),
        ("poisson", 0.5, "not all counts"),
    ],
)
def test_values_that_the_likelihood_gives_no_probability_to_are_refused(
    likelihood, value, message
):
    x = torch.zeros(3, 4, 2, 6, 5)
    model = TVAE(**SIZE, window=3, likelihood=likelihood)
    model.encode(x)
    x[1, 2, 0, 3, 3] = value
    for call in (model, model.encode, model.latents, model.log_prob, model.traverse):
        with pytest.raises(ValueError, match=message):
            call(x)


@pytest.mark.parametrize("lead", [(), (3,), (3, 4), (2, 3, 4)], ids=str)
def test_decoding_takes_any_batch_of_latents(model, lead):
    device = next(model.parameters()).device
    t = torch.randn(*lead, model.capsules, model.units, device=device).double()
    decoded = model.double().decode(t)
    assert decoded.mean.shape == (*lead, *model.data_shape)
    assert decoded.log_prob(decoded.sample()).shape == lead
    rows = t.reshape(-1, *t.shape[-2:])
    each = torch.stack([model.decode(row).mean for row in rows]).reshape(decoded.mean.shape)
    torch.testing.assert_close(decoded.mean, each)


def test_latents_of_another_form_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    t = small("cpu").sample_latents(2)
    for wrong in (t.mT, t.flatten(-2), t[..., :-1], t[0, 0, 0], t.long()):
        with pytest.raises(ValueError, match=r"\(…, capsules, units\) = \(…, 2, 6\)$") as error:
            small("cpu").decode(wrong)
        assert f"t of shape {tuple(wrong.shape)} and {wrong.dtype}" in str(error.value)


@pytest.mark.parametrize(
    ("options", "frames", "rolls"),
    [
        ({"units": 6}, 4, (-3, 3)),
        ({"units": 4}, 4, (0, 3)),  # comes full circle
        ({"units": 7, "frames": 25, "shift": 7 / 25}, 25, (0, 24)),  # but for rounding
        ({"units": 8, "capsule_axes": (4, 2)}, 4, (0, 3)),
        ({"units": 12, "capsule_axes": (4, 3)}, 4, (-3, 3)),  # along one axis only
        ({"units": 6, "window": 3, "causal": True, "boundary": "zero"}, 4, (-3, 1)),
        ({"units": 6, "window": 3, "causal": True, "boundary": "zero"}, 6, (-5, 3)),
        ({"units": 6, "window": 3, "causal": True, "boundary": "zero"}, 2, (0, 0)),  # none is full
    ],
)
def test_there_must_be_a_frame_to_roll_to(options, frames, rolls):
    model, (first, last) = TVAE((5,), **{"capsules": 2, "frames": 4, "width": 8} | options), rolls
    x = torch.rand(2, frames, 5)
    for beyond in (first - 1, last + 1):
        with pytest.raises(ValueError, match=f"roll={beyond}: choose {first} to {last} frames"):
            model(x, roll=beyond)
    assert all(model(x, roll=within).nll.isfinite().all() for within in rolls)


@pytest.mark.parametrize("roll", [1.0, 0.0, None, "1"])
def test_a_roll_is_a_whole_number(roll, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    model = TVAE((5,), capsules=2, units=4, frames=4, width=8)
    with pytest.raises(ValueError, match=f"roll={roll!r}: choose 0 to 3 frames, as an int"):
        model(torch.rand(2, 4, 5), roll=roll)


@pytest.mark.parametrize("samples", [0, -1])
def test_there_must_be_a_sample_to_draw(samples):
    with pytest.raises(ValueError, match=f"samples={samples}: give a whole number"):
        small("cpu").log_prob(torch.rand(2, 4, 2, 6, 5), samples)


def test_standardise_needs_a_variance():
    with pytest.raises(ValueError, match=r"neighbourhood of 1 units.*standardise=False"):
        TVAE(**SIZE, window=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"data_shape": (28, 28)}, r"data_shape=\(28, 28\): give positive numbers, \(features,\)"),
        ({"data_shape": (0, 28, 28)}, "give positive numbers"),
        ({"window": 5}, "window=5 does not fit frames=4"),
        ({"capsule_axes": (2, 2)}, r"capsule_axes=\(2, 2\) with units=6"),
        ({"net": "deep"}, "net='deep': choose dense, residual or conv"),
        ({"net": "conv", "data_shape": (7,)}, "take net='dense' or 'residual' for vectors"),
        ({"net": "conv", "normalisation": "weight"}, "these options are for net='dense'"),
        ({"likelihood": "gausian"}, "likelihood=.gausian.: choose bernoulli, .* gaussian"),
        ({"likelihood_scale": 0.1}, "a scale is for 'gaussian'"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(arguments, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        TVAE(**{**SIZE, "window": 3} | arguments)


def test_loading_another_kind_or_a_damaged_file_is_refused(tmp_path):
    VAE(**SIZE).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds VAE, not TVAE"):
        TVAE.from_pretrained(tmp_path)
    assert type(TopographicVAE.from_pretrained(tmp_path)) is VAE
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        VAE.from_pretrained(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ValueError, match=r"model\.json does not describe a model"):
        VAE.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        VAE.from_pretrained(tmp_path / "nothing")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_sequences_are_drawn_in_the_precision_of_the_weights(dtype):
    model = TVAE((7,), frames=4, window=3, units=4, capsules=2, width=8, likelihood="gaussian")
    model = model.to(dtype)
    assert model.sample_latents(2).dtype == dtype
    assert model.sample(2).shape == (2, 4, 7)


def test_a_large_orbit_is_standardised_without_the_whole_matrix():
    large = Topography(capsules=1, units=128, frames=160, window=5)
    small = Topography(capsules=1, units=16, frames=16, window=5)
    assert prior_moments(large, -10.0, 1e-6) == pytest.approx(prior_moments(small, -10.0, 1e-6))
    wrapped = Topography(capsules=1, units=3, frames=6, window=6, neighbourhood=3)
    row = wrapped.matrix()[0]  # the half weights of either end fall together
    assert sorted(wrapped.weights()) == sorted(row[row > 0])
