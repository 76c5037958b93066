"""What holds for every likelihood, whatever the shape of the data."""

import dataclasses

import pytest
import torch
from torch.distributions import Distribution, Independent, Laplace

from symgen.likelihoods import (
    Bernoulli,
    ContinuousBernoulli,
    DiscretisedLogistic,
    Gaussian,
    Likelihood,
    Poisson,
)


class LaplaceNoise(Likelihood):
    """A likelihood of one's own, with no more than what it must define."""

    def __call__(self, outputs, dims, **learned):
        (location,) = outputs.unbind(-1 - dims)
        return Independent(Laplace(location, 0.1), dims)


LIKELIHOODS = {
    "bernoulli": Bernoulli(),
    "clamped bernoulli": Bernoulli(clamped=True),
    "continuous bernoulli": ContinuousBernoulli(),
    "gaussian of a fixed scale": Gaussian(0.5),
    "gaussian of one scale": Gaussian("one"),
    "gaussian of channels": Gaussian("channel"),
    "gaussian of values": Gaussian("value"),
    "poisson": Poisson(),
    "logistic of a fixed scale": DiscretisedLogistic(0.1),
    "logistic of one scale": DiscretisedLogistic("one"),
    "logistic of channels": DiscretisedLogistic("channel"),
    "logistic of values": DiscretisedLogistic("value"),
    "own": LaplaceNoise(),
}
BUILT_IN = {name: one for name, one in LIKELIHOODS.items() if name != "own"}
SHAPES = {"vector": (5,), "image": (2, 3, 4), "volume": (3, 2, 1, 2)}
UNIT_RANGE = (Bernoulli, ContinuousBernoulli, DiscretisedLogistic)


@pytest.fixture(params=LIKELIHOODS.values(), ids=LIKELIHOODS.keys())
def likelihood(request):
    return request.param


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def shape(request):
    return request.param


def outputs_of(likelihood, shape, batch=(4, 3), **options):
    return torch.randn(*batch, likelihood.parameters, *shape, **options)


def learned_of(likelihood, shape, device=None):
    return {
        name: value.to(device).requires_grad_()
        for name, value in likelihood.learned(shape).items()
    }


@pytest.fixture
def distribution(likelihood, shape, device, dtype):
    outputs = outputs_of(likelihood, shape, device=device, dtype=dtype)
    return likelihood(outputs, dims=len(shape), **learned_of(likelihood, shape, device))


def test_it_is_a_distribution_of_items(distribution, shape, dtype):
    assert isinstance(distribution, Distribution)
    assert distribution.batch_shape == (4, 3) and distribution.event_shape == shape
    assert distribution.mean.shape == (4, 3, *shape) and distribution.mean.dtype == dtype
    assert distribution.sample().shape == (4, 3, *shape)
    draws = distribution.sample((7,))
    assert draws.shape == (7, 4, 3, *shape) and not draws.requires_grad
    log_prob = distribution.log_prob(draws)
    assert log_prob.shape == (7, 4, 3) and log_prob.isfinite().all()
    torch.testing.assert_close(log_prob[2], distribution.log_prob(draws[2]))


def test_values_are_independent_of_each_other(distribution):
    """Two items that swap some of their values have the same nats together."""
    one, other = distribution.sample((2,))
    swapped = torch.rand_like(one) < 0.5
    log_prob = [
        distribution.log_prob(x)
        for x in (one, other, torch.where(swapped, one, other), torch.where(swapped, other, one))
    ]
    torch.testing.assert_close(log_prob[0] + log_prob[1], log_prob[2] + log_prob[3])


def test_the_mean_is_that_of_samples(distribution):
    draws = distribution.sample((4000,))
    step = 0.5 / 255 if hasattr(distribution, "location") else 0.0  # documented of levels
    distance = (draws.mean(0) - distribution.mean).abs()
    assert (distance <= 6 * draws.std(0) / 4000**0.5 + step + 1e-3).all()


def test_samples_are_in_the_support_and_other_data_are_refused_by_name(
    likelihood, distribution, shape
):
    draws = distribution.sample()
    likelihood.require_support("x", draws)
    found = r"not finite|from nan|from -?[\d.]+ to (inf|nan)"
    for bad in (torch.nan, torch.inf):
        spoiled = draws.clone()
        spoiled.view(-1)[1] = bad
        with pytest.raises(ValueError, match=f"^recording.*({found}).*: "):
            likelihood.require_support("recording", spoiled)
    if isinstance(likelihood, UNIT_RANGE):
        for bad in (draws - 3.5, draws + 3.5, 255 * draws.round() + 1):
            with pytest.raises(ValueError, match=r"x reaches from .* to .*: scale or clamp"):
                likelihood.require_support("x", bad)
    if isinstance(likelihood, Poisson):
        for bad, reach in ((draws - 100, "from -"), (draws + 0.5, "from 0.5")):
            with pytest.raises(ValueError, match=f"x reaches {reach}.*whole numbers from 0 on"):
                likelihood.require_support("x", bad)


def test_gradients_reach_the_outputs_and_what_is_learned(likelihood, shape, device):
    outputs = outputs_of(likelihood, shape, device=device, dtype=torch.float64).requires_grad_()
    learned = learned_of(likelihood, shape, device)
    p = likelihood(outputs, dims=len(shape), **learned)
    p.log_prob(p.sample()).sum().backward()
    for leaf in (outputs, *learned.values()):
        assert leaf.grad is not None and leaf.grad.isfinite().all() and (leaf.grad != 0).any()


@pytest.mark.parametrize("likelihood", BUILT_IN.values(), ids=BUILT_IN.keys())
def test_coarse_outputs_give_nats_in_single_precision(likelihood, shape, device):
    """As decoders give them under autocast."""
    outputs = outputs_of(likelihood, shape, device=device)
    learned = learned_of(likelihood, shape, device)
    coarse = likelihood(outputs.bfloat16(), dims=len(shape), **learned)
    x = coarse.sample()
    assert coarse.log_prob(x).dtype == coarse.mean.dtype == torch.float32
    fine = likelihood(outputs.bfloat16().float(), dims=len(shape), **learned)
    torch.testing.assert_close(coarse.log_prob(x), fine.log_prob(x))


def test_predictions_without_a_model_are_scored_by_the_same_nats(likelihood, shape, device):
    """Of finite nats, certain and wrong ones too, and the better the nearer they are."""
    learned, dims = learned_of(likelihood, shape, device), len(shape)
    x = likelihood(outputs_of(likelihood, shape, device=device), dims, **learned).sample()
    if isinstance(likelihood, LaplaceNoise):
        assert likelihood.baseline(x, x, dims) is None
        return
    far = 1 - x if isinstance(likelihood, UNIT_RANGE) else x + 2
    scores = []
    for share in (0.0, 0.3, 0.6, 1.0):
        around = likelihood.baseline(x + share * (far - x), x, dims)
        assert around.batch_shape == (4, 3) and around.event_shape == shape
        scores.append(around.log_prob(x))
    assert all(one.isfinite().all() for one in scores)
    assert (torch.stack(scores).diff(dim=0) <= 0).all() and (scores[-1] < scores[0]).all()
    own = likelihood.baseline(far, x, dims, **learned).log_prob(x)  # with the model's own scale
    assert own.shape == (4, 3) and own.isfinite().all()


def test_no_outputs_lose_less_than_the_entropy_floor(likelihood, distribution, shape):
    x = distribution.sample()
    if isinstance(likelihood, Bernoulli):
        x = torch.rand_like(x)
    floor = likelihood.entropy_floor(x, dims=len(shape))
    assert (floor is not None) == isinstance(likelihood, Bernoulli | Poisson)
    if floor is None:
        return
    best = (x.logit() if isinstance(likelihood, Bernoulli) else x.log()).unsqueeze(2)
    attained = -likelihood(best.clamp(min=-15), dims=len(shape)).log_prob(x)
    torch.testing.assert_close(floor, attained, atol=1e-5, rtol=1e-5)
    assert (-distribution.log_prob(x) > floor).all()


def test_only_probabilities_of_levels_are_measured_in_bits_per_dimension(likelihood, distribution):
    is_levels = isinstance(likelihood, DiscretisedLogistic)
    assert likelihood.bits_per_dimension == is_levels
    if is_levels:
        assert (distribution.log_prob(distribution.sample((50,))) < 0).all()


def test_what_a_decoder_of_dark_images_begins_with(likelihood, shape):
    outputs = torch.zeros(1, likelihood.parameters, *shape)
    outputs[:, 0] = likelihood.background
    mean = likelihood(outputs, dims=len(shape), **learned_of(likelihood, shape)).mean
    dark = {Bernoulli: 0.02, Poisson: 0.02, ContinuousBernoulli: 0.25, DiscretisedLogistic: 0.25}
    assert mean.min() >= 0 and mean.max() <= dark.get(type(likelihood), 0.0)


@pytest.mark.parametrize("likelihood", BUILT_IN.values(), ids=BUILT_IN.keys())
def test_a_likelihood_is_a_value(likelihood):
    same = type(likelihood)(**dataclasses.asdict(likelihood))
    assert same == likelihood and hash(same) == hash(likelihood)
    assert [other == likelihood for other in LIKELIHOODS.values()].count(True) == 1
    assert eval(repr(likelihood)) == likelihood
