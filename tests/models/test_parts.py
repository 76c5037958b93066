"""Parts of one's own: handed in, assigned, saved, loaded, or refused at once."""

import inspect
import re

import pytest
import torch
from ace_helpers import SMALL, images
from model_helpers import (
    SEQUENCES,
    OwnClassDecoder,
    OwnClassifier,
    OwnDecoder,
    OwnEncoder,
    inputs,
)
from torch import nn
from torch.distributions import Independent, Laplace

import symgen
from symgen import ACE, TVAE, VAE, BubbleVAE, TopographicVAE, TorusVAE
from symgen.experiments.builders import options_of
from symgen.latents import Topographic
from symgen.likelihoods import GrayBernoulli, Likelihood
from symgen.models import SymmetryStatistics

BUILDERS = (TVAE, BubbleVAE, VAE, TorusVAE, ACE, TopographicVAE)
SHAPE = (1, 12, 12)


class LaplaceNoise(Likelihood):
    """A likelihood of two decoded numbers, beside one that is learned for all values."""

    parameters = 2

    def learned(self, data_shape):
        return {"log_floor": torch.tensor(-2.0)}

    def __call__(self, outputs, dims, **learned):
        location, scale = outputs.unbind(-1 - dims)
        return Independent(Laplace(location, scale.exp() + learned["log_floor"].exp()), dims)


class WholeCapsules(Topographic):
    """All units of a capsule share energy with each other, and with no other frame."""

    capsules, units, frames = 2, 6, 4

    def inverse_scale(self, energy, eps):
        return (energy.sum(-1, keepdim=True) + eps).rsqrt().expand_as(energy)


class WeighedCapsules(nn.Module, WholeCapsules):
    """The same, with a weight that is learned."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def inverse_scale(self, energy, eps):
        return super().inverse_scale(self.weight.square() * energy, eps)


class Summer(TVAE):
    """A model of one's own that passes options on."""

    def __init__(self, data_shape, **options):
        super().__init__(data_shape, capsules=2, **options)


def tvae(**options):
    return TVAE((7,), **SEQUENCES, window=3, likelihood="gaussian", width=8, **options)


def bare(topography, likelihood="gaussian", parameters=1, **options):
    return TopographicVAE(
        (7,),
        encoder=OwnEncoder((7,), 48),
        decoder=OwnDecoder(12, (parameters, 7)),
        topography=topography,
        likelihood=likelihood,
        **options,
    )


def assert_equal_numbers(one, other, *given):
    for model in (one.eval(), other.eval()):
        torch.manual_seed(1)
        terms = model(*given)
        if model is one:
            expected = terms
    assert all(torch.equal(*both) for both in zip(terms, expected, strict=True))


# --- assigned ---------------------------------------------------------------------------------

ASSIGNED = {
    "encoder": (tvae, lambda: OwnEncoder((7,), 48)),
    "decoder": (tvae, lambda: OwnDecoder(12, (1, 7))),
    "ace's classifier": (lambda: ACE(**SMALL), lambda: OwnClassifier(SHAPE, 3)),
    "ace's encoder": (lambda: ACE(**SMALL), lambda: OwnEncoder(SHAPE, 8)),
    "ace's decoder": (lambda: ACE(**SMALL), lambda: OwnClassDecoder(3, 1, (1, *SHAPE))),
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_a_part_that_was_assigned_is_saved_and_loaded_as_the_argument_of_its_name(name, tmp_path):
    make, part = ASSIGNED[name]
    argument = name.split()[-1]
    model, before = make(), make()
    net = part()
    setattr(model, argument, net)
    assert getattr(model, argument) is net
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=rf"{argument}={type(net).__name__}\(…\)"):
        type(model).from_pretrained(tmp_path)
    again = type(model).from_pretrained(tmp_path, **{argument: part()})
    given = (torch.randn(3, 4, 7),)
    if isinstance(model, ACE):
        given = (images(model, 3), torch.tensor([0, 2, 1]))
    assert_equal_numbers(model, again, *given)
    assert not torch.equal(model(*given).loss, before.eval()(*given).loss)


@pytest.mark.parametrize(
    ("make", "name", "part", "message"),
    [
        (tvae, "encoder", OwnEncoder((7,), 24), r"\(2, 48\), mean and log-variance of z and of u"),
        (tvae, "encoder", OwnEncoder((8,), 48), r"\(2, 7\) fails: .*should give \(2, 48\)"),
        (tvae, "decoder", OwnDecoder(12, (7,)), r"gives \(2, 7\): it should give \(2, 1, 7\)"),
        (lambda: ACE(**SMALL), "classifier", OwnClassifier(SHAPE, 4), "the classes' scores"),
        (lambda: ACE(**SMALL), "encoder", OwnEncoder(SHAPE, 7), "the heads of this model take 8"),
        (lambda: ACE(**SMALL), "decoder", OwnDecoder(1, SHAPE), r"decoder of 2 items .*fails"),
    ],
)
def test_a_part_that_does_not_fit_is_refused_at_once_and_the_old_one_kept(
    make, name, part, message
):
    model = make()
    before, config = getattr(model, name), dict(model.config)
    with pytest.raises(ValueError, match=message):
        setattr(model, name, part)
    assert getattr(model, name) is before and model.config == config
    with pytest.raises(TypeError, match=f"{name} is a str: assign a torch module"):
        setattr(model, name, "conv")


@pytest.mark.parametrize(
    ("make", "name"),
    [(tvae, name) for name in ("topography", "likelihood", "data_shape", "frames", "capsules")]
    + [(lambda: ACE(**SMALL), name) for name in ("pose", "likelihood", "data_shape")],
)
def test_what_the_rest_was_made_to_fit_cannot_be_assigned(make, name):
    model = make()
    with pytest.raises(AttributeError, match=rf"{name} cannot be replaced.*{name}=…"):
        setattr(model, name, getattr(model, name))


@pytest.mark.parametrize("make", [tvae, lambda: ACE(**SMALL)])
def test_no_part_can_be_deleted(make):
    model = make()
    for name in (*model._replaceable, *model._fixed):
        with pytest.raises(AttributeError, match=rf"{name} cannot be deleted"):
            delattr(model, name)
    model.note = "mine"
    del model.note
    assert not hasattr(model, "note") and model(*inputs(model)).loss.isfinite()


def test_handing_in_what_does_not_fit_says_what_it_should_give():
    with pytest.raises(ValueError, match=r"encoder of 2 items \(2, 7\) gives \(2, 24\)"):
        TVAE((7,), **SEQUENCES, window=3, encoder=OwnEncoder((7,), 24))
    with pytest.raises(ValueError, match=r"gives \(2, 1, 7\): it should give \(2, 2, 7\)"):
        bare(WholeCapsules(), LaplaceNoise())
    with pytest.raises(ValueError, match=r"should give \(2, F\), features"):
        ACE(**SMALL, encoder=nn.Identity())


class NotIndependent(Likelihood):
    """Of values that are no parts of an item, or where it takes batches for items."""

    def __init__(self, further):
        self.further = further

    def __call__(self, outputs, dims, **learned):
        (location,) = outputs.unbind(-1 - dims)
        values = Laplace(location, 0.3)
        return values if self.further is None else Independent(values, dims + self.further)


@pytest.mark.parametrize("further", [None, 1])
def test_a_likelihood_of_other_than_items_is_refused_at_once(further):
    likelihood = NotIndependent(further)
    with pytest.raises(ValueError, match=r"^NotIndependent .*log-probabilities \(.*Independent"):
        bare(WholeCapsules(), likelihood)
    with pytest.raises(
        ValueError, match=r"^NotIndependent .*should have log-probabilities \(2,\)"
    ):
        ACE(**SMALL, likelihood=likelihood)
    model = bare(WholeCapsules(), NotIndependent(0))
    assert model(torch.randn(3, 4, 7)).nll.shape == (3, 4)


def test_a_likelihood_that_tells_no_shapes_is_tried():
    class Bare(GrayBernoulli):  # has the log-probabilities of items, and does not say so
        batch_shape = event_shape = ()

        def log_prob(self, value):
            return -torch.nn.functional.softplus(self.logits).flatten(1).sum(1)

    class Untold(Likelihood):
        def __call__(self, outputs, dims, **learned):
            return Bare(outputs.squeeze(-1 - dims), dims)

    state = torch.get_rng_state()
    model = bare(WholeCapsules())
    torch.set_rng_state(state)
    nets = {"encoder": model.encoder, "decoder": model.decoder}
    TopographicVAE((7,), **nets, topography=WholeCapsules(), likelihood=Untold())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("expected", [False, True])
def test_a_topography_of_other_than_one_scale_for_each_variable_is_refused_at_once(expected):
    class Flat(WholeCapsules):
        def inverse_scale(self, energy, eps):
            scale = super().inverse_scale(energy, eps)
            return scale if expected else scale[0]

        def expected_inverse_scale(self, energy, variance, eps):
            return self.inverse_scale(energy, eps)[..., :1]

    method, given = ("expected_", (2, 4, 2, 1)) if expected else ("", (4, 2, 6))
    told = re.escape(f"Flat.{method}inverse_scale of energy (2, 4, 2, 6) gives {given}: ")
    with pytest.raises(ValueError, match=told):
        bare(Flat())


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_net_of_another_precision_is_refused_at_once(name):
    net = {"encoder": OwnEncoder((7,), 48), "decoder": OwnDecoder(12, (1, 7))}[name].double()
    told = f"^{name} has weights of torch.float64 in a model of torch.float32: give {name}.to"
    with pytest.raises(ValueError, match=told):
        tvae(**{name: net})
    model = tvae()
    with pytest.raises(ValueError, match=told):
        setattr(model, name, net)
    setattr(model.double(), name, net)
    assert model(torch.randn(3, 4, 7, dtype=torch.float64)).nll.dtype == torch.float64


def test_the_trial_run_of_a_net_leaves_no_trace():
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(7), nn.Dropout(), nn.Linear(7, 48))
    net[2].eval()
    model = bare(WholeCapsules())
    state = torch.get_rng_state()
    model.encoder = net
    assert torch.equal(torch.get_rng_state(), state)
    assert net.training and net[1].training and not net[2].training
    assert net[1].num_batches_tracked == 0 and net[3].weight.grad is None


# --- handed in --------------------------------------------------------------------------------


def test_a_likelihood_of_ones_own_is_trained_saved_and_loaded(tmp_path):
    model = TVAE((7,), **SEQUENCES, window=3, likelihood=LaplaceNoise(), width=8)
    x = torch.randn(3, 4, 7)
    run = symgen.fit(model, x, examples=30, batch_size=3, learning_rate=0.1)
    assert run.model.shared["log_floor"] != -2 and model.sample(2).shape == (2, 4, 7)
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"likelihood=LaplaceNoise\(…\)"):
        TVAE.from_pretrained(tmp_path)
    assert_equal_numbers(model, TVAE.from_pretrained(tmp_path, likelihood=LaplaceNoise()), x)
    ace = ACE(**SMALL, likelihood=LaplaceNoise())
    assert ace(images(ace), torch.zeros(5, dtype=torch.int64)).loss.isfinite()


def test_a_topography_of_ones_own_shapes_the_latents_and_is_handed_in_again(tmp_path):
    model = bare(WholeCapsules(), mu=-3.0, standardise=True)
    z, u = torch.randn(2, 5, 4, 2, 6)
    expected = (z + 3) / (u.square().sum(-1, keepdim=True) + model.eps).sqrt()
    torch.testing.assert_close(model.latents_from(z, u), expected)
    standard = (model.sample_latents(2000) - model.location) / model.scale
    assert abs(standard.mean()) < 0.1 and abs(standard.std() - 1) < 0.1
    x = torch.randn(3, 4, 7)
    assert model.traverse(x).shape == (3, 6, 7)
    model.save_pretrained(tmp_path)
    nets = {"encoder": OwnEncoder((7,), 48), "decoder": OwnDecoder(12, (1, 7))}
    with pytest.raises(ValueError, match=r"topography=WholeCapsules\(…\)"):
        TopographicVAE.from_pretrained(tmp_path, **nets)
    again = TopographicVAE.from_pretrained(tmp_path, **nets, topography=WholeCapsules())
    assert_equal_numbers(model, again, x)


def test_a_topography_that_is_learned_is_saved_with_its_weights(tmp_path):
    model = bare(WeighedCapsules(1.0), mu=-3.0)
    model.save_pretrained(tmp_path)
    nets = {"encoder": OwnEncoder((7,), 48), "decoder": OwnDecoder(12, (1, 7))}
    again = TopographicVAE.from_pretrained(tmp_path, **nets, topography=WeighedCapsules(2.0))
    assert_equal_numbers(model, again, torch.randn(3, 4, 7))


def test_a_pose_of_ones_own_is_handed_in_again(tmp_path):
    def pose():
        return SymmetryStatistics(SHAPE, "affine", channels=(3, 3), hidden=8)

    others = {name: value for name, value in SMALL.items() if not name.startswith("pose_")}
    model = ACE(**others | {"pose": pose()})
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"pose=SymmetryStatistics\(…\)"):
        ACE.from_pretrained(tmp_path)
    again = ACE.from_pretrained(tmp_path, pose=pose())
    assert_equal_numbers(model, again, images(model), torch.tensor([0, 1, 2, 1, 0]))


@pytest.mark.parametrize(
    ("option", "value"),
    [("pose_starts", 8), ("pose_hidden", 9), ("colour_pose", True), ("padding_mode", "border")],
)
def test_options_that_a_pose_of_ones_own_would_ignore_are_refused(option, value):
    pose = SymmetryStatistics((3, 12, 12), "rotation", starts=4)
    assert ACE((3, 12, 12), pose=pose, pose_starts=4).pose is pose
    with pytest.raises(ValueError, match=f"{option}={value!r} beside a pose of your own"):
        ACE((3, 12, 12), pose=pose, **{option: value})


def test_poses_are_drawn_from_the_prior_of_a_pose_of_ones_own():
    pose = SymmetryStatistics(SHAPE, "centroid", latent="laplace")
    model = ACE(SHAPE, pose=pose)
    torch.manual_seed(0)
    shifts = model.sample_latents(20_000, pose="prior").pose.affine[:, 0, 2]
    fourth = ((shifts - shifts.mean()) / shifts.std()).pow(4).mean()
    assert 5 < float(fourth) < 7.5  # 6 of a Laplace density, 3 of a Gaussian


def test_a_kind_of_ones_own_that_passes_options_on_is_saved_and_loaded(tmp_path):
    model = Summer((7,), frames=4, window=3, likelihood="gaussian", width=8)
    model.save_pretrained(tmp_path)
    again = TVAE.from_pretrained(tmp_path)
    assert type(again) is Summer
    assert_equal_numbers(model, again, torch.randn(3, 4, 7))


# --- what is shown ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [tvae, lambda: ACE(**SMALL), lambda: bare(WholeCapsules())])
def test_a_model_is_one_line_and_its_parts_show_their_layers(kind):
    model = kind()
    line = repr(model)
    assert "\n" not in line and line.startswith(f"{type(model).__name__}(data_shape=")
    count = sum(p.numel() for p in model.parameters())
    assert line.endswith(f")  # {count:,} parameters")
    for value in model.config.values():
        assert (type(value).__name__ if isinstance(value, nn.Module) else repr(value)) in line
    assert "normalisation=" in repr(tvae().encoder) and "3 × (8 -> 2)" in repr(ACE(**SMALL).heads)


@pytest.mark.parametrize("builder", [*BUILDERS, symgen.fit], ids=lambda b: b.__name__)
def test_every_option_is_in_the_signature_and_in_the_documentation(builder):
    parameters = inspect.signature(builder).parameters.values()
    gathers = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    assert not any(parameter.kind in gathers for parameter in parameters)
    documented = re.findall(r"^    (\w+): ", inspect.getdoc(builder), re.MULTILINE)
    named = [parameter.name for parameter in parameters]
    if builder in (BubbleVAE, VAE, TorusVAE):  # which document what differs from TVAE
        own = [name for name in documented if name in named]
        assert own == sorted(own, key=named.index)
        documented = [n for n in inspect.signature(TVAE).parameters if n in named]
    assert documented[: len(named)] == named


def test_every_option_has_a_help_text():
    for builder in BUILDERS:
        assert all(option.help for option in options_of(builder).values())


def test_public_names_are_there():
    assert all(hasattr(symgen, name) for name in symgen.__all__)
