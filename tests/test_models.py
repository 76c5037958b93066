"""One contract over all models and topographies, then what is particular to each."""

import subprocess
import sys

import jaxtyping
import pytest
import torch

import symgen
from symgen import TVAE, VAE, BubbleVAE, TopographicVAE
from symgen.latents import AxesTopography, Gaussian, Topography, roll, student_t
from symgen.models.prior_moments import prior_moments

SIZE = {"image_shape": (2, 6, 5), "capsules": 3, "units": 6, "frames": 4}
MODELS = {
    "tvae": lambda: TVAE(**SIZE, window=3, neighbourhood=3),
    "tvae even": lambda: TVAE(**SIZE, window=2),
    "tvae L=0": lambda: TVAE(**SIZE, window=1, neighbourhood=3, eps=1e-3),
    "tvae reference": lambda: TVAE(
        **SIZE,
        window=3,
        neighbourhood=3,
        reference_window=True,
        initialisation="reference",
        output_bias="channel",
        clamp_logits=True,
    ),
    "tvae standardised": lambda: TVAE(**SIZE, window=3, neighbourhood=3, standardise=True),
    "tvae weight norm": lambda: TVAE(**SIZE, window=3, normalisation="weight"),
    "tvae projected": lambda: TVAE(**SIZE, window=3, normalisation="projected"),
    "bubble": lambda: BubbleVAE(**SIZE, window=3, neighbourhood=3),
    "torus": lambda: TopographicVAE(
        image_shape=(2, 6, 5), topography=Topography.torus((5, 6), patch=3), mu=-10.0
    ),
    "vae": lambda: VAE(**SIZE, hidden=(7, 5)),
    "half speed": lambda: TVAE(**SIZE, window=3, shift=0.5),
    "ends": lambda: TVAE(
        **SIZE, window=3, boundary="zero", capsule_boundary="zero", standardise=True
    ),
    "causal": lambda: TVAE(**SIZE, window=3, neighbourhood=3, causal=True, boundary="zero"),
    "axes": lambda: TopographicVAE(
        image_shape=(2, 6, 5), topography=AxesTopography(2, (3, 4), 4, 3), standardise=True
    ),
    "learned kernel": lambda: TVAE(**SIZE, window=3, neighbourhood=3, learn="kernel"),
    "learned speed": lambda: TVAE(**SIZE, window=4, learn="speed", shift=0.8),
}


@pytest.fixture(params=MODELS.values(), ids=MODELS.keys())
def model(request, device):
    return request.param().to(device)


@pytest.fixture
def x(model, device):
    return torch.rand(3, model.frames, *model.image_shape, device=device)


def test_shapes(model, x):
    shape = (3, model.frames, model.capsules, model.units)
    posterior = model.encode(x)
    assert posterior.z.mean.shape == shape
    for sampled in (True, False):
        t = model.latents(posterior, sampled=sampled)
        assert t.shape == shape
    decoded = model.decode(t)
    assert decoded.mean.shape == x.shape
    assert decoded.log_prob(x).shape == (3, model.frames)
    elbo = model.elbo(x)
    assert elbo.nll.shape == elbo.kl.shape == (3, model.frames)
    assert model.log_weights(x, 5).shape == (5, 3, model.frames)
    assert model.log_prob(x, 5).shape == (3,)
    assert model.sample(2).shape == (2, *x.shape[1:])
    assert model.traverse(x).shape == (3, model.units, *model.image_shape)
    assert model.traverse(x, steps=2).shape == (3, 2, *model.image_shape)


def test_gradients_reach_every_parameter(model, x):
    model.elbo(x).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_same_seed_gives_the_same_numbers(model, x):
    def once():
        torch.manual_seed(3)
        return model.elbo(x).loss

    assert torch.equal(once(), once())


def test_elbo_is_the_bound_of_its_parts(model, x):
    torch.manual_seed(5)
    elbo = model.elbo(x)
    torch.manual_seed(5)
    posterior = model.encode(x)
    t = model.latents(posterior)
    torch.testing.assert_close(elbo.nll, -model.decode(t).log_prob(x))
    torch.testing.assert_close(elbo.kl_z, posterior.z.kl().sum((-2, -1)))
    torch.testing.assert_close(elbo.loss, (elbo.nll + elbo.kl_z + elbo.kl_u).mean())
    assert (elbo.kl_u == 0).all() if posterior.u is None else (elbo.kl_u > 0).all()


def test_importance_weights_average_to_the_negative_elbo(model, x):
    weights = model.log_weights(x, 100)
    elbo = torch.stack([-(e.nll + e.kl) for e in (model.elbo(x) for _ in range(100))])
    error = (elbo.std(0) + weights.std(0)) / 100**0.5
    assert ((weights.mean(0) - elbo.mean(0)).abs() < 6 * error + 1e-3).all()


def test_log_prob_is_above_the_elbo_and_grows_with_samples(model, x):
    few = torch.stack([model.log_prob(x, 1) for _ in range(30)]).mean()
    many = torch.stack([model.log_prob(x, 30) for _ in range(10)]).mean()
    assert many > few


def test_save_and_load_is_exact(model, x, tmp_path):
    model.save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "model.safetensors"]
    again = TopographicVAE.from_pretrained(tmp_path).to(x.device)
    assert type(again) is type(model)
    assert again.topography == model.topography
    torch.manual_seed(1)
    expected = model.elbo(x).loss
    torch.manual_seed(1)
    assert torch.equal(again.elbo(x).loss, expected)


def test_traversal_decodes_the_rolls_of_the_first_frame(model, x):
    first = model.latents(model.encode(x), sampled=False)[:, 0]
    for step, image in enumerate(model.traverse(x).unbind(1)):
        expected = model.decode(model.act(first, step)).mean
        torch.testing.assert_close(image, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["tvae", "bubble", "torus", "vae"])
def test_a_whole_step_is_an_exact_roll(name):
    t = torch.randn(2, 3, 6)
    assert torch.equal(MODELS[name]().act(t, 2), roll(t, 2))


def test_the_first_frame_depends_on_the_frames_it_sees_only(model, x):
    x = x.clone().requires_grad_()
    torch.manual_seed(0)
    model.latents(model.encode(x))[:, 0].square().sum().backward()
    assert x.grad is not None
    reached = x.grad.flatten(2).abs().sum((0, 2)) > 0
    assert torch.equal(reached.cpu(), model.topography.seen_frames())


@pytest.mark.parametrize(
    "wrong",
    [
        lambda m: torch.rand(3, m.frames + 1, *m.image_shape[:2], 5 + m.topography.open_ended),
        lambda m: torch.rand(m.frames, *m.image_shape),
        lambda m: torch.randint(0, 255, (3, m.frames, *m.image_shape), dtype=torch.uint8),
    ],
    ids=["frames", "no batch", "integers"],
)
def test_images_of_another_form_are_refused(model, wrong, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="does not fit the model") as error:
        model.encode(wrong(model))
    assert str(tuple(wrong(model).shape)) in str(error.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [(float("nan"), "reaches from nan"), (-0.1, "reaches from -0.1"), (255.0, "to 255: scale")],
)
def test_values_that_are_no_gray_levels_are_refused(value, message):
    x = torch.rand(3, 4, 2, 6, 5)
    x[1, 2, 0, 3, 3] = value
    with pytest.raises(ValueError, match=message):
        MODELS["tvae"]().encode(x)


def test_repr_names_the_layers(model):
    assert type(model).__name__ in repr(model) and "normalisation=" in repr(model)


def test_latents_are_the_student_t_construction(device):
    model = MODELS["tvae"]().to(device)
    z, u = torch.randn(2, 3, 4, 3, 6, device=device)
    expected = student_t(z, u, model.topography, model.mu, model.eps)
    torch.testing.assert_close(model.latents_from(z, u), expected)


def test_expected_energy_is_not_the_energy_of_the_mean(device):
    """With u spread around zero the energy of its mean vanishes, its expected energy does not."""
    model = MODELS["tvae"]().to(device)
    posterior = model.encode(torch.rand(2, 4, 2, 6, 5, device=device))
    zero = torch.zeros_like(posterior.u.mean)
    posterior = posterior._replace(u=Gaussian(zero, zero))
    t = model.latents(posterior, sampled=False)
    torch.testing.assert_close(t, (posterior.z.mean + 30) / 3)


@pytest.mark.parametrize("image_shape", [(3, 28, 28), (1, 64, 64)])
def test_paper_sizes_have_the_papers_number_of_parameters(image_shape):
    mnist = image_shape[0] == 3
    count = 18 if mnist else 15
    size = {"image_shape": image_shape, "capsules": count, "units": count, "frames": count}

    def parameters(model):
        return sum(p.numel() for p in model.parameters())

    reference = {"output_bias": "channel"}
    tvae = parameters(TVAE(**size, window=5, **reference))
    assert tvae == (9_803_920 if mnist else 9_716_177)
    if mnist:
        assert parameters(VAE(**size, **reference)) == 6_465_747


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
        t = (student_t(z, u, topography, mu) - location) / scale
        assert abs(t.mean()) < 0.05 and abs(t.std() - 1) < 0.05


def test_standardise_needs_a_variance():
    with pytest.raises(ValueError, match="neighbourhood of 1 units"):
        TVAE(**SIZE, window=1, standardise=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (28, 28)}, r"image_shape=\(28, 28\)"),
        ({"image_shape": (0, 28, 28)}, "three positive numbers"),
        ({"window": 5}, "window=5 does not fit frames=4"),
    ],
)
def test_models_that_do_not_fit_together_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TVAE(**{**SIZE, "window": 3} | arguments)


def test_loading_another_kind_or_a_damaged_file_is_refused(tmp_path):
    MODELS["vae"]().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds a VAE, not a TVAE"):
        TVAE.from_pretrained(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        VAE.from_pretrained(tmp_path)
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(ValueError, match=r"model\.json does not describe a model"):
        VAE.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="no folder"):
        VAE.from_pretrained(tmp_path / "nothing")


_COMPILE = """
import torch
from symgen import TVAE, VAE, BubbleVAE, TopographicVAE
from symgen.latents import AxesTopography
size = {"image_shape": (1, 6, 5), "capsules": 3, "units": 6, "frames": 4}
models = [
    TVAE(**size, window=3, neighbourhood=3, standardise=True),
    BubbleVAE(**size, window=2, clamp_logits=True, normalisation="weight"),
    VAE(**size),
    TVAE(**size, window=3, shift=0.5, causal=True, boundary="zero", learn="kernel", ahead=1),
    TVAE(**size, window=3, learn="speed"),
    TopographicVAE(image_shape=(1, 6, 5), topography=AxesTopography(3, (3, 4), 4, 3)),
]
for model in models:
    x = torch.rand(2, 4, 1, 6, 5)
    compiled = torch.compile(lambda x: model.elbo(x).loss, fullgraph=True, backend="aot_eager")
    torch.manual_seed(0)
    expected = model.elbo(x).loss
    torch.manual_seed(0)
    torch.testing.assert_close(compiled(x), expected)
    compiled(x).backward()
    torch._dynamo.reset()
"""


def test_elbo_compiles_as_one_graph():
    """In a process of its own: run-time checks of annotations do not pass the compiler."""
    done = subprocess.run([sys.executable, "-c", _COMPILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_public_names_are_there():
    assert all(hasattr(symgen, name) for name in symgen.__all__)
