"""Theorems about roll prediction."""

import math

import jaxtyping
import pytest
import torch
from torch.distributions import Independent, Laplace
from torch.nn.functional import binary_cross_entropy

from symgen import TVAE, VAE
from symgen.latents import Topography, roll
from symgen.likelihoods import GrayBernoulli, Likelihood
from symgen.metrics import entropy_floor, roll_prediction

FRAMES, SHAPE = 8, (1, 4, 4)
GUESSES = ("nearest", "interpolation", "mean")
BASELINES = tuple(f"{guess}_{error}" for guess in GUESSES for error in ("nll", "squared_error"))


class Pixels:
    """A model whose only capsule is the image itself, one row of pixels: it rolls exactly."""

    topography = Topography.tvae(capsules=1, units=FRAMES, frames=FRAMES, window=3)

    def encode(self, x):
        return x

    def latents(self, x, sampled=False):
        return x[:, :, 0]

    def decode(self, t):
        return GrayBernoulli(t[..., None, :, :].logit(), dims=3)

    def act(self, t, element, axis):
        return roll(t, element[:, None])

    def baseline(self, mean, x):
        return None


def tvae(window, data_shape=SHAPE, **options):
    sizes = {"capsules": 2, "units": FRAMES, "frames": FRAMES, "window": window, "width": 16}
    return TVAE(data_shape, standardise=False, **{**sizes, **options})


def images(batch=3):
    return torch.rand(batch, FRAMES, *SHAPE)


def test_world_that_rolls_is_predicted_as_well_as_its_entropy_allows():
    first = 0.98 * torch.rand(5, 1, 1, 1, FRAMES) + 0.01
    x = roll(first, torch.arange(FRAMES)[:, None, None])
    prediction = roll_prediction(Pixels(), x, x.mean((0, 1)))
    floor = torch.stack([entropy_floor(x[:, [frame]]) for frame in range(FRAMES)], 1)
    torch.testing.assert_close(prediction.nll, floor, rtol=1e-4, atol=1e-5)
    assert prediction.squared_error.max() < 1e-9
    assert (prediction.nearest_squared_error > 0.01).all()
    assert (prediction.mean_squared_error > prediction.squared_error).all()


@pytest.mark.parametrize("data_shape", [SHAPE, (5,), (2, 2, 3, 4)])
def test_every_frame_is_the_decoded_roll_of_the_first_latent(data_shape):
    model, x = tvae(5, data_shape), torch.rand(3, FRAMES, *data_shape)
    prediction = roll_prediction(model, x, x.mean((0, 1)))
    with torch.no_grad():
        first = model.latents(x)[:, 0]
        for frame in range(FRAMES):
            image = model.decode(first.roll(frame, -1))
            torch.testing.assert_close(prediction.nll[:, frame], -image.log_prob(x[:, frame]))
            torch.testing.assert_close(
                prediction.squared_error[:, frame],
                (image.mean - x[:, frame]).square().flatten(1).sum(1),
            )


@pytest.mark.parametrize("options", [{"shift": 0.5}, {"capsule_axes": (2, 4), "units": None}])
def test_predictions_follow_the_speed_and_the_axes_of_a_model(options):
    model, x = tvae(3, **options), images(2)
    for axis in (0, [1, 0]) if "capsule_axes" in options else (0,):
        prediction = roll_prediction(model, x, x[0, 0], axis=axis)
        with torch.no_grad():
            first = model.latents(x)[:, 0]
            for frame in range(FRAMES):
                expected = -model.decode(model.act(first, frame, axis)).log_prob(x[:, frame])
                torch.testing.assert_close(prediction.nll[:, frame], expected)


@pytest.mark.parametrize("window", [1, 3, 4, 5, 8])
def test_seen_frames_are_those_that_the_first_latent_depends_on(window):
    model, x = tvae(window), images()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(model.latents(x)[:, 0].square().sum(), x)
    seen = roll_prediction(model, x.detach(), x[0, 0].detach()).seen
    assert torch.equal(seen, gradient.abs().amax((0, 2, 3, 4)) > 0)
    assert torch.equal(seen.nonzero()[:, 0] <= window // 2, seen.nonzero()[:, 0] < FRAMES / 2) or (
        window == FRAMES and seen.all()
    )


def test_predictions_do_not_change_with_unseen_frames_and_do_with_seen_ones():
    model, x = tvae(window=5), images()
    with torch.no_grad():
        first = model.latents(x)[:, 0]
        for frame in range(FRAMES):
            other = x.clone()
            other[:, frame] = torch.rand_like(other[:, frame])
            changed = model.latents(other)[:, 0]
            assert torch.allclose(first, changed, rtol=0, atol=1e-5) == (3 <= frame <= 5)
    unseen = ~roll_prediction(model, x, x[0, 0]).seen
    assert unseen.nonzero()[:, 0].tolist() == [3, 4, 5]


# --- baselines ----------------------------------------------------------------------------------


def other_seen(seen, frame, cyclic=True):
    """Return distance and number of the nearest other seen frames before and after a frame."""
    found = []
    for way in (-1, 1):
        steps = range(1, FRAMES if cyclic else FRAMES - frame if way > 0 else frame + 1)
        near = (d for d in steps if seen[(frame + way * d) % FRAMES])
        distance = next(near, None)
        found.append(distance and (distance, (frame + way * distance) % FRAMES))
    return found


def guesses(x, seen, frame, mean_image, cyclic=True):
    """Return what each baseline says of a frame, by loops."""
    before, after = other_seen(seen, frame, cyclic)
    found = {"mean": mean_image.expand_as(x[:, 0])}
    near = [edge for edge in (before, after) if edge]
    if near:
        found["nearest"] = x[:, min(near, key=lambda edge: edge[0])[1]]
    if before and after and before[1] != after[1]:
        a, b = before[0], after[0]
        found["interpolation"] = (b * x[:, before[1]] + a * x[:, after[1]]) / (a + b)
    return found


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("options", [{}, {"causal": True}, {"boundary": "zero"}])
def test_baselines_are_the_nearest_seen_frame_the_line_between_two_and_the_mean(window, options):
    model, x, mean_image = tvae(window, **options), images().round(), torch.rand(SHAPE)
    prediction = roll_prediction(model, x, mean_image)
    seen, cyclic = prediction.seen.tolist(), "boundary" not in options
    for frame in range(FRAMES):
        known = guesses(x, seen, frame, mean_image, cyclic)
        for name in GUESSES:
            nll = getattr(prediction, f"{name}_nll")[:, frame]
            squared_error = getattr(prediction, f"{name}_squared_error")[:, frame]
            if name not in known:
                assert nll.isnan().all() and squared_error.isnan().all()
                continue
            clamped = known[name].clamp(0.001, 0.999)
            expected = binary_cross_entropy(clamped, x[:, frame], reduction="none").sum((1, 2, 3))
            torch.testing.assert_close(nll, expected)
            expected = (known[name] - x[:, frame]).square().sum((1, 2, 3))
            torch.testing.assert_close(squared_error, expected)


def lags(prediction, name):
    """Return by how much a baseline misses where frame l is l everywhere."""
    return (getattr(prediction, f"{name}_squared_error")[0] / 16).sqrt() * FRAMES


def test_the_gap_has_two_edges():
    x = torch.arange(FRAMES, dtype=torch.float32)[None, :, None, None, None].expand(1, -1, *SHAPE)
    prediction = roll_prediction(tvae(window=5), x / FRAMES, torch.zeros(SHAPE))
    assert prediction.seen.tolist() == [True] * 3 + [False] * 3 + [True] * 2  # gap of 3, 4, 5
    # Frame 0 repeats frame 7, the earlier of two as near; frames 3 and 4 repeat 2, 5 repeats 6.
    expected = torch.tensor([7.0, 1, 1, 1, 2, 1, 1, 1])
    torch.testing.assert_close(lags(prediction, "nearest"), expected)
    inside_the_gap = lags(prediction, "interpolation")[2:7]  # steady motion is a line
    torch.testing.assert_close(inside_the_gap, torch.zeros(5), rtol=0, atol=1e-5)


def test_a_gap_with_one_edge_has_no_interpolation():
    x = images()
    ends = roll_prediction(tvae(window=5, boundary="zero"), x, x[0, 0])
    plain = VAE(SHAPE, capsules=2, units=FRAMES, frames=FRAMES, width=16)
    for prediction in (ends, roll_prediction(plain, x, x[0, 0])):
        outside = prediction.outside()
        assert outside["interpolation_nll"].isnan().all()
        assert outside["interpolation_squared_error"].isnan().all()
        assert outside["nearest_squared_error"].isfinite().all()


# A frame is (1, 2); the mean frame is (1, -1) and so misses by (0, 3): squared error 9. The last
# frame misses by (3, 4), squared error 25. ½ log 2π is 0.918939, log ½ is -0.693147.
@pytest.mark.parametrize(
    ("scale", "mean_nll", "nearest_nll"),
    [
        (1.0, 2 * 0.918939 + 9 / 2, 2 * 0.918939 + 25 / 2),
        (0.5, 2 * (0.918939 - 0.693147) + 18, 2 * (0.918939 - 0.693147) + 50),
        # Where the decoder gives each value a scale, a baseline takes the best one for the item:
        # the root mean square, √4.5 or √12.5, under which errors cost ½ nat a value.
        ("value", math.log(4.5) + 2 * 0.918939 + 1, math.log(12.5) + 2 * 0.918939 + 1),
    ],
)
def test_a_gaussian_model_is_compared_with_gaussian_baselines(scale, mean_nll, nearest_nll):
    model = tvae(3, (2,), likelihood="gaussian", likelihood_scale=scale)
    last, frame = torch.tensor([-2.0, -2.0]), torch.tensor([1.0, 2.0])
    x = torch.stack([last, frame] * (FRAMES // 2))[None]
    prediction = roll_prediction(model, x, torch.tensor([1.0, -1.0]))
    assert prediction.mean_squared_error[0, 1] == 9
    assert prediction.nearest_squared_error[0, 1] == 25
    assert prediction.mean_nll[0, 1] == pytest.approx(mean_nll, abs=1e-4)
    assert prediction.nearest_nll[0, 1] == pytest.approx(nearest_nll, abs=1e-4)


@pytest.mark.parametrize("scale", ["one", "channel"])
def test_baselines_have_the_scale_that_the_model_has_learned(scale):
    """A model that predicts the mean frame is as good as the mean frame."""
    model, mean = tvae(5, (3, 2, 2), likelihood="gaussian", likelihood_scale=scale), torch.randn(3)
    mean_frame = mean[:, None, None].expand(3, 2, 2)
    with torch.no_grad():
        model.shared["log_scale"].uniform_(-2, 1)
        for parameter in model.decoder.parameters():
            parameter.zero_()
    x = torch.randn(4, FRAMES, 3, 2, 2)
    prediction = roll_prediction(model, mean_frame + x, mean_frame)
    centred = roll_prediction(model, x, torch.zeros(3, 2, 2))  # the decoder now says 0
    torch.testing.assert_close(prediction.mean_nll, centred.mean_nll)
    torch.testing.assert_close(centred.nll, centred.mean_nll)


def test_counts_are_compared_with_poisson_baselines():
    model = tvae(3, (2,), likelihood="poisson")
    x = torch.tensor([[0.0, 3.0], [2.0, 0.0]]).repeat(FRAMES // 2, 1)[None]
    prediction = roll_prediction(model, x, torch.tensor([0.5, 2.0]))
    # Rates 0.5 and 2 for counts 2 and 0: 0.5 - 2 log 0.5 + log 2! and 2.
    expected = 0.5 - 2 * math.log(0.5) + math.log(2) + 2
    assert prediction.mean_nll[0, 1] == pytest.approx(expected, abs=1e-5)
    # A repeated 0 is a rate of 0.001, a repeated 3 costs 3 nats where there is nothing.
    expected = 0.001 - 2 * math.log(0.001) + math.log(2) + 3
    assert prediction.nearest_nll[0, 1] == pytest.approx(expected, abs=1e-5)


class LaplaceNoise(Likelihood):
    """A likelihood of one's own, which says nothing of baselines."""

    def __call__(self, outputs, dims, **learned):
        (location,) = outputs.unbind(-1 - dims)
        return Independent(Laplace(location, 0.1), dims)


def test_a_likelihood_without_baselines_leaves_their_squared_errors():
    x = torch.randn(2, FRAMES, 5)
    prediction = roll_prediction(tvae(3, (5,), likelihood=LaplaceNoise()), x, x.mean((0, 1)))
    assert prediction.nll.isfinite().all()
    for name in GUESSES:
        assert getattr(prediction, f"{name}_nll").isnan().all()
        assert getattr(prediction, f"{name}_squared_error").isfinite().all()


# --- averages and options -----------------------------------------------------------------------


def test_inside_and_outside_average_the_frames_of_each_sequence():
    x = images()
    prediction = roll_prediction(tvae(window=5), x, x.mean((0, 1)))
    for name in ("nll", "squared_error", *BASELINES):
        errors = getattr(prediction, name)
        torch.testing.assert_close(prediction.inside()[name], errors[:, [1, 2, 6, 7]].mean(1))
        torch.testing.assert_close(prediction.outside()[name], errors[:, [3, 4, 5]].mean(1))
    assert "seen" not in prediction.inside()


def test_full_window_has_nothing_outside_and_plain_vae_nothing_inside():
    x = images()
    full = roll_prediction(tvae(window=FRAMES), x, x.mean((0, 1)))
    assert full.outside()["nll"].isnan().all() and full.inside()["nll"].isfinite().all()
    vae = VAE(SHAPE, capsules=2, units=FRAMES, frames=FRAMES, width=16)
    plain = roll_prediction(vae, x, x.mean((0, 1)))
    assert plain.inside()["nll"].isnan().all() and plain.outside()["nll"].isfinite().all()
    assert plain.seen.tolist() == [True] + [False] * (FRAMES - 1)


def test_expected_energy_is_deterministic_and_sampling_is_not():
    model, x = tvae(window=5), images()
    once, again = (roll_prediction(model, x, x[0, 0]).nll for _ in range(2))
    assert torch.equal(once, again)
    drawn = [roll_prediction(model, x, x[0, 0], sampled=True).nll for _ in range(2)]
    assert not torch.equal(*drawn)


def test_what_is_encoded_already_is_not_encoded_again(monkeypatch):
    model, x = tvae(window=5), images()
    expected, posterior = roll_prediction(model, x, x[0, 0]).nll, model.encode(x)
    monkeypatch.setattr(model.encoder, "forward", None)
    assert torch.equal(roll_prediction(model, x, x[0, 0], posterior=posterior).nll, expected)


def test_a_mean_frame_of_another_shape_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"mean_frame \(4, 4\); expected x \(B, S, \*data\)"):
        roll_prediction(tvae(window=5), images(), torch.rand(4, 4))
