"""The evaluation of Topographic VAEs: its numbers are the metrics', of every sequence alike."""

import math

import pytest
import torch

from symgen import TVAE, VAE, TorusVAE
from symgen.data import Batches, TransformingDigits, load
from symgen.experiments.datasets import DigitsData
from symgen.experiments.families import TopographicFamily
from symgen.experiments.families.topographic import mean_frame
from symgen.metrics import entropy_floor, equivariance_error, log_likelihood, roll_forecast

FAMILY = TopographicFamily()
SIZE = {"capsules": 3, "units": 18, "frames": 18, "width": 32, "standardise": False}
PLAIN = {"capsules": 3, "units": 18, "frames": 18, "width": 32}


@pytest.fixture(scope="module")
def digits():
    return TransformingDigits(load("digits", split="test").pixels)


@pytest.fixture(scope="module")
def train():
    return Batches(TransformingDigits(load("digits").pixels[:50]), 50)


class Told(list):
    def __call__(self, *now):
        self.append(now)


def in_order(source, size, seed=0):
    return Batches(source, size, seed, shuffle=False)


def tvae(**options):
    return TVAE((3, 28, 28), **SIZE | options)


def vae(**options):
    return VAE((3, 28, 28), **PLAIN | options)


def test_averages_weight_every_sequence_equally_whatever_the_batches(digits, train):
    data = in_order(digits, 4, seed=3)
    measured = FAMILY.evaluate(vae(), data, train, items=10)
    frames = torch.cat([data.batch(step).frames for step in range(3)])[:10]
    floor = float(entropy_floor(frames).mean())
    assert measured["entropy_floor"] == pytest.approx(floor, rel=1e-5)
    assert measured["examples"] == 10 and measured["nats"] == "per frame, Bernoulli"


def test_the_same_seed_gives_the_same_numbers(digits, train):
    model, data = vae(), in_order(digits, 10, seed=3)
    first, second, other = (
        FAMILY.evaluate(model, data, train, items=10, samples=2, seed=seed) for seed in (0, 0, 1)
    )
    assert first == second != other


def test_numbers_are_those_of_the_metrics(digits, train):
    model = tvae(window=13)
    data = in_order(digits, 8, seed=1)
    measured = FAMILY.evaluate(model, data, train, items=8, samples=4, seed=5)
    x = data.batch(0).frames
    torch.manual_seed(5)
    t = model.latents(model.encode(x), sampled=True)
    assert measured["e_eq"] == pytest.approx(equivariance_error(t).mean().item(), rel=1e-5)
    bound = torch.stack([log_likelihood(model, x, 4) for _ in range(20)]).mean()
    assert measured["log_p_bound"] == pytest.approx(float(bound), rel=0.05)
    assert measured["log_p_bound"] < measured["log_p_paper"]
    parts = measured["nll"] + measured["kl_z"] + measured["kl_u"]
    assert measured["elbo"] == pytest.approx(-parts, rel=1e-6)


def test_evaluation_leaves_the_generator_and_the_mode_alone(digits, train):
    model, told = tvae(window=5), Told()
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    data = in_order(digits, 2)
    FAMILY.evaluate(model, data, train, items=3, samples=1, observe=told)
    assert torch.equal(torch.rand(1), expected) and model.training
    assert told == [(1, 2), (2, 2)]


def test_an_untrained_full_window_looks_perfect_to_capcorr_and_predicts_nothing(digits, train):
    """The trap of the printed metrics: t is mostly 1/√v, which rolls by construction."""
    model = tvae(capsules=18, window=18, neighbourhood=3)
    measured = FAMILY.evaluate(model, in_order(digits, 40), train, items=40, samples=2)
    assert all(values["value"] > 0.99 for values in measured["capcorr"].values())
    assert measured["e_eq_percent_of_chance"] < 10
    assert measured["e_eq_centred_percent_of_chance"] > 30
    assert measured["roll_prediction"]["outside"]["nll"] is None
    inside = measured["roll_prediction"]["inside"]
    assert inside["squared_error"] > inside["mean_squared_error"]


def test_a_vae_scores_chance(digits, train):
    model = vae(capsules=18)
    measured = FAMILY.evaluate(model, in_order(digits, 60), train, items=300, samples=1)
    assert measured["e_eq_percent_of_chance"] == pytest.approx(100, abs=2)
    for values in measured["capcorr"].values():
        assert abs(values["value"] - values["chance"]) < 0.35
        assert not math.isnan(values["value"])


def test_combined_factors_have_no_capcorr(digits, train):
    combined = TransformingDigits(digits.pixels, "rotation+hue")
    measured = FAMILY.evaluate(vae(), in_order(combined, 8), train, items=8, samples=1)
    assert measured["capcorr"] == {}


def test_a_single_frame_has_neither_rolls_nor_a_roll_prediction():
    source = DigitsData(images="digits", mode="still").source(train=False)
    model = TorusVAE((1, 28, 28), capsules=6, units=5, width=8)
    measured = FAMILY.evaluate(model, in_order(source, 8), in_order(source, 8), items=8)
    assert measured["log_p_bound"] < 0 and "roll_prediction" not in measured
    assert next(name for name, *_ in FAMILY.rows({}, measured)).startswith("log p(x)")


@pytest.mark.parametrize("items", [0, -1, 100_000])
def test_more_sequences_than_there_are_are_refused(items, digits, train):
    with pytest.raises(ValueError, match=f"examples={items}: give 1 to {len(digits):,},"):
        FAMILY.evaluate(vae(), in_order(digits, 8), train, items=items)


def test_the_mean_frame_is_that_of_the_training_frames(train):
    mean = mean_frame(train)
    x = train.batch(0).frames
    torch.testing.assert_close(mean, x.mean((0, 1)))
    assert mean.shape == (3, 28, 28) and 0 < mean.mean() < mean.max() < 0.6


def test_rows_say_what_was_measured_and_what_is_chance(digits, train):
    measured = FAMILY.evaluate(tvae(window=13), in_order(digits, 20), train, items=20, samples=2)
    rows = {name: (value, reference) for name, value, reference in FAMILY.rows({}, measured)}
    assert rows["log p(x), bound"][0] == f"{measured['log_p_bound']:.1f}"
    share = f"{measured['e_eq_centred_percent_of_chance']:.1f} % of chance"
    assert rows["E_eq, centred"] == (f"{measured['e_eq_centred']:.0f}", share)
    chance = measured["capcorr"]["angle"]["chance"]
    assert f"chance {chance:.2f}" in rows["CapCorr angle"][1]
    held_out = f"20 of {len(digits)} sequences"
    assert FAMILY.counted(measured) == f"{held_out}, 2 importance samples"
    errors = measured["roll_prediction"]["outside"]
    assert (
        f"interpolation {errors['interpolation_nll']:.1f}"
        in (rows["roll prediction, unseen frames, NLL"][1])
    )


def test_causal_models_are_measured_once_their_window_is_full(digits, train):
    model = tvae(window=5, causal=True, boundary="zero")
    data = in_order(digits, 8)
    measured = FAMILY.evaluate(model, data, train, items=8)
    x = data.batch(0).frames
    guesses = {
        "": roll_forecast(model, x[:, :5], 13),
        "repeat_": x[:, 4:5],
        "mean_": mean_frame(train),
    }
    wanted = {
        f"{name}squared_error": pytest.approx(
            (guess - x[:, 5:]).square().flatten(2).sum(-1).mean().item(), rel=1e-5
        )
        for name, guess in guesses.items()
    }
    assert measured["forecast"] == wanted | {"context": 5, "horizon": 13}
    named = {row[0]: row[1] for row in FAMILY.rows({}, measured)}
    error = measured["forecast"]["squared_error"]
    assert named["forecast of frames 5 to 17, squared error"] == f"{error:.2f}"


@pytest.mark.parametrize(
    "options",
    [
        {"window": 5},
        {"window": 5, "causal": True},  # sees the last frames before the first
        {"window": 5, "boundary": "zero"},
        {"window": 1, "causal": True, "boundary": "zero"},  # t_0 sees what any t sees
    ],
)
def test_other_models_have_no_forecast(options, digits, train):
    assert "forecast" not in FAMILY.evaluate(tvae(**options), in_order(digits, 4), train, items=4)
