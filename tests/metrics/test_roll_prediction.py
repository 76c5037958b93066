"""Theorems about roll prediction."""

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

from symgen import TVAE, VAE, likelihoods
from symgen.latents import AxesTopography, Topography, roll
from symgen.likelihoods import Bernoulli, Gaussian, GrayBernoulli, Likelihood
from symgen.metrics import entropy_floor, roll_prediction
from symgen.models import TopographicVAE

FRAMES, SHAPE = 8, (1, 4, 4)
BASELINES = ("repeat_nll", "repeat_squared_error", "mean_nll", "mean_squared_error")


class Pixels:
    """A model whose only capsule is the image itself, one row of pixels: it rolls exactly."""

    topography = Topography.tvae(capsules=1, units=FRAMES, frames=FRAMES, window=3)

    def encode(self, x):
        return x

    def latents(self, posterior, sampled):
        return posterior[:, :, 0]

    def decode(self, t):
        return PixelBernoulli(t[..., None, :, :].logit())

    def act(self, t, element, axis):
        return roll(t, element[:, None])


def tvae(window):
    return TVAE(image_shape=SHAPE, capsules=2, units=FRAMES, frames=FRAMES, window=window)


def images(batch=3):
    return torch.rand(batch, FRAMES, *SHAPE)


def test_world_that_rolls_is_predicted_as_well_as_its_entropy_allows():
    first = 0.98 * torch.rand(5, 1, 1, 1, FRAMES) + 0.01
    x = roll(first, torch.arange(FRAMES)[:, None, None])
    prediction = roll_prediction(Pixels(), x, x.mean((0, 1)))
    floor = torch.stack([entropy_floor(x[:, [frame]]) for frame in range(FRAMES)], 1)
    torch.testing.assert_close(prediction.nll, floor, rtol=1e-4, atol=1e-5)
    assert prediction.squared_error.max() < 1e-9
    assert (prediction.repeat_squared_error[:, 1:] > 0.01).all()
    assert (prediction.mean_nll > prediction.nll).all()


def test_every_frame_is_the_decoded_roll_of_the_first_latent():
    model, x = tvae(window=5), images()
    prediction = roll_prediction(model, x, x.mean((0, 1)))
    with torch.no_grad():
        first = model.latents(model.encode(x), sampled=False)[:, 0]
        for frame in range(FRAMES):
            image = model.decode(first.roll(frame, -1))
            torch.testing.assert_close(prediction.nll[:, frame], -image.log_prob(x[:, frame]))
            torch.testing.assert_close(
                prediction.squared_error[:, frame],
                (image.mean - x[:, frame]).square().sum((1, 2, 3)),
            )


@pytest.mark.parametrize("window", [1, 3, 4, 5, 8])
def test_seen_frames_are_those_that_the_first_latent_depends_on(window):
    model, x = tvae(window), images()
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(
        model.latents(model.encode(x), sampled=False)[:, 0].square().sum(), x
    )
    seen = roll_prediction(model, x.detach(), x[0, 0].detach()).seen
    assert torch.equal(seen, gradient.abs().amax((0, 2, 3, 4)) > 0)
    assert torch.equal(seen.nonzero()[:, 0] <= window // 2, seen.nonzero()[:, 0] < FRAMES / 2) or (
        window == FRAMES and seen.all()
    )


def test_predictions_do_not_change_with_unseen_frames_and_do_with_seen_ones():
    model, x = tvae(window=5), images()
    with torch.no_grad():
        first = model.latents(model.encode(x), sampled=False)[:, 0]
        for frame in range(FRAMES):
            other = x.clone()
            other[:, frame] = torch.rand_like(other[:, frame])
            changed = model.latents(model.encode(other), sampled=False)[:, 0]
            assert torch.allclose(first, changed, rtol=0, atol=1e-5) == (3 <= frame <= 5)
    unseen = ~roll_prediction(model, x, x[0, 0]).seen
    assert unseen.nonzero()[:, 0].tolist() == [3, 4, 5]


@pytest.mark.parametrize("window", [1, 3, 5, 8])
def test_baselines_repeat_the_last_seen_frame_and_the_mean_image(window):
    model, x, mean_image = tvae(window), images().round(), torch.rand(SHAPE)
    prediction = roll_prediction(model, x, mean_image)
    seen = prediction.seen.tolist()
    for frame in range(FRAMES):
        guesses = {"mean": mean_image.expand_as(x[:, 0])}
        if frame:
            guesses["repeat"] = x[:, max(k for k in range(frame) if seen[k])]
        for name, guess in guesses.items():
            clamped = guess.clamp(0.001, 0.999)
            nll = binary_cross_entropy(clamped, x[:, frame], reduction="none").sum((1, 2, 3))
            torch.testing.assert_close(getattr(prediction, f"{name}_nll")[:, frame], nll)
            squared = (guess - x[:, frame]).square().sum((1, 2, 3))
            torch.testing.assert_close(
                getattr(prediction, f"{name}_squared_error")[:, frame], squared
            )
    assert prediction.repeat_nll[:, 0].isnan().all()
    assert prediction.repeat_squared_error[:, 0].isnan().all()


def test_unseen_frames_repeat_the_last_frame_before_the_gap():
    x = torch.arange(FRAMES, dtype=torch.float32)[None, :, None, None, None].expand(1, -1, *SHAPE)
    prediction = roll_prediction(tvae(window=5), x / FRAMES, torch.zeros(SHAPE))
    lag = (prediction.repeat_squared_error[0, 1:] / 16).sqrt() * FRAMES
    torch.testing.assert_close(lag, torch.tensor([1.0, 1, 1, 2, 3, 4, 1]))


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
    vae = VAE(image_shape=SHAPE, capsules=2, units=FRAMES, frames=FRAMES)
    plain = roll_prediction(vae, x, x.mean((0, 1)))
    assert plain.inside()["nll"].isnan().all() and plain.outside()["nll"].isfinite().all()
    assert plain.seen.tolist() == [True] + [False] * (FRAMES - 1)


def test_expected_energy_is_deterministic_and_sampling_is_not():
    model, x = tvae(window=5), images()
    once, again = (roll_prediction(model, x, x[0, 0]).nll for _ in range(2))
    assert torch.equal(once, again)
    drawn = [roll_prediction(model, x, x[0, 0], sampled=True).nll for _ in range(2)]
    assert not torch.equal(*drawn)
